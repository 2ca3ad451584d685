-- Facts of finished games beside the result. A corrected one is known from now.

-- name: create_staged_points#
CREATE TEMPORARY TABLE staged_points (
    game_key TEXT NOT NULL,
    period INTEGER NOT NULL,
    home_points INTEGER NOT NULL,
    away_points INTEGER NOT NULL
) ON COMMIT DROP;

-- name: upsert_points(source)!
INSERT INTO game_period_points AS old (
    game_id, period, home_points, away_points, source, known_at
)
SELECT
    g.game_id,
    s.period,
    s.home_points,
    s.away_points,
    :source,
    g.result_known_at
FROM staged_points AS s
JOIN games AS g ON g.game_key = s.game_key
ORDER BY g.game_id, s.period
ON CONFLICT (game_id, period) DO UPDATE
SET home_points = EXCLUDED.home_points,
    away_points = EXCLUDED.away_points,
    source = EXCLUDED.source,
    known_at = greatest(EXCLUDED.known_at, now())
WHERE (old.home_points, old.away_points) IS DISTINCT FROM
      (EXCLUDED.home_points, EXCLUDED.away_points);

-- name: drop_staged_points#
DROP TABLE staged_points;

-- name: create_staged_spreads#
CREATE TEMPORARY TABLE staged_spreads (
    game_key TEXT NOT NULL,
    home_favoured_by NUMERIC NOT NULL
) ON COMMIT DROP;

-- name: upsert_spreads(source)!
INSERT INTO game_closing_spreads AS old (game_id, home_favoured_by, source, known_at)
SELECT
    g.game_id,
    s.home_favoured_by,
    :source,
    g.result_known_at
FROM staged_spreads AS s
JOIN games AS g ON g.game_key = s.game_key
ORDER BY g.game_id
ON CONFLICT (game_id) DO UPDATE
SET home_favoured_by = EXCLUDED.home_favoured_by,
    source = EXCLUDED.source,
    known_at = greatest(EXCLUDED.known_at, now())
WHERE old.home_favoured_by IS DISTINCT FROM EXCLUDED.home_favoured_by;

-- name: drop_staged_spreads#
DROP TABLE staged_spreads;
