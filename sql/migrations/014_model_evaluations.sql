-- Evaluations: how good a model was on games it had not seen, always beside a baseline on the same
-- games.

CREATE TABLE model_evaluations (
    evaluation_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id BIGINT NOT NULL
        CONSTRAINT fk_model_evaluations_model_id
        REFERENCES probability_models (model_id) ON DELETE RESTRICT,
    training_run_id BIGINT
        CONSTRAINT fk_model_evaluations_training_run_id
        REFERENCES model_training_runs (training_run_id) ON DELETE RESTRICT,
    scope TEXT NOT NULL
        CONSTRAINT ck_model_evaluations_scope
        CHECK (scope IN ('cv', 'walk_forward', 'holdout', 'live')),
    league TEXT NOT NULL
        CONSTRAINT fk_model_evaluations_league REFERENCES leagues (league) ON DELETE RESTRICT,
    window_start_ts TIMESTAMPTZ NOT NULL,
    window_end_ts TIMESTAMPTZ NOT NULL,
    n INTEGER NOT NULL,
    brier DOUBLE PRECISION NOT NULL,
    log_loss DOUBLE PRECISION NOT NULL,
    accuracy DOUBLE PRECISION NOT NULL,
    auc DOUBLE PRECISION,
    ece DOUBLE PRECISION NOT NULL,
    baseline TEXT NOT NULL
        CONSTRAINT ck_model_evaluations_baseline
        CHECK (baseline IN ('home_rate', 'elo', 'market')),
    baseline_brier DOUBLE PRECISION NOT NULL,
    brier_diff_low DOUBLE PRECISION NOT NULL,
    brier_diff_high DOUBLE PRECISION NOT NULL,
    reliability JSONB NOT NULL,
    gate_passed BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_model_evaluations_key
        UNIQUE NULLS NOT DISTINCT (
            model_id, training_run_id, scope, league, window_start_ts, window_end_ts, baseline
        ),
    CONSTRAINT ck_model_evaluations_n CHECK (n > 0)
);

CREATE INDEX idx_model_evaluations_training_run_id ON model_evaluations (training_run_id);
CREATE INDEX idx_model_evaluations_league ON model_evaluations (league);

CREATE TRIGGER trg_model_evaluations_no_change
    BEFORE UPDATE OR DELETE ON model_evaluations
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_model_evaluations_no_truncate
    BEFORE TRUNCATE ON model_evaluations
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE model_evaluations IS
    'Out-of-sample evaluations of a model against one baseline, over one window of games.';
COMMENT ON COLUMN model_evaluations.evaluation_id IS 'Surrogate key.';
COMMENT ON COLUMN model_evaluations.model_id IS 'Model version evaluated.';
COMMENT ON COLUMN model_evaluations.training_run_id IS
    'Fit evaluated; NULL when the window spans several folds.';
COMMENT ON COLUMN model_evaluations.scope IS 'How the predictions were out of sample.';
COMMENT ON COLUMN model_evaluations.league IS 'League of the games.';
COMMENT ON COLUMN model_evaluations.window_start_ts IS 'Start of the window (inclusive).';
COMMENT ON COLUMN model_evaluations.window_end_ts IS 'End of the window (exclusive).';
COMMENT ON COLUMN model_evaluations.n IS
    'Games scored: those with prediction, result and baseline; no ties.';
COMMENT ON COLUMN model_evaluations.brier IS
    'Mean of (p - outcome) squared; 0 is perfect, 0.25 is a coin.';
COMMENT ON COLUMN model_evaluations.log_loss IS
    'Mean negative log likelihood, p clipped to [1e-6, 1 - 1e-6].';
COMMENT ON COLUMN model_evaluations.accuracy IS 'Share of games where p > 0.5 named the winner.';
COMMENT ON COLUMN model_evaluations.auc IS
    'Area under the ROC curve; NULL when only one outcome occurred.';
COMMENT ON COLUMN model_evaluations.ece IS 'Expected calibration error over 10 equal bins.';
COMMENT ON COLUMN model_evaluations.baseline IS 'What it is compared with on the same games.';
COMMENT ON COLUMN model_evaluations.baseline_brier IS 'Brier score of the baseline.';
COMMENT ON COLUMN model_evaluations.brier_diff_low IS
    'Lower 95 % bound of Brier(model) - Brier(baseline), paired bootstrap; negative = model '
    'better.';
COMMENT ON COLUMN model_evaluations.brier_diff_high IS 'Upper 95 % bound of the same difference.';
COMMENT ON COLUMN model_evaluations.reliability IS
    'Ten bins: mean p, frequency, count and Wilson interval.';
COMMENT ON COLUMN model_evaluations.gate_passed IS
    'Whether the promotion gate against this baseline was passed.';
COMMENT ON COLUMN model_evaluations.created_at IS 'When the row was stored (database clock, UTC).';
