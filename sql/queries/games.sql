-- Teams, the names sources use for them, retrievals, and games: written by key, so that the same
-- input again changes nothing.

-- name: has_league(league)$
SELECT EXISTS (SELECT FROM leagues WHERE league = :league);

-- name: upsert_teams*!
INSERT INTO teams AS t (league, team_code, name, conference, division)
VALUES (:league, :team_code, :name, :conference, :division)
ON CONFLICT (league, team_code) DO UPDATE
SET name = EXCLUDED.name,
    conference = EXCLUDED.conference,
    division = EXCLUDED.division
WHERE (t.name, t.conference, t.division)
    IS DISTINCT FROM (EXCLUDED.name, EXCLUDED.conference, EXCLUDED.division);

-- name: upsert_team_aliases*!
INSERT INTO team_aliases AS a (source, league, alias, team_id)
SELECT :source, t.league, :alias, t.team_id
FROM teams AS t
WHERE t.league = :league
  AND t.team_code = :team_code
ON CONFLICT (source, league, alias) DO UPDATE
SET team_id = EXCLUDED.team_id
WHERE a.team_id <> EXCLUDED.team_id;

-- name: team_aliases(league)
SELECT a.source, a.alias, t.team_code
FROM team_aliases AS a
JOIN teams AS t USING (team_id)
WHERE a.league = :league;

-- name: insert_source_snapshot(source, dataset, league, uri, sha256, row_count, fetched_at, published_at, licence)!
INSERT INTO source_snapshots (
    source, dataset, league, uri, sha256, row_count, fetched_at, published_at, licence
)
VALUES (
    :source, :dataset, :league, :uri, :sha256, :row_count, :fetched_at, :published_at, :licence
)
ON CONFLICT (source, dataset, league, season, sha256) DO NOTHING;

-- name: source_snapshot_id(source, dataset, league, sha256)$
SELECT source_snapshot_id
FROM source_snapshots
WHERE source = :source
  AND dataset = :dataset
  AND league = :league
  AND season IS NULL
  AND sha256 = :sha256;

-- name: lock_league(league)!
-- Two ingests of a league at once would both find a game absent, or move it under each other.
SELECT pg_advisory_xact_lock(hashtextextended('precog.games.' || :league, 0));

-- name: create_staged_games#
CREATE TEMP TABLE staged_games (
    game_key TEXT NOT NULL,
    league TEXT NOT NULL,
    season INTEGER NOT NULL,
    week INTEGER,
    game_type TEXT NOT NULL,
    kickoff_at TIMESTAMPTZ,
    home_code TEXT NOT NULL,
    away_code TEXT NOT NULL,
    neutral_site BOOLEAN NOT NULL,
    home_score INTEGER,
    away_score INTEGER,
    status TEXT NOT NULL,
    source TEXT NOT NULL,
    source_game_id TEXT,
    known_at TIMESTAMPTZ NOT NULL,
    result_known_at TIMESTAMPTZ
) ON COMMIT DROP;

-- name: drop_staged_games#
DROP TABLE staged_games;

-- name: other_sources(league, source)^
-- A home keeps one source of results; games entered by hand may stand beside it.
SELECT source, count(*), min(season), max(season)
FROM games
WHERE league = :league
  AND source NOT IN (:source, 'manual')
GROUP BY source
LIMIT 1;

-- name: lost_results()
SELECT g.game_key, g.away_score, g.home_score
FROM staged_games AS s
JOIN games AS g
    ON g.game_key = s.game_key
    OR (g.source = s.source AND g.league = s.league AND g.source_game_id = s.source_game_id)
WHERE g.status = 'final'
  AND s.status <> 'final'
ORDER BY g.game_key;

-- name: move_rescheduled_games()!
-- A game moved to another day keeps the source's id; its key follows the new day.
UPDATE games AS g
SET game_key = s.game_key
FROM staged_games AS s
WHERE g.source = s.source
  AND g.league = s.league
  AND g.source_game_id = s.source_game_id
  AND g.game_key <> s.game_key;

-- name: upsert_games(source_snapshot_id)^
-- A fact learnt now is known now: a first result or a corrected score of a stored game, a moved
-- kickoff of a game to come, a cancellation. What is new to us and lies in the past keeps the back-fill rule.
WITH incoming AS (
    SELECT s.game_key,
           s.league,
           s.season,
           s.week,
           s.game_type,
           s.kickoff_at,
           h.team_id AS home_team_id,
           a.team_id AS away_team_id,
           s.neutral_site,
           s.home_score,
           s.away_score,
           s.status,
           s.source,
           s.source_game_id,
           least(s.known_at, now()) AS known_at,
           CASE
               WHEN s.status = 'final'
                   THEN greatest(least(s.result_known_at, now()), s.kickoff_at)
           END AS result_known_at
    FROM staged_games AS s
    JOIN teams AS h
        ON h.league = s.league
        AND h.team_code = s.home_code
    JOIN teams AS a
        ON a.league = s.league
        AND a.team_code = s.away_code
),
written AS (
    INSERT INTO games AS g (
        game_key, league, season, week, game_type, kickoff_at, home_team_id, away_team_id,
        neutral_site, home_score, away_score, status, source, source_game_id, known_at,
        result_known_at, source_snapshot_id
    )
    SELECT game_key, league, season, week, game_type, kickoff_at, home_team_id, away_team_id,
           neutral_site, home_score, away_score, status, source, source_game_id, known_at,
           result_known_at, :source_snapshot_id
    FROM incoming
    ORDER BY season, kickoff_at, game_key
    ON CONFLICT (game_key) DO UPDATE
    SET season = EXCLUDED.season,
        week = EXCLUDED.week,
        game_type = EXCLUDED.game_type,
        kickoff_at = EXCLUDED.kickoff_at,
        home_team_id = EXCLUDED.home_team_id,
        away_team_id = EXCLUDED.away_team_id,
        neutral_site = EXCLUDED.neutral_site,
        home_score = EXCLUDED.home_score,
        away_score = EXCLUDED.away_score,
        status = EXCLUDED.status,
        source = EXCLUDED.source,
        source_game_id = EXCLUDED.source_game_id,
        source_snapshot_id = EXCLUDED.source_snapshot_id,
        known_at = CASE
            WHEN EXCLUDED.status = 'canceled' AND g.status <> 'canceled' THEN now()
            WHEN g.kickoff_at IS NOT DISTINCT FROM EXCLUDED.kickoff_at THEN g.known_at
            WHEN EXCLUDED.status = 'final' THEN EXCLUDED.known_at
            ELSE now()
        END,
        result_known_at = CASE
            WHEN EXCLUDED.status <> 'final' THEN NULL
            WHEN g.status = 'final'
                    AND (g.home_score, g.away_score) = (EXCLUDED.home_score, EXCLUDED.away_score)
                THEN CASE
                    WHEN g.kickoff_at IS NOT DISTINCT FROM EXCLUDED.kickoff_at
                        THEN g.result_known_at
                    ELSE EXCLUDED.result_known_at
                END
            ELSE greatest(now(), EXCLUDED.kickoff_at)
        END
    WHERE (
        g.season, g.week, g.game_type, g.kickoff_at, g.home_team_id, g.away_team_id,
        g.neutral_site, g.home_score, g.away_score, g.status, g.source, g.source_game_id
    ) IS DISTINCT FROM (
        EXCLUDED.season, EXCLUDED.week, EXCLUDED.game_type, EXCLUDED.kickoff_at,
        EXCLUDED.home_team_id, EXCLUDED.away_team_id, EXCLUDED.neutral_site,
        EXCLUDED.home_score, EXCLUDED.away_score, EXCLUDED.status, EXCLUDED.source,
        EXCLUDED.source_game_id
    )
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) AS inserted,
       count(*) FILTER (WHERE NOT is_new) AS updated
FROM written;

-- name: analyze_games#
-- Fresh bulk rows have no statistics, and the next query would be planned for an empty table.
ANALYZE games;

-- name: games_absent_from_source(league, seasons, source)$
SELECT count(*)
FROM games AS g
WHERE g.league = :league
  AND g.season = ANY (:seasons)
  AND g.source = :source
  AND NOT EXISTS (
      SELECT
      FROM staged_games AS s
      WHERE s.game_key = g.game_key
  );

-- name: stored_seasons(league, seasons)^
-- The newest games of the seasons, for the metadata of an asset.
SELECT count(*) AS games,
       min(kickoff_at) AS first_kickoff_at,
       max(kickoff_at) AS last_kickoff_at
FROM games
WHERE league = :league
  AND season = ANY (:seasons);

-- name: games_preview(league, seasons)
SELECT g.game_key, g.week, g.game_type, g.kickoff_at, g.away_score, g.home_score, g.status,
       g.source, g.result_known_at
FROM games AS g
WHERE g.league = :league
  AND g.season = ANY (:seasons)
ORDER BY g.kickoff_at DESC NULLS LAST, g.game_key
LIMIT 8;

-- name: teams_playing_twice_a_day()
-- Football only: baseball has doubleheaders.
SELECT split_part(g.game_key, ':', 3) AS day, t.team_code, array_agg(g.game_key ORDER BY g.game_key)
FROM games AS g
JOIN teams AS t ON t.team_id IN (g.home_team_id, g.away_team_id)
WHERE g.league IN ('nfl', 'ncaaf')
  AND g.status <> 'canceled'
GROUP BY day, t.team_code
HAVING count(*) > 1
ORDER BY day, t.team_code;

-- name: overdue_results()
-- Kickoff two days ago and still no result: the source lags, or the game was not played.
SELECT game_key, kickoff_at, source
FROM games
WHERE status = 'scheduled'
  AND kickoff_at < now() - INTERVAL '48 hours'
ORDER BY kickoff_at;

-- name: impossible_results()
-- What the constraints of the table do not say: known before the game, or a score out of range.
SELECT game_key, home_score, away_score, kickoff_at, result_known_at
FROM games
WHERE status = 'final'
  AND (
      greatest(home_score, away_score)
          > CASE WHEN league IN ('nba', 'wnba', 'ncaab') THEN 250 ELSE 150 END
      OR known_at > result_known_at
      OR result_known_at > now()
      OR kickoff_at > now()
  )
ORDER BY game_key;

-- name: season_sizes()
SELECT league,
       season,
       count(*) FILTER (WHERE game_type = 'regular') AS regular,
       count(*) FILTER (WHERE game_type = 'postseason') AS postseason,
       count(*) FILTER (WHERE status NOT IN ('final', 'canceled')) AS still_open,
       max(coalesce(kickoff_at, result_known_at)) AS newest,
       min(source) AS source
FROM games
WHERE source <> 'manual'
GROUP BY league, season
ORDER BY league, season;

-- name: newest_result(league)^
SELECT max(kickoff_at) FILTER (WHERE status = 'final') AS newest_result_at,
       min(kickoff_at) FILTER (WHERE status = 'scheduled') AS next_kickoff_at
FROM games
WHERE league = :league;

-- name: create_staged_starters#
CREATE TEMPORARY TABLE staged_starters (
    game_key TEXT NOT NULL,
    is_home BOOLEAN NOT NULL,
    role TEXT NOT NULL,
    player_key TEXT NOT NULL,
    player_name TEXT
) ON COMMIT DROP;

-- name: upsert_starters(source)!
-- A corrected starter is known from now.
INSERT INTO game_starters AS old (
    game_id, team_id, role, player_key, player_name, source, known_at
)
SELECT
    g.game_id,
    CASE WHEN s.is_home THEN g.home_team_id ELSE g.away_team_id END,
    s.role,
    s.player_key,
    s.player_name,
    :source,
    g.result_known_at
FROM staged_starters AS s
JOIN games AS g ON g.game_key = s.game_key
ORDER BY g.game_id, s.is_home
ON CONFLICT (game_id, team_id, role) DO UPDATE
SET player_key = EXCLUDED.player_key,
    player_name = EXCLUDED.player_name,
    source = EXCLUDED.source,
    known_at = CASE
        WHEN old.player_key = EXCLUDED.player_key THEN old.known_at
        ELSE greatest(EXCLUDED.known_at, now())
    END
WHERE (old.player_key, old.player_name, old.source)
      IS DISTINCT FROM (EXCLUDED.player_key, EXCLUDED.player_name, EXCLUDED.source);

-- name: drop_staged_starters#
DROP TABLE staged_starters;
