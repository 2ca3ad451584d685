-- Markets of games: one event and two mirror markets per game on the platform that is quoted.
-- A game keeps its event when it is rescheduled, so the ticker may show the day first planned.

-- name: insert_series(platform_id, series_ticker, league, title)!
INSERT INTO series (platform_id, series_ticker, category, league, title, frequency)
VALUES (:platform_id, :series_ticker, 'sports', :league, :title, 'weekly')
ON CONFLICT (platform_id, series_ticker) DO NOTHING;

-- name: insert_events(platform_id, series_ticker, game_ids)!
INSERT INTO events (platform_id, series_id, event_ticker, title, status, start_at, game_id)
SELECT s.platform_id,
       s.series_id,
       s.series_ticker || '-' || to_char(split_part(g.game_key, ':', 3)::DATE, 'YYMONDD')
           || a.team_code || h.team_code,
       a.name || ' at ' || h.name,
       CASE g.status WHEN 'suspended' THEN 'live' ELSE g.status END,
       g.kickoff_at,
       g.game_id
FROM games AS g
JOIN unnest(CAST(:game_ids AS BIGINT[])) AS chosen (game_id) USING (game_id)
JOIN teams AS h ON h.team_id = g.home_team_id
JOIN teams AS a ON a.team_id = g.away_team_id
JOIN series AS s
    ON s.platform_id = :platform_id
    AND s.series_ticker = :series_ticker
WHERE NOT EXISTS (
      SELECT
      FROM events AS e
      WHERE e.platform_id = :platform_id
        AND e.game_id = g.game_id
  )
ORDER BY g.game_id;

-- name: update_events(game_ids, platform_id)!
UPDATE events AS e
SET status = CASE g.status WHEN 'suspended' THEN 'live' ELSE g.status END,
    start_at = g.kickoff_at
FROM games AS g
JOIN unnest(CAST(:game_ids AS BIGINT[])) AS chosen (game_id) USING (game_id)
WHERE g.game_id = e.game_id
  AND e.platform_id = :platform_id
  AND (e.status, e.start_at)
      IS DISTINCT FROM (CASE g.status WHEN 'suspended' THEN 'live' ELSE g.status END, g.kickoff_at);

-- name: insert_markets(platform_id, game_ids)!
INSERT INTO markets (platform_id, event_id, ticker, market_type, yes_team_id)
SELECT e.platform_id, e.event_id, e.event_ticker || '-' || t.team_code, 'binary', t.team_id
FROM events AS e
JOIN games AS g USING (game_id)
JOIN unnest(CAST(:game_ids AS BIGINT[])) AS chosen (game_id) USING (game_id)
JOIN teams AS t ON t.team_id IN (g.home_team_id, g.away_team_id)
WHERE e.platform_id = :platform_id
  AND NOT EXISTS (
      SELECT
      FROM markets AS m
      WHERE m.event_id = e.event_id
        AND m.yes_team_id = t.team_id
  )
ORDER BY e.event_id, t.team_id = g.away_team_id;

-- name: insert_market_attributes(platform_id, game_ids)!
-- Knowable with the fixture. Nothing here may say what is known only at kickoff.
INSERT INTO market_attributes (
    market_id, title, status, price_ranges, count_step, raw, event_ts, known_at, row_start_ts
)
SELECT m.market_id,
       t.name || ' to win (' || a.team_code || ' at ' || h.team_code || ')',
       'open',
       '[{"start": "0.00", "end": "1.00", "step": "0.01"}]',
       1,
       jsonb_build_object('origin', p.display_name, 'ticker', m.ticker),
       g.known_at,
       g.known_at,
       now()
FROM markets AS m
JOIN platforms AS p USING (platform_id)
JOIN events AS e USING (event_id)
JOIN games AS g USING (game_id)
JOIN unnest(CAST(:game_ids AS BIGINT[])) AS chosen (game_id) USING (game_id)
JOIN teams AS t ON t.team_id = m.yes_team_id
JOIN teams AS h ON h.team_id = g.home_team_id
JOIN teams AS a ON a.team_id = g.away_team_id
WHERE m.platform_id = :platform_id
  AND NOT EXISTS (
      SELECT
      FROM market_attributes AS ma
      WHERE ma.market_id = m.market_id
  )
ORDER BY m.market_id;

-- name: analyze_markets#
-- Fresh bulk rows have no statistics, and the next query would be planned for an empty table.
ANALYZE events, markets, market_attributes;

-- name: tradable_game_ids(league, seasons)
-- Preseason and exhibition games get no markets: they are kept out of trading.
SELECT game_id
FROM games
WHERE league = :league
  AND season = ANY (:seasons)
  AND game_type IN ('regular', 'postseason');

-- name: game_markets(platform_id, league, seasons)
SELECT g.game_key, m.yes_team_id = g.home_team_id AS is_home, m.market_id
FROM games AS g
JOIN events AS e USING (game_id)
JOIN markets AS m USING (event_id)
WHERE m.platform_id = :platform_id
  AND g.league = :league
  AND g.season = ANY (:seasons);

-- name: market_by_ticker(ticker)
SELECT m.market_id,
       g.game_key,
       CASE WHEN m.yes_team_id = g.home_team_id THEN 'home' ELSE 'away' END AS team,
       ma.price_ranges,
       mirror.market_id AS mirror_id
FROM markets AS m
JOIN events AS e USING (event_id)
JOIN games AS g USING (game_id)
JOIN market_attributes AS ma
    ON ma.market_id = m.market_id
    AND ma.row_current_ind
LEFT JOIN markets AS mirror
    ON mirror.event_id = m.event_id
    AND mirror.yes_team_id <> m.yes_team_id
WHERE m.ticker = :ticker
ORDER BY m.platform_id;

-- name: tickers_of_game(game_id, platform_id)
SELECT m.ticker
FROM markets AS m
JOIN events AS e USING (event_id)
JOIN games AS g USING (game_id)
WHERE e.game_id = :game_id
  AND m.platform_id = :platform_id
ORDER BY m.yes_team_id = g.away_team_id;

-- name: game_source(game_key)$
SELECT source
FROM games
WHERE game_key = :game_key;

-- name: game_id(game_key)$
SELECT game_id
FROM games
WHERE game_key = :game_key;

-- name: database_now()$
SELECT now();

-- name: markets_summary(platform_id, league, seasons)^
SELECT count(*) AS markets,
       min(e.start_at) AS first_start_at,
       max(e.start_at) AS last_start_at
FROM markets AS m
JOIN events AS e USING (event_id)
JOIN games AS g USING (game_id)
WHERE m.platform_id = :platform_id
  AND g.league = :league
  AND g.season = ANY (:seasons);

-- name: markets_preview(platform_id, league, seasons)
SELECT m.ticker, e.title, e.status, e.start_at, t.team_code AS yes_pays, m.platform_id
FROM markets AS m
JOIN events AS e USING (event_id)
JOIN games AS g USING (game_id)
JOIN teams AS t ON t.team_id = m.yes_team_id
WHERE m.platform_id = :platform_id
  AND g.league = :league
  AND g.season = ANY (:seasons)
ORDER BY e.start_at DESC NULLS LAST, m.ticker
LIMIT 8;

-- name: games_without_two_markets()
-- A game that is quoted at all has exactly one market per team on that platform.
SELECT e.platform_id, g.game_key, count(m.market_id) AS markets
FROM events AS e
JOIN games AS g USING (game_id)
LEFT JOIN markets AS m
    ON m.event_id = e.event_id
    AND m.yes_team_id IN (g.home_team_id, g.away_team_id)
WHERE e.platform_id IN ('simulated', 'closing_line')
GROUP BY e.platform_id, g.game_key
HAVING count(m.market_id) <> 2 OR count(DISTINCT m.yes_team_id) <> 2
ORDER BY g.game_key;
