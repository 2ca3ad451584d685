-- Edges: the value of buying a side at its ask, kept as history.
--
-- backtest_runs is created by the next migration, which also adds the foreign key of
-- edges.backtest_run_id.

CREATE TABLE edges (
    edge_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_edges_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    backtest_run_id BIGINT,
    edge_key TEXT NOT NULL,
    market_id BIGINT NOT NULL
        CONSTRAINT fk_edges_market_id REFERENCES markets (market_id) ON DELETE RESTRICT,
    side TEXT NOT NULL
        CONSTRAINT ck_edges_side CHECK (side IN ('yes', 'no')),
    strategy_id BIGINT
        CONSTRAINT fk_edges_strategy_id REFERENCES strategies (strategy_id) ON DELETE RESTRICT,
    model_id BIGINT NOT NULL
        CONSTRAINT fk_edges_model_id REFERENCES probability_models (model_id) ON DELETE RESTRICT,
    method_id BIGINT
        CONSTRAINT fk_edges_method_id REFERENCES methods (method_id) ON DELETE RESTRICT,
    prediction_id BIGINT NOT NULL
        CONSTRAINT fk_edges_prediction_id REFERENCES predictions (prediction_id) ON DELETE RESTRICT,
    calculation_run_id TEXT NOT NULL,
    true_win_probability NUMERIC(10,4) NOT NULL
        CONSTRAINT ck_edges_true_win_probability CHECK (true_win_probability BETWEEN 0 AND 1),
    market_implied_probability NUMERIC(10,4) NOT NULL
        CONSTRAINT ck_edges_market_implied_probability
            CHECK (market_implied_probability BETWEEN 0 AND 1),
    market_price NUMERIC(12,6) NOT NULL
        CONSTRAINT ck_edges_market_price CHECK (market_price BETWEEN 0 AND 1),
    fee NUMERIC(12,6) NOT NULL
        CONSTRAINT ck_edges_fee CHECK (fee BETWEEN -1 AND 1),
    expected_value NUMERIC(12,6) NOT NULL
        CONSTRAINT ck_edges_expected_value CHECK (expected_value BETWEEN -1 AND 1),
    confidence_level TEXT
        CONSTRAINT ck_edges_confidence_level
        CHECK (confidence_level IN ('high', 'medium', 'low')),
    confidence_metrics JSONB,
    recommended_action TEXT NOT NULL
        CONSTRAINT ck_edges_recommended_action
        CHECK (recommended_action IN ('auto_execute', 'alert', 'ignore')),
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    row_start_ts TIMESTAMPTZ NOT NULL,
    row_end_ts TIMESTAMPTZ,
    row_current_ind BOOLEAN NOT NULL DEFAULT true,
    CONSTRAINT ck_edges_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL)),
    CONSTRAINT ck_edges_expected_value_identity
        CHECK (expected_value = true_win_probability - market_price - fee),
    CONSTRAINT ck_edges_fee_sign CHECK (fee >= 0),
    CONSTRAINT ck_edges_row_current_ind CHECK (row_current_ind = (row_end_ts IS NULL)),
    CONSTRAINT ck_edges_row_end_ts CHECK (row_end_ts > row_start_ts)
);

CREATE UNIQUE INDEX uq_edges_execution_environment_backtest_run_id_edge_key
    ON edges (execution_environment, backtest_run_id, edge_key) NULLS NOT DISTINCT
    WHERE row_current_ind;
CREATE UNIQUE INDEX uq_edges_environment_run_edge_key_row_start_ts
    ON edges (execution_environment, backtest_run_id, edge_key, row_start_ts) NULLS NOT DISTINCT;
CREATE INDEX idx_edges_expected_value ON edges (expected_value)
    WHERE row_current_ind;
CREATE INDEX idx_edges_market_id ON edges (market_id);
CREATE INDEX idx_edges_strategy_id ON edges (strategy_id);
CREATE INDEX idx_edges_model_id ON edges (model_id);
CREATE INDEX idx_edges_method_id ON edges (method_id) WHERE method_id IS NOT NULL;
CREATE INDEX idx_edges_prediction_id ON edges (prediction_id);

CREATE TRIGGER trg_edges_scd2
    BEFORE INSERT OR UPDATE OR DELETE ON edges
    FOR EACH ROW
    EXECUTE FUNCTION scd2_guard('execution_environment', 'backtest_run_id', 'edge_key');
CREATE TRIGGER trg_edges_no_truncate
    BEFORE TRUNCATE ON edges
    FOR EACH STATEMENT EXECUTE FUNCTION scd2_guard();

COMMENT ON TABLE edges IS
    'What buying a side of a market at its ask is worth after fees, per contract: probability '
    'minus price minus fee. One current row per key and environment; every revaluation closes the '
    'old row and adds a new one, so that the edge of any past moment can be read back. Prices are '
    'those of the side bought.';
COMMENT ON COLUMN edges.edge_id IS
    'Surrogate key of one valuation; never referenced, because a current row is closed by the '
    'next.';
COMMENT ON COLUMN edges.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN edges.backtest_run_id IS
    'The simulation this row belongs to; set exactly when execution_environment is backtest, so '
    'that two runs never mix.';
COMMENT ON COLUMN edges.edge_key IS
    'Business key market:side:strategy:model:method, the ids joined by colons, empty where there '
    'is none.';
COMMENT ON COLUMN edges.market_id IS 'Market valued.';
COMMENT ON COLUMN edges.side IS
    'Side that would be bought; yes and no are valued separately because each has its own ask and '
    'fee.';
COMMENT ON COLUMN edges.strategy_id IS
    'Strategy version whose thresholds give recommended_action; NULL for a valuation made for '
    'information only.';
COMMENT ON COLUMN edges.model_id IS 'Version of the probability model behind true_win_probability.';
COMMENT ON COLUMN edges.method_id IS
    'Method under which the edge was computed; NULL when the strategy ran on its own.';
COMMENT ON COLUMN edges.prediction_id IS
    'Prediction the probability comes from, and through it the training run and its data.';
COMMENT ON COLUMN edges.calculation_run_id IS
    'Run that computed the row: the Dagster run id, or the backtest run id for a replay.';
COMMENT ON COLUMN edges.true_win_probability IS
    'Probability that the side pays 1, as traded: the model probability of the side shrunk '
    'towards the market mid, rounded half-even to 4 places.';
COMMENT ON COLUMN edges.market_implied_probability IS
    'Mid price of the side, (bid + ask) / 2: what the market believes.';
COMMENT ON COLUMN edges.market_price IS
    'Ask of the side in dollars per contract: what a buyer pays now. Never the last price or the '
    'mid.';
COMMENT ON COLUMN edges.fee IS
    'Taker fee in dollars per contract at market_price for the intended quantity, rounded up to 6 '
    'places.';
COMMENT ON COLUMN edges.expected_value IS
    'Edge in dollars per contract: true_win_probability - market_price - fee, exactly.';
COMMENT ON COLUMN edges.confidence_level IS
    'Class of the interval half-width of the prediction: high <= 0.04, medium <= 0.08, low <= '
    '0.12; NULL when wider or unknown.';
COMMENT ON COLUMN edges.confidence_metrics IS
    'What the class was derived from, such as the half-width, decimals as strings.';
COMMENT ON COLUMN edges.recommended_action IS
    'Band of the edge: auto_execute may become an order, alert needs approval by a person, ignore '
    'is below the minimum or quarantined.';
COMMENT ON COLUMN edges.event_ts IS 'Time of the quote that was valued.';
COMMENT ON COLUMN edges.known_at IS
    'When the platform could first use this valuation: the latest among the quote and the '
    'prediction.';
COMMENT ON COLUMN edges.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN edges.row_start_ts IS 'From when this version of the row is valid (inclusive).';
COMMENT ON COLUMN edges.row_end_ts IS
    'Until when this version was valid (exclusive); NULL on the current row.';
COMMENT ON COLUMN edges.row_current_ind IS 'True on the one row per key that is valid now.';
