-- System health: the latest state per component.

CREATE TABLE system_health (
    component TEXT NOT NULL
        CONSTRAINT fk_system_health_component REFERENCES components (code) ON DELETE RESTRICT,
    status TEXT NOT NULL
        CONSTRAINT ck_system_health_status
        CHECK (status IN ('healthy', 'degraded', 'down')),
    last_check TIMESTAMPTZ NOT NULL,
    details JSONB,
    alert_id BIGINT
        CONSTRAINT fk_system_health_alert_id REFERENCES alerts (alert_id) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT system_health_pkey PRIMARY KEY (component)
);

CREATE INDEX idx_system_health_alert_id ON system_health (alert_id) WHERE alert_id IS NOT NULL;

CREATE TRIGGER trg_system_health_updated_at
    BEFORE UPDATE ON system_health
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE system_health IS
    'The latest state of each component, overwritten at every check; its history lies in alerts.';
COMMENT ON COLUMN system_health.component IS 'Component checked; one row each.';
COMMENT ON COLUMN system_health.status IS
    'healthy works, degraded works with limits, down does not work.';
COMMENT ON COLUMN system_health.last_check IS
    'When it was last checked; an old time means that the checking itself stopped.';
COMMENT ON COLUMN system_health.details IS 'What was measured, decimals as strings.';
COMMENT ON COLUMN system_health.alert_id IS 'Open alert about it.';
COMMENT ON COLUMN system_health.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN system_health.updated_at IS 'When the row was last changed; set by trigger.';
