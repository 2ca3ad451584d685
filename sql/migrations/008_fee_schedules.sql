-- Fees as data: the only place a fee parameter is stored, so that a past fee can always be
-- recomputed from the schedule that was in force and known then.

CREATE TABLE fee_schedules (
    fee_schedule_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_fee_schedules_platform_id
        REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    series_id BIGINT
        CONSTRAINT fk_fee_schedules_series_id REFERENCES series (series_id) ON DELETE RESTRICT,
    event_id BIGINT
        CONSTRAINT fk_fee_schedules_event_id REFERENCES events (event_id) ON DELETE RESTRICT,
    fee_type TEXT NOT NULL
        CONSTRAINT ck_fee_schedules_fee_type CHECK (fee_type IN (
            'quadratic', 'quadratic_with_maker_fees', 'quadratic_with_combo_maker_fees', 'flat'
        )),
    taker_rate NUMERIC(18,6) NOT NULL
        CONSTRAINT ck_fee_schedules_taker_rate CHECK (taker_rate >= 0),
    maker_rate NUMERIC(18,6) NOT NULL
        CONSTRAINT ck_fee_schedules_maker_rate CHECK (maker_rate >= 0),
    multiplier NUMERIC(18,6) NOT NULL
        CONSTRAINT ck_fee_schedules_multiplier CHECK (multiplier >= 0),
    rounding_increment NUMERIC(18,6) NOT NULL
        CONSTRAINT ck_fee_schedules_rounding_increment CHECK (rounding_increment >= 0),
    effective_from TIMESTAMPTZ NOT NULL,
    source TEXT NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_fee_schedules_key
        UNIQUE NULLS NOT DISTINCT (platform_id, series_id, event_id, effective_from, known_at),
    CONSTRAINT ck_fee_schedules_series_id_event_id CHECK (series_id IS NULL OR event_id IS NULL),
    CONSTRAINT ck_fee_schedules_rounding_increment_positive CHECK (rounding_increment > 0)
);

CREATE INDEX idx_fee_schedules_series_id ON fee_schedules (series_id);
CREATE INDEX idx_fee_schedules_event_id ON fee_schedules (event_id);

CREATE TRIGGER trg_fee_schedules_no_change
    BEFORE UPDATE OR DELETE ON fee_schedules
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_fee_schedules_no_truncate
    BEFORE TRUNCATE ON fee_schedules
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE fee_schedules IS
    'Fee parameters of a venue. In force at t: the narrowest scope (event, series, platform), its '
    'latest effective_from <= t, of that the latest known_at <= t.';
COMMENT ON COLUMN fee_schedules.fee_schedule_id IS
    'Surrogate key; fills name the schedule they were priced with.';
COMMENT ON COLUMN fee_schedules.platform_id IS 'Venue that charges.';
COMMENT ON COLUMN fee_schedules.series_id IS
    'Series the row is limited to; NULL = wider or narrower scope.';
COMMENT ON COLUMN fee_schedules.event_id IS 'Event the row is limited to; NULL = wider scope.';
COMMENT ON COLUMN fee_schedules.fee_type IS
    'Formula: quadratic is rate x multiplier x contracts x price x (1 - price); flat is unknown '
    'and stops entries.';
COMMENT ON COLUMN fee_schedules.taker_rate IS 'Rate for orders that take liquidity, such as 0.07.';
COMMENT ON COLUMN fee_schedules.maker_rate IS
    'Rate for orders that rest, such as 0.0175; 0 where makers are free.';
COMMENT ON COLUMN fee_schedules.multiplier IS 'The venue''s factor on the rate, such as 0.5 or 1.';
COMMENT ON COLUMN fee_schedules.rounding_increment IS
    'Step in dollars to which a fee is rounded up, such as 0.0001.';
COMMENT ON COLUMN fee_schedules.effective_from IS 'From when the venue charges by this row.';
COMMENT ON COLUMN fee_schedules.source IS
    'Where the parameters come from: a page, an API reply, or assumed.';
COMMENT ON COLUMN fee_schedules.known_at IS
    'When the platform could first use the fact; a reader at time t sees only rows with known_at '
    '<= t.';
COMMENT ON COLUMN fee_schedules.created_at IS 'When the row was stored (database clock, UTC).';


-- Platforms without a venue charge what Kalshi charges a taker, since ever: P&L on simulated and
-- assumed quotes is then comparable with real trading.
INSERT INTO fee_schedules (
    platform_id, fee_type, taker_rate, maker_rate, multiplier, rounding_increment,
    effective_from, source, known_at
)
SELECT platform_id, 'quadratic', 0.07, 0, 1, 0.0001,
       '1999-01-01T00:00:00Z', 'assumed: Kalshi fee schedule', '1999-01-01T00:00:00Z'
FROM platforms
WHERE platform_id IN ('simulated', 'closing_line')
ORDER BY platform_id DESC;
