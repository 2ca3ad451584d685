-- Probability matrices: the games they count, and their cells.

-- name: lock_matrices(league)!
SELECT pg_advisory_xact_lock(hashtextextended('precog.matrices.' || :league, 0));

-- name: period_states(league, model_id, periods)
-- Scores after each period of decided games, and Elo's probability for the home team before them.
-- Of several revisions of a rating the newest counts.
WITH rated AS (
    SELECT DISTINCT ON (game_id)
        game_id,
        expected
    FROM elo_rating_history
    WHERE model_id = :model_id
      AND is_home
    ORDER BY game_id, revision DESC
),
running AS (
    SELECT
        game_id,
        period,
        CAST(sum(home_points - away_points) OVER (PARTITION BY game_id ORDER BY period) AS INTEGER)
            AS home_lead
    FROM game_period_points
    WHERE known_at <= now()
)
SELECT
    g.game_id,
    g.season,
    r.period,
    r.home_lead,
    g.home_score - g.away_score AS margin,
    rated.expected,
    g.source_snapshot_id
FROM running AS r
JOIN games AS g USING (game_id)
JOIN rated USING (game_id)
WHERE g.league = :league
  AND g.status = 'final'
  AND g.game_type IN ('regular', 'postseason')
  AND g.result_known_at <= now()
  AND r.period = ANY (:periods)
ORDER BY r.period, g.game_id;

-- name: spread_states(league)
SELECT
    g.season,
    CAST(s.home_favoured_by AS DOUBLE PRECISION) AS home_favoured_by,
    g.home_score - g.away_score AS margin,
    g.source_snapshot_id
FROM game_closing_spreads AS s
JOIN games AS g USING (game_id)
WHERE g.league = :league
  AND g.status = 'final'
  AND g.game_type IN ('regular', 'postseason')
  AND s.known_at <= now()
  AND g.result_known_at <= now()
ORDER BY g.game_id;

-- name: newest_version(league, matrix_name)$
SELECT matrix_version
FROM probability_matrices
WHERE league = :league
  AND matrix_name = :matrix_name
ORDER BY matrix_id DESC
LIMIT 1;

-- name: cells(league, matrix_name, matrix_version)
SELECT
    state_descriptor,
    value_bucket,
    situational_factors ->> 'favourite' AS favourite,
    sample_size,
    wins,
    win_probability,
    ci_low,
    ci_high,
    first_season,
    last_season
FROM probability_matrices
WHERE league = :league
  AND matrix_name = :matrix_name
  AND matrix_version = :matrix_version
ORDER BY matrix_id;

-- name: list_matrices(league)
SELECT
    league,
    matrix_name,
    matrix_version,
    count(*) AS cells,
    max(sample_size) AS largest,
    min(first_season) AS first_season,
    max(last_season) AS last_season,
    min(created_at) AS created_at,
    bool_or(newest) AS newest
FROM (
    SELECT
        *,
        matrix_version = last_value(matrix_version) OVER (
            PARTITION BY league, matrix_name
            ORDER BY matrix_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS newest
    FROM probability_matrices
    WHERE league = :league OR CAST(:league AS TEXT) IS NULL
) AS cells
GROUP BY league, matrix_name, matrix_version
ORDER BY league, matrix_name, min(matrix_id);

-- name: unsound_cells(league)
-- Within one state and favourite, in stored order, a probability that falls; one outside its
-- interval; one from too few games to mean anything.
SELECT
    matrix_name,
    matrix_version,
    state_descriptor,
    value_bucket,
    problem
FROM (
    SELECT
        matrix_id,
        matrix_name,
        matrix_version,
        state_descriptor,
        value_bucket,
        CASE
            WHEN win_probability < lag(win_probability) OVER (
                PARTITION BY matrix_name, matrix_version, state_descriptor, situational_factors
                ORDER BY matrix_id
            ) THEN 'falls although the lead grows'
            WHEN win_probability NOT BETWEEN ci_low AND ci_high THEN 'lies outside its interval'
            WHEN sample_size < 1 THEN 'counts no game'
        END AS problem
    FROM probability_matrices
    WHERE league = :league
) AS judged
WHERE problem IS NOT NULL
ORDER BY matrix_id;
