-- What an account was worth at each tick: the course that losses and drawdowns are measured on.

CREATE TABLE equity_points (
    equity_point_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_equity_points_platform_id
            REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_equity_points_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    backtest_run_id BIGINT
        CONSTRAINT fk_equity_points_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    event_ts TIMESTAMPTZ NOT NULL,
    cash NUMERIC(18,6) NOT NULL,
    portfolio_value NUMERIC(18,6) NOT NULL
        CONSTRAINT ck_equity_points_portfolio_value CHECK (portfolio_value >= 0),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_equity_points_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL)),
    CONSTRAINT uq_equity_points_platform_id_environment_run_event_ts UNIQUE NULLS NOT DISTINCT
        (platform_id, execution_environment, backtest_run_id, event_ts)
);

CREATE INDEX idx_equity_points_backtest_run_id ON equity_points (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;

CREATE TRIGGER trg_equity_points_no_change
    BEFORE UPDATE OR DELETE ON equity_points
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_equity_points_no_truncate
    BEFORE TRUNCATE ON equity_points
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE equity_points IS
    'Cash and market value of an account, one row per tick at which either had changed: daily and '
    'weekly loss, drawdown and the equity curve are read from it. Append-only.';
COMMENT ON COLUMN equity_points.equity_point_id IS 'Surrogate key.';
COMMENT ON COLUMN equity_points.platform_id IS 'Venue of the account.';
COMMENT ON COLUMN equity_points.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN equity_points.backtest_run_id IS
    'The simulation this row belongs to; set exactly when execution_environment is backtest, so '
    'that two runs never mix.';
COMMENT ON COLUMN equity_points.event_ts IS 'The decision time of the tick.';
COMMENT ON COLUMN equity_points.cash IS 'Cash of the account in dollars, settlements booked.';
COMMENT ON COLUMN equity_points.portfolio_value IS
    'Open positions in dollars: contracts times own-side bid; where there is no bid, the last mark, '
    'before the first mark the entry price.';
COMMENT ON COLUMN equity_points.created_at IS 'When the row was stored (database clock, UTC).';

DO $$
BEGIN
    IF to_regrole('precog_owner') IS NOT NULL AND pg_has_role(current_user, 'precog_owner', 'USAGE')
    THEN
        ALTER TABLE equity_points OWNER TO precog_owner;
    END IF;
    IF to_regrole('precog_app') IS NOT NULL THEN
        GRANT SELECT, INSERT ON equity_points TO precog_app;
    END IF;
    IF to_regrole('precog_read') IS NOT NULL THEN
        GRANT SELECT ON equity_points TO precog_read;
    END IF;
END;
$$;
