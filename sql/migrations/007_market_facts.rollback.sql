SELECT refuse_to_drop_rows(
    'market_trades', 'market_candles', 'market_snapshots', 'market_attributes'
);

DROP FUNCTION ensure_snapshot_partitions(TIMESTAMPTZ, TIMESTAMPTZ);
DROP FUNCTION missing_snapshot_months(TIMESTAMPTZ, TIMESTAMPTZ);
DROP FUNCTION finish_snapshot_partition(TEXT, TEXT);
DROP TABLE market_trades;
DROP TABLE market_candles;
DROP TABLE market_snapshots;
DROP TABLE market_attributes;
