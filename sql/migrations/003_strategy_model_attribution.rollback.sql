SELECT refuse_to_drop_rows('trades', 'positions');

ALTER TABLE positions
    DROP COLUMN strategy_id,
    DROP COLUMN model_id,
    DROP COLUMN edge_at_entry;
ALTER TABLE trades
    DROP COLUMN strategy_id,
    DROP COLUMN model_id,
    DROP COLUMN edge_at_execution,
    DROP COLUMN confidence_at_execution,
    DROP COLUMN slippage;
