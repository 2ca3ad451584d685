-- What trading came to: counts, profits by strategy and model, the course of the account.

-- name: pnl(environment)
SELECT
    strategy_name, strategy_version, model_name, model_version, method_name, method_version,
    positions, realised, settlement, fees, open_cost, adjustments, net
FROM pnl_by_strategy_model
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL
ORDER BY strategy_name, strategy_version, model_name, model_version, method_name, method_version;

-- name: results(environment)
-- Finished positions per strategy, model and method: how many won, and what they cost.
SELECT
    s.strategy_name, s.strategy_version, pm.model_name, pm.model_version,
    count(*) AS positions,
    count(*) FILTER (WHERE p.realized_pnl > 0) AS won,
    sum(p.original_quantity * p.entry_price) AS cost,
    sum(p.realized_pnl) AS net,
    sum(p.fees) AS fees
FROM positions AS p
LEFT JOIN strategies AS s ON s.strategy_id = p.strategy_id
LEFT JOIN probability_models AS pm ON pm.model_id = p.model_id
WHERE p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
  AND p.status <> 'open'
GROUP BY s.strategy_name, s.strategy_version, pm.model_name, pm.model_version
ORDER BY s.strategy_name, s.strategy_version, pm.model_name, pm.model_version;

-- name: equity(environment)
-- Cash plus contracts at cost after each instant at which money moved, capital included. Cost moves
-- into a position with its purchase and out of it when it ends, so equity changes by fees and by
-- results only.
WITH moves AS (
    SELECT known_at AS at, amount AS cash, 0 AS cost
    FROM account_ledger
    WHERE execution_environment = :environment
      AND backtest_run_id IS NULL
    UNION ALL
    SELECT known_at, 0, -amount
    FROM account_ledger
    WHERE execution_environment = :environment
      AND backtest_run_id IS NULL
      AND entry_type = 'purchase'
    UNION ALL
    SELECT exit_time, 0, -(realized_cost)
    FROM (
        SELECT p.exit_time, (
            SELECT -sum(e.amount)
            FROM account_ledger AS e
            WHERE e.position_id = p.position_id
              AND e.entry_type = 'purchase'
        ) AS realized_cost
        FROM positions AS p
        WHERE p.execution_environment = :environment
          AND p.backtest_run_id IS NULL
          AND p.status <> 'open'
    ) AS ended
)
SELECT at, sum(sum(cash)) OVER (ORDER BY at) AS cash, sum(sum(cash + cost)) OVER (ORDER BY at) AS equity
FROM moves
GROUP BY at
ORDER BY at;

-- name: decision_counts(environment)
SELECT outcome, skip_reason, count(*) AS count
FROM decisions
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL
GROUP BY outcome, skip_reason
ORDER BY outcome, count DESC, skip_reason;

-- name: activity(environment)^
SELECT
    (SELECT count(*) FROM decisions
     WHERE execution_environment = :environment AND backtest_run_id IS NULL) AS decisions,
    (SELECT count(DISTINCT tick_id) FROM decisions
     WHERE execution_environment = :environment AND backtest_run_id IS NULL) AS ticks,
    (SELECT count(*) FROM edges
     WHERE execution_environment = :environment AND backtest_run_id IS NULL) AS edges,
    (SELECT count(*) FROM orders
     WHERE execution_environment = :environment AND backtest_run_id IS NULL) AS orders,
    (SELECT count(*) FROM fills
     WHERE execution_environment = :environment AND backtest_run_id IS NULL) AS fills,
    (SELECT count(*) FROM trades
     WHERE execution_environment = :environment AND backtest_run_id IS NULL) AS trades,
    (SELECT count(*) FROM positions
     WHERE execution_environment = :environment AND backtest_run_id IS NULL) AS positions,
    (SELECT count(*) FROM settlements) AS settlements,
    (SELECT count(*) FROM account_ledger
     WHERE execution_environment = :environment AND backtest_run_id IS NULL) AS ledger_entries,
    (SELECT min(decided_at) FROM decisions
     WHERE execution_environment = :environment AND backtest_run_id IS NULL) AS first_decision,
    (SELECT max(decided_at) FROM decisions
     WHERE execution_environment = :environment AND backtest_run_id IS NULL) AS last_decision;

-- name: status_counts(environment)
SELECT 'orders' AS what, status, count(*) AS count
FROM orders
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL
GROUP BY status
UNION ALL
SELECT 'positions', status, count(*)
FROM positions
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL
GROUP BY status
ORDER BY what, status;

-- name: quote_sources(environment)
-- Where the prices of our trades came from: simulated, assumed, recorded or typed in.
SELECT trade_metadata ->> 'quote_source' AS source, count(*) AS trades
FROM trades
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL
GROUP BY trade_metadata ->> 'quote_source'
ORDER BY source;

-- name: positions(environment, status, maximum)
SELECT
    p.position_id, p.status, p.platform_id, m.ticker, p.side, p.original_quantity, p.quantity,
    p.entry_price, p.exit_price, p.fees, p.realized_pnl, p.exit_reason, p.entry_time, p.exit_time,
    s.strategy_name, s.strategy_version, pm.model_name, pm.model_version,
    p.edge_at_entry, g.game_key
FROM positions AS p
JOIN markets AS m ON m.market_id = p.market_id
JOIN events AS e ON e.event_id = m.event_id
LEFT JOIN games AS g ON g.game_id = e.game_id
LEFT JOIN strategies AS s ON s.strategy_id = p.strategy_id
LEFT JOIN probability_models AS pm ON pm.model_id = p.model_id
WHERE p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
  AND (CAST(:status AS TEXT) IS NULL OR p.status = :status)
ORDER BY p.entry_time DESC, p.position_id DESC
LIMIT :maximum;

-- name: trades(environment, maximum)
SELECT
    t.trade_id, t.event_ts, t.platform_id, m.ticker, t.action, t.side, t.price, t.quantity, t.fee,
    t.edge_at_execution, t.slippage, t.trade_metadata ->> 'quote_source' AS quote_source,
    s.strategy_name, s.strategy_version, pm.model_name, pm.model_version, t.position_id,
    g.game_key
FROM trades AS t
JOIN markets AS m ON m.market_id = t.market_id
JOIN events AS e ON e.event_id = m.event_id
LEFT JOIN games AS g ON g.game_id = e.game_id
LEFT JOIN strategies AS s ON s.strategy_id = t.strategy_id
LEFT JOIN probability_models AS pm ON pm.model_id = t.model_id
WHERE t.execution_environment = :environment
  AND t.backtest_run_id IS NULL
ORDER BY t.event_ts DESC, t.trade_id DESC
LIMIT :maximum;

-- name: recent_edges(environment, maximum)
SELECT
    e.known_at, m.ticker, e.side, e.true_win_probability, e.market_implied_probability,
    e.market_price, e.fee, e.expected_value, e.confidence_level, e.recommended_action
FROM edges AS e
JOIN markets AS m ON m.market_id = e.market_id
WHERE e.execution_environment = :environment
  AND e.backtest_run_id IS NULL
ORDER BY e.edge_id DESC
LIMIT :maximum;

-- name: recent_decisions(environment, maximum)
SELECT
    d.decided_at, m.ticker, d.side, d.outcome, d.skip_reason, d.probability, d.price, d.edge,
    d.stake, d.quantity, d.inputs ->> 'quote_source' AS quote_source
FROM decisions AS d
JOIN markets AS m ON m.market_id = d.market_id
WHERE d.execution_environment = :environment
  AND d.backtest_run_id IS NULL
ORDER BY d.decision_id DESC
LIMIT :maximum;

-- name: recent_orders(environment, maximum)
SELECT
    d.decided_at, m.ticker, o.action, o.side, o.limit_price, o.quantity, o.time_in_force, o.status,
    o.filled_quantity, o.error_code
FROM orders AS o
JOIN decisions AS d ON d.decision_id = o.decision_id
JOIN markets AS m ON m.market_id = o.market_id
WHERE o.execution_environment = :environment
  AND o.backtest_run_id IS NULL
ORDER BY o.order_id DESC
LIMIT :maximum;

-- name: recent_fills(environment, maximum)
SELECT
    f.event_ts, m.ticker, f.action, f.side, f.price, f.quantity, f.fee,
    f.raw ->> 'quote_source' AS quote_source
FROM fills AS f
JOIN markets AS m ON m.market_id = f.market_id
WHERE f.execution_environment = :environment
  AND f.backtest_run_id IS NULL
ORDER BY f.fill_id DESC
LIMIT :maximum;

-- name: recent_trades(environment, maximum)
SELECT
    t.event_ts, m.ticker, t.action, t.side, t.price, t.quantity, t.fee, t.edge_at_execution,
    s.strategy_name AS strategy, pm.model_name AS model,
    t.trade_metadata ->> 'quote_source' AS quote_source
FROM trades AS t
JOIN markets AS m ON m.market_id = t.market_id
LEFT JOIN strategies AS s ON s.strategy_id = t.strategy_id
LEFT JOIN probability_models AS pm ON pm.model_id = t.model_id
WHERE t.execution_environment = :environment
  AND t.backtest_run_id IS NULL
ORDER BY t.trade_id DESC
LIMIT :maximum;

-- name: recent_positions(environment, maximum)
SELECT
    p.entry_time, m.ticker, p.side, p.original_quantity, p.quantity, p.entry_price, p.exit_price,
    p.fees, p.realized_pnl, p.status
FROM positions AS p
JOIN markets AS m ON m.market_id = p.market_id
WHERE p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
ORDER BY p.position_id DESC
LIMIT :maximum;

-- name: recent_settlements(environment, maximum)
-- Settlements belong to markets, not to an environment; marked are those in which one held.
SELECT
    s.known_at, m.ticker, s.outcome, s.settlement_value, s.stage,
    EXISTS (
        SELECT
        FROM positions AS p
        WHERE p.market_id = s.market_id
          AND p.execution_environment = :environment
    ) AS traded
FROM settlements AS s
JOIN markets AS m ON m.market_id = s.market_id
ORDER BY s.settlement_id DESC
LIMIT :maximum;

-- name: recent_account_ledger(environment, maximum)
SELECT e.event_ts, e.platform_id, e.entry_type, e.amount, e.note
FROM account_ledger AS e
WHERE e.execution_environment = :environment
  AND e.backtest_run_id IS NULL
ORDER BY e.entry_id DESC
LIMIT :maximum;

-- name: edge_problems(environment)^
-- Keys with more than one current row, keys whose rows overlap, and probabilities out of place.
SELECT
    (SELECT count(*) FROM (
        SELECT edge_key
        FROM edges
        WHERE execution_environment = :environment
          AND row_current_ind
        GROUP BY backtest_run_id, edge_key
        HAVING count(*) > 1
    ) AS doubled) AS doubled,
    (SELECT count(*) FROM (
        SELECT
            row_end_ts,
            lead(row_start_ts) OVER (
                PARTITION BY backtest_run_id, edge_key ORDER BY row_start_ts
            ) AS next_start
        FROM edges
        WHERE execution_environment = :environment
    ) AS history
    WHERE next_start IS NOT NULL
      AND (row_end_ts IS NULL OR row_end_ts > next_start)) AS overlapping,
    (SELECT count(*)
     FROM edges
     WHERE execution_environment = :environment
       AND (true_win_probability IN (0, 1) OR market_price IN (0, 1))) AS impossible,
    (SELECT count(*) FROM edges
     WHERE execution_environment = :environment AND row_current_ind) AS current_rows;

-- name: look_ahead(environment)^
-- Decisions on a fact that was not known yet, or on a quote or prediction that cannot be found.
SELECT
    count(*) AS decisions,
    count(*) FILTER (WHERE q.market_id IS NULL) AS without_quote,
    count(*) FILTER (WHERE q.known_at > d.decided_at) AS quote_too_late,
    count(*) FILTER (WHERE p.known_at > d.decided_at) AS prediction_too_late,
    count(*) FILTER (WHERE p.trained_until >= g.kickoff_at) AS model_saw_the_game
FROM decisions AS d
LEFT JOIN market_snapshots AS q
    ON q.market_id = d.market_id
   AND q.observed_at = d.quote_observed_at
LEFT JOIN predictions AS p ON p.prediction_id = d.prediction_id
LEFT JOIN games AS g ON g.game_id = p.game_id
WHERE d.execution_environment = :environment
  AND d.backtest_run_id IS NULL
  AND d.purpose = 'entry';

-- name: unattributed(environment)^
-- Automated money that does not say who decided, with which model, on what.
SELECT
    (SELECT count(*)
     FROM trades
     WHERE execution_environment = :environment
       AND trade_source = 'automated'
       AND num_nonnulls(strategy_id, model_id, decision_id, position_id) < 4) AS trades,
    (SELECT count(*)
     FROM orders
     WHERE execution_environment = :environment
       AND num_nonnulls(strategy_id, model_id) < 2) AS orders,
    (SELECT count(*)
     FROM positions
     WHERE execution_environment = :environment
       AND num_nonnulls(strategy_id, model_id) < 2) AS positions,
    (SELECT count(*)
     FROM decisions
     WHERE execution_environment = :environment
       AND outcome = 'taken'
       AND num_nonnulls(strategy_id, model_id, prediction_id, quote_observed_at) < 4) AS decisions,
    (SELECT count(*)
     FROM fills AS f
     WHERE f.execution_environment = :environment
       AND NOT EXISTS (SELECT FROM trades AS t WHERE t.fill_id = f.fill_id)) AS fills_without_trade,
    (SELECT count(*)
     FROM pnl_by_strategy_model
     WHERE execution_environment = :environment
       AND (strategy_id IS NULL OR model_id IS NULL)
       AND net <> 0) AS unattributed_results;

-- name: unfinished_orders(environment)$
SELECT count(*)
FROM orders
WHERE execution_environment = :environment
  AND status IN ('intent', 'sent', 'resting', 'unknown');
