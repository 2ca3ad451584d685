-- Teams, the names sources give them, and the games they play; then the links from the venue to
-- both. Ratings are not here: they belong to a model version (015).

CREATE TABLE teams (
    team_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    league TEXT NOT NULL
        CONSTRAINT fk_teams_league REFERENCES leagues (league) ON DELETE RESTRICT,
    team_code TEXT NOT NULL,
    name TEXT NOT NULL,
    conference TEXT,
    division TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_teams_league_team_code UNIQUE (league, team_code)
);

CREATE TRIGGER trg_teams_updated_at
    BEFORE UPDATE ON teams
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE teams IS
    'Franchises, one row each: a relocated franchise stays one team, its old codes are aliases. '
    'Ratings belong to a model, not here.';
COMMENT ON COLUMN teams.team_id IS 'Surrogate key.';
COMMENT ON COLUMN teams.league IS 'League the team plays in; codes collide across leagues.';
COMMENT ON COLUMN teams.team_code IS 'Code of the franchise today, such as LAR.';
COMMENT ON COLUMN teams.name IS 'Full name for people.';
COMMENT ON COLUMN teams.conference IS 'Conference, where the league has them.';
COMMENT ON COLUMN teams.division IS 'Division; decides the division_game feature.';
COMMENT ON COLUMN teams.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN teams.updated_at IS 'When the row was last changed; set by trigger.';


CREATE TABLE team_aliases (
    alias_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source TEXT NOT NULL,
    league TEXT NOT NULL
        CONSTRAINT fk_team_aliases_league REFERENCES leagues (league) ON DELETE RESTRICT,
    alias TEXT NOT NULL,
    team_id BIGINT NOT NULL
        CONSTRAINT fk_team_aliases_team_id REFERENCES teams (team_id) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_team_aliases_source_league_alias UNIQUE (source, league, alias)
);

CREATE INDEX idx_team_aliases_league ON team_aliases (league);
CREATE INDEX idx_team_aliases_team_id ON team_aliases (team_id);

CREATE TRIGGER trg_team_aliases_updated_at
    BEFORE UPDATE ON team_aliases
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE team_aliases IS
    'What each source calls a team, such as LA and STL for the Rams. An unknown alias is an error '
    'or unmapped, never a guess.';
COMMENT ON COLUMN team_aliases.alias_id IS 'Surrogate key.';
COMMENT ON COLUMN team_aliases.source IS
    'Source that uses the name, such as nflverse, kalshi, espn.';
COMMENT ON COLUMN team_aliases.league IS 'League in which the name is meant.';
COMMENT ON COLUMN team_aliases.alias IS 'Name or code as the source writes it.';
COMMENT ON COLUMN team_aliases.team_id IS 'Team that is meant.';
COMMENT ON COLUMN team_aliases.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN team_aliases.updated_at IS 'When the row was last changed; set by trigger.';


CREATE TABLE games (
    game_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    game_key TEXT NOT NULL
        CONSTRAINT uq_games_game_key UNIQUE,
    league TEXT NOT NULL
        CONSTRAINT fk_games_league REFERENCES leagues (league) ON DELETE RESTRICT,
    season INTEGER NOT NULL,
    week INTEGER,
    game_type TEXT NOT NULL
        CONSTRAINT ck_games_game_type CHECK (game_type IN (
            'preseason', 'regular', 'postseason', 'exhibition'
        )),
    kickoff_at TIMESTAMPTZ,
    home_team_id BIGINT NOT NULL
        CONSTRAINT fk_games_home_team_id REFERENCES teams (team_id) ON DELETE RESTRICT,
    away_team_id BIGINT NOT NULL
        CONSTRAINT fk_games_away_team_id REFERENCES teams (team_id) ON DELETE RESTRICT,
    neutral_site BOOLEAN NOT NULL DEFAULT false,
    home_score INTEGER,
    away_score INTEGER,
    status TEXT NOT NULL DEFAULT 'scheduled'
        CONSTRAINT ck_games_status CHECK (status IN (
            'scheduled', 'live', 'final', 'postponed', 'suspended', 'canceled'
        )),
    source TEXT NOT NULL,
    source_game_id TEXT,
    known_at TIMESTAMPTZ NOT NULL,
    result_known_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_games_source_league_source_game_id UNIQUE (source, league, source_game_id),
    CONSTRAINT ck_games_home_team_id CHECK (home_team_id <> away_team_id),
    CONSTRAINT ck_games_home_score CHECK (least(home_score, away_score) >= 0),
    CONSTRAINT ck_games_status_result CHECK (
        num_nonnulls(home_score, away_score, result_known_at)
        = CASE status WHEN 'final' THEN 3 ELSE 0 END
    ),
    CONSTRAINT ck_games_result_known_at CHECK (result_known_at >= kickoff_at)
);

CREATE INDEX idx_games_league_season_week ON games (league, season, week);
CREATE INDEX idx_games_kickoff_at ON games (kickoff_at);
CREATE INDEX idx_games_home_team_id ON games (home_team_id);
CREATE INDEX idx_games_away_team_id ON games (away_team_id);

CREATE TRIGGER trg_games_updated_at
    BEFORE UPDATE ON games
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE games IS
    'Fixtures and final results. The score may be used only from result_known_at on; live states '
    'and corrections are in game_states.';
COMMENT ON COLUMN games.game_id IS 'Surrogate key.';
COMMENT ON COLUMN games.game_key IS
    'league:season:date:away@home[:n], n from 2 on for another game of the pair on that day.';
COMMENT ON COLUMN games.league IS 'League of the game.';
COMMENT ON COLUMN games.season IS
    'Season by its label year: the start year for football, the ending year for nba, ncaab, nhl.';
COMMENT ON COLUMN games.week IS 'Week of the season, where the league counts weeks.';
COMMENT ON COLUMN games.game_type IS
    'Kind of game; preseason and exhibition are kept out of ratings and trading.';
COMMENT ON COLUMN games.kickoff_at IS 'Scheduled start (UTC); NULL while the source gives none.';
COMMENT ON COLUMN games.home_team_id IS
    'Home or first-listed team; every probability is that it wins.';
COMMENT ON COLUMN games.away_team_id IS 'Away or second-listed team.';
COMMENT ON COLUMN games.neutral_site IS 'True where neither team is at home: no home advantage.';
COMMENT ON COLUMN games.home_score IS 'Final points of the home team; NULL until final.';
COMMENT ON COLUMN games.away_score IS 'Final points of the away team; NULL until final.';
COMMENT ON COLUMN games.status IS 'State of the game; only final carries scores.';
COMMENT ON COLUMN games.source IS 'Where the row comes from, such as sample or nflverse.';
COMMENT ON COLUMN games.source_game_id IS 'Key of the game at the source; NULL when it has none.';
COMMENT ON COLUMN games.known_at IS
    'When the fixture could first be used; back-filled: start - 48 h.';
COMMENT ON COLUMN games.result_known_at IS
    'When the result could first be used; back-filled: start + hours of the league. NULL until '
    'final.';
COMMENT ON COLUMN games.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN games.updated_at IS 'When the row was last changed; set by trigger.';


ALTER TABLE events
    ADD COLUMN game_id BIGINT
        CONSTRAINT fk_events_game_id REFERENCES games (game_id) ON DELETE RESTRICT;

CREATE INDEX idx_events_game_id ON events (game_id);

COMMENT ON COLUMN events.game_id IS
    'Game the event is about; NULL while unmapped, and then not traded.';


ALTER TABLE markets
    ADD COLUMN yes_team_id BIGINT
        CONSTRAINT fk_markets_yes_team_id REFERENCES teams (team_id) ON DELETE RESTRICT;

CREATE INDEX idx_markets_yes_team_id ON markets (yes_team_id);

COMMENT ON COLUMN markets.yes_team_id IS
    'Team that YES pays for; NULL for markets on anything but the winner.';
