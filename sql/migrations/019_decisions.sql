-- Decisions: one row per candidate and tick, with the reason of every no.

CREATE TABLE decisions (
    decision_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decision_key TEXT NOT NULL
        CONSTRAINT uq_decisions_decision_key UNIQUE,
    tick_id TEXT NOT NULL,
    dagster_run_id TEXT,
    decided_at TIMESTAMPTZ NOT NULL,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_decisions_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    backtest_run_id BIGINT
        CONSTRAINT fk_decisions_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    market_id BIGINT NOT NULL
        CONSTRAINT fk_decisions_market_id REFERENCES markets (market_id) ON DELETE RESTRICT,
    side TEXT NOT NULL
        CONSTRAINT ck_decisions_side CHECK (side IN ('yes', 'no')),
    purpose TEXT NOT NULL
        CONSTRAINT ck_decisions_purpose CHECK (purpose IN ('entry', 'exit')),
    exit_condition TEXT
        CONSTRAINT ck_decisions_exit_condition CHECK (exit_condition IN (
            'stop_loss', 'circuit_breaker', 'trailing_stop', 'time_based_urgent',
            'liquidity_dried_up', 'profit_target', 'partial_exit_target', 'early_exit',
            'edge_disappeared', 'rebalance'
        )),
    position_id BIGINT
        CONSTRAINT fk_decisions_position_id REFERENCES positions (position_id) ON DELETE RESTRICT,
    strategy_id BIGINT
        CONSTRAINT fk_decisions_strategy_id REFERENCES strategies (strategy_id) ON DELETE RESTRICT,
    model_id BIGINT
        CONSTRAINT fk_decisions_model_id
            REFERENCES probability_models (model_id) ON DELETE RESTRICT,
    method_id BIGINT
        CONSTRAINT fk_decisions_method_id REFERENCES methods (method_id) ON DELETE RESTRICT,
    prediction_id BIGINT
        CONSTRAINT fk_decisions_prediction_id
            REFERENCES predictions (prediction_id) ON DELETE RESTRICT,
    outcome TEXT NOT NULL
        CONSTRAINT ck_decisions_outcome CHECK (outcome IN ('taken', 'skipped')),
    skip_reason TEXT,
    probability NUMERIC(10,4)
        CONSTRAINT ck_decisions_probability CHECK (probability BETWEEN 0 AND 1),
    price NUMERIC(12,6)
        CONSTRAINT ck_decisions_price CHECK (price BETWEEN 0 AND 1),
    fee NUMERIC(12,6)
        CONSTRAINT ck_decisions_fee CHECK (fee BETWEEN -1 AND 1),
    edge NUMERIC(12,6)
        CONSTRAINT ck_decisions_edge CHECK (edge BETWEEN -1 AND 1),
    stake NUMERIC(18,6)
        CONSTRAINT ck_decisions_stake CHECK (stake >= 0),
    quantity NUMERIC(14,2)
        CONSTRAINT ck_decisions_quantity CHECK (quantity >= 0),
    quote_observed_at TIMESTAMPTZ,
    inputs JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_decisions_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL)),
    CONSTRAINT ck_decisions_outcome_skip_reason
        CHECK ((outcome = 'skipped') = (skip_reason IS NOT NULL)),
    CONSTRAINT ck_decisions_purpose_position_id
        CHECK ((purpose = 'exit') = (position_id IS NOT NULL))
);

CREATE INDEX idx_decisions_tick_id ON decisions (tick_id);
CREATE INDEX idx_decisions_decided_at ON decisions (decided_at);
CREATE INDEX idx_decisions_backtest_run_id ON decisions (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;
CREATE INDEX idx_decisions_market_id ON decisions (market_id);
CREATE INDEX idx_decisions_position_id ON decisions (position_id) WHERE position_id IS NOT NULL;
CREATE INDEX idx_decisions_strategy_id ON decisions (strategy_id);
CREATE INDEX idx_decisions_model_id ON decisions (model_id);
CREATE INDEX idx_decisions_method_id ON decisions (method_id) WHERE method_id IS NOT NULL;
CREATE INDEX idx_decisions_prediction_id ON decisions (prediction_id);

CREATE TRIGGER trg_decisions_no_change
    BEFORE UPDATE OR DELETE ON decisions
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_decisions_no_truncate
    BEFORE TRUNCATE ON decisions
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE decisions IS
    'Every candidate of every tick, taken or not: the answer to why was this bought and, just as '
    'often, why not. Rows hold the inputs needed to recompute the decision. Append-only.';
COMMENT ON COLUMN decisions.decision_id IS 'Surrogate key; orders and trades refer to it.';
COMMENT ON COLUMN decisions.decision_key IS
    'Identity of the decision: a hash of run id, exit condition, tick, market, side, purpose, '
    'position and versions. A tick that runs again after a crash meets its own key and writes '
    'nothing.';
COMMENT ON COLUMN decisions.tick_id IS
    'The batch decided on together; a tick of quotes is named t: and the instant of the batch.';
COMMENT ON COLUMN decisions.dagster_run_id IS
    'Dagster run that executed the tick; NULL in a backtest or from the command line.';
COMMENT ON COLUMN decisions.decided_at IS
    'The decision clock: everything used was known at or before this instant. In a replay it is '
    'the time of the batch, not of the computer.';
COMMENT ON COLUMN decisions.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN decisions.backtest_run_id IS
    'The simulation this row belongs to; set exactly when execution_environment is backtest, so '
    'that two runs never mix.';
COMMENT ON COLUMN decisions.market_id IS 'Market of the candidate.';
COMMENT ON COLUMN decisions.side IS
    'Side that would be bought, or that is held when the purpose is exit.';
COMMENT ON COLUMN decisions.purpose IS 'entry opens or adds to a position, exit reduces one.';
COMMENT ON COLUMN decisions.exit_condition IS
    'Which of the ten exit conditions asked for the exit; NULL for an entry.';
COMMENT ON COLUMN decisions.position_id IS
    'Position to reduce; set exactly when the purpose is exit.';
COMMENT ON COLUMN decisions.strategy_id IS
    'Version of the decision rules that decided; a version never changes, so this names the exact '
    'configuration.';
COMMENT ON COLUMN decisions.model_id IS 'Version of the probability model that decided.';
COMMENT ON COLUMN decisions.method_id IS
    'Method (strategy, model and configurations as one unit) that decided; NULL when the strategy '
    'ran on its own.';
COMMENT ON COLUMN decisions.prediction_id IS
    'Prediction used; NULL when there was none, which is itself a reason to skip.';
COMMENT ON COLUMN decisions.outcome IS
    'taken: an order intent was written in the same transaction; skipped: see skip_reason.';
COMMENT ON COLUMN decisions.skip_reason IS
    'First rule of the entry gate that failed, or outranked for an exit beaten by another '
    'condition; set exactly when skipped.';
COMMENT ON COLUMN decisions.probability IS
    'Probability that the side pays 1, after shrinking towards the market; NULL when there was no '
    'prediction.';
COMMENT ON COLUMN decisions.price IS
    'Price decided on in dollars per contract: the ask of the side for an entry, its bid for an '
    'exit.';
COMMENT ON COLUMN decisions.fee IS 'Taker fee in dollars per contract at that price.';
COMMENT ON COLUMN decisions.edge IS
    'Expected profit in dollars per contract: probability - price - fee.';
COMMENT ON COLUMN decisions.stake IS
    'Dollars to be spent, fees included, after Kelly fraction, reductions and caps.';
COMMENT ON COLUMN decisions.quantity IS 'Contracts to buy or sell; 0 when sizing left nothing.';
COMMENT ON COLUMN decisions.quote_observed_at IS
    'Time of the market snapshot used; with market_id it finds that row.';
COMMENT ON COLUMN decisions.inputs IS
    'Everything else needed to recompute the decision: book, thresholds, reductions, caps, '
    'assumptions; decimals as strings.';
COMMENT ON COLUMN decisions.created_at IS 'When the row was stored (database clock, UTC).';

ALTER TABLE trades
    ADD COLUMN decision_id BIGINT
        CONSTRAINT fk_trades_decision_id REFERENCES decisions (decision_id) ON DELETE RESTRICT,
    ADD CONSTRAINT ck_trades_trade_source_decision_id
        CHECK (trade_source = 'manual' OR decision_id IS NOT NULL);

CREATE INDEX idx_trades_decision_id ON trades (decision_id);

COMMENT ON COLUMN trades.decision_id IS 'Decision behind this trade; only a manual trade has none.';
