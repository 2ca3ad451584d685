-- Predictions: probabilities as they were issued, with the fit that made them. Trading reads them
-- here and never from MLflow.

CREATE TABLE predictions (
    prediction_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    game_id BIGINT NOT NULL
        CONSTRAINT fk_predictions_game_id REFERENCES games (game_id) ON DELETE RESTRICT,
    model_id BIGINT NOT NULL
        CONSTRAINT fk_predictions_model_id
        REFERENCES probability_models (model_id) ON DELETE RESTRICT,
    training_run_id BIGINT NOT NULL
        CONSTRAINT fk_predictions_training_run_id
        REFERENCES model_training_runs (training_run_id) ON DELETE RESTRICT,
    p_home NUMERIC(10,4) NOT NULL
        CONSTRAINT ck_predictions_p_home CHECK (p_home BETWEEN 0 AND 1),
    p_low NUMERIC(10,4)
        CONSTRAINT ck_predictions_p_low CHECK (p_low BETWEEN 0 AND 1),
    p_high NUMERIC(10,4)
        CONSTRAINT ck_predictions_p_high CHECK (p_high BETWEEN 0 AND 1),
    trained_until TIMESTAMPTZ NOT NULL,
    mlflow_run_id TEXT NOT NULL,
    registry_version INTEGER,
    features_hash TEXT
        CONSTRAINT ck_predictions_features_hash CHECK (features_hash ~ '^[0-9a-f]{64}$'),
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    dagster_run_id TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_predictions_game_id_training_run_id_event_ts
        UNIQUE (game_id, training_run_id, event_ts),
    CONSTRAINT ck_predictions_p_low_p_high CHECK (p_low <= p_high),
    CONSTRAINT ck_predictions_trained_until
        CHECK (trained_until <= event_ts AND event_ts <= known_at)
);

CREATE INDEX idx_predictions_model_id ON predictions (model_id);
CREATE INDEX idx_predictions_training_run_id ON predictions (training_run_id);

CREATE TRIGGER trg_predictions_no_change
    BEFORE UPDATE OR DELETE ON predictions
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_predictions_no_truncate
    BEFORE TRUNCATE ON predictions
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE predictions IS
    'P(home wins) as issued for a game at a time. event_ts is the as-of time of the inputs: '
    'nothing later entered.';
COMMENT ON COLUMN predictions.prediction_id IS 'Surrogate key.';
COMMENT ON COLUMN predictions.game_id IS 'Game predicted.';
COMMENT ON COLUMN predictions.model_id IS 'Model version that predicts.';
COMMENT ON COLUMN predictions.training_run_id IS 'Fit that predicts.';
COMMENT ON COLUMN predictions.p_home IS 'Probability that the home or first-listed team wins.';
COMMENT ON COLUMN predictions.p_low IS
    'Lower end of the 90 % interval of the out-of-fold frequency in the reliability bin of p; '
    'NULL = too little history.';
COMMENT ON COLUMN predictions.p_high IS
    'Upper end of the same interval; (p_high - p_low) / 2 is the half-width that sets confidence.';
COMMENT ON COLUMN predictions.trained_until IS 'Latest result the fit used; never after event_ts.';
COMMENT ON COLUMN predictions.mlflow_run_id IS
    'Run in MLflow of the fit, resolved once when predicting.';
COMMENT ON COLUMN predictions.registry_version IS
    'Version in the model registry; NULL when the fit is not registered.';
COMMENT ON COLUMN predictions.features_hash IS
    'SHA-256 of the feature vector; NULL for models without features.';
COMMENT ON COLUMN predictions.event_ts IS
    'As-of time of the inputs: 24 h and 60 min before the start.';
COMMENT ON COLUMN predictions.known_at IS
    'When the prediction could first be used; back-filled predictions: event_ts.';
COMMENT ON COLUMN predictions.dagster_run_id IS 'Run that issued it; NULL outside Dagster.';
COMMENT ON COLUMN predictions.created_at IS 'When the row was stored (database clock, UTC).';
