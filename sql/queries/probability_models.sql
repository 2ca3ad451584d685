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
