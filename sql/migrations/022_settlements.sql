-- Settlements: the outcome of every market, revision by revision.

CREATE TABLE settlements (
    settlement_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    market_id BIGINT NOT NULL
        CONSTRAINT fk_settlements_market_id REFERENCES markets (market_id) ON DELETE RESTRICT,
    revision INTEGER NOT NULL DEFAULT 1,
    stage TEXT NOT NULL
        CONSTRAINT ck_settlements_stage
        CHECK (stage IN ('determined', 'amended', 'finalized')),
    outcome TEXT NOT NULL
        CONSTRAINT ck_settlements_outcome CHECK (outcome IN ('yes', 'no', 'scalar')),
    settlement_value NUMERIC(12,6) NOT NULL
        CONSTRAINT ck_settlements_settlement_value CHECK (settlement_value BETWEEN 0 AND 1),
    raw JSONB NOT NULL,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_settlements_market_id_revision UNIQUE (market_id, revision),
    CONSTRAINT ck_settlements_outcome_settlement_value
        CHECK (outcome = 'scalar'
        OR settlement_value = CASE outcome WHEN 'yes' THEN 1 ELSE 0 END)
);

CREATE TRIGGER trg_settlements_no_change
    BEFORE UPDATE OR DELETE ON settlements
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_settlements_no_truncate
    BEFORE TRUNCATE ON settlements
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE settlements IS
    'How every market ended, traded or not. An amendment is a new revision; the latest one '
    'counts. What the venue pays, which may differ from the result of the game.';
COMMENT ON COLUMN settlements.settlement_id IS 'Surrogate key.';
COMMENT ON COLUMN settlements.market_id IS 'Market settled.';
COMMENT ON COLUMN settlements.revision IS
    '1 for the first word of the venue, then 2, 3 for corrections.';
COMMENT ON COLUMN settlements.stage IS
    'determined: provisional, no cash moves; amended: a correction; finalized: cash is booked.';
COMMENT ON COLUMN settlements.outcome IS
    'yes or no pays 1 to that side; scalar pays each side its share, as for a tie or a canceled '
    'game.';
COMMENT ON COLUMN settlements.settlement_value IS
    'Value of a yes contract in dollars, 0 to 1; a no contract is worth 1 minus this. A tie is '
    '0.5.';
COMMENT ON COLUMN settlements.raw IS
    'The record of the venue, unchanged, or what the simulated settlement was derived from.';
COMMENT ON COLUMN settlements.event_ts IS
    'When the venue settled, or for simulated markets when the result was known.';
COMMENT ON COLUMN settlements.known_at IS 'When the platform could first use it.';
COMMENT ON COLUMN settlements.created_at IS 'When the row was stored (database clock, UTC).';
