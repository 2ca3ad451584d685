-- Methods as a person handles them: created from a template, released, compared, withdrawn.

-- name: methods(status)
SELECT
    m.method_id, m.method_name, m.method_version, m.status, m.description, m.config_hash,
    s.strategy_name, s.strategy_version, p.model_name, p.model_version, t.template_name,
    r.total_trades, r.win_rate, r.net_pnl, r.paper_trades, r.paper_roi, r.live_trades, r.live_roi,
    r.sharpe, m.activated_at, m.deactivated_at, m.approved_by, m.created_by, m.notes
FROM methods AS m
JOIN strategies AS s ON s.strategy_id = m.strategy_id
JOIN probability_models AS p ON p.model_id = m.model_id
LEFT JOIN method_templates AS t ON t.template_id = m.template_id
LEFT JOIN method_performance AS r ON r.method_id = m.method_id
WHERE CAST(:status AS TEXT) IS NULL OR m.status = :status
ORDER BY m.method_name, m.method_id;

-- name: method(name, version)^
-- A method with everything its hash is made of.
SELECT
    m.method_id, m.method_name, m.method_version, m.status, m.description, m.config_hash,
    m.position_mgmt_config, m.risk_config, m.execution_config, m.sport_config,
    m.strategy_id, s.strategy_name, s.strategy_version, s.status AS strategy_status,
    m.model_id, p.model_name, p.model_version, p.status AS model_status, t.template_name
FROM methods AS m
JOIN strategies AS s ON s.strategy_id = m.strategy_id
JOIN probability_models AS p ON p.model_id = m.model_id
LEFT JOIN method_templates AS t ON t.template_id = m.template_id
WHERE m.method_name = :name
  AND m.method_version = :version;

-- name: versions_of(name)
SELECT method_version
FROM methods
WHERE method_name = :name
ORDER BY method_id;

-- name: same_content(config_hash)
SELECT method_name, method_version, status
FROM methods
WHERE config_hash = :config_hash
ORDER BY method_id;

-- name: newest_strategy(name, version)^
SELECT strategy_id, strategy_name, strategy_version
FROM strategies
WHERE strategy_name = :name
  AND (CAST(:version AS TEXT) IS NULL OR strategy_version = :version)
  AND status <> 'deprecated'
ORDER BY strategy_id DESC
LIMIT 1;

-- name: newest_model(name, version)^
SELECT model_id, model_name, model_version
FROM probability_models
WHERE model_name = :name
  AND (CAST(:version AS TEXT) IS NULL OR model_version = :version)
  AND status <> 'deprecated'
ORDER BY model_id DESC
LIMIT 1;

-- name: change_status(method_id, old_status, new_status, who, notes)$
-- The path is the trigger's business; the time of each end is kept.
UPDATE methods
SET status = :new_status,
    activated_at = CASE
        WHEN :new_status IN ('testing', 'active') THEN COALESCE(activated_at, now())
        ELSE activated_at
    END,
    deactivated_at = CASE WHEN :new_status = 'deprecated' THEN now() ELSE deactivated_at END,
    approved_by = CASE
        WHEN :new_status IN ('testing', 'active') THEN CAST(:who AS TEXT) ELSE approved_by
    END,
    notes = :notes
WHERE method_id = :method_id
  AND status = :old_status
RETURNING method_id;

-- name: paper_record(method_id)^
-- Finished paper positions of a method and what they came to.
SELECT paper_trades, paper_roi
FROM method_performance
WHERE method_id = :method_id;

-- name: unattributed_trades(method_id)$
-- Trades of a method's positions that do not name it.
SELECT count(*)
FROM trades AS t
JOIN positions AS p ON p.position_id = t.position_id
WHERE p.method_id = :method_id
  AND (t.method_id IS DISTINCT FROM p.method_id OR t.strategy_id IS NULL OR t.model_id IS NULL);

-- name: open_leak_alarms(model_id)$
-- Unresolved leak alarms, of this model or of none in particular.
SELECT count(*)
FROM alerts
WHERE alert_type = 'leak_alarm'
  AND resolved_at IS NULL
  AND COALESCE(details ->> 'model_id', CAST(:model_id AS TEXT)) = CAST(:model_id AS TEXT);

-- name: comparison(environment)
SELECT
    method_a_name, method_a_version, method_b_name, method_b_version, n_a, n_b,
    win_rate_difference, roi_difference, mean_return_difference, standard_error
FROM method_comparison
WHERE execution_environment = :environment
ORDER BY method_a_name, method_a_version, method_b_name, method_b_version;

-- name: latest_runs(names)
-- The newest completed backtest of each method version, in the order of the names or, without
-- names, of the methods.
SELECT newest.backtest_run_id, newest.method_name
FROM (
    SELECT DISTINCT ON (m.method_id) r.backtest_run_id, m.method_id, m.method_name
    FROM backtest_runs AS r
    JOIN methods AS m ON m.method_id = r.method_id
    WHERE r.status = 'completed'
      AND (CAST(:names AS TEXT[]) IS NULL OR m.method_name = ANY (CAST(:names AS TEXT[])))
    ORDER BY m.method_id, r.backtest_run_id DESC
) AS newest
ORDER BY array_position(CAST(:names AS TEXT[]), newest.method_name), newest.method_id;

-- name: completed_runs(run_ids)
SELECT r.backtest_run_id, m.method_name
FROM backtest_runs AS r
JOIN methods AS m ON m.method_id = r.method_id
WHERE r.status = 'completed'
  AND r.backtest_run_id = ANY (CAST(:run_ids AS BIGINT[]));

-- name: run_comparison(run_ids)
-- Each pair of runs once, a minus b in the order given: what method_comparison says of paper.
WITH movements AS (
    SELECT
        e.position_id,
        e.amount,
        -- A reversal counts as the kind of movement it takes back.
        COALESCE(reversed.entry_type, e.entry_type) AS kind
    FROM account_ledger AS e
    LEFT JOIN account_ledger AS reversed ON reversed.entry_id = e.reverses_entry_id
    WHERE e.backtest_run_id = ANY (CAST(:run_ids AS BIGINT[]))
      AND e.position_id IS NOT NULL
),
finished AS (
    SELECT
        p.backtest_run_id,
        p.position_id,
        sum(m.amount) AS net,
        -sum(m.amount) FILTER (WHERE m.kind = 'purchase') AS cost
    FROM positions AS p
    JOIN movements AS m ON m.position_id = p.position_id
    WHERE p.status <> 'open'
    GROUP BY p.position_id
),
results AS (
    SELECT
        f.backtest_run_id,
        count(*) AS n,
        avg(CAST(f.net > 0 AS INTEGER)) AS win_rate,
        sum(f.net) / NULLIF(sum(f.cost), 0) AS roi,
        avg(CAST(f.net / NULLIF(f.cost, 0) AS DOUBLE PRECISION)) AS mean_return,
        stddev_samp(CAST(f.net / NULLIF(f.cost, 0) AS DOUBLE PRECISION)) AS return_stddev
    FROM finished AS f
    GROUP BY f.backtest_run_id
),
arms AS (
    SELECT
        s.*, r.league, r.period_start_ts, r.period_end_ts, m.method_name, m.method_version,
        array_position(CAST(:run_ids AS BIGINT[]), r.backtest_run_id) AS place
    FROM results AS s
    JOIN backtest_runs AS r ON r.backtest_run_id = s.backtest_run_id
    JOIN methods AS m ON m.method_id = r.method_id
)
SELECT
    a.method_name AS method_a_name, a.method_version AS method_a_version,
    b.method_name AS method_b_name, b.method_version AS method_b_version,
    a.backtest_run_id AS run_a, b.backtest_run_id AS run_b, a.n AS n_a, b.n AS n_b,
    a.win_rate - b.win_rate AS win_rate_difference,
    a.roi - b.roi AS roi_difference,
    a.mean_return - b.mean_return AS mean_return_difference,
    sqrt(power(a.return_stddev, 2) / a.n + power(b.return_stddev, 2) / b.n) AS standard_error,
    (a.league, a.period_start_ts, a.period_end_ts) = (b.league, b.period_start_ts, b.period_end_ts)
        AS same_games
FROM arms AS a
JOIN arms AS b ON b.place > a.place
ORDER BY a.place, b.place;

-- name: recent_returns(since)
-- Return on cost of each position a method finished since then, in paper and live.
SELECT
    m.method_id, m.method_name, m.method_version, m.status, p.position_id,
    sum(e.amount) AS net,
    -sum(e.amount) FILTER (WHERE e.entry_type = 'purchase') AS cost
FROM methods AS m
JOIN positions AS p ON p.method_id = m.method_id
JOIN account_ledger AS e ON e.position_id = p.position_id
WHERE m.status = 'active'
  AND p.status <> 'open'
  AND p.execution_environment IN ('paper', 'live')
  AND p.exit_time > :since
GROUP BY m.method_id, p.position_id
ORDER BY m.method_id, p.position_id;
