-- Exit management: stops, targets, marks and the reason a position ended, as typed columns so that
-- monitoring and restart need no JSON. IF NOT EXISTS lets a database that already grew some of the
-- columns catch up; the closing block refuses a half-finished result.

ALTER TABLE positions
    ADD COLUMN IF NOT EXISTS target_price NUMERIC(12,6)
        CONSTRAINT ck_positions_target_price CHECK (target_price BETWEEN 0 AND 1),
    ADD COLUMN IF NOT EXISTS stop_loss_price NUMERIC(12,6)
        CONSTRAINT ck_positions_stop_loss_price CHECK (stop_loss_price BETWEEN 0 AND 1),
    ADD COLUMN IF NOT EXISTS trailing_stop_distance NUMERIC(14,4),
    ADD COLUMN IF NOT EXISTS trailing_stop_type TEXT
        CONSTRAINT ck_positions_trailing_stop_type
        CHECK (trailing_stop_type IN ('percentage', 'fixed', 'atr')),
    ADD COLUMN IF NOT EXISTS peak_price NUMERIC(12,6)
        CONSTRAINT ck_positions_peak_price CHECK (peak_price BETWEEN 0 AND 1),
    ADD COLUMN IF NOT EXISTS trailing_stop_active BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS trailing_stop_price NUMERIC(12,6)
        CONSTRAINT ck_positions_trailing_stop_price CHECK (trailing_stop_price BETWEEN 0 AND 1),
    ADD COLUMN IF NOT EXISTS exit_price NUMERIC(12,6)
        CONSTRAINT ck_positions_exit_price CHECK (exit_price BETWEEN 0 AND 1),
    ADD COLUMN IF NOT EXISTS exit_reason TEXT
        CONSTRAINT ck_positions_exit_reason CHECK (exit_reason IN (
            'stop_loss', 'circuit_breaker', 'trailing_stop', 'time_based_urgent',
            'liquidity_dried_up', 'profit_target', 'partial_exit_target', 'early_exit',
            'edge_disappeared', 'rebalance', 'settlement', 'manual'
        )),
    ADD COLUMN IF NOT EXISTS exit_priority TEXT
        CONSTRAINT ck_positions_exit_priority
        CHECK (exit_priority IN ('critical', 'high', 'medium', 'low')),
    ADD COLUMN IF NOT EXISTS entry_time TIMESTAMPTZ NOT NULL DEFAULT now(),
    ADD COLUMN IF NOT EXISTS exit_time TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS last_check_time TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS current_price NUMERIC(12,6)
        CONSTRAINT ck_positions_current_price CHECK (current_price BETWEEN 0 AND 1),
    ADD COLUMN IF NOT EXISTS unrealized_pnl NUMERIC(18,6),
    ADD COLUMN IF NOT EXISTS unrealized_pnl_pct NUMERIC(14,4),
    ADD COLUMN IF NOT EXISTS position_metadata JSONB;

ALTER TABLE positions
    DROP CONSTRAINT IF EXISTS ck_positions_exit_time,
    DROP CONSTRAINT IF EXISTS ck_positions_trailing_stop_active,
    DROP CONSTRAINT IF EXISTS ck_positions_trailing_stop_price_peak_price,
    ADD CONSTRAINT ck_positions_exit_time CHECK (
        status = 'open' OR num_nonnulls(exit_time, exit_reason) = 2
    ),
    ADD CONSTRAINT ck_positions_trailing_stop_active CHECK (
        NOT trailing_stop_active
        OR num_nonnulls(
            peak_price, trailing_stop_price, trailing_stop_distance, trailing_stop_type
        ) = 4
    ),
    ADD CONSTRAINT ck_positions_trailing_stop_price_peak_price CHECK (
        trailing_stop_price <= peak_price
    );

CREATE INDEX IF NOT EXISTS idx_positions_target_price
    ON positions (target_price) WHERE status = 'open';
CREATE INDEX IF NOT EXISTS idx_positions_stop_loss_price
    ON positions (stop_loss_price) WHERE status = 'open';
CREATE INDEX IF NOT EXISTS idx_positions_last_check_time
    ON positions (last_check_time) WHERE status = 'open';

COMMENT ON COLUMN positions.target_price IS 'Own-side price at which profit is taken.';
COMMENT ON COLUMN positions.stop_loss_price IS
    'Own-side price at or below which the position is sold.';
COMMENT ON COLUMN positions.trailing_stop_distance IS
    'Current distance of the trailing stop below the peak: a fraction (0.05 = 5 %), dollars for '
    'type fixed.';
COMMENT ON COLUMN positions.trailing_stop_type IS
    'How the distance is computed: share of the peak, dollars, or average true range.';
COMMENT ON COLUMN positions.peak_price IS
    'Highest own-side mark since the trailing stop became active.';
COMMENT ON COLUMN positions.trailing_stop_active IS
    'True once the gain reached the activation level.';
COMMENT ON COLUMN positions.trailing_stop_price IS
    'Own-side price at which the trailing stop fires; it never falls.';
COMMENT ON COLUMN positions.exit_price IS
    'Average own-side price of the contracts sold, or the settlement value.';
COMMENT ON COLUMN positions.exit_reason IS
    'What ended the position: an exit condition, settlement, or a person.';
COMMENT ON COLUMN positions.exit_priority IS 'Priority of the exit condition that ended it.';
COMMENT ON COLUMN positions.entry_time IS 'When the position was opened.';
COMMENT ON COLUMN positions.exit_time IS
    'When the last contract was sold or settled; NULL while open.';
COMMENT ON COLUMN positions.last_check_time IS
    'When the monitor last looked at the position; over 60 s old while open raises an alert.';
COMMENT ON COLUMN positions.current_price IS 'Latest mark: the own-side best bid; NULL = no bid.';
COMMENT ON COLUMN positions.unrealized_pnl IS
    'Profit or loss in dollars if the remaining contracts were sold at the mark, before fees.';
COMMENT ON COLUMN positions.unrealized_pnl_pct IS
    'The same as a fraction of the cost of the remaining contracts.';
COMMENT ON COLUMN positions.position_metadata IS
    'Configuration of exits and trailing stop as it was at entry; decimals as strings.';


DO $$
DECLARE
    missing TEXT;
BEGIN
    SELECT string_agg(wanted.name, ', ')
    INTO missing
    FROM unnest(ARRAY[
        'target_price', 'stop_loss_price', 'trailing_stop_distance', 'trailing_stop_type',
        'peak_price', 'trailing_stop_active', 'trailing_stop_price', 'exit_price',
        'exit_reason', 'exit_priority', 'entry_time', 'exit_time', 'last_check_time',
        'current_price', 'unrealized_pnl', 'unrealized_pnl_pct', 'position_metadata'
    ]) AS wanted (name)
    WHERE NOT EXISTS (
        SELECT
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'positions'::REGCLASS
          AND a.attname = wanted.name
          AND NOT a.attisdropped
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'positions lacks the columns of exit management: %', missing;
    END IF;
END;
$$;
