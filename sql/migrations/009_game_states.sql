-- The course of a game as it was known: schedule changes, live states, score corrections. The
-- final result for models is in games.

CREATE TABLE game_states (
    game_state_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    game_id BIGINT NOT NULL
        CONSTRAINT fk_game_states_game_id REFERENCES games (game_id) ON DELETE RESTRICT,
    status TEXT NOT NULL
        CONSTRAINT ck_game_states_status CHECK (status IN (
            'scheduled', 'pregame', 'live', 'halftime', 'delayed', 'suspended', 'postponed',
            'canceled', 'final'
        )),
    kickoff_at TIMESTAMPTZ,
    period INTEGER,
    clock_seconds INTEGER,
    home_score INTEGER,
    away_score INTEGER,
    possession TEXT
        CONSTRAINT ck_game_states_possession CHECK (possession IN ('home', 'away')),
    situation JSONB,
    source TEXT NOT NULL,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    row_start_ts TIMESTAMPTZ NOT NULL,
    row_end_ts TIMESTAMPTZ,
    row_current_ind BOOLEAN NOT NULL DEFAULT true,
    CONSTRAINT ck_game_states_home_score CHECK (least(home_score, away_score) >= 0),
    CONSTRAINT ck_game_states_row_current_ind CHECK (row_current_ind = (row_end_ts IS NULL)),
    CONSTRAINT ck_game_states_row_end_ts CHECK (row_end_ts > row_start_ts)
);

CREATE UNIQUE INDEX uq_game_states_game_id
    ON game_states (game_id)
    WHERE row_current_ind;
CREATE UNIQUE INDEX uq_game_states_game_id_row_start_ts
    ON game_states (game_id, row_start_ts);

CREATE TRIGGER trg_game_states_scd2
    BEFORE INSERT OR UPDATE OR DELETE ON game_states
    FOR EACH ROW EXECUTE FUNCTION scd2_guard('game_id');
CREATE TRIGGER trg_game_states_no_truncate
    BEFORE TRUNCATE ON game_states
    FOR EACH STATEMENT EXECUTE FUNCTION scd2_guard();

COMMENT ON TABLE game_states IS
    'States of a game, one row per change: schedule, clock, score, corrections. The current row '
    'is open-ended.';
COMMENT ON COLUMN game_states.game_state_id IS 'Surrogate key of one state.';
COMMENT ON COLUMN game_states.game_id IS 'Game described.';
COMMENT ON COLUMN game_states.status IS 'Phase of the game, normalised over sources.';
COMMENT ON COLUMN game_states.kickoff_at IS 'Start as announced in this state (UTC).';
COMMENT ON COLUMN game_states.period IS
    'Quarter, half, period or inning, from 1; overtime goes on counting.';
COMMENT ON COLUMN game_states.clock_seconds IS
    'Seconds left in the period; NULL where the sport has no clock.';
COMMENT ON COLUMN game_states.home_score IS 'Points of the home team so far.';
COMMENT ON COLUMN game_states.away_score IS 'Points of the away team so far.';
COMMENT ON COLUMN game_states.possession IS 'Team with the ball, where told.';
COMMENT ON COLUMN game_states.situation IS 'Further facts of the moment: down, distance, bases.';
COMMENT ON COLUMN game_states.source IS 'Feed that told it.';
COMMENT ON COLUMN game_states.event_ts IS 'When the fact was true in the world.';
COMMENT ON COLUMN game_states.known_at IS
    'When the platform could first use the fact; a reader at time t sees only rows with known_at '
    '<= t.';
COMMENT ON COLUMN game_states.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN game_states.row_start_ts IS
    'From when this version of the row is valid (inclusive).';
COMMENT ON COLUMN game_states.row_end_ts IS
    'Until when this version was valid (exclusive); NULL on the current row.';
COMMENT ON COLUMN game_states.row_current_ind IS 'True on the one row per key that is valid now.';
