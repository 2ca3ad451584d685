-- Methods: a strategy version, a model version and four configurations released as one unit, and
-- the presets they start from.

CREATE TABLE method_templates (
    template_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    template_name TEXT NOT NULL
        CONSTRAINT uq_method_templates_template_name UNIQUE,
    description TEXT NOT NULL,
    position_mgmt_config JSONB NOT NULL,
    risk_config JSONB NOT NULL,
    execution_config JSONB NOT NULL,
    sport_config JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TRIGGER trg_method_templates_no_change
    BEFORE UPDATE OR DELETE ON method_templates
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_method_templates_no_truncate
    BEFORE TRUNCATE ON method_templates
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE method_templates IS
    'Presets from which a method is made: template plus overrides. A method copies them, so a '
    'template stays as it is.';
COMMENT ON COLUMN method_templates.template_id IS 'Surrogate key.';
COMMENT ON COLUMN method_templates.template_name IS
    'conservative, moderate or aggressive; more may be added.';
COMMENT ON COLUMN method_templates.description IS 'For whom the preset is meant.';
COMMENT ON COLUMN method_templates.position_mgmt_config IS
    'Exits and trailing stop (keys exit.*, trailing.*); decimals as strings.';
COMMENT ON COLUMN method_templates.risk_config IS
    'Kelly fraction and position cap (keys sizing.*, caps.*); global caps still bind.';
COMMENT ON COLUMN method_templates.execution_config IS 'Order prices and patience (keys exec.*).';
COMMENT ON COLUMN method_templates.sport_config IS 'What differs by league (keys edge.min.*).';
COMMENT ON COLUMN method_templates.created_at IS 'When the row was stored (database clock, UTC).';


CREATE TABLE methods (
    method_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    method_name TEXT NOT NULL,
    method_version TEXT NOT NULL,
    description TEXT,
    strategy_id BIGINT NOT NULL
        CONSTRAINT fk_methods_strategy_id REFERENCES strategies (strategy_id) ON DELETE RESTRICT,
    model_id BIGINT NOT NULL
        CONSTRAINT fk_methods_model_id REFERENCES probability_models (model_id) ON DELETE RESTRICT,
    template_id BIGINT
        CONSTRAINT fk_methods_template_id
        REFERENCES method_templates (template_id) ON DELETE RESTRICT,
    position_mgmt_config JSONB NOT NULL,
    risk_config JSONB NOT NULL,
    execution_config JSONB NOT NULL,
    sport_config JSONB NOT NULL,
    config_hash TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'draft'
        CONSTRAINT ck_methods_status
        CHECK (status IN ('draft', 'testing', 'active', 'deprecated')),
    activated_at TIMESTAMPTZ,
    deactivated_at TIMESTAMPTZ,
    created_by TEXT,
    approved_by TEXT,
    notes TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_methods_method_name_method_version UNIQUE (method_name, method_version),
    CONSTRAINT ck_methods_config_hash CHECK (config_hash ~ '^[0-9a-f]{32}$'),
    CONSTRAINT ck_methods_method_version CHECK (method_version ~ '^v[0-9]+\.[0-9]+$'),
    CONSTRAINT ck_methods_deactivated_at CHECK (deactivated_at >= activated_at)
);

CREATE INDEX idx_methods_config_hash ON methods (config_hash);
CREATE INDEX idx_methods_status ON methods (status);
CREATE INDEX idx_methods_strategy_id ON methods (strategy_id);
CREATE INDEX idx_methods_model_id ON methods (model_id);
CREATE INDEX idx_methods_template_id ON methods (template_id);

CREATE TRIGGER trg_methods_allow_only
    BEFORE UPDATE ON methods
    FOR EACH ROW EXECUTE FUNCTION allow_only(
        'status', 'activated_at', 'deactivated_at', 'created_by', 'approved_by', 'notes'
    );
CREATE TRIGGER trg_methods_status
    BEFORE INSERT OR UPDATE ON methods
    FOR EACH ROW EXECUTE FUNCTION enforce_status_path(
        'draft>testing', 'testing>active', 'testing>draft', 'active>deprecated'
    );
CREATE TRIGGER trg_methods_no_delete
    BEFORE DELETE ON methods
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_methods_no_truncate
    BEFORE TRUNCATE ON methods
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE methods IS
    'Versions of methods: strategy, model and configurations that trade as one unit. Nothing but '
    'the life columns ever changes; how a method did is in the view method_performance.';
COMMENT ON COLUMN methods.method_id IS 'Surrogate key of one version.';
COMMENT ON COLUMN methods.method_name IS 'Name shared by all versions.';
COMMENT ON COLUMN methods.method_version IS 'vMAJOR.MINOR, such as v1.0.';
COMMENT ON COLUMN methods.description IS 'What the method tries.';
COMMENT ON COLUMN methods.strategy_id IS 'Strategy version that decides.';
COMMENT ON COLUMN methods.model_id IS 'Model version that gives the probability.';
COMMENT ON COLUMN methods.template_id IS 'Preset it was made from; NULL when from none.';
COMMENT ON COLUMN methods.position_mgmt_config IS 'Exits and trailing stop; decimals as strings.';
COMMENT ON COLUMN methods.risk_config IS 'Kelly fraction and caps; decimals as strings.';
COMMENT ON COLUMN methods.execution_config IS 'Order prices and patience; decimals as strings.';
COMMENT ON COLUMN methods.sport_config IS 'What differs by league; decimals as strings.';
COMMENT ON COLUMN methods.config_hash IS
    'MD5 of the canonical JSON of names, versions and configurations: finds duplicates, protects '
    'nothing.';
COMMENT ON COLUMN methods.status IS
    'Place in the life of the version: draft, testing, active, deprecated.';
COMMENT ON COLUMN methods.activated_at IS
    'When the version was first allowed to act (left draft); NULL before.';
COMMENT ON COLUMN methods.deactivated_at IS
    'When the version stopped acting; NULL while it may act.';
COMMENT ON COLUMN methods.created_by IS 'Person or program that defined the version.';
COMMENT ON COLUMN methods.approved_by IS 'Person who released the version; bootstrap in paper.';
COMMENT ON COLUMN methods.notes IS
    'Free text on the life of the version: why it was released or withdrawn.';
COMMENT ON COLUMN methods.created_at IS 'When the row was stored (database clock, UTC).';


ALTER TABLE trades
    ADD COLUMN method_id BIGINT
        CONSTRAINT fk_trades_method_id REFERENCES methods (method_id) ON DELETE RESTRICT;

CREATE INDEX idx_trades_method_id ON trades (method_id);

COMMENT ON COLUMN trades.method_id IS
    'Method (strategy, model and configurations as one unit) it ran under; NULL when none.';


ALTER TABLE positions
    ADD COLUMN method_id BIGINT
        CONSTRAINT fk_positions_method_id REFERENCES methods (method_id) ON DELETE RESTRICT;

CREATE INDEX idx_positions_method_id ON positions (method_id);

COMMENT ON COLUMN positions.method_id IS
    'Method (strategy, model and configurations as one unit) it ran under; NULL when none.';


INSERT INTO method_templates (
    template_name, description, position_mgmt_config, risk_config, execution_config, sport_config
) VALUES (
    'conservative',
    'Small stakes, early profits: for a first look at a model',
    '{"exit": {"stop_loss": {"high": "0.15", "medium": "0.12", "low": "0.08"},
               "profit_target": {"high": "0.15", "medium": "0.15", "low": "0.15"},
               "partial_exit_target": [{"gain": "0.15", "share": "0.50"},
                                       {"gain": "0.25", "share": "0.25"}],
               "hold_to_settlement": true},
      "trailing": {"type": "percentage", "activation": "0.10", "distance": "0.05",
                   "step_gain": "0.05", "step": "0.01", "floor": "0.02"}}',
    '{"sizing": {"kelly": "0.15"}, "caps": {"position_usd": "500"}}',
    '{"exec": {"entry_slippage": "0.02", "exit_slippage": "0.03", "critical_floor": "0.50"}}',
    '{"edge": {"min": {"nfl": "0.05", "nba": "0.05", "ncaaf": "0.06", "mlb": "0.06",
                       "nhl": "0.06", "default": "0.07"}}}'
), (
    'moderate',
    'Middle stakes and targets: for a model with a record',
    '{"exit": {"stop_loss": {"high": "0.15", "medium": "0.12", "low": "0.08"},
               "profit_target": {"high": "0.20", "medium": "0.20", "low": "0.20"},
               "partial_exit_target": [{"gain": "0.15", "share": "0.50"},
                                       {"gain": "0.25", "share": "0.25"}],
               "hold_to_settlement": true},
      "trailing": {"type": "percentage", "activation": "0.10", "distance": "0.05",
                   "step_gain": "0.05", "step": "0.01", "floor": "0.02"}}',
    '{"sizing": {"kelly": "0.20"}, "caps": {"position_usd": "750"}}',
    '{"exec": {"entry_slippage": "0.02", "exit_slippage": "0.03", "critical_floor": "0.50"}}',
    '{"edge": {"min": {"nfl": "0.05", "nba": "0.05", "ncaaf": "0.06", "mlb": "0.06",
                       "nhl": "0.06", "default": "0.07"}}}'
), (
    'aggressive',
    'Full stakes, patient targets: for a model that passed every gate',
    '{"exit": {"stop_loss": {"high": "0.15", "medium": "0.12", "low": "0.08"},
               "profit_target": {"high": "0.30", "medium": "0.30", "low": "0.30"},
               "partial_exit_target": [{"gain": "0.15", "share": "0.50"},
                                       {"gain": "0.25", "share": "0.25"}],
               "hold_to_settlement": true},
      "trailing": {"type": "percentage", "activation": "0.10", "distance": "0.05",
                   "step_gain": "0.05", "step": "0.01", "floor": "0.02"}}',
    '{"sizing": {"kelly": "0.25"}, "caps": {"position_usd": "1000"}}',
    '{"exec": {"entry_slippage": "0.02", "exit_slippage": "0.03", "critical_floor": "0.50"}}',
    '{"edge": {"min": {"nfl": "0.05", "nba": "0.05", "ncaaf": "0.06", "mlb": "0.06",
                       "nhl": "0.06", "default": "0.07"}}}'
);
