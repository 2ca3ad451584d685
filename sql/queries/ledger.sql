-- Orders from intent to terminal, and what fills and settlements do to positions and cash.

-- name: working_orders_in_full(environment)
-- Orders that are not at their end, in the order they were decided, with what their decision knew
-- and what was filled so far. Locked: whoever comes second waits and finds them done.
SELECT
    o.order_id, o.client_order_id, o.platform_id, o.market_id, o.decision_id, o.strategy_id,
    o.model_id, o.method_id, o.position_id, o.purpose, o.exit_condition, o.action, o.side,
    o.limit_price, o.quantity, o.time_in_force, o.reduce_only, o.post_only, o.status,
    o.attempt_number, o.terms, o.sent_at, o.filled_quantity,
    COALESCE(f.value, 0) AS filled_value, COALESCE(f.accumulated, 0) AS accumulated,
    f.first_at AS first_fill_at,
    p.position_key,
    d.decided_at, d.quote_observed_at, d.probability, d.price AS decided_price, d.edge,
    d.inputs ->> 'confidence' AS confidence, d.tick_id,
    m.event_id, e.series_id
FROM orders AS o
JOIN decisions AS d ON d.decision_id = o.decision_id
JOIN markets AS m ON m.market_id = o.market_id
JOIN events AS e ON e.event_id = m.event_id
LEFT JOIN positions AS p ON p.position_id = o.position_id
LEFT JOIN LATERAL (
    SELECT
        sum(x.price * x.quantity) AS value,
        min(x.event_ts) AS first_at,
        -- Rounding paid and not yet paid back: the next fill of the order goes on from there.
        sum(CAST(x.raw ->> 'rounding_fee' AS NUMERIC) - CAST(x.raw ->> 'rebate' AS NUMERIC))
            AS accumulated
    FROM fills AS x
    WHERE x.order_id = o.order_id
) AS f ON true
WHERE o.status IN ('intent', 'sent', 'resting', 'unknown')
  AND o.execution_environment = :environment
  AND o.backtest_run_id IS NULL
ORDER BY o.order_id
FOR UPDATE OF o;

-- name: books_of_orders(rows, wait_s, until)
-- For each order the quote it was decided on and the first one recorded at or after sending and
-- after the one decided on.
SELECT r.client_order_id, q.which, q.observed_at, q.known_at, q.source, q.yes_bid, q.yes_ask,
       q.yes_bid_size, q.yes_ask_size
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    client_order_id TEXT, market_id BIGINT, quote_observed_at TIMESTAMPTZ, sent_at TIMESTAMPTZ
)
CROSS JOIN LATERAL (
    SELECT 'own' AS which, s.observed_at, s.known_at, s.source, s.yes_bid, s.yes_ask,
           s.yes_bid_size, s.yes_ask_size
    FROM market_snapshots AS s
    WHERE s.market_id = r.market_id
      AND s.observed_at = r.quote_observed_at
    UNION ALL
    (
        SELECT 'next', s.observed_at, s.known_at, s.source, s.yes_bid, s.yes_ask,
               s.yes_bid_size, s.yes_ask_size
        FROM market_snapshots AS s
        WHERE s.market_id = r.market_id
          AND s.observed_at >= r.sent_at
          AND s.observed_at > r.quote_observed_at
          AND s.observed_at <= r.sent_at + make_interval(secs => :wait_s)
          AND s.known_at <= :until
        ORDER BY s.observed_at
        LIMIT 1
    )
) AS q;

-- name: contracts_taken(market_ids, environment)
-- What our earlier fills took from the bids of one side of a book, and from a print or bar.
SELECT
    f.market_id, f.raw ->> 'quote_observed_at' AS quote_observed_at, f.raw ->> 'consumes' AS consumes,
    f.raw ->> 'traded_through' AS traded_through, sum(f.quantity) AS quantity
FROM fills AS f
WHERE f.market_id = ANY (CAST(:market_ids AS BIGINT[]))
  AND f.execution_environment = :environment
  AND f.backtest_run_id IS NULL
GROUP BY f.market_id, f.raw ->> 'quote_observed_at', f.raw ->> 'consumes',
         f.raw ->> 'traded_through';

-- name: open_position_books(market_ids, environment)
SELECT position_id, position_key, market_id, side, strategy_id, model_id, method_id, current_price
FROM positions
WHERE status = 'open'
  AND market_id = ANY (CAST(:market_ids AS BIGINT[]))
  AND execution_environment = :environment
  AND backtest_run_id IS NULL
FOR UPDATE;

-- name: executions_in_markets(market_ids, environment)
-- Of the open positions in some markets everything that happened to them.
SELECT t.position_id, f.venue_fill_id, t.event_ts, t.action, t.price, t.quantity, t.fee
FROM positions AS p
JOIN trades AS t ON t.position_id = p.position_id
JOIN fills AS f ON f.fill_id = t.fill_id
WHERE p.status = 'open'
  AND p.market_id = ANY (CAST(:market_ids AS BIGINT[]))
  AND p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
ORDER BY t.position_id, t.trade_id;

-- name: prints(market_ids, since, until)
SELECT market_id, venue_trade_id, event_ts, known_at, price, quantity
FROM market_trades
WHERE market_id = ANY (CAST(:market_ids AS BIGINT[]))
  AND event_ts > :since
  AND known_at <= :until
ORDER BY market_id, event_ts, venue_trade_id;

-- name: bars(market_ids, since, until)
-- The finest bars of each market.
SELECT
    c.market_id, c.bar_end_ts - make_interval(secs => c.period_s) AS bar_start_ts, c.bar_end_ts,
    c.known_at, c.low_price, c.high_price, c.volume
FROM unnest(CAST(:market_ids AS BIGINT[])) AS asked (market_id)
CROSS JOIN LATERAL (
    SELECT min(finest.period_s) AS period_s
    FROM market_candles AS finest
    WHERE finest.market_id = asked.market_id
) AS f
JOIN market_candles AS c
    ON c.market_id = asked.market_id
   AND c.period_s = f.period_s
   AND c.bar_end_ts > :since
   AND c.known_at <= :until
ORDER BY c.market_id, c.bar_end_ts;

-- name: orders_in_doubt(environment)$
SELECT count(*)
FROM orders
WHERE status IN ('sent', 'unknown')
  AND execution_environment = :environment
  AND backtest_run_id IS NULL;

-- name: doubt_sent_orders(environment)!
-- Nobody waits for their answer any more: the process that sent them is gone.
UPDATE orders
SET status = 'unknown'
WHERE status = 'sent'
  AND execution_environment = :environment
  AND backtest_run_id IS NULL;

-- name: absences(environment, absence_s, client_order_ids)
-- In how many complete listings, long enough after sending, each order was missing.
SELECT o.client_order_id, count(*) AS absences
FROM orders AS o
JOIN reconciliation_runs AS r
    ON r.platform_id = o.platform_id
   AND r.execution_environment = o.execution_environment
   AND r.listing_complete
   AND r.started_at >= o.sent_at + make_interval(secs => :absence_s)
   AND r.mismatches @> jsonb_build_array(
       jsonb_build_object('client_order_id', o.client_order_id, 'absent', true)
   )
WHERE o.client_order_id = ANY (CAST(:client_order_ids AS TEXT[]))
  AND o.execution_environment = :environment
GROUP BY o.client_order_id;

-- name: insert_reconciliation(platform_id, environment, at, status, complete, counts, mismatches)$
INSERT INTO reconciliation_runs (
    platform_id, execution_environment, started_at, finished_at, status, listing_complete, counts,
    mismatches
)
VALUES (
    :platform_id, :environment, :at, :at, :status, :complete, CAST(:counts AS JSONB),
    CAST(:mismatches AS JSONB)
)
RETURNING reconciliation_id;

-- name: mark_sent(rows, environment)!
-- Intents on their way; those already sent stay as they are.
UPDATE orders AS o
SET status = 'sent',
    sent_at = r.sent_at
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (client_order_id TEXT, sent_at TIMESTAMPTZ)
WHERE o.client_order_id = r.client_order_id
  AND o.execution_environment = :environment
  AND o.status = 'intent';

-- name: record_outcomes(rows, environment)!
UPDATE orders AS o
SET status = r.status,
    venue_order_id = COALESCE(r.venue_order_id, o.venue_order_id),
    filled_quantity = r.filled_quantity,
    closed_at = r.closed_at,
    error_code = r.error_code,
    error_message = r.error_message
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    client_order_id TEXT, status TEXT, venue_order_id TEXT, filled_quantity NUMERIC,
    closed_at TIMESTAMPTZ, error_code TEXT, error_message TEXT
)
WHERE o.client_order_id = r.client_order_id
  AND o.execution_environment = :environment
  AND o.status IN ('sent', 'resting', 'unknown');

-- name: cancel_intents(rows, environment)!
-- Orders that were never sent and never will be.
UPDATE orders AS o
SET status = 'canceled',
    closed_at = r.closed_at,
    error_code = r.error_code,
    error_message = r.error_message
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    client_order_id TEXT, closed_at TIMESTAMPTZ, error_code TEXT, error_message TEXT
)
WHERE o.client_order_id = r.client_order_id
  AND o.execution_environment = :environment
  AND o.status = 'intent';

-- name: insert_fills(rows, environment)!
INSERT INTO fills (
    platform_id, execution_environment, venue_fill_id, venue_order_id, order_id, market_id, action,
    side, price, quantity, fee, modelled_fee, fee_schedule_id, is_taker, event_ts, known_at, raw
)
SELECT
    r.platform_id, :environment, r.venue_fill_id, r.venue_order_id, o.order_id, r.market_id,
    r.action, r.side, r.price, r.quantity, r.fee, r.modelled_fee, r.fee_schedule_id, r.is_taker,
    r.event_ts, r.known_at, r.raw
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    number INTEGER, client_order_id TEXT, platform_id TEXT, venue_fill_id TEXT, venue_order_id TEXT,
    market_id BIGINT, action TEXT, side TEXT, price NUMERIC, quantity NUMERIC, fee NUMERIC,
    modelled_fee NUMERIC, fee_schedule_id BIGINT, is_taker BOOLEAN, event_ts TIMESTAMPTZ,
    known_at TIMESTAMPTZ, raw JSONB
)
JOIN orders AS o ON o.client_order_id = r.client_order_id
ORDER BY r.number;

-- name: insert_positions(rows, environment)!
INSERT INTO positions (
    position_key, platform_id, market_id, execution_environment, side, original_quantity, quantity,
    entry_price, fees, realized_pnl, strategy_id, model_id, method_id, edge_at_entry, entry_time,
    position_metadata
)
SELECT
    r.position_key, r.platform_id, r.market_id, :environment, r.side, r.original_quantity,
    r.quantity, r.entry_price, r.fees, r.realized_pnl, r.strategy_id, r.model_id, r.method_id,
    r.edge_at_entry, r.entry_time, r.position_metadata
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    number INTEGER, position_key TEXT, platform_id TEXT, market_id BIGINT, side TEXT,
    original_quantity NUMERIC, quantity NUMERIC, entry_price NUMERIC, fees NUMERIC,
    realized_pnl NUMERIC, strategy_id BIGINT, model_id BIGINT, method_id BIGINT,
    edge_at_entry NUMERIC, entry_time TIMESTAMPTZ, position_metadata JSONB
)
ORDER BY r.number;

-- name: update_positions(rows, environment)!
UPDATE positions AS p
SET original_quantity = r.original_quantity,
    quantity = r.quantity,
    entry_price = r.entry_price,
    fees = r.fees,
    realized_pnl = r.realized_pnl,
    status = r.status,
    exit_price = r.exit_price,
    exit_reason = r.exit_reason,
    exit_priority = r.exit_priority,
    exit_time = r.exit_time,
    unrealized_pnl = r.unrealized_pnl
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    position_key TEXT, original_quantity NUMERIC, quantity NUMERIC, entry_price NUMERIC,
    fees NUMERIC, realized_pnl NUMERIC, status TEXT, exit_price NUMERIC, exit_reason TEXT,
    exit_priority TEXT, exit_time TIMESTAMPTZ, unrealized_pnl NUMERIC
)
WHERE p.position_key = r.position_key
  AND p.execution_environment = :environment;

-- name: insert_trades(rows, environment)!
INSERT INTO trades (
    platform_id, market_id, position_id, execution_environment, trade_source, action, side, price,
    quantity, fee, is_taker, event_ts, known_at, trade_metadata, strategy_id, model_id, method_id,
    edge_at_execution, confidence_at_execution, slippage, decision_id, fill_id
)
SELECT
    r.platform_id, r.market_id, p.position_id, :environment, r.trade_source, r.action, r.side,
    r.price, r.quantity, r.fee, r.is_taker, r.event_ts, r.known_at, r.trade_metadata,
    r.strategy_id, r.model_id, r.method_id, r.edge_at_execution, r.confidence_at_execution,
    r.slippage, o.decision_id, f.fill_id
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    number INTEGER, client_order_id TEXT, venue_fill_id TEXT, position_key TEXT, platform_id TEXT,
    trade_source TEXT, market_id BIGINT, action TEXT, side TEXT, price NUMERIC, quantity NUMERIC,
    fee NUMERIC, is_taker BOOLEAN, event_ts TIMESTAMPTZ, known_at TIMESTAMPTZ,
    trade_metadata JSONB, strategy_id BIGINT, model_id BIGINT, method_id BIGINT,
    edge_at_execution NUMERIC, confidence_at_execution TEXT, slippage NUMERIC
)
JOIN orders AS o ON o.client_order_id = r.client_order_id
JOIN positions AS p ON p.position_key = r.position_key
JOIN fills AS f
    ON f.platform_id = r.platform_id
   AND f.execution_environment = :environment
   AND f.venue_fill_id = r.venue_fill_id
ORDER BY r.number;

-- name: insert_position_exits(rows, environment)!
INSERT INTO position_exits (
    position_id, trade_id, execution_environment, exit_condition, exit_priority, stage,
    quantity_exited, remaining_quantity, exit_price, realized_pnl, conflicting_triggers,
    triggered_at, executed_at
)
SELECT
    p.position_id, t.trade_id, :environment, r.exit_condition, r.exit_priority, r.stage,
    r.quantity_exited, r.remaining_quantity, r.exit_price, r.realized_pnl, r.conflicting_triggers,
    r.triggered_at, r.executed_at
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    number INTEGER, position_key TEXT, venue_fill_id TEXT, exit_condition TEXT, exit_priority TEXT,
    stage INTEGER, quantity_exited NUMERIC, remaining_quantity NUMERIC, exit_price NUMERIC,
    realized_pnl NUMERIC, conflicting_triggers JSONB, triggered_at TIMESTAMPTZ,
    executed_at TIMESTAMPTZ
)
JOIN positions AS p ON p.position_key = r.position_key
JOIN fills AS f
    ON f.platform_id = p.platform_id
   AND f.execution_environment = :environment
   AND f.venue_fill_id = r.venue_fill_id
JOIN trades AS t ON t.fill_id = f.fill_id
ORDER BY r.number;

-- name: insert_exit_attempts(rows, environment)!
INSERT INTO exit_attempts (
    position_id, order_id, execution_environment, exit_condition, exit_priority, order_style,
    attempt_number, limit_price, fill_price, quantity, filled_quantity, timeout_seconds, success,
    placed_at, ended_at, error_message
)
SELECT
    p.position_id, o.order_id, :environment, r.exit_condition, r.exit_priority, r.order_style,
    r.attempt_number, r.limit_price, r.fill_price, r.quantity, r.filled_quantity,
    r.timeout_seconds, r.success, r.placed_at, r.ended_at, r.error_message
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    number INTEGER, position_key TEXT, client_order_id TEXT, exit_condition TEXT,
    exit_priority TEXT, order_style TEXT, attempt_number INTEGER, limit_price NUMERIC,
    fill_price NUMERIC, quantity NUMERIC, filled_quantity NUMERIC, timeout_seconds INTEGER,
    success BOOLEAN, placed_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, error_message TEXT
)
JOIN positions AS p ON p.position_key = r.position_key
JOIN orders AS o ON o.client_order_id = r.client_order_id
ORDER BY r.number;

-- name: executions_of_positions(position_ids)
SELECT t.position_id, f.venue_fill_id, t.event_ts, t.action, t.price, t.quantity, t.fee
FROM trades AS t
JOIN fills AS f ON f.fill_id = t.fill_id
WHERE t.position_id = ANY (CAST(:position_ids AS BIGINT[]))
ORDER BY t.position_id, t.trade_id;

-- name: insert_ledger_entries(rows, environment)
-- Each movement once, by its key; returns those that were new.
INSERT INTO account_ledger (
    entry_key, platform_id, execution_environment, entry_type, amount, position_id, fill_id,
    settlement_id, reverses_entry_id, event_ts, known_at, note
)
SELECT
    r.entry_key, r.platform_id, :environment, r.entry_type, r.amount, p.position_id, f.fill_id,
    s.settlement_id, reversed.entry_id, r.event_ts, r.known_at, r.note
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    number INTEGER, entry_key TEXT, platform_id TEXT, entry_type TEXT, amount NUMERIC,
    position_key TEXT, venue_fill_id TEXT, market_id BIGINT, revision INTEGER,
    reverses_entry_key TEXT, event_ts TIMESTAMPTZ, known_at TIMESTAMPTZ, note TEXT
)
LEFT JOIN positions AS p ON p.position_key = r.position_key
LEFT JOIN fills AS f
    ON f.platform_id = r.platform_id
   AND f.execution_environment = :environment
   AND f.venue_fill_id = r.venue_fill_id
LEFT JOIN settlements AS s
    ON s.market_id = r.market_id
   AND s.revision = r.revision
LEFT JOIN account_ledger AS reversed ON reversed.entry_key = r.reverses_entry_key
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

-- name: account_worth(environment)
-- Cash, and what the open positions were last worth.
SELECT b.platform_id, b.balance AS cash, COALESCE((
    SELECT sum(p.quantity * COALESCE(p.current_price, p.entry_price))
    FROM positions AS p
    WHERE p.status = 'open'
      AND p.platform_id = b.platform_id
      AND p.execution_environment = b.execution_environment
      AND p.backtest_run_id IS NULL
), 0) AS value
FROM account_balance AS b
WHERE b.row_current_ind
  AND b.execution_environment = :environment
  AND b.backtest_run_id IS NULL;

-- name: unsettled_markets(after, through)
-- Markets without a settlement of games whose result, or cancellation, became known in
-- (after, through], on platforms that have no venue to settle them. A cancellation is known no
-- earlier than the start it was scheduled for: until then the game may still be played.
SELECT
    m.market_id, m.yes_team_id = g.home_team_id AS yes_is_home, g.status = 'canceled' AS canceled,
    g.game_key, g.source, g.home_score, g.away_score, ended.known_at,
    last_quote.yes_bid, last_quote.yes_ask
FROM (
    SELECT game_id, result_known_at AS known_at
    FROM games
    WHERE status = 'final'
      AND result_known_at > COALESCE(CAST(:after AS TIMESTAMPTZ), '-infinity')
      AND result_known_at <= :through
    UNION ALL
    SELECT game_id, greatest(known_at, kickoff_at)
    FROM games
    WHERE status = 'canceled'
      AND greatest(known_at, kickoff_at) > COALESCE(CAST(:after AS TIMESTAMPTZ), '-infinity')
      AND greatest(known_at, kickoff_at) <= :through
) AS ended
JOIN games AS g ON g.game_id = ended.game_id
JOIN events AS e ON e.game_id = g.game_id
JOIN markets AS m ON m.event_id = e.event_id
JOIN platforms AS p ON p.platform_id = m.platform_id
LEFT JOIN LATERAL (
    SELECT q.yes_bid, q.yes_ask
    FROM market_snapshots AS q
    WHERE q.market_id = m.market_id
      AND q.observed_at > g.kickoff_at - INTERVAL '7 days'
      AND q.observed_at <= g.kickoff_at
      AND q.known_at <= ended.known_at
    ORDER BY q.observed_at DESC
    LIMIT 1
) AS last_quote ON g.status = 'canceled'
WHERE p.platform_type = 'trading'
  AND p.venue_environment = 'none'
  AND m.market_type = 'binary'
  AND m.yes_team_id IN (g.home_team_id, g.away_team_id)
  AND NOT EXISTS (
      SELECT
      FROM settlements AS s
      WHERE s.market_id = m.market_id
  )
ORDER BY ended.known_at, m.market_id;

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
-- Open positions in markets whose final value is known, oldest settlement first. A determined value
-- is provisional; an amended one is final only where a final one came before it.
SELECT
    p.position_id, p.position_key, p.platform_id, p.market_id, p.side, p.quantity,
    p.quantity * COALESCE(p.current_price, p.entry_price) AS marked_value,
    s.revision, s.settlement_value, s.known_at, m.ticker
FROM positions AS p
JOIN markets AS m ON m.market_id = p.market_id
CROSS JOIN LATERAL (
    SELECT latest.revision, latest.stage, latest.settlement_value, latest.known_at
    FROM settlements AS latest
    WHERE latest.market_id = p.market_id
      AND latest.known_at <= :through
    ORDER BY latest.revision DESC
    LIMIT 1
) AS s
WHERE p.status = 'open'
  AND p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
  AND (s.stage = 'finalized' OR (s.stage = 'amended' AND EXISTS (
      SELECT
      FROM settlements AS earlier
      WHERE earlier.market_id = p.market_id
        AND earlier.revision < s.revision
        AND earlier.stage = 'finalized'
  )))
ORDER BY s.known_at, p.position_id
FOR UPDATE OF p;

-- name: positions_to_amend(environment, after, through)
-- Settled positions whose market got another value after it was paid, with the payment to reverse.
SELECT
    p.position_id, p.position_key, p.platform_id, p.market_id, p.side, 0 AS marked_value,
    s.revision, s.settlement_value, s.known_at, m.ticker,
    booked.entry_key AS booked_key, booked.amount AS booked_amount
FROM (
    SELECT DISTINCT ON (market_id) market_id, revision, stage, settlement_value, known_at
    FROM settlements
    WHERE revision > 1
      AND known_at > COALESCE(CAST(:after AS TIMESTAMPTZ), '-infinity')
      AND known_at <= :through
    ORDER BY market_id, revision DESC
) AS s
JOIN positions AS p
    ON p.market_id = s.market_id
   AND p.status = 'settled'
   AND p.execution_environment = :environment
   AND p.backtest_run_id IS NULL
JOIN markets AS m ON m.market_id = p.market_id
CROSS JOIN LATERAL (
    SELECT paid.entry_key, paid.amount, x.revision, x.settlement_value
    FROM account_ledger AS paid
    JOIN settlements AS x ON x.settlement_id = paid.settlement_id
    WHERE paid.position_id = p.position_id
      AND paid.entry_type = 'settlement'
      AND NOT EXISTS (
          SELECT
          FROM account_ledger AS taken_back
          WHERE taken_back.reverses_entry_id = paid.entry_id
      )
    ORDER BY x.revision DESC
    LIMIT 1
) AS booked
WHERE s.stage IN ('amended', 'finalized')
  AND booked.revision < s.revision
  AND booked.settlement_value <> s.settlement_value
ORDER BY s.known_at, p.position_id
FOR UPDATE OF p;

-- name: settlements_due(environment, now)$
-- Open positions that wait for money, whether or not quotes arrive: their market is final, or the
-- game has ended on a platform without a venue.
SELECT count(*)
FROM positions AS p
JOIN markets AS m ON m.market_id = p.market_id
JOIN platforms AS pl ON pl.platform_id = m.platform_id
LEFT JOIN events AS e ON e.event_id = m.event_id
LEFT JOIN games AS g ON g.game_id = e.game_id
WHERE p.status = 'open'
  AND p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
  AND (
      (
          pl.platform_type = 'trading'
          AND pl.venue_environment = 'none'
          AND CASE g.status
              WHEN 'final' THEN g.result_known_at <= :now
              WHEN 'canceled' THEN greatest(g.known_at, g.kickoff_at) <= :now
              ELSE false
          END
      )
      OR (
          SELECT s.stage = 'finalized'
          FROM settlements AS s
          WHERE s.market_id = p.market_id
            AND s.known_at <= :now
          ORDER BY s.revision DESC
          LIMIT 1
      )
  );

-- name: ledger_sums(environment, backtest_run_id)
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
      AND e.backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
) AS l ON true
LEFT JOIN LATERAL (
    SELECT sum(x.fee) AS fees, count(*) AS fills
    FROM fills AS x
    WHERE x.platform_id = b.platform_id
      AND x.execution_environment = b.execution_environment
      AND x.backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
) AS f ON true
WHERE b.row_current_ind
  AND b.execution_environment = :environment
  AND b.backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
ORDER BY b.platform_id;

-- name: positions_for_audit(environment, backtest_run_id)
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
  AND p.backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
ORDER BY p.position_id;

-- name: exits_for_audit(environment, backtest_run_id)
-- Of every position that was sold from: contracts sold and booked, orders ended and attempts.
SELECT
    p.position_id, p.status, p.realized_pnl AS pnl,
    COALESCE(t.sold, 0) AS sold, COALESCE(t.manual, 0) AS manual,
    COALESCE(x.exited, 0) AS exited, COALESCE(x.pnl, 0) AS exit_pnl,
    COALESCE(o.ended, 0) AS ended_orders,
    (SELECT count(*) FROM exit_attempts AS a WHERE a.position_id = p.position_id) AS attempts
FROM (
    SELECT position_id, count(*) FILTER (
        WHERE status IN ('filled', 'canceled', 'rejected') AND exit_condition <> 'manual'
    ) AS ended
    FROM orders
    WHERE position_id IS NOT NULL
      AND execution_environment = :environment
      AND backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
    GROUP BY position_id
) AS o
JOIN positions AS p ON p.position_id = o.position_id
LEFT JOIN LATERAL (
    SELECT sum(s.quantity) FILTER (WHERE s.trade_source = 'automated') AS sold,
           count(*) FILTER (WHERE s.trade_source = 'manual') AS manual
    FROM trades AS s
    WHERE s.position_id = p.position_id
      AND s.action = 'sell'
) AS t ON true
LEFT JOIN LATERAL (
    SELECT sum(e.quantity_exited) AS exited, sum(e.realized_pnl) AS pnl
    FROM position_exits AS e
    WHERE e.position_id = p.position_id
) AS x ON true
ORDER BY p.position_id;

-- name: position_to_close(position_id, environment, until)^
-- A position with the newest quote of its market known by then.
SELECT
    p.position_id, p.position_key, p.platform_id, p.market_id, p.side, p.quantity, p.status,
    p.strategy_id, p.model_id, p.method_id, m.ticker, a.price_ranges,
    s.strategy_name || '@' || s.strategy_version AS strategy,
    pm.model_name || '@' || pm.model_version AS model,
    me.method_name || '@' || me.method_version AS method,
    q.observed_at, q.known_at, q.yes_bid, q.yes_ask
FROM positions AS p
JOIN markets AS m ON m.market_id = p.market_id
LEFT JOIN strategies AS s ON s.strategy_id = p.strategy_id
LEFT JOIN probability_models AS pm ON pm.model_id = p.model_id
LEFT JOIN methods AS me ON me.method_id = p.method_id
LEFT JOIN LATERAL (
    SELECT ma.price_ranges
    FROM market_attributes AS ma
    WHERE ma.market_id = p.market_id
      AND ma.known_at <= :until
    ORDER BY ma.known_at DESC, ma.row_start_ts DESC
    LIMIT 1
) AS a ON true
LEFT JOIN LATERAL (
    SELECT x.observed_at, x.known_at, x.yes_bid, x.yes_ask
    FROM market_snapshots AS x
    WHERE x.market_id = p.market_id
      AND x.observed_at <= :until
      AND x.known_at <= :until
    ORDER BY x.observed_at DESC
    LIMIT 1
) AS q ON true
WHERE p.position_id = :position_id
  AND p.execution_environment = :environment;

-- name: last_manual_order(position_id)^
SELECT status, filled_quantity
FROM orders
WHERE position_id = :position_id
  AND exit_condition = 'manual'
ORDER BY order_id DESC
LIMIT 1;

-- name: ledgers_to_audit()
-- Every account with a balance: an environment, and of the backtest the completed run.
SELECT DISTINCT b.execution_environment AS environment, b.backtest_run_id, r.run_name
FROM account_balance AS b
LEFT JOIN backtest_runs AS r ON r.backtest_run_id = b.backtest_run_id
WHERE b.row_current_ind
ORDER BY b.execution_environment, b.backtest_run_id;
