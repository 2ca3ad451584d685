-- What a person asks and does at the desk.

-- name: edges(environment, league, minimum, past, maximum)
-- Current valuations of games that have not started, the best first.
SELECT
    e.market_id, e.ticker, e.side, g.game_key, g.kickoff_at,
    s.strategy_name, s.strategy_version, p.model_name, p.model_version,
    e.true_win_probability, e.market_implied_probability, e.market_price, e.fee, e.expected_value,
    e.confidence_level, e.recommended_action, e.known_at,
    (
        SELECT d.decision_id
        FROM decisions AS d
        WHERE d.market_id = e.market_id
          AND d.side = e.side
          AND d.strategy_id = e.strategy_id
          AND d.model_id = e.model_id
          AND d.execution_environment = e.execution_environment
          AND d.backtest_run_id IS NULL
          AND d.purpose = 'entry'
        ORDER BY d.decision_id DESC
        LIMIT 1
    ) AS decision_id
FROM current_edges AS e
JOIN markets AS m ON m.market_id = e.market_id
JOIN events AS v ON v.event_id = m.event_id
JOIN games AS g ON g.game_id = v.game_id
LEFT JOIN strategies AS s ON s.strategy_id = e.strategy_id
JOIN probability_models AS p ON p.model_id = e.model_id
WHERE e.execution_environment = :environment
  AND e.backtest_run_id IS NULL
  AND e.expected_value >= :minimum
  AND (CAST(:league AS TEXT) IS NULL OR g.league = :league)
  AND (:past OR g.kickoff_at > now())
ORDER BY e.expected_value DESC, e.edge_id
LIMIT :maximum;

-- name: decision_to_approve(decision_id)^
SELECT
    d.decision_id, d.outcome, d.skip_reason, d.side, d.price, d.edge, d.decided_at,
    d.execution_environment, m.ticker, g.game_key, g.kickoff_at
FROM decisions AS d
JOIN markets AS m ON m.market_id = d.market_id
JOIN events AS e ON e.event_id = m.event_id
LEFT JOIN games AS g ON g.game_id = e.game_id
WHERE d.decision_id = :decision_id;

-- name: insert_approval(decision_id, who, approved_at, expires_at)$
INSERT INTO order_approvals (decision_id, approved_by, approved_at, expires_at)
VALUES (:decision_id, :who, :approved_at, :expires_at)
ON CONFLICT (decision_id) DO NOTHING
RETURNING approval_id;

-- name: open_business(environment)^
SELECT
    (SELECT count(*) FROM positions
     WHERE status = 'open' AND execution_environment = :environment
       AND backtest_run_id IS NULL) AS positions,
    (SELECT count(*) FROM orders
     WHERE status IN ('intent', 'sent', 'resting', 'unknown')
       AND execution_environment = :environment
       AND backtest_run_id IS NULL) AS orders;

-- name: decisions(environment, backtest_run_id, method, ticker, purpose, outcome, reason, maximum)
-- Decisions, the newest first. reason: why it was skipped, or the condition that asked for an exit.
SELECT
    d.decision_id, d.decided_at, m.ticker, d.side, d.purpose, d.outcome,
    d.skip_reason, d.exit_condition, d.probability, d.price, d.fee, d.edge, d.stake, d.quantity,
    me.method_name, me.method_version, s.strategy_name, s.strategy_version,
    pm.model_name, pm.model_version, d.position_id, d.tick_id, d.backtest_run_id
FROM decisions AS d
JOIN markets AS m ON m.market_id = d.market_id
LEFT JOIN methods AS me ON me.method_id = d.method_id
LEFT JOIN strategies AS s ON s.strategy_id = d.strategy_id
LEFT JOIN probability_models AS pm ON pm.model_id = d.model_id
WHERE d.execution_environment = :environment
  AND d.backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
  AND (CAST(:method AS TEXT) IS NULL OR me.method_name = :method)
  AND (CAST(:ticker AS TEXT) IS NULL OR m.ticker = :ticker)
  AND (CAST(:purpose AS TEXT) IS NULL OR d.purpose = :purpose)
  AND (CAST(:outcome AS TEXT) IS NULL OR d.outcome = :outcome)
  AND (CAST(:reason AS TEXT) IS NULL OR :reason IN (d.skip_reason, d.exit_condition))
ORDER BY d.decided_at DESC, d.decision_id DESC
LIMIT :maximum;

-- name: wordings(now)
-- The settlement wordings of markets that are open, with a market that has each and its text.
WITH in_force AS (
    SELECT DISTINCT ON (a.market_id) a.market_id, a.status, a.rules_hash, a.raw
    FROM market_attributes AS a
    WHERE a.known_at <= :now
      AND a.rules_hash IS NOT NULL
    ORDER BY a.market_id, a.known_at DESC, a.row_start_ts DESC
)
SELECT
    f.rules_hash,
    count(*) AS markets,
    min(m.ticker) AS example,
    (array_agg(f.raw #>> '{market,rules_primary}' ORDER BY m.ticker))[1] AS rules_primary,
    (array_agg(f.raw #>> '{market,rules_secondary}' ORDER BY m.ticker))[1] AS rules_secondary
FROM in_force AS f
JOIN markets AS m ON m.market_id = f.market_id
WHERE f.status = 'open'
GROUP BY f.rules_hash
ORDER BY count(*) DESC, f.rules_hash;
