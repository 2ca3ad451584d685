-- Recorded games, markets and one-minute candles of Kalshi, from files. Rows are written by key:
-- the same files again change nothing, and what a live listing stored is left as it is.

-- name: create_staged_markets#
CREATE TEMP TABLE staged_recorded_markets (
    ticker TEXT NOT NULL,
    event_ticker TEXT NOT NULL,
    series_ticker TEXT NOT NULL,
    event_title TEXT NOT NULL,
    title TEXT NOT NULL,
    open_at TIMESTAMPTZ NOT NULL,
    last_bar_at TIMESTAMPTZ NOT NULL,
    yes_won BOOLEAN NOT NULL,
    file TEXT NOT NULL,
    is_new BOOLEAN NOT NULL DEFAULT false
) ON COMMIT DROP;

-- name: drop_staged_markets#
DROP TABLE staged_recorded_markets;

-- name: insert_series(platform_id, league, title)!
INSERT INTO series (platform_id, series_ticker, category, league, title, frequency)
SELECT DISTINCT :platform_id, series_ticker, 'sports', :league, :title, 'weekly'
FROM staged_recorded_markets
ON CONFLICT (platform_id, series_ticker) DO NOTHING;

-- name: insert_events(platform_id)!
INSERT INTO events (platform_id, series_id, event_ticker, title)
SELECT DISTINCT s.platform_id, s.series_id, r.event_ticker, r.event_title
FROM staged_recorded_markets AS r
JOIN series AS s
    ON s.platform_id = :platform_id
    AND s.series_ticker = r.series_ticker
ORDER BY r.event_ticker
ON CONFLICT (platform_id, event_ticker) DO NOTHING;

-- name: insert_markets(platform_id)!
INSERT INTO markets (platform_id, event_id, ticker, market_type)
SELECT e.platform_id, e.event_id, r.ticker, 'binary'
FROM staged_recorded_markets AS r
JOIN events AS e
    ON e.platform_id = :platform_id
    AND e.event_ticker = r.event_ticker
ORDER BY r.ticker
ON CONFLICT (platform_id, ticker) DO NOTHING;

-- name: staged_events(platform_id)
-- The events of the files with all their markets, for matching.
SELECT e.event_id, e.event_ticker, e.series_id, s.league, e.game_id,
       array_agg(m.ticker ORDER BY m.ticker) AS tickers,
       array_agg(m.market_id ORDER BY m.ticker) AS market_ids
FROM events AS e
JOIN series AS s USING (series_id)
JOIN markets AS m ON m.event_id = e.event_id
WHERE e.platform_id = :platform_id
  AND e.event_ticker IN (SELECT event_ticker FROM staged_recorded_markets)
GROUP BY e.event_id, s.league
ORDER BY e.event_id;

-- name: link_events(event_ids, game_ids)!
UPDATE events AS e
SET game_id = given.game_id
FROM unnest(CAST(:event_ids AS BIGINT[]), CAST(:game_ids AS BIGINT[]))
    AS given (event_id, game_id)
WHERE e.event_id = given.event_id
  AND e.game_id IS NULL;

-- name: link_markets(market_ids, team_ids)!
UPDATE markets AS m
SET yes_team_id = given.team_id
FROM unnest(CAST(:market_ids AS BIGINT[]), CAST(:team_ids AS BIGINT[]))
    AS given (market_id, team_id)
WHERE m.market_id = given.market_id
  AND m.yes_team_id IS DISTINCT FROM given.team_id;

-- name: mark_undescribed(platform_id)!
UPDATE staged_recorded_markets AS r
SET is_new = true
FROM markets AS m
WHERE m.platform_id = :platform_id
  AND m.ticker = r.ticker
  AND NOT EXISTS (
      SELECT
      FROM market_attributes AS a
      WHERE a.market_id = m.market_id
  );

-- name: insert_open_lives(platform_id)!
-- A market that traded was open: from the start of its first bar, on the cent grid it traded on.
INSERT INTO market_attributes (
    market_id, title, status, open_at, price_ranges, count_step, raw, event_ts, known_at,
    row_start_ts
)
SELECT m.market_id, r.title, 'open', r.open_at,
       '[{"start": "0.00", "end": "1.00", "step": "0.01"}]', 1,
       jsonb_build_object('reconstructed', true, 'origin', r.file, 'ticker', r.ticker),
       r.open_at, r.open_at, r.open_at
FROM staged_recorded_markets AS r
JOIN markets AS m
    ON m.platform_id = :platform_id
    AND m.ticker = r.ticker
WHERE r.is_new
ORDER BY m.market_id;

-- name: end_open_lives(platform_id)!
UPDATE market_attributes AS a
SET row_end_ts = ended.settled_at,
    row_current_ind = false
FROM (
    SELECT m.market_id, greatest(r.last_bar_at, g.result_known_at) AS settled_at
    FROM staged_recorded_markets AS r
    JOIN markets AS m
        ON m.platform_id = :platform_id
        AND m.ticker = r.ticker
    JOIN events AS e USING (event_id)
    LEFT JOIN games AS g USING (game_id)
    WHERE r.is_new
) AS ended
WHERE a.market_id = ended.market_id
  AND a.row_current_ind;

-- name: insert_settled_lives(platform_id)!
INSERT INTO market_attributes (
    market_id, title, status, open_at, close_at, price_ranges, count_step, raw, event_ts,
    known_at, row_start_ts
)
SELECT m.market_id, a.title, 'settled', a.open_at, r.last_bar_at, a.price_ranges, a.count_step,
       a.raw || jsonb_build_object('result', CASE WHEN r.yes_won THEN 'yes' ELSE 'no' END),
       a.row_end_ts, a.row_end_ts, a.row_end_ts
FROM staged_recorded_markets AS r
JOIN markets AS m
    ON m.platform_id = :platform_id
    AND m.ticker = r.ticker
JOIN market_attributes AS a USING (market_id)
WHERE r.is_new
ORDER BY m.market_id;

-- name: insert_settlements(platform_id)!
-- After the last bar and after the result: trading went on until the venue closed the market.
INSERT INTO settlements (
    market_id, revision, stage, outcome, settlement_value, raw, event_ts, known_at
)
SELECT m.market_id, 1, 'finalized',
       CASE WHEN r.yes_won THEN 'yes' ELSE 'no' END,
       CASE WHEN r.yes_won THEN 1 ELSE 0 END,
       jsonb_build_object('rule', 'recorded', 'origin', r.file, 'ticker', r.ticker,
                          'yes_won', r.yes_won),
       greatest(r.last_bar_at, g.result_known_at),
       greatest(r.last_bar_at, g.result_known_at)
FROM staged_recorded_markets AS r
JOIN markets AS m
    ON m.platform_id = :platform_id
    AND m.ticker = r.ticker
JOIN events AS e USING (event_id)
LEFT JOIN games AS g USING (game_id)
WHERE NOT EXISTS (
    SELECT
    FROM settlements AS s
    WHERE s.market_id = m.market_id
)
ORDER BY m.market_id
ON CONFLICT (market_id, revision) DO NOTHING;

-- name: differing_settlements(platform_id)$
SELECT count(*)
FROM staged_recorded_markets AS r
JOIN markets AS m
    ON m.platform_id = :platform_id
    AND m.ticker = r.ticker
JOIN LATERAL (
    SELECT s.outcome
    FROM settlements AS s
    WHERE s.market_id = m.market_id
    ORDER BY s.revision DESC
    LIMIT 1
) AS stored ON true
WHERE stored.outcome <> CASE WHEN r.yes_won THEN 'yes' ELSE 'no' END;

-- name: market_ids(platform_id, tickers)
SELECT ticker, market_id
FROM markets
WHERE platform_id = :platform_id
  AND ticker = ANY (:tickers);

-- name: create_staged_bars#
-- Prices in whole cents; reason NULL: the quote at this bar's end said nothing new.
CREATE TEMP TABLE staged_recorded_bars (
    market_id BIGINT NOT NULL,
    bar_end BIGINT NOT NULL,
    open_cents INTEGER NOT NULL,
    high_cents INTEGER NOT NULL,
    low_cents INTEGER NOT NULL,
    close_cents INTEGER NOT NULL,
    volume INTEGER NOT NULL,
    volume_so_far BIGINT NOT NULL,
    reason TEXT
) ON COMMIT DROP;

-- name: empty_staged_bars#
TRUNCATE staged_recorded_bars;

-- name: drop_staged_bars#
DROP TABLE staged_recorded_bars;

-- name: ensure_months(months)$
-- Only months that hold quotes: a partition of the off-season would be planned for in every query.
SELECT coalesce(sum(ensure_snapshot_partitions(month_start, month_start)), 0)
FROM unnest(CAST(:months AS TIMESTAMPTZ[])) AS month_start;

-- name: insert_candles(source_snapshot_id, period_s)!
-- A bar is known at its end, and not before. Nobody recorded the book, so bid and ask are NULL.
INSERT INTO market_candles (
    market_id, period_s, bar_end_ts, open_price, high_price, low_price, close_price, volume,
    source_snapshot_id, known_at
)
SELECT market_id, :period_s, to_timestamp(bar_end), open_cents / 100.0, high_cents / 100.0,
       low_cents / 100.0, close_cents / 100.0, volume, :source_snapshot_id, to_timestamp(bar_end)
FROM staged_recorded_bars
ON CONFLICT (market_id, period_s, bar_end_ts) DO NOTHING;

-- name: differing_candles(period_s)$
SELECT count(*)
FROM staged_recorded_bars AS s
JOIN market_candles AS c
    ON c.market_id = s.market_id
    AND c.period_s = :period_s
    AND c.bar_end_ts = to_timestamp(s.bar_end)
WHERE (c.open_price, c.high_price, c.low_price, c.close_price, c.volume)
    IS DISTINCT FROM
      (s.open_cents / 100.0, s.high_cents / 100.0, s.low_cents / 100.0, s.close_cents / 100.0,
       CAST(s.volume AS NUMERIC));

-- name: insert_quotes(half_spread, source)!
-- Assumed around the last trade of the bar; a side that would reach 0 or 1 has no quote.
INSERT INTO market_snapshots (
    market_id, observed_at, yes_bid, yes_ask, last_price, volume, write_reason, source, known_at
)
SELECT market_id, to_timestamp(bar_end),
       CASE WHEN close_cents / 100.0 > :half_spread THEN close_cents / 100.0 - :half_spread END,
       CASE WHEN close_cents / 100.0 + :half_spread < 1 THEN close_cents / 100.0 + :half_spread END,
       close_cents / 100.0, volume_so_far, reason, :source, to_timestamp(bar_end)
FROM staged_recorded_bars
WHERE reason IS NOT NULL
ON CONFLICT (market_id, observed_at) DO NOTHING;

-- name: differing_quotes(half_spread)$
SELECT count(*)
FROM staged_recorded_bars AS s
JOIN market_snapshots AS q
    ON q.market_id = s.market_id
    AND q.observed_at = to_timestamp(s.bar_end)
WHERE s.reason IS NOT NULL
  AND (q.yes_bid, q.yes_ask, q.last_price, q.volume)
      IS DISTINCT FROM
      (CASE WHEN s.close_cents / 100.0 > :half_spread
           THEN s.close_cents / 100.0 - :half_spread END,
       CASE WHEN s.close_cents / 100.0 + :half_spread < 1
           THEN s.close_cents / 100.0 + :half_spread END,
       s.close_cents / 100.0, CAST(s.volume_so_far AS NUMERIC));

-- name: analyze_bars#
-- Fresh bulk rows have no statistics, and the next query would be planned for an empty table.
ANALYZE market_candles, market_snapshots, settlements;

-- name: settlements_summary(platform_id, league, seasons)^
SELECT count(*) AS settlements, min(s.event_ts) AS first_ts, max(s.event_ts) AS last_ts
FROM settlements AS s
JOIN markets AS m USING (market_id)
JOIN events AS e USING (event_id)
JOIN games AS g USING (game_id)
WHERE m.platform_id = :platform_id
  AND g.league = :league
  AND g.season = ANY (:seasons);

-- name: settlements_preview(platform_id, league, seasons)
SELECT m.ticker, s.outcome, s.settlement_value, s.stage, s.event_ts, s.known_at
FROM settlements AS s
JOIN markets AS m USING (market_id)
JOIN events AS e USING (event_id)
JOIN games AS g USING (game_id)
WHERE m.platform_id = :platform_id
  AND g.league = :league
  AND g.season = ANY (:seasons)
ORDER BY s.event_ts DESC, m.ticker
LIMIT 8;

-- name: prices_before_start(league, platform_id, lead_s)
-- Per finished game the last trade at or before the start minus lead_s, as P(home wins). Of two
-- markets of a game the home team's counts. Ties have no winner and are left out.
SELECT DISTINCT ON (g.game_id)
    g.game_key,
    g.season,
    CASE WHEN m.yes_team_id = g.home_team_id THEN last.close_price ELSE 1 - last.close_price END
        AS p_home,
    CAST(g.home_score > g.away_score AS INTEGER) AS home_win,
    extract(
        epoch FROM g.kickoff_at - make_interval(secs => :lead_s) - last.bar_end_ts
    ) AS age_s
FROM games AS g
JOIN events AS e USING (game_id)
JOIN markets AS m
    ON m.event_id = e.event_id
    AND m.yes_team_id IN (g.home_team_id, g.away_team_id)
CROSS JOIN LATERAL (
    SELECT c.close_price, c.bar_end_ts
    FROM market_candles AS c
    WHERE c.market_id = m.market_id
      AND c.period_s = 60
      AND c.bar_end_ts <= g.kickoff_at - make_interval(secs => :lead_s)
      AND c.known_at <= g.kickoff_at - make_interval(secs => :lead_s)
      AND c.close_price IS NOT NULL
    ORDER BY c.bar_end_ts DESC
    LIMIT 1
) AS last
WHERE g.league = :league
  AND m.platform_id = :platform_id
  AND g.status = 'final'
  AND g.home_score <> g.away_score
ORDER BY g.game_id, m.yes_team_id <> g.home_team_id;

-- name: settlements_against_results()
-- What was recorded as paid, beside what was played: the other team, or earlier than the result or
-- than a later bar of the market.
SELECT m.ticker, s.outcome, g.game_key, g.home_score, g.away_score, s.known_at, g.result_known_at
FROM settlements AS s
JOIN markets AS m USING (market_id)
JOIN events AS e USING (event_id)
JOIN games AS g USING (game_id)
WHERE s.raw ->> 'rule' = 'recorded'
  AND g.status = 'final'
  AND (
      (s.outcome = 'yes') <> ((m.yes_team_id = g.home_team_id) = (g.home_score > g.away_score))
      OR s.known_at < g.result_known_at
      OR EXISTS (
          SELECT
          FROM market_candles AS c
          WHERE c.market_id = s.market_id
            AND c.bar_end_ts > s.known_at
      )
  )
ORDER BY m.ticker
LIMIT 20;
