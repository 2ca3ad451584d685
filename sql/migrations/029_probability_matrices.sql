-- Probability matrices: win rates by game state, and the edges computed from them.

CREATE TABLE probability_matrices (
    matrix_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    matrix_name TEXT NOT NULL,
    matrix_version TEXT NOT NULL,
    league TEXT NOT NULL
        CONSTRAINT fk_probability_matrices_league REFERENCES leagues (league) ON DELETE RESTRICT,
    state_descriptor TEXT NOT NULL,
    value_bucket TEXT NOT NULL,
    situational_factors JSONB,
    win_probability NUMERIC(10,4) NOT NULL
        CONSTRAINT ck_probability_matrices_win_probability CHECK (win_probability BETWEEN 0 AND 1),
    ci_low NUMERIC(10,4)
        CONSTRAINT ck_probability_matrices_ci_low CHECK (ci_low BETWEEN 0 AND 1),
    ci_high NUMERIC(10,4)
        CONSTRAINT ck_probability_matrices_ci_high CHECK (ci_high BETWEEN 0 AND 1),
    sample_size INTEGER NOT NULL,
    source_snapshot_id BIGINT
        CONSTRAINT fk_probability_matrices_source_snapshot_id
            REFERENCES source_snapshots (source_snapshot_id) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_probability_matrices_key UNIQUE NULLS NOT DISTINCT
        (matrix_name, matrix_version, league, state_descriptor, value_bucket, situational_factors)
);

CREATE INDEX idx_probability_matrices_league ON probability_matrices (league);
CREATE INDEX idx_probability_matrices_source_snapshot_id
    ON probability_matrices (source_snapshot_id);

CREATE TRIGGER trg_probability_matrices_no_change
    BEFORE UPDATE OR DELETE ON probability_matrices
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_probability_matrices_no_truncate
    BEFORE TRUNCATE ON probability_matrices
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE probability_matrices IS
    'How often sides in a given game state went on to win: empirical win rates from history, used '
    'as a model of type matrix. Append-only: a recount is a new version.';
COMMENT ON COLUMN probability_matrices.matrix_id IS 'Surrogate key.';
COMMENT ON COLUMN probability_matrices.matrix_name IS
    'Name of the matrix, such as nfl-halftime-lead.';
COMMENT ON COLUMN probability_matrices.matrix_version IS
    'Version of the count; rows of one version belong together.';
COMMENT ON COLUMN probability_matrices.league IS 'League counted.';
COMMENT ON COLUMN probability_matrices.state_descriptor IS
    'Game state, such as halftime or end of third quarter.';
COMMENT ON COLUMN probability_matrices.value_bucket IS
    'Bucket of the quantity that varies within the state, such as a lead of 7 to 10 points.';
COMMENT ON COLUMN probability_matrices.situational_factors IS
    'Further conditions of the cell, such as home or away; NULL when there are none.';
COMMENT ON COLUMN probability_matrices.win_probability IS 'Share of the sample that won.';
COMMENT ON COLUMN probability_matrices.ci_low IS
    'Lower bound of the confidence interval of that share.';
COMMENT ON COLUMN probability_matrices.ci_high IS 'Upper bound.';
COMMENT ON COLUMN probability_matrices.sample_size IS 'Games in the cell; small cells are wide.';
COMMENT ON COLUMN probability_matrices.source_snapshot_id IS 'Source data counted.';
COMMENT ON COLUMN probability_matrices.created_at IS
    'When the row was stored (database clock, UTC).';

ALTER TABLE edges
    ADD COLUMN matrix_id BIGINT
        CONSTRAINT fk_edges_matrix_id
            REFERENCES probability_matrices (matrix_id) ON DELETE RESTRICT;

CREATE INDEX idx_edges_matrix_id ON edges (matrix_id) WHERE matrix_id IS NOT NULL;

COMMENT ON COLUMN edges.matrix_id IS
    'Cell of the probability matrix the probability came from; NULL for other kinds of model.';
