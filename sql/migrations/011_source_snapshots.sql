-- Retrievals of source data: the root of every trace. Whatever was read is named by its content,
-- so a dataset can be rebuilt and a result explained.

CREATE TABLE source_snapshots (
    source_snapshot_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source TEXT NOT NULL,
    dataset TEXT NOT NULL,
    league TEXT
        CONSTRAINT fk_source_snapshots_league REFERENCES leagues (league) ON DELETE RESTRICT,
    season INTEGER,
    uri TEXT NOT NULL,
    sha256 TEXT NOT NULL
        CONSTRAINT ck_source_snapshots_sha256 CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    row_count INTEGER NOT NULL,
    fetched_at TIMESTAMPTZ NOT NULL,
    published_at TIMESTAMPTZ,
    licence TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_source_snapshots_source_dataset_league_season_sha256
        UNIQUE NULLS NOT DISTINCT (source, dataset, league, season, sha256)
);

CREATE INDEX idx_source_snapshots_league ON source_snapshots (league);

CREATE TRIGGER trg_source_snapshots_no_change
    BEFORE UPDATE OR DELETE ON source_snapshots
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_source_snapshots_no_truncate
    BEFORE TRUNCATE ON source_snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE source_snapshots IS
    'One retrieval of source data each, named by its content hash. Reading the same content again '
    'adds no row.';
COMMENT ON COLUMN source_snapshots.source_snapshot_id IS 'Surrogate key.';
COMMENT ON COLUMN source_snapshots.source IS 'Source read, such as sample, nflverse or kalshi.';
COMMENT ON COLUMN source_snapshots.dataset IS 'What was read there, such as games or candles.';
COMMENT ON COLUMN source_snapshots.league IS 'League of the data; NULL when it spans several.';
COMMENT ON COLUMN source_snapshots.season IS 'Season of the data; NULL when it spans several.';
COMMENT ON COLUMN source_snapshots.uri IS
    'Where it was read from: file name or address, without secrets.';
COMMENT ON COLUMN source_snapshots.sha256 IS 'SHA-256 of the bytes read.';
COMMENT ON COLUMN source_snapshots.row_count IS 'Rows read.';
COMMENT ON COLUMN source_snapshots.fetched_at IS 'When it was read.';
COMMENT ON COLUMN source_snapshots.published_at IS 'When the source published it, where told.';
COMMENT ON COLUMN source_snapshots.licence IS 'Licence of the data.';
COMMENT ON COLUMN source_snapshots.created_at IS 'When the row was stored (database clock, UTC).';


ALTER TABLE market_candles
    ADD COLUMN source_snapshot_id BIGINT
        CONSTRAINT fk_market_candles_source_snapshot_id
        REFERENCES source_snapshots (source_snapshot_id) ON DELETE RESTRICT;

CREATE INDEX idx_market_candles_source_snapshot_id ON market_candles (source_snapshot_id);

COMMENT ON COLUMN market_candles.source_snapshot_id IS
    'Retrieval the bar comes from; NULL when recorded live.';


ALTER TABLE games
    ADD COLUMN source_snapshot_id BIGINT
        CONSTRAINT fk_games_source_snapshot_id
        REFERENCES source_snapshots (source_snapshot_id) ON DELETE RESTRICT;

CREATE INDEX idx_games_source_snapshot_id ON games (source_snapshot_id);

COMMENT ON COLUMN games.source_snapshot_id IS
    'Retrieval the row was last taken from; NULL when entered by hand.';
