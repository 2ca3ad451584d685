-- Who may write, and what time trading has reached. The advisory lock keeps writers apart; the fence
-- proves in the transaction itself that nobody else has written since the lock was taken.

CREATE TABLE trading_writers (
    execution_environment TEXT PRIMARY KEY
        CONSTRAINT ck_trading_writers_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    fence BIGINT NOT NULL DEFAULT 0
        CONSTRAINT ck_trading_writers_fence CHECK (fence >= 0),
    decided_at TIMESTAMPTZ,
    holder TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TRIGGER trg_trading_writers_updated_at
    BEFORE UPDATE ON trading_writers
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE trading_writers IS
    'One row per environment: the fencing number of its writers and the decision clock. All '
    'platforms of an environment are locked together, so one number serves them.';
COMMENT ON COLUMN trading_writers.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN trading_writers.fence IS
    'Grows by one with every transaction of trading. A writer raises it from the number it read '
    'under the lock; whoever finds another number has lost the right to write.';
COMMENT ON COLUMN trading_writers.decided_at IS
    'The decision clock: the time of the last tick. No later tick may be earlier. NULL before the '
    'first.';
COMMENT ON COLUMN trading_writers.holder IS 'The process that wrote last, for a person.';
COMMENT ON COLUMN trading_writers.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN trading_writers.updated_at IS 'When the row was last changed; set by trigger.';

-- What was traded before this table existed has a clock as well.
INSERT INTO trading_writers (execution_environment, decided_at)
SELECT e.execution_environment, (
    SELECT max(d.decided_at)
    FROM decisions AS d
    WHERE d.execution_environment = e.execution_environment
      AND d.backtest_run_id IS NULL
)
FROM unnest(ARRAY['paper', 'demo', 'live']) AS e (execution_environment);

DO $$
BEGIN
    IF to_regrole('precog_owner') IS NOT NULL AND pg_has_role(current_user, 'precog_owner', 'USAGE')
    THEN
        ALTER TABLE trading_writers OWNER TO precog_owner;
    END IF;
    IF to_regrole('precog_app') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE ON trading_writers TO precog_app;
    END IF;
    IF to_regrole('precog_read') IS NOT NULL THEN
        GRANT SELECT ON trading_writers TO precog_read;
    END IF;
END;
$$;
