-- Feature store: versions of feature definitions, and their values as they were known at each
-- time. Models read features from here only.

CREATE TABLE feature_definitions (
    feature_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feature_name TEXT NOT NULL,
    feature_version TEXT NOT NULL,
    entity_type TEXT NOT NULL
        CONSTRAINT ck_feature_definitions_entity_type
        CHECK (entity_type IN ('team', 'game', 'market', 'player')),
    category TEXT NOT NULL,
    league TEXT
        CONSTRAINT fk_feature_definitions_league REFERENCES leagues (league) ON DELETE RESTRICT,
    data_type TEXT NOT NULL
        CONSTRAINT ck_feature_definitions_data_type
        CHECK (data_type IN ('float', 'int', 'boolean', 'categorical')),
    value_map JSONB,
    calculation TEXT NOT NULL,
    unit TEXT,
    status TEXT NOT NULL DEFAULT 'draft'
        CONSTRAINT ck_feature_definitions_status
        CHECK (status IN ('draft', 'active', 'deprecated')),
    activated_at TIMESTAMPTZ,
    deactivated_at TIMESTAMPTZ,
    created_by TEXT,
    approved_by TEXT,
    notes TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_feature_definitions_feature_name_feature_version
        UNIQUE (feature_name, feature_version),
    CONSTRAINT ck_feature_definitions_value_map
        CHECK ((data_type = 'categorical') = (value_map IS NOT NULL)),
    CONSTRAINT ck_feature_definitions_feature_version
        CHECK (feature_version ~ '^v[0-9]+\.[0-9]+$'),
    CONSTRAINT ck_feature_definitions_deactivated_at CHECK (deactivated_at >= activated_at)
);

CREATE INDEX idx_feature_definitions_status ON feature_definitions (status);
CREATE INDEX idx_feature_definitions_league ON feature_definitions (league);

CREATE TRIGGER trg_feature_definitions_allow_only
    BEFORE UPDATE ON feature_definitions
    FOR EACH ROW EXECUTE FUNCTION allow_only(
        'status', 'activated_at', 'deactivated_at', 'created_by', 'approved_by', 'notes'
    );
CREATE TRIGGER trg_feature_definitions_status
    BEFORE INSERT OR UPDATE ON feature_definitions
    FOR EACH ROW EXECUTE FUNCTION enforce_status_path(
        'draft>active', 'active>deprecated'
    );
CREATE TRIGGER trg_feature_definitions_no_delete
    BEFORE DELETE ON feature_definitions
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_feature_definitions_no_truncate
    BEFORE TRUNCATE ON feature_definitions
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE feature_definitions IS
    'Versions of features: what is computed, of what, in which unit. A changed calculation is a '
    'new version.';
COMMENT ON COLUMN feature_definitions.feature_id IS 'Surrogate key of one version.';
COMMENT ON COLUMN feature_definitions.feature_name IS
    'Name shared by all versions, such as elo_diff.';
COMMENT ON COLUMN feature_definitions.feature_version IS 'vMAJOR.MINOR, such as v1.0.';
COMMENT ON COLUMN feature_definitions.entity_type IS 'Kind of thing the value belongs to.';
COMMENT ON COLUMN feature_definitions.category IS
    'Group of the feature, such as rating, rest, form, context.';
COMMENT ON COLUMN feature_definitions.league IS 'League the feature is defined for; NULL = any.';
COMMENT ON COLUMN feature_definitions.data_type IS 'Meaning of the stored number.';
COMMENT ON COLUMN feature_definitions.value_map IS
    'Codes of categories, category to number; only for categorical.';
COMMENT ON COLUMN feature_definitions.calculation IS
    'How the value is computed, in words or a formula.';
COMMENT ON COLUMN feature_definitions.unit IS
    'Unit of the value, such as days or points; NULL = none.';
COMMENT ON COLUMN feature_definitions.status IS
    'Place in the life of the version: draft, active, deprecated.';
COMMENT ON COLUMN feature_definitions.activated_at IS
    'When the version was first allowed to act (left draft); NULL before.';
COMMENT ON COLUMN feature_definitions.deactivated_at IS
    'When the version stopped acting; NULL while it may act.';
COMMENT ON COLUMN feature_definitions.created_by IS 'Person or program that defined the version.';
COMMENT ON COLUMN feature_definitions.approved_by IS
    'Person who released the version; bootstrap in paper.';
COMMENT ON COLUMN feature_definitions.notes IS
    'Free text on the life of the version: why it was released or withdrawn.';
COMMENT ON COLUMN feature_definitions.created_at IS
    'When the row was stored (database clock, UTC).';


-- No triggers: the table is large and derived, replacing a partition is its normal life.

CREATE TABLE features_historical (
    feature_record_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feature_id BIGINT NOT NULL
        CONSTRAINT fk_features_historical_feature_id
        REFERENCES feature_definitions (feature_id) ON DELETE RESTRICT,
    entity_type TEXT NOT NULL
        CONSTRAINT ck_features_historical_entity_type
        CHECK (entity_type IN ('team', 'game', 'market', 'player')),
    entity_id BIGINT NOT NULL,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    feature_value DOUBLE PRECISION,
    source_snapshot_id BIGINT
        CONSTRAINT fk_features_historical_source_snapshot_id
        REFERENCES source_snapshots (source_snapshot_id) ON DELETE RESTRICT,
    dagster_run_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_features_historical_key UNIQUE (feature_id, entity_type, entity_id, event_ts)
);

CREATE INDEX idx_features_historical_entity_type_entity_id_event_ts
    ON features_historical (entity_type, entity_id, event_ts);
CREATE INDEX idx_features_historical_source_snapshot_id
    ON features_historical (source_snapshot_id);

COMMENT ON TABLE features_historical IS
    'Feature values, one row per feature, entity and time: a tall store, so a new feature needs '
    'no new column. Derived: a partition is replaced in one transaction.';
COMMENT ON COLUMN features_historical.feature_record_id IS
    'Surrogate key; changes when a partition is replaced.';
COMMENT ON COLUMN features_historical.feature_id IS 'Feature version computed.';
COMMENT ON COLUMN features_historical.entity_type IS 'Kind of the entity.';
COMMENT ON COLUMN features_historical.entity_id IS
    'Primary key of the entity in teams, games or markets; orphans are found by an asset check.';
COMMENT ON COLUMN features_historical.event_ts IS 'Decision time the value was computed for.';
COMMENT ON COLUMN features_historical.known_at IS
    'Latest known_at among the inputs; a decision at t may read only rows with known_at <= t.';
COMMENT ON COLUMN features_historical.feature_value IS
    'The value: a statistic for floating-point libraries, never money. NULL = computed, but '
    'undefined.';
COMMENT ON COLUMN features_historical.source_snapshot_id IS
    'Retrieval of the source data behind the value; NULL when several.';
COMMENT ON COLUMN features_historical.dagster_run_id IS 'Run that computed it.';
COMMENT ON COLUMN features_historical.created_at IS
    'When the row was stored (database clock, UTC).';
