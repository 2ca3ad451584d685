-- Training: frozen datasets, what they were made of, and every fit or rating pass over them. From
-- a prediction one can walk back to the bytes the model saw.

CREATE TABLE training_datasets (
    dataset_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset_name TEXT NOT NULL,
    dataset_version TEXT NOT NULL,
    league TEXT NOT NULL
        CONSTRAINT fk_training_datasets_league REFERENCES leagues (league) ON DELETE RESTRICT,
    season_from INTEGER NOT NULL,
    season_to INTEGER NOT NULL,
    label TEXT NOT NULL
        CONSTRAINT ck_training_datasets_label CHECK (label IN ('home_win', 'score_margin')),
    as_of TIMESTAMPTZ NOT NULL,
    manifest JSONB NOT NULL,
    git_sha TEXT NOT NULL,
    row_count INTEGER NOT NULL,
    feature_count INTEGER NOT NULL,
    parquet_path TEXT NOT NULL,
    sha256 TEXT NOT NULL
        CONSTRAINT ck_training_datasets_sha256 CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    dagster_run_id TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_training_datasets_dataset_name_dataset_version
        UNIQUE (dataset_name, dataset_version),
    CONSTRAINT ck_training_datasets_season_to CHECK (season_to >= season_from AND row_count > 0)
);

CREATE INDEX idx_training_datasets_league ON training_datasets (league);

CREATE TRIGGER trg_training_datasets_no_change
    BEFORE UPDATE OR DELETE ON training_datasets
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_training_datasets_no_truncate
    BEFORE TRUNCATE ON training_datasets
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE training_datasets IS
    'Frozen training datasets: a Parquet file named by its content, and the manifest of how it '
    'was made.';
COMMENT ON COLUMN training_datasets.dataset_id IS 'Surrogate key of one version.';
COMMENT ON COLUMN training_datasets.dataset_name IS 'Name shared by all versions.';
COMMENT ON COLUMN training_datasets.dataset_version IS 'Version of the dataset, unique per name.';
COMMENT ON COLUMN training_datasets.league IS 'League of the games.';
COMMENT ON COLUMN training_datasets.season_from IS 'First season in it.';
COMMENT ON COLUMN training_datasets.season_to IS 'Last season in it.';
COMMENT ON COLUMN training_datasets.label IS
    'What is to be learned; ties are excluded and counted.';
COMMENT ON COLUMN training_datasets.as_of IS 'Only facts with known_at <= this were used.';
COMMENT ON COLUMN training_datasets.manifest IS
    'Decision rule, split, exclusions with counts, feature versions, schema hash.';
COMMENT ON COLUMN training_datasets.git_sha IS 'Commit of the code that built it.';
COMMENT ON COLUMN training_datasets.row_count IS 'Games in it.';
COMMENT ON COLUMN training_datasets.feature_count IS
    'Features per game; 0 for a rating pass, which reads results only.';
COMMENT ON COLUMN training_datasets.parquet_path IS 'File, relative to the home folder.';
COMMENT ON COLUMN training_datasets.sha256 IS
    'SHA-256 of the canonical content, sorted by game; equal inputs give equal values.';
COMMENT ON COLUMN training_datasets.dagster_run_id IS 'Run that built it; NULL outside Dagster.';
COMMENT ON COLUMN training_datasets.created_at IS 'When the row was stored (database clock, UTC).';


CREATE TABLE training_dataset_features (
    dataset_id BIGINT NOT NULL
        CONSTRAINT fk_training_dataset_features_dataset_id
        REFERENCES training_datasets (dataset_id) ON DELETE RESTRICT,
    feature_id BIGINT NOT NULL
        CONSTRAINT fk_training_dataset_features_feature_id
        REFERENCES feature_definitions (feature_id) ON DELETE RESTRICT,
    ordinal INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT training_dataset_features_pkey PRIMARY KEY (dataset_id, feature_id)
);

CREATE INDEX idx_training_dataset_features_feature_id ON training_dataset_features (feature_id);

CREATE TRIGGER trg_training_dataset_features_no_change
    BEFORE UPDATE OR DELETE ON training_dataset_features
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_training_dataset_features_no_truncate
    BEFORE TRUNCATE ON training_dataset_features
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE training_dataset_features IS 'Feature versions a dataset uses, in column order.';
COMMENT ON COLUMN training_dataset_features.dataset_id IS 'Dataset.';
COMMENT ON COLUMN training_dataset_features.feature_id IS 'Feature version in it.';
COMMENT ON COLUMN training_dataset_features.ordinal IS 'Column position of the feature, from 1.';
COMMENT ON COLUMN training_dataset_features.created_at IS
    'When the row was stored (database clock, UTC).';


CREATE TABLE training_dataset_sources (
    dataset_id BIGINT NOT NULL
        CONSTRAINT fk_training_dataset_sources_dataset_id
        REFERENCES training_datasets (dataset_id) ON DELETE RESTRICT,
    source_snapshot_id BIGINT NOT NULL
        CONSTRAINT fk_training_dataset_sources_source_snapshot_id
        REFERENCES source_snapshots (source_snapshot_id) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT training_dataset_sources_pkey PRIMARY KEY (dataset_id, source_snapshot_id)
);

CREATE INDEX idx_training_dataset_sources_source_snapshot_id
    ON training_dataset_sources (source_snapshot_id);

CREATE TRIGGER trg_training_dataset_sources_no_change
    BEFORE UPDATE OR DELETE ON training_dataset_sources
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_training_dataset_sources_no_truncate
    BEFORE TRUNCATE ON training_dataset_sources
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE training_dataset_sources IS 'Source retrievals a dataset was built from.';
COMMENT ON COLUMN training_dataset_sources.dataset_id IS 'Dataset.';
COMMENT ON COLUMN training_dataset_sources.source_snapshot_id IS 'Retrieval used in it.';
COMMENT ON COLUMN training_dataset_sources.created_at IS
    'When the row was stored (database clock, UTC).';


CREATE TABLE model_training_runs (
    training_run_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id BIGINT NOT NULL
        CONSTRAINT fk_model_training_runs_model_id
        REFERENCES probability_models (model_id) ON DELETE RESTRICT,
    dataset_id BIGINT NOT NULL
        CONSTRAINT fk_model_training_runs_dataset_id
        REFERENCES training_datasets (dataset_id) ON DELETE RESTRICT,
    mlflow_run_id TEXT NOT NULL
        CONSTRAINT uq_model_training_runs_mlflow_run_id UNIQUE,
    dagster_run_id TEXT,
    git_sha TEXT NOT NULL,
    seed BIGINT NOT NULL,
    params JSONB NOT NULL,
    metrics JSONB,
    trained_until TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    completed_at TIMESTAMPTZ,
    status TEXT NOT NULL DEFAULT 'running'
        CONSTRAINT ck_model_training_runs_status
        CHECK (status IN ('running', 'completed', 'failed', 'canceled')),
    error_message TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_model_training_runs_git_sha CHECK (git_sha ~ '^[0-9a-f]{40}$'),
    CONSTRAINT ck_model_training_runs_status_completed_at
        CHECK ((status = 'running') = (completed_at IS NULL))
);

CREATE INDEX idx_model_training_runs_model_id ON model_training_runs (model_id);
CREATE INDEX idx_model_training_runs_dataset_id ON model_training_runs (dataset_id);

CREATE TRIGGER trg_model_training_runs_updated_at
    BEFORE UPDATE ON model_training_runs
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER trg_model_training_runs_frozen
    BEFORE UPDATE OR DELETE ON model_training_runs
    FOR EACH ROW WHEN (OLD.status <> 'running') EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE model_training_runs IS
    'Fits of a model, one row each, frozen once they ended. Rating passes count: Elo has one per '
    'season.';
COMMENT ON COLUMN model_training_runs.training_run_id IS 'Surrogate key.';
COMMENT ON COLUMN model_training_runs.model_id IS 'Model version fitted.';
COMMENT ON COLUMN model_training_runs.dataset_id IS
    'Dataset it was fitted on, or games a rating pass read.';
COMMENT ON COLUMN model_training_runs.mlflow_run_id IS
    'Run in MLflow with parameters, metrics and artifacts.';
COMMENT ON COLUMN model_training_runs.dagster_run_id IS
    'Dagster run that did it; NULL outside Dagster.';
COMMENT ON COLUMN model_training_runs.git_sha IS 'Commit of the code, 40 hex digits.';
COMMENT ON COLUMN model_training_runs.seed IS
    'Seed of every random choice: same inputs and seed give the same bytes.';
COMMENT ON COLUMN model_training_runs.params IS 'Hyper-parameters used; decimals as strings.';
COMMENT ON COLUMN model_training_runs.metrics IS 'Results; NULL until completed.';
COMMENT ON COLUMN model_training_runs.trained_until IS
    'Latest result used: only later games may be predicted with it.';
COMMENT ON COLUMN model_training_runs.started_at IS 'When the fit began.';
COMMENT ON COLUMN model_training_runs.completed_at IS 'When it ended; NULL while running.';
COMMENT ON COLUMN model_training_runs.status IS 'State of the fit; all but running are final.';
COMMENT ON COLUMN model_training_runs.error_message IS 'Why it failed.';
COMMENT ON COLUMN model_training_runs.created_at IS
    'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN model_training_runs.updated_at IS
    'When the row was last changed; set by trigger.';
