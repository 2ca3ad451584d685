-- What an order is for, beyond its price: an intent may be carried to its end by another process than
-- the one that decided, and that process must book its fills exactly as decided.

ALTER TABLE orders ADD COLUMN terms JSONB;
COMMENT ON COLUMN orders.terms IS
    'Of an entry: the exit plan its position starts with (plan). Of an exit: priority, timeout_s, '
    'trigger_mark, the bookings its fills go to in order (condition, stage, quantity), '
    'conflicting_triggers that were outranked, and the resting order it replaces. Decimals as '
    'strings; NULL for orders without such terms.';
