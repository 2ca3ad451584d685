-- Configuration overrides: the top layer of the settings.

CREATE TABLE config_overrides (
    override_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    config_key TEXT NOT NULL,
    override_value JSONB NOT NULL,
    data_type TEXT NOT NULL
        CONSTRAINT ck_config_overrides_data_type
        CHECK (data_type IN ('decimal', 'int', 'bool', 'string', 'json')),
    reason TEXT NOT NULL,
    applied_by TEXT NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    expires_at TIMESTAMPTZ,
    active BOOLEAN NOT NULL DEFAULT true,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_config_overrides_expires_at_applied_at CHECK (expires_at > applied_at)
);

CREATE UNIQUE INDEX uq_config_overrides_config_key ON config_overrides (config_key)
    WHERE active;

CREATE TRIGGER trg_config_overrides_updated_at
    BEFORE UPDATE ON config_overrides
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE config_overrides IS
    'Configuration changed at run time. An active row beats environment variables and YAML; an '
    'old value is kept as an inactive row, so that every change has an author and a reason.';
COMMENT ON COLUMN config_overrides.override_id IS 'Surrogate key.';
COMMENT ON COLUMN config_overrides.config_key IS
    'Dotted path of the setting, such as trading.gate.spread_max.';
COMMENT ON COLUMN config_overrides.override_value IS 'The value, decimals as strings.';
COMMENT ON COLUMN config_overrides.data_type IS 'How to read override_value.';
COMMENT ON COLUMN config_overrides.reason IS 'Why it was changed.';
COMMENT ON COLUMN config_overrides.applied_by IS 'Who changed it.';
COMMENT ON COLUMN config_overrides.applied_at IS 'From when it holds.';
COMMENT ON COLUMN config_overrides.expires_at IS
    'Until when it holds; NULL until it is deactivated.';
COMMENT ON COLUMN config_overrides.active IS 'True for the one row per key that holds.';
COMMENT ON COLUMN config_overrides.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN config_overrides.updated_at IS 'When the row was last changed; set by trigger.';
