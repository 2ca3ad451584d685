-- Simulations, and the rule that a row belongs to one exactly when its environment is backtest.

CREATE TABLE backtest_runs (
    backtest_run_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_name TEXT NOT NULL,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_backtest_runs_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    strategy_id BIGINT NOT NULL
        CONSTRAINT fk_backtest_runs_strategy_id
            REFERENCES strategies (strategy_id) ON DELETE RESTRICT,
    model_id BIGINT NOT NULL
        CONSTRAINT fk_backtest_runs_model_id
            REFERENCES probability_models (model_id) ON DELETE RESTRICT,
    method_id BIGINT
        CONSTRAINT fk_backtest_runs_method_id REFERENCES methods (method_id) ON DELETE RESTRICT,
    league TEXT NOT NULL
        CONSTRAINT fk_backtest_runs_league REFERENCES leagues (league) ON DELETE RESTRICT,
    period_start_ts TIMESTAMPTZ NOT NULL,
    period_end_ts TIMESTAMPTZ NOT NULL,
    starting_balance NUMERIC(18,6) NOT NULL
        CONSTRAINT ck_backtest_runs_starting_balance CHECK (starting_balance >= 0),
    config JSONB NOT NULL,
    seed BIGINT NOT NULL,
    git_sha TEXT NOT NULL,
    dagster_run_id TEXT,
    mlflow_run_id TEXT,
    status TEXT NOT NULL DEFAULT 'running'
        CONSTRAINT ck_backtest_runs_status
        CHECK (status IN ('running', 'completed', 'failed', 'canceled')),
    total_pnl NUMERIC(18,6),
    metrics JSONB,
    completed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_backtest_runs_execution_environment_is_backtest
        CHECK (execution_environment = 'backtest'),
    CONSTRAINT ck_backtest_runs_period_end_ts CHECK (period_end_ts > period_start_ts)
);

CREATE INDEX idx_backtest_runs_strategy_id ON backtest_runs (strategy_id);
CREATE INDEX idx_backtest_runs_model_id ON backtest_runs (model_id);
CREATE INDEX idx_backtest_runs_method_id ON backtest_runs (method_id) WHERE method_id IS NOT NULL;
CREATE INDEX idx_backtest_runs_league ON backtest_runs (league);

CREATE TRIGGER trg_backtest_runs_updated_at
    BEFORE UPDATE ON backtest_runs
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER trg_backtest_runs_frozen
    BEFORE UPDATE OR DELETE ON backtest_runs
    FOR EACH ROW WHEN (OLD.status <> 'running') EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE backtest_runs IS
    'One simulation: a strategy and model replayed over stored quotes of a period. Its decisions, '
    'orders, fills and ledger lie in the same tables as those of trading, marked with this id. A '
    'finished run is frozen.';
COMMENT ON COLUMN backtest_runs.backtest_run_id IS
    'Key that marks every row the simulation writes; also part of its simulated venue ids.';
COMMENT ON COLUMN backtest_runs.run_name IS
    'Name a person gave the run; not unique, since the same experiment may be repeated.';
COMMENT ON COLUMN backtest_runs.execution_environment IS
    'Always backtest; present so that this table reads like every other table with an '
    'environment.';
COMMENT ON COLUMN backtest_runs.strategy_id IS 'Strategy version simulated.';
COMMENT ON COLUMN backtest_runs.model_id IS 'Model version whose predictions were used.';
COMMENT ON COLUMN backtest_runs.method_id IS
    'Method simulated; NULL when a strategy ran on its own.';
COMMENT ON COLUMN backtest_runs.league IS 'League whose markets were replayed.';
COMMENT ON COLUMN backtest_runs.period_start_ts IS
    'First instant of the replayed period: quotes known from here on are decided on.';
COMMENT ON COLUMN backtest_runs.period_end_ts IS 'End of the replayed period, exclusive.';
COMMENT ON COLUMN backtest_runs.starting_balance IS
    'Cash in dollars deposited at the start of the simulation.';
COMMENT ON COLUMN backtest_runs.config IS
    'All settings in force, resolved, decimals as strings: what is needed to repeat the run.';
COMMENT ON COLUMN backtest_runs.seed IS
    'Seed of every random choice; the same seed, quotes and code give the same trades.';
COMMENT ON COLUMN backtest_runs.git_sha IS 'Commit of the code that ran, 40 hexadecimal digits.';
COMMENT ON COLUMN backtest_runs.dagster_run_id IS
    'Dagster run that executed the simulation; NULL when started from the command line.';
COMMENT ON COLUMN backtest_runs.mlflow_run_id IS 'MLflow run that holds its metrics and plots.';
COMMENT ON COLUMN backtest_runs.status IS
    'running until the replay ends; the other three are terminal and freeze the row.';
COMMENT ON COLUMN backtest_runs.total_pnl IS
    'Net profit or loss in dollars, fees included, from the ledger; NULL until completed.';
COMMENT ON COLUMN backtest_runs.metrics IS
    'Summary statistics: drawdown, turnover, fees, calibration of the entries, candidates by skip '
    'reason.';
COMMENT ON COLUMN backtest_runs.completed_at IS
    'When the run ended, in whatever way; NULL while it runs.';
COMMENT ON COLUMN backtest_runs.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN backtest_runs.updated_at IS 'When the row was last changed; set by trigger.';

ALTER TABLE positions
    ADD COLUMN backtest_run_id BIGINT
        CONSTRAINT fk_positions_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    ADD CONSTRAINT ck_positions_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL));

CREATE INDEX idx_positions_backtest_run_id ON positions (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;

COMMENT ON COLUMN positions.backtest_run_id IS
    'The simulation that holds this position; set exactly when execution_environment is backtest.';

ALTER TABLE trades
    ADD COLUMN backtest_run_id BIGINT
        CONSTRAINT fk_trades_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    ADD CONSTRAINT ck_trades_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL));

CREATE INDEX idx_trades_backtest_run_id ON trades (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;

COMMENT ON COLUMN trades.backtest_run_id IS
    'The simulation that made this trade; set exactly when execution_environment is backtest.';

-- One open position per market, side and owner: a second buy adds to it. NULLS NOT DISTINCT,
-- because outside backtests, and for manual positions, part of the key is NULL.
CREATE UNIQUE INDEX uq_positions_open_owner
    ON positions (
        execution_environment, backtest_run_id, market_id, side, strategy_id, model_id, method_id
    ) NULLS NOT DISTINCT
    WHERE status = 'open';

ALTER TABLE edges
    ADD CONSTRAINT fk_edges_backtest_run_id FOREIGN KEY (backtest_run_id)
        REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT;
CREATE INDEX idx_edges_backtest_run_id ON edges (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;
