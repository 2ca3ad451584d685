SELECT refuse_to_drop_rows('positions');

ALTER TABLE positions
    DROP COLUMN target_price,
    DROP COLUMN stop_loss_price,
    DROP COLUMN trailing_stop_distance,
    DROP COLUMN trailing_stop_type,
    DROP COLUMN peak_price,
    DROP COLUMN trailing_stop_active,
    DROP COLUMN trailing_stop_price,
    DROP COLUMN exit_price,
    DROP COLUMN exit_reason,
    DROP COLUMN exit_priority,
    DROP COLUMN entry_time,
    DROP COLUMN exit_time,
    DROP COLUMN last_check_time,
    DROP COLUMN current_price,
    DROP COLUMN unrealized_pnl,
    DROP COLUMN unrealized_pnl_pct,
    DROP COLUMN position_metadata;
