-- What the performance report of a league and day rests on. Everything as known at the end of the
-- day, so that a report written later says the same.

-- name: finished_positions(environment, league, until)
-- Positions that ended by then, oldest first, with what was expected of them and what they paid.
SELECT
    p.position_id, m.ticker, g.game_key, p.side, p.original_quantity, p.entry_price, p.exit_price,
    p.exit_reason, p.fees, p.realized_pnl, p.edge_at_entry, p.entry_time, p.exit_time,
    s.strategy_name, s.strategy_version, pm.model_name, pm.model_version,
    entry.probability, entry.confidence,
    CASE p.side WHEN 'yes' THEN v.settlement_value ELSE 1 - v.settlement_value END AS paid
FROM positions AS p
JOIN markets AS m ON m.market_id = p.market_id
JOIN events AS e ON e.event_id = m.event_id
JOIN games AS g ON g.game_id = e.game_id
LEFT JOIN strategies AS s ON s.strategy_id = p.strategy_id
LEFT JOIN probability_models AS pm ON pm.model_id = p.model_id
LEFT JOIN LATERAL (
    SELECT d.probability, d.inputs ->> 'confidence' AS confidence
    FROM trades AS t
    JOIN decisions AS d ON d.decision_id = t.decision_id
    WHERE t.position_id = p.position_id
      AND t.action = 'buy'
    ORDER BY t.trade_id
    LIMIT 1
) AS entry ON true
LEFT JOIN LATERAL (
    SELECT st.settlement_value
    FROM settlements AS st
    WHERE st.market_id = p.market_id
      AND st.known_at <= :until
    ORDER BY st.revision DESC
    LIMIT 1
) AS v ON true
WHERE p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
  AND p.status <> 'open'
  AND p.exit_time <= :until
  AND g.league = :league
ORDER BY p.exit_time, p.position_id;

-- name: exits_by_reason(environment, league, until)
-- Sales booked to their conditions, and positions held to settlement.
SELECT
    ended.reason, count(*) AS exits, sum(ended.quantity) AS contracts,
    sum(ended.realized_pnl) AS realized_pnl
FROM (
    SELECT x.exit_condition AS reason, x.quantity_exited AS quantity, x.realized_pnl, x.position_id
    FROM position_exits AS x
    WHERE x.execution_environment = :environment
      AND x.backtest_run_id IS NULL
      AND x.executed_at <= :until
    UNION ALL
    SELECT p.exit_reason, p.original_quantity, p.realized_pnl, p.position_id
    FROM positions AS p
    WHERE p.execution_environment = :environment
      AND p.backtest_run_id IS NULL
      AND p.status <> 'open'
      AND p.exit_time <= :until
      AND NOT EXISTS (SELECT FROM position_exits AS x WHERE x.position_id = p.position_id)
) AS ended
JOIN positions AS held ON held.position_id = ended.position_id
JOIN markets AS m ON m.market_id = held.market_id
JOIN events AS e ON e.event_id = m.event_id
JOIN games AS g ON g.game_id = e.game_id
WHERE g.league = :league
GROUP BY ended.reason
ORDER BY exits DESC, ended.reason;

-- name: decisions_of_day(environment, league, since, until)
SELECT d.outcome, d.skip_reason, d.purpose, count(*) AS count
FROM decisions AS d
JOIN markets AS m ON m.market_id = d.market_id
JOIN events AS e ON e.event_id = m.event_id
JOIN games AS g ON g.game_id = e.game_id
WHERE d.execution_environment = :environment
  AND d.backtest_run_id IS NULL
  AND d.decided_at > :since
  AND d.decided_at <= :until
  AND g.league = :league
GROUP BY d.outcome, d.skip_reason, d.purpose
ORDER BY count DESC, d.outcome, d.skip_reason;

-- name: alerts_of_day(since, until)
SELECT severity, alert_type, component, message, triggered_at, occurrence_count, resolved_at
FROM alerts
WHERE triggered_at > :since
  AND triggered_at <= :until
ORDER BY array_position(ARRAY['critical', 'high', 'medium', 'low'], severity), triggered_at;

-- name: quote_sources_of_league(environment, league, until)
SELECT t.trade_metadata ->> 'quote_source' AS source, count(*) AS trades
FROM trades AS t
JOIN markets AS m ON m.market_id = t.market_id
JOIN events AS e ON e.event_id = m.event_id
JOIN games AS g ON g.game_id = e.game_id
WHERE t.execution_environment = :environment
  AND t.backtest_run_id IS NULL
  AND t.event_ts <= :until
  AND g.league = :league
GROUP BY 1
ORDER BY 1;

-- name: exit_latencies(environment, since)
-- From trigger to fill of the two urgent priorities (EXEC-005), in seconds.
SELECT
    exit_priority,
    count(*) AS exits,
    count(*) FILTER (
        WHERE executed_at - triggered_at
            <= make_interval(secs => CASE exit_priority WHEN 'critical' THEN 10 ELSE 30 END)
    ) AS in_time,
    percentile_cont(0.95) WITHIN GROUP (
        ORDER BY CAST(extract(EPOCH FROM executed_at - triggered_at) AS DOUBLE PRECISION)
    ) AS p95_s
FROM position_exits
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL
  AND exit_priority IN ('critical', 'high')
  AND executed_at > :since
GROUP BY exit_priority
ORDER BY exit_priority;

-- name: settled_entries(environment)
-- What was predicted and what came, over finished positions (PERF-003).
SELECT
    count(*) AS entries,
    count(*) FILTER (WHERE p.realized_pnl > 0) AS won,
    avg(p.entry_price + p.fees / p.original_quantity) AS mean_cost,
    sum(p.realized_pnl) AS realized_pnl,
    sum(p.edge_at_entry * p.original_quantity) AS predicted_pnl
FROM positions AS p
WHERE p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
  AND p.status <> 'open'
  AND p.edge_at_entry IS NOT NULL;

-- name: trading_leagues()
SELECT league
FROM leagues
WHERE trading_enabled
ORDER BY league;

-- name: note_look(environment, at)!
-- The first look of a minute is a write, the others of that minute are none.
INSERT INTO trading_looks AS l (execution_environment, hour_ts, minutes)
SELECT :environment, date_trunc('hour', m.at, 'UTC'), set_bit(CAST(0 AS BIT(60)), m.minute, 1)
FROM (
    SELECT
        CAST(:at AS TIMESTAMPTZ) AS at,
        CAST(extract(MINUTE FROM CAST(:at AS TIMESTAMPTZ) AT TIME ZONE 'UTC') AS INTEGER) AS minute
) AS m
ON CONFLICT (execution_environment, hour_ts) DO UPDATE
SET minutes = l.minutes | excluded.minutes
WHERE l.minutes | excluded.minutes <> l.minutes;

-- name: looks(environment, since, until)
SELECT hour_ts, CAST(minutes AS TEXT) AS minutes
FROM trading_looks
WHERE execution_environment = :environment
  AND hour_ts > CAST(:since AS TIMESTAMPTZ) - INTERVAL '1 hour'
  AND hour_ts < :until
ORDER BY hour_ts;

-- name: first_look(environment)$
-- The first minute in which trading ever looked; NULL when it never did.
SELECT hour_ts + make_interval(mins => position(B'1' IN minutes) - 1)
FROM trading_looks
WHERE execution_environment = :environment
ORDER BY hour_ts
LIMIT 1;
