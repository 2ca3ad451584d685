-- Training datasets: what they are made of, and the frozen rows that name them.

-- name: dataset_games(league)
SELECT
    game_id,
    game_key,
    season,
    game_type,
    kickoff_at,
    status,
    home_score,
    away_score,
    neutral_site,
    known_at,
    result_known_at,
    source,
    source_snapshot_id
FROM games
WHERE league = :league
ORDER BY game_key;

-- name: game_ids(league)
SELECT game_key, game_id
FROM games
WHERE league = :league;

-- name: dataset_snapshots(snapshot_ids)
SELECT source_snapshot_id, source, dataset, season, uri, sha256, licence
FROM source_snapshots
WHERE source_snapshot_id = ANY (:snapshot_ids)
ORDER BY source, dataset, season, sha256;

-- name: dataset_by_content(name, sha256)^
SELECT dataset_id
FROM training_datasets
WHERE dataset_name = :name
  AND sha256 = :sha256
ORDER BY dataset_id
LIMIT 1;

-- name: dataset_versions(name)
SELECT
    d.dataset_version,
    (
        SELECT array_agg(f.feature_id ORDER BY f.ordinal)
        FROM training_dataset_features AS f
        WHERE f.dataset_id = d.dataset_id
    ) AS feature_ids
FROM training_datasets AS d
WHERE d.dataset_name = :name
ORDER BY d.dataset_id;

-- name: insert_dataset(name, version, league, season_from, season_to, label, as_of, manifest, git_sha, row_count, feature_count, parquet_path, sha256, dagster_run_id)<!
INSERT INTO training_datasets (
    dataset_name, dataset_version, league, season_from, season_to, label, as_of, manifest, git_sha,
    row_count, feature_count, parquet_path, sha256, dagster_run_id
)
VALUES (
    :name, :version, :league, :season_from, :season_to, :label, :as_of, :manifest, :git_sha,
    :row_count, :feature_count, :parquet_path, :sha256, :dagster_run_id
)
RETURNING dataset_id;

-- name: select_dataset(dataset_id)^
SELECT
    dataset_id,
    dataset_name,
    dataset_version,
    league,
    sha256,
    parquet_path,
    manifest
FROM training_datasets
WHERE dataset_id = :dataset_id;

-- name: latest_dataset(league)^
-- Rating passes freeze their games too, with no features to learn from.
SELECT dataset_id
FROM training_datasets
WHERE league = :league
  AND feature_count > 0
ORDER BY dataset_id DESC
LIMIT 1;

-- name: dataset_feature_names(dataset_id)
SELECT d.feature_name
FROM training_dataset_features AS f
JOIN feature_definitions AS d ON d.feature_id = f.feature_id
WHERE f.dataset_id = :dataset_id
ORDER BY f.ordinal;
