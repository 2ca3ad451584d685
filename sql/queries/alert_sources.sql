-- What the tables say that a person must hear. Each statement returns what has no alert yet, so that
-- asking again finds nothing twice.

-- name: breakers_without_alert()
-- Those of a replay trip at times long before they are stored; its simulated operator re-arms them.
SELECT
    breaker_event_id AS event_id,
    breaker_type,
    action,
    trigger_value,
    execution_environment AS environment,
    triggered_at AS at
FROM circuit_breaker_events
WHERE alert_id IS NULL
  AND resolved_at IS NULL
  AND execution_environment <> 'backtest'
  AND triggered_at > created_at - INTERVAL '1 hour'
ORDER BY breaker_event_id
FOR UPDATE;

-- name: link_breaker(event_id, alert_id)!
UPDATE circuit_breaker_events
SET alert_id = :alert_id
WHERE breaker_event_id = :event_id;

-- name: stops_without_alert()
-- The ruling command of a scope, when a person stopped something with it. What a breaker stopped
-- has the breaker's alert.
SELECT
    c.control_id,
    c.state,
    c.scope,
    c.scope_key,
    c.reason,
    c.set_by,
    c.execution_environment AS environment
FROM current_trading_controls AS c
WHERE c.state <> 'running'
  AND c.set_by_kind = 'person'
  AND c.execution_environment <> 'backtest'
  AND NOT EXISTS (
      SELECT
      FROM alerts AS a
      WHERE a.source_table = 'trading_controls'
        AND a.source_id = c.control_id
  )
ORDER BY c.control_id;

-- name: mismatched_settlements()
-- The latest word of the venue beside the result of the game; half of a yes for a tie.
WITH latest AS (
    SELECT DISTINCT ON (market_id)
        settlement_id,
        market_id,
        settlement_value
    FROM settlements
    ORDER BY market_id, revision DESC
),

compared AS (
    SELECT
        s.settlement_id,
        m.ticker,
        s.settlement_value AS venue_value,
        CASE
            WHEN g.home_score = g.away_score THEN 0.5
            WHEN (g.home_score > g.away_score) = (m.yes_team_id = g.home_team_id) THEN 1
            ELSE 0
        END AS game_value,
        format('%%s:%%s', g.home_score, g.away_score) AS score
    FROM latest AS s
    INNER JOIN markets AS m USING (market_id)
    INNER JOIN events AS e USING (event_id)
    INNER JOIN games AS g USING (game_id)
    WHERE g.status = 'final'
      AND m.yes_team_id IN (g.home_team_id, g.away_team_id)
)

SELECT
    settlement_id,
    ticker,
    venue_value,
    game_value,
    score
FROM compared AS c
WHERE venue_value <> game_value
  AND NOT EXISTS (
      SELECT
      FROM alerts AS a
      WHERE a.source_table = 'settlements'
        AND a.source_id = c.settlement_id
  )
ORDER BY settlement_id;

-- name: newest_decision(since)$
-- NULL when nothing was decided about the present.
SELECT max(decision_id)
FROM decisions
WHERE backtest_run_id IS NULL
  AND decided_at > :since;

-- name: alarming_decisions(after, since)
-- Decided after the last look and about the present: what a replay decides about the past wakes
-- nobody. One row per market and model, or per position; the latest.
SELECT DISTINCT ON (d.execution_environment, d.skip_reason, d.market_id, d.model_id, d.position_id)
    d.decision_id,
    d.skip_reason,
    d.position_id,
    d.exit_condition,
    d.inputs,
    d.execution_environment AS environment,
    d.decided_at AS at,
    m.ticker,
    s.strategy_name || '@' || s.strategy_version AS strategy,
    p.model_name || '@' || p.model_version AS model
FROM decisions AS d
INNER JOIN markets AS m USING (market_id)
LEFT JOIN strategies AS s USING (strategy_id)
LEFT JOIN probability_models AS p USING (model_id)
WHERE d.decision_id > :after
  AND d.decided_at > :since
  AND d.backtest_run_id IS NULL
  AND d.outcome = 'skipped'
  AND d.skip_reason IN ('edge_quarantined', 'exit_blocked')
ORDER BY
    d.execution_environment,
    d.skip_reason,
    d.market_id,
    d.model_id,
    d.position_id,
    d.decision_id DESC;

-- name: day_results(day_start)
-- Equity now less equity when the day began less what was paid in since, by environment. Without a
-- point of this day there is no result; without one before it the account began with what was paid
-- in.
WITH accounts AS (
    SELECT DISTINCT ON (platform_id, execution_environment)
        platform_id,
        execution_environment,
        cash + portfolio_value AS equity
    FROM equity_points
    WHERE execution_environment <> 'backtest'
      AND event_ts >= :day_start
    ORDER BY platform_id, execution_environment, event_ts DESC
)

SELECT
    a.execution_environment AS environment,
    sum(
        a.equity
        - COALESCE(
            (
                SELECT p.cash + p.portfolio_value
                FROM equity_points AS p
                WHERE p.platform_id = a.platform_id
                  AND p.execution_environment = a.execution_environment
                  AND p.event_ts < :day_start
                ORDER BY p.event_ts DESC
                LIMIT 1
            ),
            0
        )
        - COALESCE(
            (
                SELECT sum(l.amount)
                FROM account_ledger AS l
                WHERE l.platform_id = a.platform_id
                  AND l.execution_environment = a.execution_environment
                  AND l.entry_type IN ('deposit', 'withdrawal')
                  AND l.event_ts >= :day_start
            ),
            0
        )
    ) AS pnl
FROM accounts AS a
GROUP BY a.execution_environment;

-- name: unchecked_positions(now)
-- Watched until less than a day ago, and now no more; the longest first. What a replay left open was
-- never watched. quote_age is NULL without a quote within a day; waits: the newest quote came after
-- the last look, so that there is something to look at.
SELECT
    v.execution_environment AS environment,
    v.position_id,
    m.ticker,
    v.unchecked_for,
    CAST(:now AS TIMESTAMPTZ) - q.observed_at AS quote_age,
    COALESCE(q.observed_at > COALESCE(v.last_check_time, v.entry_time), false) AS waits,
    CAST(:now AS TIMESTAMPTZ) - l.looked_at AS looked_for
FROM stale_position_alerts AS v
INNER JOIN markets AS m ON m.market_id = v.market_id
LEFT JOIN LATERAL (
    SELECT s.observed_at
    FROM market_snapshots AS s
    WHERE s.market_id = v.market_id
      AND s.observed_at > CAST(:now AS TIMESTAMPTZ) - INTERVAL '1 day'
      -- What came just now is about to be looked at.
      AND s.observed_at <= CAST(:now AS TIMESTAMPTZ) - INTERVAL '30 seconds'
    ORDER BY s.observed_at DESC
    LIMIT 1
) AS q ON true
LEFT JOIN LATERAL (
    -- The last minute with a look: the rightmost 1 of the newest hour.
    SELECT t.hour_ts + make_interval(mins => length(rtrim(CAST(t.minutes AS TEXT), '0')) - 1)
        AS looked_at
    FROM trading_looks AS t
    WHERE t.execution_environment = v.execution_environment
    ORDER BY t.hour_ts DESC
    LIMIT 1
) AS l ON true
WHERE v.execution_environment <> 'backtest'
  AND v.unchecked_for < INTERVAL '1 day'
ORDER BY v.execution_environment, v.unchecked_for DESC, v.position_id;

-- name: mismatched_reconciliations()
-- Ledger and venue differ and the difference was not repaired.
SELECT reconciliation_id, platform_id, execution_environment AS environment, mismatches
FROM reconciliation_runs
WHERE status = 'mismatch'
  AND alert_id IS NULL
  AND execution_environment <> 'backtest'
ORDER BY reconciliation_id
FOR UPDATE;

-- name: link_reconciliation(reconciliation_id, alert_id)!
UPDATE reconciliation_runs
SET alert_id = :alert_id
WHERE reconciliation_id = :reconciliation_id;

-- name: odd_fees(since)
-- Fills of the present whose fee is not the modelled one, the newest per venue; what a breaker
-- counts (trading-rules section 12).
SELECT DISTINCT ON (f.platform_id, f.execution_environment)
    f.fill_id,
    f.platform_id,
    f.execution_environment AS environment,
    f.fee,
    f.modelled_fee,
    m.ticker
FROM fills AS f
INNER JOIN markets AS m USING (market_id)
WHERE f.execution_environment <> 'backtest'
  AND f.event_ts > :since
  AND abs(f.fee - f.modelled_fee) > 0.0001
  AND NOT EXISTS (
      SELECT
      FROM alerts AS a
      WHERE a.source_table = 'fills'
        AND a.source_id >= f.fill_id
        AND a.alert_type = 'fee_mismatch'
        AND a.environment = f.execution_environment
        AND a.details ->> 'platform' = f.platform_id
  )
ORDER BY f.platform_id, f.execution_environment, f.fill_id DESC;

-- name: quiet_positions(now, stale_s)
-- Open positions whose market was quoted within the last day and is no more, until four hours after
-- the start of the game.
-- Quotes of a replay are of the past. Told once while its alert is open.
SELECT
    p.position_id,
    p.execution_environment AS environment,
    m.ticker,
    CAST(:now AS TIMESTAMPTZ) - q.observed_at AS quiet_for
FROM positions AS p
INNER JOIN markets AS m USING (market_id)
INNER JOIN events AS e USING (event_id)
LEFT JOIN games AS g USING (game_id)
CROSS JOIN LATERAL (
    SELECT s.observed_at
    FROM market_snapshots AS s
    WHERE s.market_id = p.market_id
      AND s.observed_at > CAST(:now AS TIMESTAMPTZ) - INTERVAL '1 day'
    ORDER BY s.observed_at DESC
    LIMIT 1
) AS q
WHERE p.status = 'open'
  AND p.execution_environment <> 'backtest'
  AND COALESCE(g.kickoff_at, :now) > CAST(:now AS TIMESTAMPTZ) - INTERVAL '4 hours'
  AND q.observed_at < CAST(:now AS TIMESTAMPTZ) - make_interval(secs => :stale_s)
  AND NOT EXISTS (
      SELECT
      FROM alerts AS a
      WHERE a.alert_type = 'quote_stale'
        AND a.source_table = 'positions'
        AND a.source_id = p.position_id
        AND a.resolved_at IS NULL
  )
ORDER BY p.position_id;

-- name: undescribed_codes()
WITH codes AS (
    SELECT 'sports' AS lookup, code FROM sports WHERE NOT is_known
    UNION ALL
    SELECT 'market_categories', code FROM market_categories WHERE NOT is_known
    UNION ALL
    SELECT 'series_frequencies', code FROM series_frequencies WHERE NOT is_known
    UNION ALL
    SELECT 'breaker_types', code FROM breaker_types WHERE NOT is_known
    UNION ALL
    SELECT 'components', code FROM components WHERE NOT is_known
)

SELECT lookup, code
FROM codes AS c
WHERE NOT EXISTS (
    SELECT
    FROM alerts AS a
    WHERE a.alert_type = 'unknown_code'
      AND a.details ->> 'lookup' = c.lookup
      AND a.details ->> 'code' = c.code
)
ORDER BY lookup, code;

-- name: clocks_ahead(now)
-- Trading that decided at a time still to come, because the wall clock was set back since. Told once
-- for each such moment, as long as its alert is open.
SELECT w.execution_environment AS environment, w.decided_at
FROM trading_writers AS w
WHERE w.execution_environment <> 'backtest'
  AND w.decided_at > CAST(:now AS TIMESTAMPTZ) + INTERVAL '1 minute'
  AND NOT EXISTS (
      SELECT
      FROM alerts AS a
      WHERE a.alert_type = 'clock_jump'
        AND a.resolved_at IS NULL
        AND a.environment = w.execution_environment
        AND a.details ->> 'decided_at' IS NOT NULL
  );

-- name: last_look()$
SELECT COALESCE(CAST(details ->> 'decision_id' AS BIGINT), 0)
FROM system_health
WHERE component = 'notifications';

-- name: sources_of_alerts()
SELECT source_table, array_agg(DISTINCT source_id ORDER BY source_id) AS ids
FROM alerts
WHERE source_table IS NOT NULL
GROUP BY source_table
ORDER BY source_table;

-- name: primary_key_of(table_name)$
-- The column of a table's primary key; NULL when there is no such table, or its key has several.
SELECT min(a.attname)
FROM pg_index AS i
INNER JOIN pg_attribute AS a
    ON a.attrelid = i.indrelid
    AND a.attnum = ANY (i.indkey)
WHERE i.indrelid = to_regclass(:table_name)
  AND i.indisprimary
HAVING count(*) = 1;

-- name: open_alerts()
SELECT
    severity,
    count(*) AS open,
    count(*) FILTER (WHERE acknowledged_at IS NULL) AS unacknowledged,
    min(triggered_at) FILTER (WHERE acknowledged_at IS NULL) AS oldest_unacknowledged
FROM alerts
WHERE resolved_at IS NULL
GROUP BY severity
ORDER BY array_position(ARRAY['critical', 'high', 'medium', 'low'], severity);

-- name: day_told(alert_type, day, environment)$
SELECT EXISTS (
    SELECT
    FROM alerts
    WHERE alert_type = :alert_type
      AND details ->> 'day' = :day
      AND environment = :environment
);

-- name: unanswered_critical(longer_than)^
SELECT alert_id, alert_type, message, triggered_at
FROM alerts
WHERE severity = 'critical'
  AND resolved_at IS NULL
  AND acknowledged_at IS NULL
  AND triggered_at < now() - CAST(:longer_than AS INTERVAL)
ORDER BY triggered_at
LIMIT 1;

-- name: failing_channels(since)$
-- Channels whose latest delivery failed; NULL when none.
WITH latest AS (
    SELECT DISTINCT ON (channel) channel, status
    FROM notification_deliveries
    WHERE attempted_at > :since
    ORDER BY channel, delivery_id DESC
)

SELECT array_agg(channel ORDER BY channel)
FROM latest
WHERE status = 'failed';
