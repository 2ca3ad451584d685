-- Kalshi's listings, quotes, bars, trades and fees, written by key. Markets of other platforms are
-- never touched.

-- name: take_listing_turn(platform_id)$
-- Held by the session, from before a listing is asked for until it is stored, when the session ends:
-- answers are stored in the order in which they were given.
SELECT pg_advisory_lock(hashtextextended('precog.kalshi.listing.' || :platform_id, 0));

-- name: lock_platform(platform_id)^
-- Two listings at once would close each other's attributes out of order. The clock is read after
-- the lock, so that the rows of one market follow each other.
WITH locked AS MATERIALIZED (
    SELECT pg_advisory_xact_lock(hashtextextended('precog.kalshi.' || :platform_id, 0))
)
SELECT clock_timestamp()
FROM locked;

-- name: note_category(code, description)!
-- An unknown code is stored as such rather than losing the series.
INSERT INTO market_categories (code, description, is_known)
VALUES (:code, :description, false)
ON CONFLICT (code) DO NOTHING;

-- name: note_frequency(code, description)!
INSERT INTO series_frequencies (code, description, is_known)
VALUES (:code, :description, false)
ON CONFLICT (code) DO NOTHING;

-- name: upsert_series(platform_id, series_ticker, category, league, title, frequency)!
INSERT INTO series AS s (platform_id, series_ticker, category, league, title, frequency)
SELECT :platform_id, :series_ticker, :category, l.league, :title, :frequency
FROM (VALUES (CAST(:league AS TEXT))) AS given (league)
LEFT JOIN leagues AS l USING (league)
ON CONFLICT (platform_id, series_ticker) DO UPDATE
SET category = EXCLUDED.category,
    league = EXCLUDED.league,
    title = EXCLUDED.title,
    frequency = EXCLUDED.frequency
WHERE (s.category, s.league, s.title, s.frequency)
    IS DISTINCT FROM (EXCLUDED.category, EXCLUDED.league, EXCLUDED.title, EXCLUDED.frequency);

-- name: series_id(platform_id, series_ticker)$
SELECT series_id
FROM series
WHERE platform_id = :platform_id
  AND series_ticker = :series_ticker;

-- name: upsert_event(platform_id, series_id, event_ticker, title, start_at)!
-- start_at is the ticker's own time where it has one; once matched, the fixture's is kept.
INSERT INTO events AS e (platform_id, series_id, event_ticker, title, start_at)
VALUES (:platform_id, :series_id, :event_ticker, :title, :start_at)
ON CONFLICT (platform_id, event_ticker) DO UPDATE
SET title = EXCLUDED.title
WHERE e.title <> EXCLUDED.title;

-- name: upsert_market(platform_id, event_ticker, ticker, market_type)!
INSERT INTO markets (platform_id, event_id, ticker, market_type)
SELECT e.platform_id, e.event_id, :ticker, :market_type
FROM events AS e
WHERE e.platform_id = :platform_id
  AND e.event_ticker = :event_ticker
ON CONFLICT (platform_id, ticker) DO NOTHING;

-- name: described_markets(platform_id, tickers)
-- Those whose attributes are known already.
SELECT m.ticker
FROM markets AS m
WHERE m.platform_id = :platform_id
  AND m.ticker = ANY (:tickers)
  AND EXISTS (
      SELECT
      FROM market_attributes AS ma
      WHERE ma.market_id = m.market_id
  );

-- name: create_staged_attributes#
CREATE TEMP TABLE staged_attributes (
    ticker TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    open_at TIMESTAMPTZ,
    close_at TIMESTAMPTZ,
    expected_expiration_at TIMESTAMPTZ,
    price_ranges JSONB NOT NULL,
    count_step NUMERIC(14,2) NOT NULL,
    rules_hash TEXT,
    raw JSONB NOT NULL,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    is_past BOOLEAN NOT NULL
) ON COMMIT DROP;

-- name: drop_staged_attributes#
DROP TABLE staged_attributes;

-- name: insert_past_lives(platform_id, row_ts)!
-- A market first met after its close was open before, with the grid and the rules it has now: a
-- replay of its prices needs to know. The row says that it was reconstructed.
INSERT INTO market_attributes (
    market_id, title, status, open_at, price_ranges, count_step, rules_hash, raw, event_ts,
    known_at, row_start_ts
)
SELECT m.market_id, s.title, 'open', s.open_at, s.price_ranges, s.count_step, s.rules_hash,
       jsonb_build_object('reconstructed', true, 'ticker', s.ticker, 'event', s.raw -> 'event'),
       s.open_at, s.open_at, s.open_at
FROM staged_attributes AS s
JOIN markets AS m
    ON m.platform_id = :platform_id
    AND m.ticker = s.ticker
WHERE s.is_past
  AND s.open_at < :row_ts
ORDER BY m.market_id;

-- name: close_changed_attributes(platform_id, row_ts)!
-- Prices and volumes of the raw object change all the time and are quotes, not attributes.
UPDATE market_attributes AS a
SET row_end_ts = :row_ts,
    row_current_ind = false
FROM staged_attributes AS s
JOIN markets AS m
    ON m.platform_id = :platform_id
    AND m.ticker = s.ticker
WHERE a.market_id = m.market_id
  AND a.row_current_ind
  AND a.known_at < s.known_at
  AND (
      a.title, a.status, a.open_at, a.close_at, a.expected_expiration_at, a.price_ranges,
      a.count_step, a.rules_hash,
      a.raw #>> '{market,result}',
      a.raw #>> '{market,settlement_value_dollars}',
      a.raw #>> '{market,fee_waiver_expiration_time}',
      a.raw #> '{event,product_metadata}'
  ) IS DISTINCT FROM (
      s.title, s.status, s.open_at, s.close_at, s.expected_expiration_at, s.price_ranges,
      s.count_step, s.rules_hash,
      s.raw #>> '{market,result}',
      s.raw #>> '{market,settlement_value_dollars}',
      s.raw #>> '{market,fee_waiver_expiration_time}',
      s.raw #> '{event,product_metadata}'
  );

-- name: insert_attributes(platform_id, row_ts)!
INSERT INTO market_attributes (
    market_id, title, status, open_at, close_at, expected_expiration_at, price_ranges, count_step,
    rules_hash, raw, event_ts, known_at, row_start_ts
)
SELECT m.market_id, s.title, s.status, s.open_at, s.close_at, s.expected_expiration_at,
       s.price_ranges, s.count_step, s.rules_hash, s.raw, s.event_ts, s.known_at, :row_ts
FROM staged_attributes AS s
JOIN markets AS m
    ON m.platform_id = :platform_id
    AND m.ticker = s.ticker
WHERE NOT EXISTS (
    SELECT
    FROM market_attributes AS a
    WHERE a.market_id = m.market_id
      AND a.row_current_ind
)
ORDER BY m.market_id;

-- name: create_staged_settlements#
CREATE TEMP TABLE staged_settlements (
    ticker TEXT NOT NULL,
    stage TEXT NOT NULL,
    outcome TEXT NOT NULL,
    settlement_value NUMERIC(12,6) NOT NULL,
    raw JSONB NOT NULL,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL
) ON COMMIT DROP;

-- name: drop_staged_settlements#
DROP TABLE staged_settlements;

-- name: insert_settlements(platform_id)!
-- The next revision where the venue says something new: another value, or that cash moves now. A
-- later "determined" with another value is an amendment that was not seen while it was called so;
-- with the same value it says less than what is stored.
INSERT INTO settlements (
    market_id, revision, stage, outcome, settlement_value, raw, event_ts, known_at
)
SELECT m.market_id,
       coalesce(latest.revision, 0) + 1,
       CASE
           WHEN latest.revision IS NOT NULL AND s.stage = 'determined' THEN 'amended'
           ELSE s.stage
       END,
       s.outcome, s.settlement_value, s.raw, s.event_ts, greatest(s.known_at, s.event_ts)
FROM staged_settlements AS s
JOIN markets AS m
    ON m.platform_id = :platform_id
    AND m.ticker = s.ticker
LEFT JOIN LATERAL (
    SELECT x.revision, x.stage, x.outcome, x.settlement_value
    FROM settlements AS x
    WHERE x.market_id = m.market_id
    ORDER BY x.revision DESC
    LIMIT 1
) AS latest ON true
WHERE latest.revision IS NULL
   OR (latest.outcome, latest.settlement_value) IS DISTINCT FROM (s.outcome, s.settlement_value)
   OR (s.stage = 'finalized' AND latest.stage <> 'finalized')
   OR (s.stage = 'amended' AND latest.stage = 'determined')
ORDER BY m.market_id
ON CONFLICT (market_id, revision) DO NOTHING;

-- name: overdue_markets(platform_id, series_ticker, closed_before, maximum)
-- Markets that should be over and of which no final word is stored, the latest first.
SELECT e.event_ticker, m.ticker
FROM markets AS m
JOIN events AS e USING (event_id)
JOIN series AS s USING (series_id)
JOIN market_attributes AS a
    ON a.market_id = m.market_id
    AND a.row_current_ind
WHERE m.platform_id = :platform_id
  AND s.series_ticker = :series_ticker
  AND a.close_at < :closed_before
  AND NOT EXISTS (
      SELECT
      FROM settlements AS x
      WHERE x.market_id = m.market_id
        AND x.stage = 'finalized'
  )
ORDER BY a.close_at DESC, m.ticker
LIMIT :maximum;

-- name: events_to_match(platform_id)
-- Without a game, or with a market whose team is not known yet.
SELECT e.event_id, e.event_ticker, e.series_id, s.league, e.game_id,
       max(a.raw #>> '{event,product_metadata,competition}') AS competition,
       coalesce(sum((a.raw #>> '{market,volume_fp}')::NUMERIC), 0) AS volume,
       array_agg(m.ticker ORDER BY m.ticker) FILTER (WHERE m.ticker IS NOT NULL) AS tickers,
       array_agg(m.market_id ORDER BY m.ticker) FILTER (WHERE m.ticker IS NOT NULL) AS market_ids
FROM events AS e
JOIN series AS s USING (series_id)
LEFT JOIN markets AS m ON m.event_id = e.event_id
LEFT JOIN market_attributes AS a
    ON a.market_id = m.market_id
    AND a.row_current_ind
WHERE e.platform_id = :platform_id
GROUP BY e.event_id, s.league
HAVING e.game_id IS NULL OR bool_or(m.market_id IS NOT NULL AND m.yes_team_id IS NULL)
ORDER BY e.event_id;

-- name: taken_games(platform_id)
SELECT series_id, game_id
FROM events
WHERE platform_id = :platform_id
  AND game_id IS NOT NULL;

-- name: fixtures(leagues)
SELECT g.game_id, g.league,
       coalesce(
           (g.kickoff_at AT TIME ZONE 'America/New_York')::DATE,
           split_part(g.game_key, ':', 3)::DATE
       ) AS day,
       g.kickoff_at, g.away_team_id, g.home_team_id, g.neutral_site,
       nullif(split_part(g.game_key, ':', 5), '')::INTEGER AS number
FROM games AS g
WHERE g.league = ANY (:leagues)
  AND g.status <> 'canceled';

-- name: kalshi_teams(leagues)
SELECT league, alias, team_id
FROM team_aliases
WHERE source = 'kalshi'
  AND league = ANY (:leagues);

-- name: set_game(event_id, game_id)!
UPDATE events
SET game_id = :game_id
WHERE event_id = :event_id
  AND game_id IS NULL;

-- name: set_team(market_id, team_id)!
UPDATE markets
SET yes_team_id = :team_id
WHERE market_id = :market_id
  AND yes_team_id IS DISTINCT FROM :team_id;

-- name: matched_games(platform_id)
SELECT DISTINCT game_id
FROM events
WHERE platform_id = :platform_id
  AND game_id IS NOT NULL;

-- name: market_ids(platform_id, tickers)
SELECT ticker, market_id
FROM markets
WHERE platform_id = :platform_id
  AND ticker = ANY (:tickers);

-- name: latest_quotes(market_ids)
SELECT q.market_id, q.observed_at, q.yes_bid, q.yes_ask, q.yes_bid_size, q.yes_ask_size,
       q.last_price, q.volume, q.open_interest
FROM unnest(CAST(:market_ids AS BIGINT[])) AS wanted (market_id)
CROSS JOIN LATERAL (
    SELECT *
    FROM market_snapshots AS s
    WHERE s.market_id = wanted.market_id
    ORDER BY s.observed_at DESC
    LIMIT 1
) AS q;

-- name: ensure_quote_months(from_ts, to_ts)$
SELECT ensure_snapshot_partitions(:from_ts, :to_ts);

-- name: insert_quote*!
INSERT INTO market_snapshots (
    market_id, observed_at, yes_bid, yes_ask, yes_bid_size, yes_ask_size, last_price, volume,
    open_interest, write_reason, source, known_at
)
VALUES (
    :market_id, :observed_at, :yes_bid, :yes_ask, :yes_bid_size, :yes_ask_size, :last_price,
    :volume, :open_interest, :write_reason, 'recorded', :observed_at
)
ON CONFLICT (market_id, observed_at) DO NOTHING;

-- name: markets_open_between(platform_id, series_tickers, from_ts, to_ts)
SELECT m.market_id, m.ticker, s.series_ticker, a.open_at, a.close_at,
       (a.raw #>> '{market,settlement_ts}')::TIMESTAMPTZ AS settled_at
FROM markets AS m
JOIN events AS e USING (event_id)
JOIN series AS s USING (series_id)
JOIN market_attributes AS a
    ON a.market_id = m.market_id
    AND a.row_current_ind
WHERE m.platform_id = :platform_id
  AND s.series_ticker = ANY (:series_tickers)
  AND a.open_at < :to_ts
  AND coalesce(a.close_at, 'infinity') >= :from_ts
ORDER BY m.market_id;

-- name: markets_in_play(platform_id, series_tickers, from_ts, to_ts)
-- Open markets of games that start within the times, with the newest trade stored of each.
SELECT m.market_id, m.ticker, s.series_ticker, a.open_at, a.close_at,
       (
           SELECT max(t.event_ts)
           FROM market_trades AS t
           WHERE t.market_id = m.market_id
       ) AS last_trade_at
FROM markets AS m
JOIN events AS e USING (event_id)
JOIN series AS s USING (series_id)
JOIN market_attributes AS a
    ON a.market_id = m.market_id
    AND a.row_current_ind
WHERE m.platform_id = :platform_id
  AND s.series_ticker = ANY (:series_tickers)
  AND e.start_at BETWEEN :from_ts AND :to_ts
  AND a.status IN ('open', 'paused')
ORDER BY m.market_id;

-- name: create_staged_candles#
CREATE TEMP TABLE staged_candles (
    market_id BIGINT NOT NULL,
    period_s INTEGER NOT NULL,
    bar_end_ts TIMESTAMPTZ NOT NULL,
    open_price NUMERIC(12,6),
    high_price NUMERIC(12,6),
    low_price NUMERIC(12,6),
    close_price NUMERIC(12,6),
    yes_bid NUMERIC(12,6),
    yes_ask NUMERIC(12,6),
    volume NUMERIC(14,2)
) ON COMMIT DROP;

-- name: drop_staged_candles#
DROP TABLE staged_candles;

-- name: insert_candles()!
-- A bar is known at its end, and not before.
INSERT INTO market_candles (
    market_id, period_s, bar_end_ts, open_price, high_price, low_price, close_price, yes_bid,
    yes_ask, volume, known_at
)
SELECT market_id, period_s, bar_end_ts, open_price, high_price, low_price, close_price, yes_bid,
       yes_ask, volume, bar_end_ts
FROM staged_candles
ORDER BY market_id, bar_end_ts
ON CONFLICT (market_id, period_s, bar_end_ts) DO NOTHING;

-- name: differing_candles()$
SELECT count(*)
FROM staged_candles AS s
JOIN market_candles AS c USING (market_id, period_s, bar_end_ts)
WHERE (c.open_price, c.high_price, c.low_price, c.close_price, c.yes_bid, c.yes_ask, c.volume)
    IS DISTINCT FROM
      (s.open_price, s.high_price, s.low_price, s.close_price, s.yes_bid, s.yes_ask, s.volume);

-- name: create_staged_trades#
CREATE TEMP TABLE staged_trades (
    market_id BIGINT NOT NULL,
    venue_trade_id TEXT NOT NULL,
    price NUMERIC(12,6) NOT NULL,
    quantity NUMERIC(14,2) NOT NULL,
    taker_side TEXT,
    event_ts TIMESTAMPTZ NOT NULL
) ON COMMIT DROP;

-- name: drop_staged_trades#
DROP TABLE staged_trades;

-- name: insert_trades(received_at)!
-- The tape is public: a trade of the past was known when it happened, one that is read while the
-- market is open from when it was received.
INSERT INTO market_trades (
    market_id, venue_trade_id, price, quantity, taker_side, event_ts, known_at
)
SELECT market_id, venue_trade_id, price, quantity, taker_side, event_ts,
       greatest(event_ts, CAST(:received_at AS TIMESTAMPTZ))
FROM staged_trades
ORDER BY market_id, event_ts, venue_trade_id
ON CONFLICT (market_id, venue_trade_id) DO NOTHING;

-- name: fees_of_series(series_id)
SELECT event_id, fee_type, taker_rate, maker_rate, multiplier, rounding_increment,
       effective_from, known_at
FROM fee_schedules
WHERE series_id = :series_id
   OR event_id IN (
       SELECT event_id
       FROM events
       WHERE series_id = :series_id
   )
ORDER BY effective_from, known_at;

-- name: event_ids(platform_id, tickers)
SELECT event_ticker, event_id
FROM events
WHERE platform_id = :platform_id
  AND event_ticker = ANY (:tickers);

-- name: insert_fee*!
INSERT INTO fee_schedules (
    platform_id, series_id, event_id, fee_type, taker_rate, maker_rate, multiplier,
    rounding_increment, effective_from, source, known_at
)
VALUES (
    :platform_id, :series_id, :event_id, :fee_type, :taker_rate, :maker_rate, :multiplier,
    :rounding_increment, :effective_from, :source, :known_at
)
ON CONFLICT (platform_id, series_id, event_id, effective_from, known_at) DO NOTHING;

-- name: row_counts(platform_id)^
-- What the platform holds, for the metadata of assets.
SELECT count(*) AS markets,
       count(*) FILTER (WHERE m.yes_team_id IS NOT NULL) AS matched,
       min(e.start_at) AS first_start_at,
       max(e.start_at) AS last_start_at
FROM markets AS m
JOIN events AS e USING (event_id)
WHERE m.platform_id = :platform_id;

-- name: markets_preview(platform_id)
SELECT m.ticker, e.title, g.game_key, t.team_code AS yes_pays, a.status, e.start_at
FROM markets AS m
JOIN events AS e USING (event_id)
LEFT JOIN games AS g USING (game_id)
LEFT JOIN teams AS t ON t.team_id = m.yes_team_id
LEFT JOIN market_attributes AS a
    ON a.market_id = m.market_id
    AND a.row_current_ind
WHERE m.platform_id = :platform_id
ORDER BY e.start_at DESC NULLS LAST, m.ticker
LIMIT 10;

-- name: quotes_preview(platform_id)
SELECT m.ticker, q.observed_at, q.yes_bid, q.yes_ask, q.yes_bid_size, q.yes_ask_size, q.volume,
       q.write_reason
FROM market_snapshots AS q
JOIN markets AS m USING (market_id)
WHERE m.platform_id = :platform_id
ORDER BY q.observed_at DESC, m.ticker
LIMIT 10;

-- name: trades_preview(platform_id)
SELECT m.ticker, t.event_ts, t.price, t.quantity, t.taker_side, t.known_at
FROM market_trades AS t
JOIN markets AS m USING (market_id)
WHERE m.platform_id = :platform_id
ORDER BY t.market_trade_id DESC
LIMIT 10;

-- name: fees_preview(platform_id)
SELECT s.series_ticker, e.event_ticker, f.fee_type, f.taker_rate, f.maker_rate, f.multiplier,
       f.effective_from, f.known_at, f.source
FROM fee_schedules AS f
LEFT JOIN series AS s ON s.series_id = f.series_id
LEFT JOIN events AS e ON e.event_id = f.event_id
WHERE f.platform_id = :platform_id
ORDER BY f.effective_from DESC, f.fee_schedule_id DESC
LIMIT 10;

-- name: stored_rows_between(platform_id, from_ts, to_ts, period_s)^
SELECT
    (
        SELECT count(*)
        FROM market_candles AS c
        JOIN markets AS m USING (market_id)
        WHERE m.platform_id = :platform_id
          AND c.period_s = :period_s
          AND c.bar_end_ts > :from_ts
          AND c.bar_end_ts <= :to_ts
    ) AS candles,
    (
        SELECT count(*)
        FROM market_trades AS t
        JOIN markets AS m USING (market_id)
        WHERE m.platform_id = :platform_id
          AND t.event_ts >= :from_ts
          AND t.event_ts < :to_ts
    ) AS trades;
