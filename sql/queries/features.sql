-- Features: definitions, the facts they are built from, and the tall store.

-- name: insert_definition(name, version, entity_type, category, data_type, calculation, unit)!
INSERT INTO feature_definitions (
    feature_name, feature_version, entity_type, category, data_type, calculation, unit, created_by
)
VALUES (:name, :version, :entity_type, :category, :data_type, :calculation, :unit, 'precog')
ON CONFLICT (feature_name, feature_version) DO NOTHING;

-- name: activate_definitions(names)!
UPDATE feature_definitions
SET status = 'active',
    activated_at = now()
WHERE feature_name = ANY (:names)
  AND status = 'draft';

-- name: select_definitions(names)
SELECT
    feature_id, feature_name, feature_version, entity_type, category, data_type, calculation, unit
FROM feature_definitions
WHERE feature_name = ANY (:names)
ORDER BY feature_id;

-- name: feature_games(league, seasons, aligned_since)
-- In playing order; a game without a date to play on has no moment and no features. No value is
-- NULL, because the rows are read as arrays: -infinity, NaN or 0 stand for it.
SELECT
    g.game_id,
    g.season,
    CAST(split_part(g.game_key, ':', 3) AS DATE) AS day,
    CAST(split_part(g.game_key, ':', 3) AS TIMESTAMP) AT TIME ZONE 'America/New_York' AS day_start,
    coalesce(g.kickoff_at, '-infinity') AS kickoff_at,
    g.game_type = 'postseason' AS postseason,
    g.neutral_site,
    g.home_team_id,
    g.away_team_id,
    CASE
        WHEN g.season < CAST(:aligned_since AS INTEGER)
            OR :aligned_since IS NULL
            OR h.conference IS NULL OR h.division IS NULL
            OR a.conference IS NULL OR a.division IS NULL
            THEN 'NaN'
        WHEN (h.conference, h.division) = (a.conference, a.division)
            THEN CAST(1 AS DOUBLE PRECISION)
        ELSE 0
    END AS same_division,
    coalesce(g.home_score, 0) AS home_score,
    coalesce(g.away_score, 0) AS away_score,
    g.known_at,
    CASE
        WHEN g.home_score IS NOT NULL AND g.away_score IS NOT NULL
            THEN coalesce(g.result_known_at, '-infinity')
        ELSE '-infinity'
    END AS result_known_at,
    coalesce(g.source_snapshot_id, 0) AS source_snapshot_id
FROM games AS g
JOIN teams AS h ON h.team_id = g.home_team_id
JOIN teams AS a ON a.team_id = g.away_team_id
WHERE g.league = :league
  AND g.season = ANY (:seasons)
  AND g.game_type IN ('regular', 'postseason')
  AND g.status IN ('scheduled', 'live', 'suspended', 'final')
ORDER BY split_part(g.game_key, ':', 3), g.kickoff_at NULLS FIRST, g.game_key;

-- name: feature_ratings(model_id, league, last_season)
-- In playing order, revisions of one game in the order they were written.
SELECT
    h.team_id,
    g.season,
    h.rating_after,
    h.known_at
FROM elo_rating_history AS h
JOIN games AS g ON g.game_id = h.game_id
WHERE h.model_id = :model_id
  AND g.league = :league
  AND g.season <= :last_season
  AND g.status = 'final'
ORDER BY split_part(g.game_key, ':', 3), g.kickoff_at NULLS FIRST, g.game_key, h.revision;

-- name: finished_results(league, last_season)
-- As `finished_games` of the ratings, in playing order; read as arrays.
SELECT
    season,
    CAST(split_part(game_key, ':', 3) AS DATE) AS day,
    home_team_id,
    away_team_id,
    home_score - away_score AS margin,
    neutral_site,
    result_known_at
FROM games
WHERE league = :league
  AND season <= :last_season
  AND status = 'final'
  AND game_type IN ('regular', 'postseason')
ORDER BY split_part(game_key, ':', 3), kickoff_at NULLS FIRST, game_key;

-- name: feature_quotes(league, seasons)
-- Prices that the home team wins, in order of observation. Of a game's markets the home team's;
-- simulated quotes were made from results, so they may never be features. Read as arrays.
WITH winner_markets AS (
    SELECT DISTINCT ON (g.game_id, m.platform_id)
        g.game_id,
        g.kickoff_at,
        m.market_id,
        m.yes_team_id = g.home_team_id AS is_home
    FROM games AS g
    JOIN events AS e ON e.game_id = g.game_id
    JOIN markets AS m
        ON m.event_id = e.event_id
        AND m.yes_team_id IN (g.home_team_id, g.away_team_id)
    WHERE g.league = :league
      AND g.season = ANY (:seasons)
    ORDER BY g.game_id, m.platform_id, m.yes_team_id = g.home_team_id DESC, m.market_id
)
SELECT
    w.game_id,
    CAST(
        CASE
            WHEN w.is_home THEN (q.yes_bid + q.yes_ask) / 2
            ELSE 1 - (q.yes_bid + q.yes_ask) / 2
        END AS DOUBLE PRECISION
    ) AS price,
    q.known_at
FROM winner_markets AS w
JOIN market_snapshots AS q ON q.market_id = w.market_id
WHERE q.source NOT IN ('simulated', 'manual')
  AND q.yes_bid IS NOT NULL
  AND q.yes_ask IS NOT NULL
  AND (w.kickoff_at IS NULL OR q.observed_at < w.kickoff_at)
ORDER BY w.game_id, q.observed_at, q.market_id;

-- name: feature_starters(league, last_season)
-- Finished games with their quarterbacks as numbers, -1 where no source names one, in the order in
-- which results and starters became known; what became known together in playing order.
WITH started AS (
    SELECT
        s.game_id,
        s.team_id,
        dense_rank() OVER (ORDER BY s.player_key) AS starter,
        s.known_at
    FROM game_starters AS s
    WHERE s.role = 'quarterback'
)
SELECT
    g.season,
    g.home_team_id,
    g.away_team_id,
    g.home_score,
    g.away_score,
    g.neutral_site AS neutral,
    coalesce(h.starter, -1) AS home_starter,
    coalesce(a.starter, -1) AS away_starter,
    greatest(g.result_known_at, h.known_at, a.known_at) AS known_at
FROM games AS g
LEFT JOIN started AS h ON h.game_id = g.game_id AND h.team_id = g.home_team_id
LEFT JOIN started AS a ON a.game_id = g.game_id AND a.team_id = g.away_team_id
WHERE g.league = :league
  AND g.season <= :last_season
  AND g.game_type IN ('regular', 'postseason')
  AND g.status = 'final'
ORDER BY
    greatest(g.result_known_at, h.known_at, a.known_at),
    split_part(g.game_key, ':', 3),
    g.kickoff_at NULLS FIRST,
    g.game_key;

-- name: lock_partition(partition)^
SELECT pg_advisory_xact_lock(hashtextextended(:partition, 0));

-- name: create_staging()#
CREATE TEMPORARY TABLE feature_staging (
    feature_id BIGINT NOT NULL,
    entity_id BIGINT NOT NULL,
    season INTEGER NOT NULL,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    feature_value DOUBLE PRECISION,
    source_snapshot_id BIGINT
) ON COMMIT DROP;

-- name: stored_seasons(league, seasons, feature_ids)
SELECT DISTINCT g.season
FROM games AS g
WHERE g.league = :league
  AND g.season = ANY (:seasons)
  AND EXISTS (
      SELECT
      FROM features_historical AS f
      WHERE f.entity_type = 'game'
        AND f.entity_id = g.game_id
        AND f.feature_id = ANY (:feature_ids)
  );

-- name: changed_seasons(feature_ids, league, seasons)
-- Seasons in which stored and staged rows differ in any column that carries content.
WITH stored AS (
    SELECT
        f.feature_id, f.entity_id, f.event_ts, f.known_at, f.feature_value, f.source_snapshot_id,
        g.season
    FROM features_historical AS f
    JOIN games AS g ON g.game_id = f.entity_id
    WHERE f.entity_type = 'game'
      AND f.feature_id = ANY (:feature_ids)
      AND g.league = :league
      AND g.season = ANY (:seasons)
)
SELECT DISTINCT coalesce(s.season, n.season) AS season
FROM stored AS s
FULL JOIN feature_staging AS n
    ON n.feature_id = s.feature_id
    AND n.entity_id = s.entity_id
    AND n.event_ts = s.event_ts
WHERE s.feature_id IS NULL
   OR n.feature_id IS NULL
   OR n.known_at <> s.known_at
   OR n.feature_value IS DISTINCT FROM s.feature_value
   OR n.source_snapshot_id IS DISTINCT FROM s.source_snapshot_id;

-- name: delete_seasons(feature_ids, league, seasons)!
DELETE FROM features_historical AS f
USING games AS g
WHERE g.game_id = f.entity_id
  AND f.entity_type = 'game'
  AND f.feature_id = ANY (:feature_ids)
  AND g.league = :league
  AND g.season = ANY (:seasons);

-- name: insert_staged(dagster_run_id, seasons)!
INSERT INTO features_historical (
    feature_id, entity_type, entity_id, event_ts, known_at, feature_value, source_snapshot_id,
    dagster_run_id
)
SELECT
    feature_id, 'game', entity_id, event_ts, known_at, feature_value, source_snapshot_id,
    :dagster_run_id
FROM feature_staging
WHERE season = ANY (:seasons)
ORDER BY entity_id, event_ts, feature_id;

-- name: feature_matrix(lead_s, is_decision, include_unknown_start, league, seasons, feature_ids)
-- One row a game at one moment: its values in the order of feature_ids.
WITH moments AS (
    SELECT
        game_id,
        game_key,
        season,
        kickoff_at,
        CASE
            WHEN kickoff_at IS NOT NULL AND :is_decision
                THEN kickoff_at - make_interval(secs => :lead_s)
            WHEN kickoff_at IS NOT NULL
                THEN greatest(kickoff_at - make_interval(secs => :lead_s), known_at)
            WHEN :is_decision AND :include_unknown_start
                THEN CAST(split_part(game_key, ':', 3) AS TIMESTAMP) AT TIME ZONE 'America/New_York'
        END AS event_ts
    FROM games
    WHERE league = :league
      AND season = ANY (:seasons)
)
SELECT
    m.game_id,
    m.game_key,
    m.season,
    m.kickoff_at,
    m.event_ts,
    max(f.known_at) AS known_at,
    array_agg(f.feature_value ORDER BY array_position(:feature_ids, f.feature_id)) AS feature_values
FROM moments AS m
JOIN features_historical AS f
    ON f.entity_type = 'game'
    AND f.entity_id = m.game_id
    AND f.event_ts = m.event_ts
WHERE f.feature_id = ANY (:feature_ids)
GROUP BY m.game_id, m.game_key, m.season, m.kickoff_at, m.event_ts
ORDER BY m.game_key;

-- name: feature_span(league, seasons)^
SELECT min(f.event_ts) AS first, max(f.event_ts) AS last
FROM features_historical AS f
JOIN games AS g ON g.game_id = f.entity_id
WHERE f.entity_type = 'game'
  AND g.league = :league
  AND g.season = ANY (:seasons);

-- name: feature_preview(league, season, names)
-- The named features of the season's last game at its last moment.
WITH shown AS (
    SELECT g.game_id, g.game_key, max(f.event_ts) AS event_ts
    FROM games AS g
    JOIN features_historical AS f ON f.entity_type = 'game' AND f.entity_id = g.game_id
    WHERE g.league = :league
      AND g.season = :season
    GROUP BY g.game_id, g.game_key
    ORDER BY max(f.event_ts) DESC, g.game_key
    LIMIT 1
)
SELECT s.game_key, d.feature_name, f.event_ts, f.known_at, f.feature_value
FROM shown AS s
JOIN features_historical AS f
    ON f.entity_type = 'game'
    AND f.entity_id = s.game_id
    AND f.event_ts = s.event_ts
JOIN feature_definitions AS d ON d.feature_id = f.feature_id
WHERE d.feature_name = ANY (:names)
ORDER BY f.feature_id;

-- name: feature_leaks()^
-- Values that nobody could have computed at their own time, and the first of them.
SELECT
    count(*) AS leaks,
    min(d.feature_name || ' of game ' || f.entity_id) AS example
FROM features_historical AS f
JOIN feature_definitions AS d ON d.feature_id = f.feature_id
WHERE f.known_at > f.event_ts;

-- name: result_leaks()^
-- Values whose time is not before the result of their own game.
SELECT count(*) AS leaks, min(g.game_key) AS example
FROM features_historical AS f
JOIN games AS g ON g.game_id = f.entity_id
WHERE f.entity_type = 'game'
  AND f.event_ts >= g.result_known_at;

-- name: feature_duplicates()$
SELECT count(*)
FROM (
    SELECT
    FROM features_historical
    GROUP BY feature_id, entity_type, entity_id, event_ts
    HAVING count(*) > 1
) AS repeated;

-- name: feature_ranges()
SELECT
    d.feature_name,
    d.feature_version,
    count(*) AS row_count,
    count(f.feature_value) AS defined,
    min(f.feature_value) AS lowest,
    max(f.feature_value) AS highest,
    count(*) FILTER (WHERE f.feature_value IN ('NaN', 'Infinity', '-Infinity')) AS not_finite
FROM features_historical AS f
JOIN feature_definitions AS d ON d.feature_id = f.feature_id
GROUP BY d.feature_id
ORDER BY d.feature_id;

-- name: incomplete_games(feature_ids, league)
-- Moments of games that carry only some of the registered features.
SELECT g.game_key, f.event_ts, count(*) AS found
FROM features_historical AS f
JOIN games AS g ON g.game_id = f.entity_id
WHERE f.entity_type = 'game'
  AND f.feature_id = ANY (:feature_ids)
  AND g.league = :league
GROUP BY g.game_key, f.event_ts
HAVING count(*) <> cardinality(:feature_ids)
ORDER BY g.game_key, f.event_ts
LIMIT 10;

-- name: orphan_values()^
-- Values whose game, definition or retrieval does not exist: the table has no foreign keys.
SELECT
    count(*) FILTER (WHERE f.entity_type = 'game' AND g.game_id IS NULL) AS without_game,
    count(*) FILTER (WHERE d.feature_id IS NULL) AS without_definition,
    count(*) FILTER (
        WHERE f.source_snapshot_id IS NOT NULL AND s.source_snapshot_id IS NULL
    ) AS without_snapshot
FROM features_historical AS f
LEFT JOIN games AS g ON g.game_id = f.entity_id
LEFT JOIN feature_definitions AS d ON d.feature_id = f.feature_id
LEFT JOIN source_snapshots AS s ON s.source_snapshot_id = f.source_snapshot_id;

-- name: stored_values(game_id, event_ts, feature_ids)
SELECT feature_id, feature_value, known_at
FROM features_historical
WHERE entity_type = 'game'
  AND entity_id = :game_id
  AND event_ts = :event_ts
  AND feature_id = ANY (:feature_ids);

-- name: seasons_with_values(league, feature_ids)
-- Seasons of which every listed feature has values, and the newest row of the table: what a check
-- draws its sample with.
SELECT g.season, max(f.feature_record_id) AS newest
FROM games AS g
JOIN features_historical AS f ON f.entity_type = 'game' AND f.entity_id = g.game_id
WHERE g.league = :league
  AND f.feature_id = ANY (:feature_ids)
GROUP BY g.season
ORDER BY g.season;

-- name: values_at_no_moment(decision_s, day_before_s)^
-- Values whose time is neither moment of their game: dates were moved after they were computed.
SELECT count(*) AS misplaced, min(g.game_key) AS example
FROM features_historical AS f
JOIN games AS g ON g.game_id = f.entity_id
WHERE f.entity_type = 'game'
  AND f.event_ts NOT IN (
      coalesce(
          g.kickoff_at - make_interval(secs => :decision_s),
          CAST(split_part(g.game_key, ':', 3) AS TIMESTAMP) AT TIME ZONE 'America/New_York'
      ),
      coalesce(
          greatest(g.kickoff_at - make_interval(secs => :day_before_s), g.known_at),
          CAST(split_part(g.game_key, ':', 3) AS TIMESTAMP) AT TIME ZONE 'America/New_York'
      )
  );

-- name: refresh_feature_statistics#
-- Until autovacuum has seen a new store, the planner reads all of it again for every game.
ANALYZE features_historical;
