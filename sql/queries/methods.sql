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
