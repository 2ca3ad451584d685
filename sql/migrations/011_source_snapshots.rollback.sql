SELECT refuse_to_drop_rows('source_snapshots');

ALTER TABLE games DROP COLUMN source_snapshot_id;
ALTER TABLE market_candles DROP COLUMN source_snapshot_id;
DROP TABLE source_snapshots;
