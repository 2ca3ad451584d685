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
