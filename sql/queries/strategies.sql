-- Strategy versions as a person handles them: what they showed on paper, and their way to live.

-- name: strategies(status)
SELECT
    s.strategy_id, s.strategy_name, s.strategy_version, s.league, s.status,
    s.config ->> 'type' AS strategy_type,
    COALESCE(paper.trades, 0) AS paper_trades, paper.net AS paper_net,
    s.activated_at, s.deactivated_at, s.approved_by, s.created_by, s.notes
FROM strategies AS s
LEFT JOIN LATERAL (
    SELECT count(DISTINCT p.position_id) AS trades, sum(e.amount) AS net
    FROM positions AS p
    JOIN account_ledger AS e ON e.position_id = p.position_id
    WHERE p.strategy_id = s.strategy_id
      AND p.execution_environment = 'paper'
      AND p.status <> 'open'
) AS paper ON true
WHERE CAST(:status AS TEXT) IS NULL OR s.status = :status
ORDER BY s.strategy_name, s.strategy_id;

-- name: versions_of(name)
SELECT strategy_version
FROM strategies
WHERE strategy_name = :name
ORDER BY strategy_id;

-- name: strategy(name, version)^
-- The row stays locked until the transaction ends: two people do not move it at once.
SELECT strategy_id, strategy_name, strategy_version, status
FROM strategies
WHERE strategy_name = :name
  AND strategy_version = :version
FOR UPDATE;

-- name: paper_positions(strategy_id)
-- Finished paper positions in the order they ended, each with the sum of its cash movements.
SELECT p.position_id, p.entry_time, p.exit_time, sum(e.amount) AS net
FROM positions AS p
JOIN account_ledger AS e ON e.position_id = p.position_id
WHERE p.strategy_id = :strategy_id
  AND p.execution_environment = 'paper'
  AND p.status <> 'open'
GROUP BY p.position_id
ORDER BY p.exit_time, p.position_id;

-- name: paper_entries(strategy_id)
-- Each paper entry before the start that filled: cost of a contract with fees, and the last own-side
-- mid known before the start. An entry after the start has no closing price to be measured on.
SELECT
    o.order_id,
    (filled.paid + filled.fees) / filled.quantity AS cost_per_contract,
    CASE WHEN d.side = 'yes' THEN closing.mid ELSE 1 - closing.mid END AS closing_mid
FROM decisions AS d
JOIN orders AS o ON o.decision_id = d.decision_id
JOIN markets AS m ON m.market_id = o.market_id
JOIN events AS e ON e.event_id = m.event_id
JOIN games AS g ON g.game_id = e.game_id
JOIN LATERAL (
    SELECT sum(f.quantity) AS quantity, sum(f.quantity * f.price) AS paid, sum(f.fee) AS fees
    FROM fills AS f
    WHERE f.order_id = o.order_id
) AS filled ON filled.quantity > 0
LEFT JOIN LATERAL (
    SELECT (q.yes_bid + q.yes_ask) / 2 AS mid
    FROM market_snapshots AS q
    WHERE q.market_id = o.market_id
      AND q.observed_at < g.kickoff_at
      AND q.observed_at > g.kickoff_at - INTERVAL '2 days'
      AND q.known_at < g.kickoff_at
      AND q.yes_bid IS NOT NULL
      AND q.yes_ask IS NOT NULL
    ORDER BY q.observed_at DESC
    LIMIT 1
) AS closing ON true
WHERE d.strategy_id = :strategy_id
  AND d.execution_environment = 'paper'
  AND d.outcome = 'taken'
  AND d.purpose = 'entry'
  AND d.decided_at < g.kickoff_at
ORDER BY o.order_id;

-- name: unattributed_trades(strategy_id)$
-- Trades of the strategy's positions that do not name it, or no model.
SELECT count(*)
FROM trades AS t
JOIN positions AS p ON p.position_id = t.position_id
WHERE p.strategy_id = :strategy_id
  AND (t.strategy_id IS DISTINCT FROM p.strategy_id OR t.model_id IS NULL);

-- name: open_leak_alarms(strategy_id)$
-- Unresolved leak alarms, of a model the strategy works with or of none in particular.
SELECT count(*)
FROM alerts AS a
WHERE a.alert_type = 'leak_alarm'
  AND a.resolved_at IS NULL
  AND (
      a.details ->> 'model_id' IS NULL
      OR a.details ->> 'model_id' IN (
          SELECT CAST(m.model_id AS TEXT) FROM methods AS m WHERE m.strategy_id = :strategy_id
      )
  );

-- name: methods_in_force(strategy_id)
SELECT method_name, method_version, status
FROM methods
WHERE strategy_id = :strategy_id
  AND status IN ('testing', 'active')
ORDER BY method_name, method_id;

-- name: change_status(strategy_id, old_status, new_status, who, notes)$
-- The path is the trigger's business; the time of each end is kept.
UPDATE strategies
SET status = :new_status,
    activated_at = CASE
        WHEN :new_status IN ('testing', 'active') THEN COALESCE(activated_at, now())
        ELSE activated_at
    END,
    deactivated_at = CASE
        WHEN :new_status IN ('testing', 'active') THEN NULL
        ELSE COALESCE(deactivated_at, now())
    END,
    approved_by = CASE
        WHEN :new_status IN ('testing', 'active') THEN CAST(:who AS TEXT) ELSE approved_by
    END,
    notes = :notes
WHERE strategy_id = :strategy_id
  AND status = :old_status
RETURNING strategy_id;
