-- Orders from intent to terminal, and what fills and settlements do to positions and cash.

-- name: leftover_orders(environment)
-- Orders that a run left unfinished, in the order they were decided, with the quote they were
-- decided on.
SELECT
    o.order_id, o.client_order_id, o.platform_id, o.market_id, o.decision_id, o.strategy_id,
    o.model_id, o.method_id, o.position_id, o.purpose, o.exit_condition, o.action, o.side,
    o.limit_price, o.quantity,
    o.time_in_force, o.reduce_only, o.post_only, o.status,
    d.decided_at, d.quote_observed_at, d.probability, d.price AS decided_price, d.edge,
    d.inputs ->> 'confidence' AS confidence, d.tick_id,
    m.event_id, e.series_id,
    me.method_name, me.method_version, me.position_mgmt_config
FROM orders AS o
JOIN decisions AS d ON d.decision_id = o.decision_id
JOIN markets AS m ON m.market_id = o.market_id
JOIN events AS e ON e.event_id = m.event_id
LEFT JOIN methods AS me ON me.method_id = o.method_id
WHERE o.status IN ('intent', 'sent')
  AND o.execution_environment = :environment
  AND o.backtest_run_id IS NULL
ORDER BY o.order_id;

-- name: decision_quote(market_id, observed_at)^
SELECT observed_at, known_at, source, yes_bid, yes_ask, yes_bid_size, yes_ask_size
FROM market_snapshots
WHERE market_id = :market_id
  AND observed_at = :observed_at;

-- name: next_quote(market_id, decided_on, sent_at, wait_s, until)^
-- The first quote recorded at or after sending and after the one decided on.
SELECT observed_at, known_at, source, yes_bid, yes_ask, yes_bid_size, yes_ask_size
FROM market_snapshots
WHERE market_id = :market_id
  AND observed_at >= :sent_at
  AND observed_at > :decided_on
  AND observed_at <= CAST(:sent_at AS TIMESTAMPTZ) + make_interval(secs => :wait_s)
  AND known_at <= :until
ORDER BY observed_at
LIMIT 1;

-- name: contracts_taken(market_id, environment, quote_observed_at, consumes)$
-- What our earlier fills took from the bids of one side of one book.
SELECT COALESCE(sum(f.quantity), 0)
FROM fills AS f
WHERE f.market_id = :market_id
  AND f.execution_environment = :environment
  AND f.backtest_run_id IS NULL
  AND f.raw ->> 'quote_observed_at' = :quote_observed_at
  AND f.raw ->> 'consumes' = :consumes;

-- name: mark_sent(order_id, sent_at)!
UPDATE orders
SET status = 'sent',
    sent_at = :sent_at
WHERE order_id = :order_id
  AND status = 'intent';

-- name: record_outcome(order_id, status, venue_order_id, filled_quantity, closed_at, error_code, error_message)!
UPDATE orders
SET status = :status,
    venue_order_id = :venue_order_id,
    filled_quantity = :filled_quantity,
    closed_at = :closed_at,
    error_code = :error_code,
    error_message = :error_message
WHERE order_id = :order_id
  AND status IN ('sent', 'resting', 'unknown');

-- name: insert_fill(platform_id, environment, venue_fill_id, venue_order_id, order_id, market_id, action, side, price, quantity, fee, modelled_fee, fee_schedule_id, is_taker, event_ts, known_at, raw)$
-- NULL when the venue reported this fill before.
INSERT INTO fills (
    platform_id, execution_environment, venue_fill_id, venue_order_id, order_id, market_id, action,
    side, price, quantity, fee, modelled_fee, fee_schedule_id, is_taker, event_ts, known_at, raw
)
VALUES (
    :platform_id, :environment, :venue_fill_id, :venue_order_id, :order_id, :market_id, :action,
    :side, :price, :quantity, :fee, :modelled_fee, :fee_schedule_id, :is_taker, :event_ts,
    :known_at, :raw
)
ON CONFLICT (platform_id, execution_environment, venue_fill_id) DO NOTHING
RETURNING fill_id;

-- name: open_position_of_owner(environment, market_id, side, strategy_id, model_id, method_id)^
SELECT position_id
FROM positions
WHERE status = 'open'
  AND execution_environment = :environment
  AND backtest_run_id IS NULL
  AND market_id = :market_id
  AND side = :side
  AND strategy_id IS NOT DISTINCT FROM :strategy_id
  AND model_id IS NOT DISTINCT FROM :model_id
  AND method_id IS NOT DISTINCT FROM :method_id
FOR UPDATE;

-- name: executions_of_positions(position_ids)
SELECT t.position_id, f.venue_fill_id, t.event_ts, t.action, t.price, t.quantity, t.fee
FROM trades AS t
JOIN fills AS f ON f.fill_id = t.fill_id
WHERE t.position_id = ANY (CAST(:position_ids AS BIGINT[]))
ORDER BY t.position_id, t.trade_id;

-- name: held_quantity(environment, market_id, side)$
SELECT COALESCE(sum(quantity), 0)
FROM positions
WHERE status = 'open'
  AND execution_environment = :environment
  AND backtest_run_id IS NULL
  AND market_id = :market_id
  AND side = :side;

-- name: open_position(position_key, platform_id, market_id, environment, side, original_quantity, quantity, entry_price, fees, realized_pnl, strategy_id, model_id, method_id, edge_at_entry, entry_time, position_metadata)$
INSERT INTO positions (
    position_key, platform_id, market_id, execution_environment, side, original_quantity, quantity,
    entry_price, fees, realized_pnl, strategy_id, model_id, method_id, edge_at_entry, entry_time,
    position_metadata
)
VALUES (
    :position_key, :platform_id, :market_id, :environment, :side, :original_quantity, :quantity,
    :entry_price, :fees, :realized_pnl, :strategy_id, :model_id, :method_id, :edge_at_entry,
    :entry_time, :position_metadata
)
RETURNING position_id;

-- name: update_position(position_id, original_quantity, quantity, entry_price, fees, realized_pnl, status, exit_price, exit_reason, exit_time)!
UPDATE positions
SET original_quantity = :original_quantity,
    quantity = :quantity,
    entry_price = :entry_price,
    fees = :fees,
    realized_pnl = :realized_pnl,
    status = :status,
    exit_price = :exit_price,
    exit_reason = :exit_reason,
    exit_time = :exit_time
WHERE position_id = :position_id;

-- name: insert_trade(platform_id, market_id, position_id, environment, action, side, price, quantity, fee, is_taker, event_ts, known_at, trade_metadata, strategy_id, model_id, method_id, edge_at_execution, confidence, slippage, decision_id, fill_id)!
INSERT INTO trades (
    platform_id, market_id, position_id, execution_environment, trade_source, action, side, price,
    quantity, fee, is_taker, event_ts, known_at, trade_metadata, strategy_id, model_id, method_id,
    edge_at_execution, confidence_at_execution, slippage, decision_id, fill_id
)
VALUES (
    :platform_id, :market_id, :position_id, :environment, 'automated', :action, :side, :price,
    :quantity, :fee, :is_taker, :event_ts, :known_at, :trade_metadata, :strategy_id, :model_id,
    :method_id, :edge_at_execution, :confidence, :slippage, :decision_id, :fill_id
);

-- name: insert_ledger_entries(rows)
-- Each movement once, by its key; returns the amounts that were new.
INSERT INTO account_ledger (
    entry_key, platform_id, execution_environment, entry_type, amount, position_id, fill_id,
    settlement_id, event_ts, known_at, note
)
SELECT
    r.entry_key, r.platform_id, r.execution_environment, r.entry_type, r.amount, r.position_id,
    r.fill_id, r.settlement_id, r.event_ts, r.known_at, r.note
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    number INTEGER, entry_key TEXT, platform_id TEXT, execution_environment TEXT, entry_type TEXT, amount NUMERIC,
    position_id BIGINT, fill_id BIGINT, settlement_id BIGINT, event_ts TIMESTAMPTZ,
    known_at TIMESTAMPTZ, note TEXT
)
ORDER BY r.number
ON CONFLICT (entry_key) DO NOTHING
RETURNING platform_id, amount, known_at;

-- name: close_balance(platform_id, environment, at)^
-- Locks and ends the current balance; no row when the account is new.
UPDATE account_balance
SET row_end_ts = greatest(CAST(:at AS TIMESTAMPTZ), row_start_ts + INTERVAL '1 microsecond'),
    row_current_ind = false
WHERE platform_id = :platform_id
  AND execution_environment = :environment
  AND backtest_run_id IS NULL
  AND row_current_ind
RETURNING balance, row_end_ts;

-- name: insert_balance(platform_id, environment, balance, event_ts, row_start_ts)!
INSERT INTO account_balance (
    platform_id, execution_environment, balance, source, event_ts, known_at, row_start_ts
)
VALUES (
    :platform_id, :environment, :balance, 'ledger', :event_ts, :event_ts, :row_start_ts
);

-- name: balances(environment)
SELECT platform_id, balance
FROM account_balance
WHERE row_current_ind
  AND execution_environment = :environment
  AND backtest_run_id IS NULL;

-- name: unsettled_markets(after, through)
-- Markets without a settlement of games whose result became known in (after, through], on platforms
-- that have no venue to settle them.
SELECT
    m.market_id, m.yes_team_id = g.home_team_id AS yes_is_home,
    g.game_key, g.source, g.home_score, g.away_score, g.result_known_at
FROM games AS g
JOIN events AS e ON e.game_id = g.game_id
JOIN markets AS m ON m.event_id = e.event_id
JOIN platforms AS p ON p.platform_id = m.platform_id
WHERE g.status = 'final'
  AND g.result_known_at > COALESCE(CAST(:after AS TIMESTAMPTZ), '-infinity')
  AND g.result_known_at <= :through
  AND p.platform_type = 'trading'
  AND p.venue_environment = 'none'
  AND m.market_type = 'binary'
  AND m.yes_team_id IN (g.home_team_id, g.away_team_id)
  AND NOT EXISTS (
      SELECT
      FROM settlements AS s
      WHERE s.market_id = m.market_id
  )
ORDER BY g.result_known_at, m.market_id;

-- name: insert_settlements(rows)!
INSERT INTO settlements (
    market_id, revision, stage, outcome, settlement_value, raw, event_ts, known_at
)
SELECT r.market_id, 1, 'finalized', r.outcome, r.settlement_value, r.raw, r.known_at, r.known_at
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    number INTEGER, market_id BIGINT, outcome TEXT, settlement_value NUMERIC, raw JSONB,
    known_at TIMESTAMPTZ
)
ORDER BY r.number
ON CONFLICT (market_id, revision) DO NOTHING;

-- name: positions_to_settle(environment, through)
-- Open positions in markets whose final value is known, oldest settlement first.
SELECT
    p.position_id, p.position_key, p.platform_id, p.side, p.quantity,
    s.settlement_id, s.revision, s.settlement_value, s.known_at, m.ticker
FROM positions AS p
JOIN markets AS m ON m.market_id = p.market_id
CROSS JOIN LATERAL (
    SELECT latest.settlement_id, latest.revision, latest.stage, latest.settlement_value,
           latest.known_at
    FROM settlements AS latest
    WHERE latest.market_id = p.market_id
      AND latest.known_at <= :through
    ORDER BY latest.revision DESC
    LIMIT 1
) AS s
WHERE p.status = 'open'
  AND p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
  AND s.stage = 'finalized'
ORDER BY s.known_at, p.position_id
FOR UPDATE OF p;

-- name: settlements_due(environment, now)$
-- Open positions whose game has ended: they wait for a settlement, whether or not quotes arrive.
SELECT count(*)
FROM positions AS p
JOIN markets AS m ON m.market_id = p.market_id
JOIN events AS e ON e.event_id = m.event_id
JOIN games AS g ON g.game_id = e.game_id
JOIN platforms AS pl ON pl.platform_id = m.platform_id
WHERE p.status = 'open'
  AND p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
  AND g.status = 'final'
  AND g.result_known_at <= :now
  AND pl.platform_type = 'trading'
  AND pl.venue_environment = 'none';

-- name: ledger_sums(environment)
-- Per account: what the ledger says, what the balance says, what the fills say.
SELECT
    b.platform_id,
    b.balance AS cash,
    l.total AS ledger_total, l.deposits, l.fees AS ledger_fees, l.entries,
    COALESCE(f.fees, 0) AS fill_fees, COALESCE(f.fills, 0) AS fills
FROM account_balance AS b
JOIN LATERAL (
    SELECT
        sum(e.amount) AS total,
        COALESCE(sum(e.amount) FILTER (WHERE e.entry_type IN ('deposit', 'withdrawal')), 0)
            AS deposits,
        COALESCE(-sum(e.amount) FILTER (WHERE e.entry_type IN ('fee', 'rebate', 'rounding')), 0)
            AS fees,
        count(*) AS entries
    FROM account_ledger AS e
    WHERE e.platform_id = b.platform_id
      AND e.execution_environment = b.execution_environment
      AND e.backtest_run_id IS NULL
) AS l ON true
LEFT JOIN LATERAL (
    SELECT sum(x.fee) AS fees, count(*) AS fills
    FROM fills AS x
    WHERE x.platform_id = b.platform_id
      AND x.execution_environment = b.execution_environment
      AND x.backtest_run_id IS NULL
) AS f ON true
WHERE b.row_current_ind
  AND b.execution_environment = :environment
  AND b.backtest_run_id IS NULL
ORDER BY b.platform_id;

-- name: positions_for_audit(environment)
SELECT
    p.position_id, p.platform_id, p.side, p.original_quantity, p.quantity, p.entry_price, p.fees,
    p.realized_pnl, p.status, s.settlement_value
FROM positions AS p
LEFT JOIN LATERAL (
    SELECT x.settlement_value
    FROM account_ledger AS e
    JOIN settlements AS x ON x.settlement_id = e.settlement_id
    WHERE e.position_id = p.position_id
      AND e.entry_type = 'settlement'
    ORDER BY x.revision DESC
    LIMIT 1
) AS s ON p.status = 'settled'
WHERE p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
ORDER BY p.position_id;
