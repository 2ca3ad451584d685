-- What probability matrices count: points by period and the closing spread of finished games. Both
-- are facts of the game itself, so nothing pre-game may read them.

CREATE TABLE game_period_points (
    game_id BIGINT NOT NULL
        CONSTRAINT fk_game_period_points_game_id REFERENCES games (game_id) ON DELETE RESTRICT,
    period INTEGER NOT NULL
        CONSTRAINT ck_game_period_points_period CHECK (period BETWEEN 1 AND 20),
    home_points INTEGER NOT NULL,
    away_points INTEGER NOT NULL,
    source TEXT NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_game_period_points PRIMARY KEY (game_id, period),
    CONSTRAINT ck_game_period_points_home_points CHECK (least(home_points, away_points) >= 0)
);

CREATE TRIGGER trg_game_period_points_updated_at
    BEFORE UPDATE ON game_period_points
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE game_period_points IS
    'Points of finished games by period, as the source of the results has them. Known with the '
    'result: a post-game fact.';
COMMENT ON COLUMN game_period_points.game_id IS 'Game that was played.';
COMMENT ON COLUMN game_period_points.period IS
    'Quarter, half, period or inning, from 1; all overtime together is the next number.';
COMMENT ON COLUMN game_period_points.home_points IS 'Points of the home team in this period.';
COMMENT ON COLUMN game_period_points.away_points IS 'Points of the away team in this period.';
COMMENT ON COLUMN game_period_points.source IS 'Where the row comes from, such as sample.';
COMMENT ON COLUMN game_period_points.known_at IS
    'When the points could first be used: with the result; corrected ones from their correction.';
COMMENT ON COLUMN game_period_points.created_at IS
    'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN game_period_points.updated_at IS
    'When the row was last changed; set by trigger.';

CREATE TABLE game_closing_spreads (
    game_id BIGINT NOT NULL
        CONSTRAINT fk_game_closing_spreads_game_id REFERENCES games (game_id) ON DELETE RESTRICT,
    home_favoured_by NUMERIC(6,2) NOT NULL
        CONSTRAINT ck_game_closing_spreads_home_favoured_by
            CHECK (home_favoured_by BETWEEN -100 AND 100),
    source TEXT NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_game_closing_spreads PRIMARY KEY (game_id)
);

CREATE TRIGGER trg_game_closing_spreads_updated_at
    BEFORE UPDATE ON game_closing_spreads
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE game_closing_spreads IS
    'Closing point spreads of finished games. The source gives them without a time, so they count '
    'as known with the result and never before the game.';
COMMENT ON COLUMN game_closing_spreads.game_id IS 'Game the spread was for.';
COMMENT ON COLUMN game_closing_spreads.home_favoured_by IS
    'Points the home team was expected to win by; negative when the away team was the favourite.';
COMMENT ON COLUMN game_closing_spreads.source IS 'Where the row comes from, such as nflverse.';
COMMENT ON COLUMN game_closing_spreads.known_at IS
    'When the spread could first be used: with the result; a corrected one from its correction.';
COMMENT ON COLUMN game_closing_spreads.created_at IS
    'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN game_closing_spreads.updated_at IS
    'When the row was last changed; set by trigger.';

-- Nothing has written this table before, so the new columns need no default.
ALTER TABLE probability_matrices
    ADD COLUMN wins INTEGER NOT NULL,
    ADD COLUMN first_season INTEGER NOT NULL,
    ADD COLUMN last_season INTEGER NOT NULL,
    ADD CONSTRAINT ck_probability_matrices_wins CHECK (wins BETWEEN 0 AND sample_size),
    ADD CONSTRAINT ck_probability_matrices_first_season CHECK (first_season <= last_season);

COMMENT ON COLUMN probability_matrices.win_probability IS
    'Share of the sample that won, smoothed so that it never falls as the lead grows.';
COMMENT ON COLUMN probability_matrices.wins IS
    'Games of the cell that were won: wins over sample_size is the share before smoothing.';
COMMENT ON COLUMN probability_matrices.first_season IS 'First season counted.';
COMMENT ON COLUMN probability_matrices.last_season IS 'Last season counted.';

DO $$
BEGIN
    IF to_regrole('precog_owner') IS NOT NULL AND pg_has_role(current_user, 'precog_owner', 'USAGE')
    THEN
        ALTER TABLE game_period_points OWNER TO precog_owner;
        ALTER TABLE game_closing_spreads OWNER TO precog_owner;
    END IF;
    IF to_regrole('precog_app') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON game_period_points, game_closing_spreads
            TO precog_app;
    END IF;
    IF to_regrole('precog_read') IS NOT NULL THEN
        GRANT SELECT ON game_period_points, game_closing_spreads TO precog_read;
    END IF;
END;
$$;
