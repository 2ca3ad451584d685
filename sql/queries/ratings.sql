-- Elo: games in playing order, the stored history, and the table of ratings at a date.

-- name: finished_games(league, last_season)
-- In playing order. Preseason and exhibition games are no contests and never rated.
-- A game without a known start is placed at 00:00 Eastern of its day.
SELECT
    game_id,
    season,
    home_team_id,
    away_team_id,
    home_score,
    away_score,
    neutral_site,
    coalesce(
        kickoff_at,
        CAST(split_part(game_key, ':', 3) AS TIMESTAMP) AT TIME ZONE 'America/New_York'
    ) AS event_ts,
    result_known_at
FROM games
WHERE league = :league
  AND season <= :last_season
  AND status = 'final'
  AND game_type IN ('regular', 'postseason')
ORDER BY split_part(game_key, ':', 3), kickoff_at NULLS FIRST, game_key;

-- name: stored_ratings(model_id, seasons)
-- The latest revision of each row, as written.
SELECT DISTINCT ON (h.game_id, h.is_home)
    h.game_id,
    h.is_home,
    h.team_id,
    h.opponent_team_id,
    h.rating_before,
    h.rating_after,
    h.expected,
    h.actual,
    h.k_factor,
    h.event_ts,
    h.known_at,
    h.revision
FROM elo_rating_history AS h
JOIN games AS g ON g.game_id = h.game_id
WHERE h.model_id = :model_id
  AND g.season = ANY (:seasons)
ORDER BY h.game_id, h.is_home, h.revision DESC;

-- name: games_without_rating(league, last_season, model_id)
-- Seasons whose finished games are not all rated, with how many are missing.
SELECT g.season, count(*) AS missing
FROM games AS g
WHERE g.league = :league
  AND g.season <= :last_season
  AND g.status = 'final'
  AND g.game_type IN ('regular', 'postseason')
  AND NOT EXISTS (
      SELECT
      FROM elo_rating_history AS h
      WHERE h.model_id = :model_id
        AND h.game_id = g.game_id
  )
GROUP BY g.season
ORDER BY g.season;

-- name: seasons_of_games(league)
SELECT season, count(*) AS games
FROM games
WHERE league = :league
GROUP BY season
ORDER BY season;

-- name: sources_of_games(league)
SELECT source, max(season) AS last_season
FROM games
WHERE league = :league
GROUP BY source;

-- name: season_summaries(model_id, seasons)
-- Brier score of the home team's expected score, ties left out.
WITH current_rows AS (
    SELECT DISTINCT ON (h.game_id, h.is_home)
        g.season,
        h.is_home,
        h.expected,
        h.actual,
        h.event_ts,
        h.known_at
    FROM elo_rating_history AS h
    JOIN games AS g ON g.game_id = h.game_id
    WHERE h.model_id = :model_id
      AND g.season = ANY (:seasons)
      AND g.status = 'final'
    ORDER BY h.game_id, h.is_home, h.revision DESC
)
SELECT
    season,
    count(*) AS row_count,
    avg((expected - actual) * (expected - actual)) FILTER (
        WHERE is_home AND actual <> 0.5
    ) AS brier,
    min(event_ts) AS first,
    max(event_ts) AS last,
    max(known_at) AS last_known_at
FROM current_rows
GROUP BY season
ORDER BY season;

-- name: ratings_known_at(model_id, as_of)
-- One row a team: its rating after the last game whose whole chain of results was known.
SELECT DISTINCT ON (h.team_id)
    t.team_id,
    t.team_code,
    t.name,
    h.rating_after,
    h.rating_after - h.rating_before AS last_change,
    g.season,
    h.event_ts AS last_game_ts,
    o.team_code AS last_opponent
FROM elo_rating_history AS h
JOIN games AS g ON g.game_id = h.game_id
JOIN teams AS t ON t.team_id = h.team_id
JOIN teams AS o ON o.team_id = h.opponent_team_id
WHERE h.model_id = :model_id
  AND h.known_at <= :as_of
  AND g.status = 'final'
ORDER BY h.team_id, h.event_ts DESC, g.game_key DESC, h.revision DESC;

-- name: rating_problems(mean, reversion, model_id, league)^
-- Facts about the stored history that must all be zero, and its extremes; one row.
-- A link is judged where both its ends are stored: within a season and to the season before.
WITH current_rows AS (
    SELECT DISTINCT ON (h.game_id, h.is_home)
        h.game_id,
        h.team_id,
        h.rating_before,
        h.rating_after,
        g.season,
        g.game_key,
        g.kickoff_at
    FROM elo_rating_history AS h
    JOIN games AS g ON g.game_id = h.game_id
    WHERE h.model_id = :model_id
      AND g.league = :league
      AND g.status = 'final'
    ORDER BY h.game_id, h.is_home, h.revision DESC
),
by_game AS (
    SELECT
        count(*) AS sides,
        abs(sum(rating_after - rating_before)) AS drift
    FROM current_rows
    GROUP BY game_id
),
chained AS (
    SELECT
        season,
        rating_before,
        lag(season) OVER chain AS previous_season,
        lag(rating_after) OVER chain AS previous_after
    FROM current_rows
    WINDOW chain AS (
        PARTITION BY team_id
        ORDER BY split_part(game_key, ':', 3), kickoff_at NULLS FIRST, game_key
    )
),
broken AS (
    SELECT season
    FROM chained
    WHERE abs(
        rating_before - CASE
            WHEN previous_season = season THEN previous_after
            WHEN previous_season = season - 1
                THEN :mean * :reversion + previous_after * (1 - :reversion)
        END
    ) > 1e-9
)
SELECT
    (SELECT count(*) FROM current_rows) AS row_count,
    (SELECT count(*) FROM by_game WHERE sides <> 2) AS games_without_two_rows,
    (SELECT count(*) FROM by_game WHERE drift > 1e-6) AS games_not_conserving,
    (SELECT count(*) FROM broken) AS broken_links,
    (SELECT min(season) FROM broken) AS first_broken_season,
    (SELECT min(least(rating_before, rating_after)) FROM current_rows) AS lowest,
    (SELECT max(greatest(rating_before, rating_after)) FROM current_rows) AS highest;

-- name: rating_paths(model_id, season)
-- Every team's rating after each game, for the plot.
SELECT DISTINCT ON (h.event_ts, h.team_id, h.game_id)
    t.team_code,
    h.event_ts,
    h.rating_after
FROM elo_rating_history AS h
JOIN games AS g ON g.game_id = h.game_id
JOIN teams AS t ON t.team_id = h.team_id
WHERE h.model_id = :model_id
  AND g.season = :season
  AND g.status = 'final'
ORDER BY h.event_ts, h.team_id, h.game_id, h.revision DESC;

-- name: ratings_before_their_result(model_id, league)^
-- Ratings that would be usable before the result they rest on; the latest revision of each.
SELECT count(*) AS early, min(game_key) AS example
FROM (
    SELECT DISTINCT ON (h.game_id, h.is_home)
        g.game_key,
        h.known_at,
        g.result_known_at
    FROM elo_rating_history AS h
    JOIN games AS g ON g.game_id = h.game_id
    WHERE h.model_id = :model_id
      AND g.league = :league
      AND g.status = 'final'
    ORDER BY h.game_id, h.is_home, h.revision DESC
) AS in_force
WHERE known_at < result_known_at;

-- name: refresh_rating_statistics#
-- Until autovacuum has seen a new history, the planner takes it for an empty table.
ANALYZE elo_rating_history;
