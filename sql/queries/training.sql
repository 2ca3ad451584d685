-- Training runs: fits and rating passes, found again by the identity of their inputs.

-- name: dataset_version(dataset_id)^
SELECT dataset_version
FROM training_datasets
WHERE dataset_id = :dataset_id;

-- name: runs_of_walk_forward(model_id, walk_forward)
-- Failed attempts stay on record and do not count.
SELECT
    training_run_id,
    mlflow_run_id,
    status,
    CAST(params ->> 'season' AS INTEGER) AS season,
    trained_until
FROM model_training_runs
WHERE model_id = :model_id
  AND params ->> 'walk_forward' = :walk_forward
  AND status IN ('running', 'completed')
ORDER BY season;

-- name: failed_runs(model_id, walk_forward)
SELECT mlflow_run_id
FROM model_training_runs
WHERE model_id = :model_id
  AND params ->> 'walk_forward' = :walk_forward
  AND status NOT IN ('running', 'completed');

-- name: insert_training_run(model_id, dataset_id, mlflow_run_id, dagster_run_id, git_sha, seed, params, trained_until)!
INSERT INTO model_training_runs (
    model_id, dataset_id, mlflow_run_id, dagster_run_id, git_sha, seed, params, trained_until,
    started_at
)
VALUES (
    :model_id, :dataset_id, :mlflow_run_id, :dagster_run_id, :git_sha, :seed, :params,
    :trained_until, now()
)
ON CONFLICT (mlflow_run_id) DO NOTHING;

-- name: complete_training_run(mlflow_run_id, metrics)!
UPDATE model_training_runs
SET status = 'completed',
    metrics = :metrics,
    completed_at = now()
WHERE mlflow_run_id = :mlflow_run_id
  AND status = 'running';

-- name: fail_training_runs(mlflow_run_ids, error_message)
UPDATE model_training_runs
SET status = 'failed',
    error_message = :error_message,
    completed_at = now()
WHERE mlflow_run_id = ANY (:mlflow_run_ids)
  AND status = 'running'
RETURNING mlflow_run_id;

-- name: latest_walk_forward(model_id)^
-- The newest walk-forward whose every season was completed.
SELECT params ->> 'walk_forward' AS walk_forward
FROM model_training_runs
WHERE model_id = :model_id
  AND status = 'completed'
GROUP BY params ->> 'walk_forward', params ->> 'folds'
HAVING count(*) = CAST(params ->> 'folds' AS INTEGER)
ORDER BY max(training_run_id) DESC
LIMIT 1;

-- name: walk_forward_of_run(mlflow_run_id)^
SELECT model_id, params ->> 'walk_forward' AS walk_forward
FROM model_training_runs
WHERE mlflow_run_id = :mlflow_run_id
  AND status = 'completed';

-- name: params_of_run(training_run_id)$
SELECT params
FROM model_training_runs
WHERE training_run_id = :training_run_id;

-- name: features_of_run(training_run_id)
-- The features of the dataset a fit was made from, in its order.
SELECT d.feature_name
FROM model_training_runs AS r
JOIN training_dataset_features AS f ON f.dataset_id = r.dataset_id
JOIN feature_definitions AS d ON d.feature_id = f.feature_id
WHERE r.training_run_id = :training_run_id
ORDER BY f.ordinal;

-- name: model_of_walk_forward(walk_forward)$
SELECT model_id
FROM model_training_runs
WHERE params ->> 'walk_forward' = :walk_forward
  AND status = 'completed'
LIMIT 1;

-- name: rated_games(model_id, league)
-- Every finished game with both teams' ratings around it, in playing order, ties too.
WITH in_force AS (
    SELECT DISTINCT ON (game_id, is_home)
        game_id, is_home, rating_before, rating_after, expected, event_ts
    FROM elo_rating_history
    WHERE model_id = :model_id
    ORDER BY game_id, is_home, revision DESC
)
SELECT
    g.game_id,
    g.game_key,
    g.season,
    g.game_type,
    g.kickoff_at,
    h.event_ts,
    g.result_known_at,
    g.neutral_site,
    ht.team_code AS home_team,
    at.team_code AS away_team,
    g.home_score,
    g.away_score,
    g.source,
    g.source_snapshot_id,
    h.expected,
    h.rating_after AS home_rating,
    a.rating_after AS away_rating
FROM in_force AS h
JOIN in_force AS a ON a.game_id = h.game_id AND NOT a.is_home
JOIN games AS g ON g.game_id = h.game_id
JOIN teams AS ht ON ht.team_id = g.home_team_id
JOIN teams AS at ON at.team_id = g.away_team_id
WHERE h.is_home
  AND g.league = :league
  AND g.status = 'final'
ORDER BY split_part(g.game_key, ':', 3), g.kickoff_at NULLS FIRST, g.game_key;

-- name: upcoming_seasons(league)
-- Seasons that are announced and have no result yet, with their first kickoff.
SELECT season, min(kickoff_at) AS first_kickoff_at
FROM games
WHERE league = :league
  AND game_type IN ('regular', 'postseason')
  AND status NOT IN ('canceled', 'postponed')
GROUP BY season
HAVING count(*) FILTER (WHERE status = 'final') = 0
   AND min(kickoff_at) IS NOT NULL
ORDER BY season;

-- name: open_games(league, season)$
-- Games of a season that are still to be played.
SELECT count(*)
FROM games
WHERE league = :league
  AND season = :season
  AND game_type IN ('regular', 'postseason')
  AND status IN ('scheduled', 'live', 'suspended');

-- name: select_league_models(league)
SELECT model_id, model_name, model_version, model_type, status
FROM probability_models
WHERE league = :league
ORDER BY model_id;

-- name: set_model_status(model_id, status, approved_by, notes)!
UPDATE probability_models
SET status = :status,
    approved_by = CASE WHEN :status = 'testing' THEN :approved_by ELSE approved_by END,
    activated_at = CASE WHEN :status = 'testing' THEN now() ELSE activated_at END,
    deactivated_at = CASE WHEN :status = 'testing' THEN NULL ELSE now() END,
    notes = :notes
WHERE model_id = :model_id
  AND status <> :status;
