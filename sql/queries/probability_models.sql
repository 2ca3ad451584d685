-- Probability model versions: definition and parameters, never changed once written.

-- name: insert_model(name, version, model_type, category, league, config, created_by, notes)!
-- Waits for a concurrent insert of the same version and then does nothing.
INSERT INTO probability_models (
    model_name, model_version, model_type, category, league, config, created_by, notes
)
VALUES (:name, :version, :model_type, :category, :league, :config, :created_by, :notes)
ON CONFLICT (model_name, model_version) DO NOTHING;

-- name: select_model(name, version)^
SELECT model_id, model_type, league, config
FROM probability_models
WHERE model_name = :name
  AND model_version = :version;

-- name: list_models(league)
-- Every version with its last fit, what it issued, and its evaluation beside the market.
SELECT
    m.model_id, m.model_name, m.model_version, m.model_type, m.league, m.status, m.activated_at,
    m.approved_by,
    r.completed_at AS trained_at, r.trained_until, left(r.git_sha, 12) AS git_sha, r.mlflow_run_id,
    (SELECT count(*) FROM predictions AS p WHERE p.model_id = m.model_id) AS predictions,
    e.n, e.brier, e.baseline_brier AS market_brier
FROM probability_models AS m
LEFT JOIN LATERAL (
    SELECT t.completed_at, t.trained_until, t.git_sha, t.mlflow_run_id
    FROM model_training_runs AS t
    WHERE t.model_id = m.model_id
      AND t.status = 'completed'
    ORDER BY t.trained_until DESC, t.training_run_id DESC
    LIMIT 1
) AS r ON true
LEFT JOIN LATERAL (
    SELECT v.n, v.brier, v.baseline_brier
    FROM model_evaluations AS v
    WHERE v.model_id = m.model_id
      AND v.baseline = 'market'
      AND v.scope = 'walk_forward'
    ORDER BY v.n DESC, v.evaluation_id DESC
    LIMIT 1
) AS e ON true
WHERE CAST(:league AS TEXT) IS NULL OR m.league = :league
ORDER BY m.league, m.model_name, m.model_id;
