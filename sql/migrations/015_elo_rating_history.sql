-- Elo ratings as a history: each game moves two ratings, and both moves are kept with the version
-- of the model that made them.

CREATE TABLE elo_rating_history (
    elo_history_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_id BIGINT NOT NULL
        CONSTRAINT fk_elo_rating_history_model_id
        REFERENCES probability_models (model_id) ON DELETE RESTRICT,
    team_id BIGINT NOT NULL
        CONSTRAINT fk_elo_rating_history_team_id REFERENCES teams (team_id) ON DELETE RESTRICT,
    opponent_team_id BIGINT NOT NULL
        CONSTRAINT fk_elo_rating_history_opponent_team_id
        REFERENCES teams (team_id) ON DELETE RESTRICT,
    game_id BIGINT NOT NULL
        CONSTRAINT fk_elo_rating_history_game_id REFERENCES games (game_id) ON DELETE RESTRICT,
    revision INTEGER NOT NULL DEFAULT 1,
    is_home BOOLEAN NOT NULL,
    rating_before DOUBLE PRECISION NOT NULL,
    rating_after DOUBLE PRECISION NOT NULL,
    expected DOUBLE PRECISION NOT NULL,
    actual DOUBLE PRECISION NOT NULL,
    k_factor DOUBLE PRECISION NOT NULL,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_elo_rating_history_model_id_team_id_game_id_revision
        UNIQUE (model_id, team_id, game_id, revision),
    CONSTRAINT ck_elo_rating_history_rating_before_rating_after CHECK (
        least(rating_before, rating_after) >= 0
        AND greatest(rating_before, rating_after) <= 3000
    ),
    CONSTRAINT ck_elo_rating_history_actual CHECK (actual IN (0, 0.5, 1))
);

CREATE INDEX idx_elo_rating_history_model_id_team_id_known_at
    ON elo_rating_history (model_id, team_id, known_at);
CREATE INDEX idx_elo_rating_history_team_id ON elo_rating_history (team_id);
CREATE INDEX idx_elo_rating_history_game_id ON elo_rating_history (game_id);
CREATE INDEX idx_elo_rating_history_opponent_team_id ON elo_rating_history (opponent_team_id);

CREATE TRIGGER trg_elo_rating_history_no_change
    BEFORE UPDATE OR DELETE ON elo_rating_history
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_elo_rating_history_no_truncate
    BEFORE TRUNCATE ON elo_rating_history
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE elo_rating_history IS
    'Rating moves, two rows per game and model. Recomputing to equal values writes nothing; a '
    'correction at the source writes revision + 1.';
COMMENT ON COLUMN elo_rating_history.elo_history_id IS 'Surrogate key.';
COMMENT ON COLUMN elo_rating_history.model_id IS 'Elo model version.';
COMMENT ON COLUMN elo_rating_history.team_id IS 'Team whose rating moved.';
COMMENT ON COLUMN elo_rating_history.opponent_team_id IS 'The other team of the game.';
COMMENT ON COLUMN elo_rating_history.game_id IS 'Game that moved it.';
COMMENT ON COLUMN elo_rating_history.revision IS
    'Number of the computation; the highest one known at t is in force at t.';
COMMENT ON COLUMN elo_rating_history.is_home IS
    'True for the home or first-listed team, also on neutral ground.';
COMMENT ON COLUMN elo_rating_history.rating_before IS
    'Rating before the game, after the reversion between seasons.';
COMMENT ON COLUMN elo_rating_history.rating_after IS 'Rating after the game.';
COMMENT ON COLUMN elo_rating_history.expected IS
    'Expected score of the team, 0 to 1, home advantage included.';
COMMENT ON COLUMN elo_rating_history.actual IS 'Score of the team: 1 won, 0.5 tied, 0 lost.';
COMMENT ON COLUMN elo_rating_history.k_factor IS 'K of the model, before the margin multiplier.';
COMMENT ON COLUMN elo_rating_history.event_ts IS 'Kickoff of the game.';
COMMENT ON COLUMN elo_rating_history.known_at IS
    'When the rating after the game could first be used: the latest result in its chain.';
COMMENT ON COLUMN elo_rating_history.created_at IS 'When the row was stored (database clock, UTC).';
