-- Versions of strategies and methods: created once, released for paper trading, read by ticks.

-- name: strategy(name, version)^
SELECT strategy_id, strategy_version, config, status
FROM strategies
WHERE strategy_name = :name
  AND strategy_version = :version;

-- name: insert_strategy(name, version, category, league, config, created_by)$
-- NULL when another process inserted it meanwhile.
INSERT INTO strategies (
    strategy_name, strategy_version, strategy_type, category, league, config, created_by
)
VALUES (:name, :version, 'entry', :category, :league, :config, :created_by)
ON CONFLICT (strategy_name, strategy_version) DO NOTHING
RETURNING strategy_id;

-- name: release_strategy(strategy_id, who)$
UPDATE strategies
SET status = 'testing',
    activated_at = now(),
    approved_by = :who,
    notes = 'Released for paper trading when it was created.'
WHERE strategy_id = :strategy_id
  AND status = 'draft'
RETURNING strategy_id;

-- name: model_for_method(league, name)^
-- The league's champion, or the newest version of the named model.
SELECT model_id, model_name, model_version
FROM probability_models
WHERE (league = :league OR league IS NULL)
  AND (
      (CAST(:name AS TEXT) IS NULL AND status IN ('testing', 'active'))
      OR model_name = :name
  )
ORDER BY activated_at DESC NULLS LAST, model_id DESC
LIMIT 1;

-- name: method_versions(name)
SELECT
    method_id, method_version, strategy_id, model_id, config_hash, position_mgmt_config,
    risk_config, execution_config, sport_config, status
FROM methods
WHERE method_name = :name
ORDER BY method_id;

-- name: insert_method(name, version, description, strategy_id, model_id, template, position_mgmt_config, risk_config, execution_config, sport_config, config_hash, created_by)$
-- NULL when another process inserted it meanwhile.
INSERT INTO methods (
    method_name, method_version, description, strategy_id, model_id, template_id,
    position_mgmt_config, risk_config, execution_config, sport_config, config_hash, created_by
)
VALUES (
    :name, :version, :description, :strategy_id, :model_id,
    (SELECT template_id FROM method_templates WHERE template_name = :template),
    :position_mgmt_config, :risk_config, :execution_config, :sport_config, :config_hash,
    :created_by
)
ON CONFLICT (method_name, method_version) DO NOTHING
RETURNING method_id;

-- name: release_method(method_id, who)$
UPDATE methods
SET status = 'testing',
    activated_at = now(),
    approved_by = :who,
    notes = 'Released for paper trading when it was created.'
WHERE method_id = :method_id
  AND status = 'draft'
RETURNING method_id;

-- name: methods_in_force()
SELECT
    me.method_id, me.method_name, me.method_version, me.status,
    me.risk_config, me.position_mgmt_config, me.execution_config,
    s.strategy_id, s.strategy_name, s.strategy_version, s.status AS strategy_status,
    s.config AS strategy_config, s.league AS strategy_league,
    pm.model_id, pm.model_name, pm.model_version, pm.status AS model_status,
    pm.league AS model_league
FROM methods AS me
JOIN strategies AS s ON s.strategy_id = me.strategy_id
JOIN probability_models AS pm ON pm.model_id = me.model_id
WHERE me.status IN ('testing', 'active')
ORDER BY me.method_name, me.method_id;
