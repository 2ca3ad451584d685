-- Quotes and closing prices. Rows are appended and never change: the same quote again is ignored,
-- another one for the same market and instant is counted and reported, not stored.

-- name: create_staged_quotes#
CREATE TEMP TABLE staged_quotes (
    market_id BIGINT NOT NULL,
    observed_at TIMESTAMPTZ NOT NULL,
    yes_bid NUMERIC(12,6),
    yes_ask NUMERIC(12,6),
    yes_bid_size NUMERIC(14,2),
    yes_ask_size NUMERIC(14,2),
    volume NUMERIC(14,2),
    open_interest NUMERIC(14,2),
    write_reason TEXT NOT NULL
) ON COMMIT DROP;

-- name: drop_staged_quotes#
DROP TABLE staged_quotes;

-- name: ensure_months_of_quotes()$
-- Only months that hold quotes: a partition of the off-season would be planned for in every query.
SELECT coalesce(sum(ensure_snapshot_partitions(month_start, month_start)), 0)
FROM (
    SELECT DISTINCT date_trunc('month', observed_at, 'UTC') AS month_start
    FROM staged_quotes
) AS months;

-- name: insert_quotes(source, received_at)!
INSERT INTO market_snapshots (
    market_id, observed_at, yes_bid, yes_ask, yes_bid_size, yes_ask_size, volume, open_interest,
    write_reason, source, known_at
)
SELECT market_id, observed_at, yes_bid, yes_ask, yes_bid_size, yes_ask_size, volume,
       open_interest, write_reason, :source, greatest(observed_at, :received_at)
FROM staged_quotes
ON CONFLICT (market_id, observed_at) DO NOTHING;

-- name: differing_quotes()$
SELECT count(*)
FROM staged_quotes AS s
JOIN market_snapshots AS q USING (market_id, observed_at)
WHERE (q.yes_bid, q.yes_ask, q.yes_bid_size, q.yes_ask_size, q.volume, q.open_interest)
    IS DISTINCT FROM
      (s.yes_bid, s.yes_ask, s.yes_bid_size, s.yes_ask_size, s.volume, s.open_interest);

-- name: create_staged_closes#
CREATE TEMP TABLE staged_closes (
    market_id BIGINT NOT NULL,
    bar_end_ts TIMESTAMPTZ NOT NULL,
    close_price NUMERIC(12,6) NOT NULL
) ON COMMIT DROP;

-- name: drop_staged_closes#
DROP TABLE staged_closes;

-- name: insert_closes(source_snapshot_id)!
-- A bar of the last day with only its close, known at its end. It keeps the price before the grid
-- rounds it.
INSERT INTO market_candles (
    market_id, period_s, bar_end_ts, close_price, source_snapshot_id, known_at
)
SELECT market_id, 86400, bar_end_ts, close_price, :source_snapshot_id, bar_end_ts
FROM staged_closes
ORDER BY market_id
ON CONFLICT (market_id, period_s, bar_end_ts) DO NOTHING;

-- name: closing_probabilities(league, seasons)
-- P(home wins) of the last price before the start, one row per game: a recorded quote before a
-- recorded trade, then an assumed closing line, then a simulated quote. Quotes entered by hand do
-- not count. Where only the away team's market was recorded its price is turned around.
WITH winner_markets AS (
    SELECT g.game_id, g.kickoff_at, m.market_id, m.platform_id,
           m.yes_team_id = g.home_team_id AS is_home
    FROM games AS g
    JOIN events AS e USING (game_id)
    JOIN markets AS m
        ON m.event_id = e.event_id
        AND (
            m.yes_team_id = g.home_team_id
            OR (m.yes_team_id = g.away_team_id AND m.platform_id IN ('kalshi', 'kalshi_demo'))
        )
    WHERE g.league = :league
      AND g.season = ANY (:seasons)
),
closes AS (
    SELECT w.game_id, w.is_home, c.close_price AS price, 'assumed_closing_line' AS source, 3 AS rank
    FROM winner_markets AS w
    JOIN market_candles AS c USING (market_id)
    WHERE w.platform_id = 'closing_line'
      AND c.period_s = 86400
      AND c.bar_end_ts = w.kickoff_at
    UNION ALL
    SELECT w.game_id, w.is_home, last.mid, last.source,
           CASE last.source WHEN 'recorded' THEN 1 ELSE 4 END
    FROM winner_markets AS w
    CROSS JOIN LATERAL (
        SELECT (q.yes_bid + q.yes_ask) / 2 AS mid, q.source
        FROM market_snapshots AS q
        WHERE q.market_id = w.market_id
          AND q.source IN ('recorded', 'simulated')
          AND q.yes_bid IS NOT NULL
          AND q.yes_ask IS NOT NULL
          AND q.observed_at <= w.kickoff_at
          AND q.observed_at > w.kickoff_at - INTERVAL '24 hours'
        ORDER BY q.observed_at DESC
        LIMIT 1
    ) AS last
    WHERE w.platform_id <> 'closing_line'
    UNION ALL
    SELECT w.game_id, w.is_home, last.close_price, 'recorded_candle', 2
    FROM winner_markets AS w
    CROSS JOIN LATERAL (
        SELECT c.close_price
        FROM market_candles AS c
        WHERE c.market_id = w.market_id
          AND c.period_s = 60
          AND c.close_price IS NOT NULL
          AND c.bar_end_ts <= w.kickoff_at
          AND c.bar_end_ts > w.kickoff_at - INTERVAL '24 hours'
        ORDER BY c.bar_end_ts DESC
        LIMIT 1
    ) AS last
    WHERE w.platform_id IN ('kalshi', 'kalshi_demo')
)
SELECT DISTINCT ON (game_id)
    game_id,
    CASE WHEN is_home THEN price ELSE 1 - price END::DOUBLE PRECISION AS p_home,
    source
FROM closes
ORDER BY game_id, rank, is_home DESC;

-- name: opening_probabilities(league, seasons)
-- P(home wins) of the first price of the last 60 days before the start, one row per game, ranked as
-- the closing ones. A closing line has no opening: files give only its last value.
WITH winner_markets AS (
    SELECT g.game_id, g.kickoff_at, m.market_id, m.platform_id,
           m.yes_team_id = g.home_team_id AS is_home
    FROM games AS g
    JOIN events AS e USING (game_id)
    JOIN markets AS m
        ON m.event_id = e.event_id
        AND (
            m.yes_team_id = g.home_team_id
            OR (m.yes_team_id = g.away_team_id AND m.platform_id IN ('kalshi', 'kalshi_demo'))
        )
    WHERE g.league = :league
      AND g.season = ANY (:seasons)
      AND m.platform_id <> 'closing_line'
),
openings AS (
    SELECT w.game_id, w.is_home, first.mid AS price, first.source,
           CASE first.source WHEN 'recorded' THEN 1 ELSE 3 END AS rank
    FROM winner_markets AS w
    CROSS JOIN LATERAL (
        SELECT (q.yes_bid + q.yes_ask) / 2 AS mid, q.source
        FROM market_snapshots AS q
        WHERE q.market_id = w.market_id
          AND q.source IN ('recorded', 'simulated')
          AND q.yes_bid IS NOT NULL
          AND q.yes_ask IS NOT NULL
          AND q.observed_at < w.kickoff_at
          AND q.observed_at > w.kickoff_at - INTERVAL '60 days'
        ORDER BY q.observed_at
        LIMIT 1
    ) AS first
    UNION ALL
    SELECT w.game_id, w.is_home, first.close_price, 'recorded_candle', 2
    FROM winner_markets AS w
    CROSS JOIN LATERAL (
        SELECT c.close_price
        FROM market_candles AS c
        WHERE c.market_id = w.market_id
          AND c.period_s = 60
          AND c.close_price IS NOT NULL
          AND c.bar_end_ts < w.kickoff_at
          AND c.bar_end_ts > w.kickoff_at - INTERVAL '60 days'
        ORDER BY c.bar_end_ts
        LIMIT 1
    ) AS first
    WHERE w.platform_id IN ('kalshi', 'kalshi_demo')
)
SELECT DISTINCT ON (game_id)
    game_id,
    CASE WHEN is_home THEN price ELSE 1 - price END::DOUBLE PRECISION AS p_home,
    source
FROM openings
ORDER BY game_id, rank, is_home DESC;

-- name: quotes_summary(platform_id, league, seasons)^
SELECT count(*) AS quotes,
       min(q.observed_at) AS first_observed_at,
       max(q.observed_at) AS last_observed_at
FROM games AS g
JOIN events AS e USING (game_id)
JOIN markets AS m USING (event_id)
JOIN market_snapshots AS q USING (market_id)
WHERE m.platform_id = :platform_id
  AND g.league = :league
  AND g.season = ANY (:seasons);

-- name: quotes_preview(platform_id, league, seasons)
-- The last game of the seasons.
WITH last_game AS (
    SELECT g.game_id, g.kickoff_at
    FROM games AS g
    WHERE g.league = :league
      AND g.season = ANY (:seasons)
      AND g.kickoff_at IS NOT NULL
    ORDER BY g.kickoff_at DESC, g.game_id
    LIMIT 1
)
SELECT m.ticker, q.observed_at, q.yes_bid, q.yes_ask, q.yes_bid_size, q.yes_ask_size, q.volume,
       q.open_interest, q.write_reason, q.source
FROM last_game AS g
JOIN events AS e USING (game_id)
JOIN markets AS m USING (event_id)
JOIN market_snapshots AS q
    ON q.market_id = m.market_id
    AND q.observed_at BETWEEN g.kickoff_at - INTERVAL '24 hours' AND g.kickoff_at
WHERE m.platform_id = :platform_id
ORDER BY q.observed_at DESC, m.ticker
LIMIT 8;

-- name: invalid_quotes()
-- On the grid of the market, 0 < bid < ask < 1, sizes present. A quote assumed around a recorded
-- trade has no sizes, may lack the side that would be 0 or 1, and is known when its bar ended.
SELECT m.ticker, q.observed_at, q.yes_bid, q.yes_ask, q.source
FROM market_snapshots AS q
JOIN markets AS m USING (market_id)
WHERE (
        q.source = 'recorded_candle'
        AND (
            q.last_price IS NULL
            OR q.last_price <> round(q.last_price, 2)
            OR num_nonnulls(q.yes_bid, q.yes_ask) = 0
            OR NOT coalesce(q.yes_bid < q.last_price, true)
            OR NOT coalesce(q.yes_ask > q.last_price, true)
            OR q.known_at <> q.observed_at
        )
    )
  OR q.source IN ('simulated', 'assumed_closing_line')
  AND (
      q.yes_bid IS NULL
      OR q.yes_ask IS NULL
      OR q.yes_bid <= 0
      OR q.yes_ask >= 1
      OR q.yes_bid >= q.yes_ask
      OR q.yes_bid <> round(q.yes_bid, 2)
      OR q.yes_ask <> round(q.yes_ask, 2)
      OR q.yes_bid_size IS NULL
      OR q.yes_ask_size IS NULL
  )
ORDER BY q.observed_at
LIMIT 20;

-- name: inconsistent_mirrors()
-- Both markets of a game at one instant: buying both sides must cost more than the dollar they
-- pay together, and selling both must bring less.
SELECT e.event_ticker, q.observed_at, sum(q.yes_bid) AS bids, sum(q.yes_ask) AS asks
FROM market_snapshots AS q
JOIN markets AS m USING (market_id)
JOIN events AS e USING (event_id)
WHERE q.source IN ('simulated', 'assumed_closing_line')
GROUP BY e.event_ticker, q.observed_at
HAVING count(*) = 2
   AND (sum(q.yes_bid) >= 1 OR sum(q.yes_ask) <= 1)
ORDER BY q.observed_at
LIMIT 20;

-- name: mislabelled_quotes()
-- Generated or assumed prices must say so: a quote of these platforms may carry no other source.
SELECT m.platform_id, q.source, count(*) AS quotes
FROM market_snapshots AS q
JOIN markets AS m USING (market_id)
WHERE (m.platform_id = 'simulated' AND q.source NOT IN ('simulated', 'manual'))
   OR (m.platform_id = 'closing_line' AND q.source NOT IN ('assumed_closing_line', 'manual'))
   OR (m.platform_id IN ('kalshi', 'kalshi_demo') AND q.source IN ('simulated', 'assumed_closing_line'))
GROUP BY m.platform_id, q.source
ORDER BY m.platform_id, q.source;

-- name: quotes_after_kickoff()
SELECT m.ticker, q.observed_at, e.start_at
FROM market_snapshots AS q
JOIN markets AS m USING (market_id)
JOIN events AS e USING (event_id)
WHERE q.source IN ('simulated', 'assumed_closing_line')
  AND q.observed_at > e.start_at
ORDER BY q.observed_at
LIMIT 20;
