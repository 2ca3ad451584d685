-- Alerts: everything that needs a person, one unresolved row per cause. Repeats inside the
-- notification window only count up; routing and deliveries follow in 028.

CREATE TABLE components (
    code TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    is_known BOOLEAN NOT NULL DEFAULT true,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMENT ON TABLE components IS
    'Parts of the platform that raise alerts and report health. Open set.';
COMMENT ON COLUMN components.code IS 'Code of the component: lower-case, never renamed.';
COMMENT ON COLUMN components.description IS 'What the code means, in words.';
COMMENT ON COLUMN components.is_known IS
    'False when the code was met in data before anyone described it; a medium alert asks for '
    'review.';
COMMENT ON COLUMN components.created_at IS 'When the row was stored (database clock, UTC).';


CREATE TABLE alerts (
    alert_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_uuid UUID NOT NULL DEFAULT gen_random_uuid()
        CONSTRAINT uq_alerts_alert_uuid UNIQUE,
    alert_type TEXT NOT NULL,
    severity TEXT NOT NULL
        CONSTRAINT ck_alerts_severity
        CHECK (severity IN ('critical', 'high', 'medium', 'low')),
    category TEXT NOT NULL
        CONSTRAINT ck_alerts_category
        CHECK (category IN ('risk', 'system', 'trading', 'data')),
    component TEXT NOT NULL
        CONSTRAINT fk_alerts_component REFERENCES components (code) ON DELETE RESTRICT,
    message TEXT NOT NULL,
    details JSONB,
    source_table TEXT,
    source_id BIGINT,
    environment TEXT NOT NULL
        CONSTRAINT ck_alerts_environment
        CHECK (environment IN ('backtest', 'paper', 'demo', 'live')),
    tags JSONB,
    triggered_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    last_seen_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    occurrence_count INTEGER NOT NULL DEFAULT 1,
    acknowledged_at TIMESTAMPTZ,
    acknowledged_by TEXT,
    acknowledged_notes TEXT,
    resolved_at TIMESTAMPTZ,
    resolved_by TEXT,
    resolved_notes TEXT,
    resolution_action TEXT
        CONSTRAINT ck_alerts_resolution_action CHECK (resolution_action IN (
            'fixed', 'false_positive', 'ignored', 'escalated'
        )),
    notification_sent BOOLEAN NOT NULL DEFAULT false,
    notification_channels JSONB,
    notification_sent_at TIMESTAMPTZ,
    notification_attempts INTEGER NOT NULL DEFAULT 0,
    notification_errors JSONB,
    fingerprint TEXT,
    suppressed BOOLEAN NOT NULL DEFAULT false,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_alerts_fingerprint CHECK (fingerprint ~ '^[0-9a-f]{32}$'),
    CONSTRAINT ck_alerts_acknowledged_at CHECK (acknowledged_at >= triggered_at),
    CONSTRAINT ck_alerts_resolved_at CHECK (
        resolved_at IS NULL
        OR (num_nonnulls(acknowledged_at, resolution_action) = 2 AND resolved_at >= acknowledged_at)
    )
);

CREATE INDEX idx_alerts_alert_type ON alerts (alert_type);
CREATE INDEX idx_alerts_severity ON alerts (severity);
CREATE INDEX idx_alerts_triggered_at ON alerts (triggered_at DESC);
CREATE INDEX idx_alerts_fingerprint ON alerts (fingerprint);
CREATE INDEX idx_alerts_environment ON alerts (environment);
CREATE INDEX idx_alerts_triggered_at_open ON alerts (triggered_at) WHERE resolved_at IS NULL;
CREATE INDEX idx_alerts_component ON alerts (component);

CREATE TRIGGER trg_alerts_updated_at
    BEFORE UPDATE ON alerts
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE alerts IS
    'Alerts with their whole life: raised, repeated, acknowledged, resolved. At most one '
    'unresolved row per fingerprint.';
COMMENT ON COLUMN alerts.alert_id IS 'Surrogate key.';
COMMENT ON COLUMN alerts.alert_uuid IS 'Public identifier, safe in messages and links.';
COMMENT ON COLUMN alerts.alert_type IS
    'What happened, as a stable code such as fee_mismatch or edge_anomaly.';
COMMENT ON COLUMN alerts.severity IS
    'How urgent: critical, high, medium or low; decides routes and notification window.';
COMMENT ON COLUMN alerts.category IS 'Whose subject it is.';
COMMENT ON COLUMN alerts.component IS 'Part of the platform that raised the alert.';
COMMENT ON COLUMN alerts.message IS 'One sentence for people: what happened and what to do.';
COMMENT ON COLUMN alerts.details IS 'Structured facts behind the message; decimals as strings.';
COMMENT ON COLUMN alerts.source_table IS 'Table of the row the alert is about; NULL when none.';
COMMENT ON COLUMN alerts.source_id IS 'Primary key of that row in source_table.';
COMMENT ON COLUMN alerts.environment IS
    'Execution environment concerned; a cause independent of it counts for the one that runs.';
COMMENT ON COLUMN alerts.tags IS 'Labels for filtering.';
COMMENT ON COLUMN alerts.triggered_at IS 'When the cause was first seen.';
COMMENT ON COLUMN alerts.last_seen_at IS 'When the cause was last seen again.';
COMMENT ON COLUMN alerts.occurrence_count IS 'How often the cause was seen while the row was open.';
COMMENT ON COLUMN alerts.acknowledged_at IS 'When a person took the alert; NULL before.';
COMMENT ON COLUMN alerts.acknowledged_by IS 'Who took it.';
COMMENT ON COLUMN alerts.acknowledged_notes IS 'What was said when taking it.';
COMMENT ON COLUMN alerts.resolved_at IS 'When the cause was gone or judged; NULL while open.';
COMMENT ON COLUMN alerts.resolved_by IS 'Who closed it.';
COMMENT ON COLUMN alerts.resolved_notes IS 'What was found and done.';
COMMENT ON COLUMN alerts.resolution_action IS 'How it ended.';
COMMENT ON COLUMN alerts.notification_sent IS
    'True once any channel delivered; summary of notification_deliveries.';
COMMENT ON COLUMN alerts.notification_channels IS 'Channels that delivered, as a list.';
COMMENT ON COLUMN alerts.notification_sent_at IS
    'When a channel last delivered; starts the notification window.';
COMMENT ON COLUMN alerts.notification_attempts IS 'Finished delivery attempts over all channels.';
COMMENT ON COLUMN alerts.notification_errors IS 'Errors of failed attempts, by channel.';
COMMENT ON COLUMN alerts.fingerprint IS
    'MD5 of type, component, environment and stable detail keys; equal causes share it. NULL = '
    'never merged.';
COMMENT ON COLUMN alerts.suppressed IS 'True when the alert is recorded but must not notify.';
COMMENT ON COLUMN alerts.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN alerts.updated_at IS 'When the row was last changed; set by trigger.';


CREATE UNIQUE INDEX uq_alerts_fingerprint ON alerts (fingerprint) WHERE resolved_at IS NULL;


INSERT INTO components (code, description) VALUES
    ('test_component', 'Used by tests and by the alert self-test; never by operation'),
    ('database', 'PostgreSQL server, migrations and schema audit'),
    ('config', 'Configuration and its overrides'),
    ('ingestion', 'Sources of games and quotes'),
    ('ratings', 'Elo ratings'),
    ('features', 'Feature store'),
    ('training', 'Training datasets, fits and promotion'),
    ('predictions', 'Predictions of the champion model'),
    ('trading', 'Edges, decisions, orders and positions'),
    ('risk', 'Breakers, limits and the kill switch'),
    ('settlement', 'Outcomes of markets'),
    ('ledger', 'Accounting and reconciliation'),
    ('exchange', 'Venue adapters, paper exchange included'),
    ('monitoring', 'Watching of positions and data'),
    ('notifications', 'Delivery of alerts'),
    ('dagster', 'Orchestration: runs, schedules, sensors'),
    ('mlflow', 'Experiment tracking and model registry');
