-- Who started: a fact of a finished game, because no results file says it before. Features may only
-- expect the next starter from earlier rows of this table.

CREATE TABLE game_starters (
    game_id BIGINT NOT NULL
        CONSTRAINT fk_game_starters_game_id REFERENCES games (game_id) ON DELETE RESTRICT,
    team_id BIGINT NOT NULL
        CONSTRAINT fk_game_starters_team_id REFERENCES teams (team_id) ON DELETE RESTRICT,
    role TEXT NOT NULL
        CONSTRAINT ck_game_starters_role CHECK (role IN ('quarterback')),
    player_key TEXT NOT NULL,
    player_name TEXT,
    source TEXT NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT pk_game_starters PRIMARY KEY (game_id, team_id, role)
);

CREATE INDEX idx_game_starters_team_id ON game_starters (team_id);

CREATE TRIGGER trg_game_starters_updated_at
    BEFORE UPDATE ON game_starters
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE game_starters IS
    'Players who started finished games, as the source of the results names them. Known with the '
    'result, never before: a post-game fact.';
COMMENT ON COLUMN game_starters.game_id IS 'Game that was played; its kickoff is the event time.';
COMMENT ON COLUMN game_starters.team_id IS 'Team the player started for.';
COMMENT ON COLUMN game_starters.role IS 'Position in the line-up; only quarterbacks are kept.';
COMMENT ON COLUMN game_starters.player_key IS
    'The player at the source, the same in every game, such as 00-0033873.';
COMMENT ON COLUMN game_starters.player_name IS 'Name for people; NULL when the source has none.';
COMMENT ON COLUMN game_starters.source IS 'Where the row comes from, such as nflverse.';
COMMENT ON COLUMN game_starters.known_at IS
    'When the starter could first be used: with the result; a corrected one from its correction.';
COMMENT ON COLUMN game_starters.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN game_starters.updated_at IS 'When the row was last changed; set by trigger.';

DO $$
BEGIN
    IF to_regrole('precog_owner') IS NOT NULL AND pg_has_role(current_user, 'precog_owner', 'USAGE')
    THEN
        ALTER TABLE game_starters OWNER TO precog_owner;
    END IF;
    IF to_regrole('precog_app') IS NOT NULL THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON game_starters TO precog_app;
    END IF;
    IF to_regrole('precog_read') IS NOT NULL THEN
        GRANT SELECT ON game_starters TO precog_read;
    END IF;
END;
$$;
