-- Whether trading ran, minute by minute, for longer than Dagster keeps the ticks of its sensors.

CREATE TABLE trading_looks (
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_trading_looks_execution_environment
            CHECK (execution_environment IN ('paper', 'demo', 'live')),
    hour_ts TIMESTAMPTZ NOT NULL
        CONSTRAINT ck_trading_looks_hour_ts CHECK (hour_ts = date_trunc('hour', hour_ts, 'UTC')),
    minutes BIT(60) NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_trading_looks PRIMARY KEY (execution_environment, hour_ts)
);

CREATE TRIGGER trg_trading_looks_updated_at
    BEFORE UPDATE ON trading_looks
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE trading_looks IS
    'The minutes in which the trading sensor looked for work, one row per hour. Uptime is read from '
    'it (precog report uptime).';
COMMENT ON COLUMN trading_looks.execution_environment IS
    'Whose trading looked: paper (our own exchange), demo (the test host of the venue) or live '
    '(real money).';
COMMENT ON COLUMN trading_looks.hour_ts IS 'The hour, UTC.';
COMMENT ON COLUMN trading_looks.minutes IS
    'One bit per minute of the hour, the first one leftmost: 1 when trading looked in it.';
COMMENT ON COLUMN trading_looks.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN trading_looks.updated_at IS 'When the row was last changed; set by trigger.';

DO $$
BEGIN
    IF to_regrole('precog_owner') IS NOT NULL AND pg_has_role(current_user, 'precog_owner', 'USAGE')
    THEN
        ALTER TABLE trading_looks OWNER TO precog_owner;
    END IF;
    IF to_regrole('precog_app') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE ON trading_looks TO precog_app;
    END IF;
    IF to_regrole('precog_read') IS NOT NULL THEN
        GRANT SELECT ON trading_looks TO precog_read;
    END IF;
END;
$$;
