-- The state of an installation in a few statements, each by an index or over a small table.

-- name: freshness()
-- The newest of each kind of fact, by when it became known.
SELECT 'results' AS what, max(result_known_at) AS newest FROM games WHERE result_known_at <= now()
UNION ALL
SELECT 'quotes', (
    SELECT known_at
    FROM market_snapshots
    WHERE observed_at <= now()
    ORDER BY observed_at DESC
    LIMIT 1
)
UNION ALL
SELECT 'predictions', max(known_at) FROM predictions WHERE known_at <= now()
UNION ALL
SELECT 'training', max(completed_at) FROM model_training_runs
UNION ALL
SELECT 'decisions', (
    SELECT decided_at
    FROM decisions
    WHERE backtest_run_id IS NULL
    ORDER BY decided_at DESC
    LIMIT 1
);

-- name: leagues()
-- Per league with games: the running or last season, what is finished, what is ahead.
SELECT
    g.league,
    max(g.season) AS season,
    count(*) FILTER (WHERE g.season = latest.season AND g.status = 'final') AS finished,
    count(*) FILTER (WHERE g.kickoff_at > now()) AS ahead,
    min(g.kickoff_at) FILTER (WHERE g.kickoff_at > now()) AS next_start
FROM games AS g
JOIN (
    SELECT league, max(season) AS season
    FROM games
    GROUP BY league
) AS latest ON latest.league = g.league
GROUP BY g.league
ORDER BY g.league;

-- name: open_positions(environment)
SELECT
    p.position_id, m.ticker, p.side, p.quantity, p.entry_price, p.current_price,
    p.unrealized_pnl, p.stop_loss_price, p.target_price, p.last_check_time, p.entry_time
FROM positions AS p
JOIN markets AS m ON m.market_id = p.market_id
WHERE p.status = 'open'
  AND p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
ORDER BY p.entry_time DESC;

-- name: money(environment)^
-- Cash, what it should be without profit, and profit since 00:00 Eastern and in all.
SELECT
    COALESCE((
        SELECT sum(balance)
        FROM account_balance
        WHERE row_current_ind AND execution_environment = :environment AND backtest_run_id IS NULL
    ), 0) AS cash,
    COALESCE(sum(amount) FILTER (WHERE entry_type IN ('deposit', 'withdrawal')), 0) AS capital,
    COALESCE(sum(amount) FILTER (
        WHERE entry_type NOT IN ('deposit', 'withdrawal')
    ), 0) AS cash_result,
    COALESCE(sum(amount) FILTER (
        WHERE entry_type NOT IN ('deposit', 'withdrawal')
          AND known_at >= date_trunc('day', now() AT TIME ZONE 'America/New_York')
                          AT TIME ZONE 'America/New_York'
    ), 0) AS cash_result_today
FROM account_ledger
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL;

-- name: open_alerts()
SELECT severity, count(*) AS count, sum(occurrence_count) AS occurrences
FROM alerts
WHERE resolved_at IS NULL
GROUP BY severity;

-- name: newest_alerts(maximum)
SELECT alert_id, alert_type, severity, component, message, last_seen_at, acknowledged_by
FROM alerts
WHERE resolved_at IS NULL
ORDER BY
    array_position(ARRAY['critical', 'high', 'medium', 'low'], severity),
    last_seen_at DESC
LIMIT :maximum;

-- name: open_breakers(environment)
SELECT breaker_event_id, breaker_type, action, triggered_at, trigger_value
FROM circuit_breaker_events
WHERE resolved_at IS NULL
  AND execution_environment = :environment
  AND backtest_run_id IS NULL
ORDER BY triggered_at;

-- name: controls(environment)
SELECT scope, scope_key, state, reason, set_by, created_at
FROM current_trading_controls
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL
  AND state <> 'running'
ORDER BY scope, scope_key;

-- name: last_runs(maximum)
-- In Dagster's database, whose tables are its own.
SELECT
    run_id, pipeline_name AS job, status, partition,
    to_timestamp(start_time) AS started_at,
    end_time - start_time AS seconds
FROM runs
ORDER BY id DESC
LIMIT :maximum;

-- name: run_counts()
SELECT status, count(*) AS count
FROM runs
GROUP BY status
ORDER BY status;

-- name: forgettable_runs(before, maximum)
-- In Dagster's database: ended runs that nothing shown rests on any more. What a partition's status,
-- an asset's last value or a check's last verdict is read from stays, however old.
WITH shown AS (
    (
        SELECT DISTINCT ON (asset_key, partition, dagster_event_type) run_id
        FROM event_logs
        WHERE asset_key IS NOT NULL
          AND dagster_event_type IN (
              'ASSET_MATERIALIZATION', 'ASSET_OBSERVATION', 'ASSET_FAILED_TO_MATERIALIZE'
          )
        ORDER BY asset_key, partition, dagster_event_type, id DESC
    )
    UNION
    (
        SELECT DISTINCT ON (asset_key, check_name, partition) run_id
        FROM asset_check_executions
        ORDER BY asset_key, check_name, partition, id DESC
    )
)
SELECT r.run_id
FROM runs AS r
WHERE r.status IN ('SUCCESS', 'FAILURE', 'CANCELED')
  AND r.update_timestamp < :before
  AND NOT EXISTS (SELECT FROM shown WHERE shown.run_id = r.run_id)
ORDER BY r.id
LIMIT :maximum;
