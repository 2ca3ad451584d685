-- Reconciliation: our ledger against the venue.

CREATE TABLE reconciliation_runs (
    reconciliation_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_reconciliation_runs_platform_id
            REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_reconciliation_runs_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    started_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ,
    status TEXT NOT NULL DEFAULT 'running'
        CONSTRAINT ck_reconciliation_runs_status CHECK (status IN (
            'running', 'clean', 'repaired', 'mismatch', 'failed'
        )),
    listing_complete BOOLEAN NOT NULL DEFAULT false,
    counts JSONB,
    mismatches JSONB,
    alert_id BIGINT
        CONSTRAINT fk_reconciliation_runs_alert_id REFERENCES alerts (alert_id) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_reconciliation_runs_status_listing_complete
        CHECK (status <> 'clean' OR listing_complete)
);

CREATE INDEX idx_reconciliation_runs_platform_id ON reconciliation_runs (platform_id);
CREATE INDEX idx_reconciliation_runs_alert_id ON reconciliation_runs (alert_id)
    WHERE alert_id IS NOT NULL;

CREATE TRIGGER trg_reconciliation_runs_updated_at
    BEFORE UPDATE ON reconciliation_runs
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE reconciliation_runs IS
    'Comparisons of our orders, fills, positions and balance with those of the venue: at start, '
    'every tick and daily. A difference that cannot be repaired stops trading.';
COMMENT ON COLUMN reconciliation_runs.reconciliation_id IS 'Surrogate key.';
COMMENT ON COLUMN reconciliation_runs.platform_id IS 'Venue compared with.';
COMMENT ON COLUMN reconciliation_runs.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN reconciliation_runs.started_at IS 'When the comparison began.';
COMMENT ON COLUMN reconciliation_runs.finished_at IS
    'When it ended; NULL while it runs or when it was killed.';
COMMENT ON COLUMN reconciliation_runs.status IS
    'clean: no difference; repaired: missing fills or outcomes were booked; mismatch: a '
    'difference remains; failed: the venue could not be read.';
COMMENT ON COLUMN reconciliation_runs.listing_complete IS
    'True when every page was read. A partial listing proves no absence, so only a complete one '
    'may be clean.';
COMMENT ON COLUMN reconciliation_runs.counts IS
    'Numbers compared per kind: orders, fills, positions.';
COMMENT ON COLUMN reconciliation_runs.mismatches IS
    'The differences, ours beside theirs, decimals as strings.';
COMMENT ON COLUMN reconciliation_runs.alert_id IS 'Alert raised for it.';
COMMENT ON COLUMN reconciliation_runs.created_at IS
    'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN reconciliation_runs.updated_at IS
    'When the row was last changed; set by trigger.';
