-- The stored facts a backtest replays, each read once and whole, and the tables it fills in bulk.
--
-- Every fact comes with its known_at; the replay decides what was known at each moment. The look-ahead
-- audit reads the same statements over temporary views that cut or corrupt what was known later.

-- name: method_versions_to_replay(name, version)
-- The versions of a method, the newest first, with what the engine needs of each.
SELECT
    me.method_id, me.method_name, me.method_version, me.status, me.config_hash,
    me.risk_config, me.position_mgmt_config, me.execution_config, me.sport_config,
    s.strategy_id, s.strategy_name, s.strategy_version, s.status AS strategy_status,
    s.config AS strategy_config, s.league AS strategy_league,
    pm.model_id, pm.model_name, pm.model_version, pm.status AS model_status,
    pm.league AS model_league
FROM methods AS me
JOIN strategies AS s ON s.strategy_id = me.strategy_id
JOIN probability_models AS pm ON pm.model_id = me.model_id
WHERE me.method_name = :name
  AND (CAST(:version AS TEXT) IS NULL OR me.method_version = :version)
ORDER BY me.method_id DESC;

-- name: method_names()
SELECT DISTINCT method_name
FROM methods
ORDER BY method_name;

-- name: season_period(league, season, lead_s, lag_s)^
-- From the first tradable instant of a season's games to their last result.
SELECT
    min(kickoff_at) - make_interval(secs => :lead_s) AS first,
    greatest(max(result_known_at), max(kickoff_at) + make_interval(secs => :lag_s)) AS last,
    count(*) AS games
FROM games
WHERE league = :league
  AND season = :season
  AND kickoff_at IS NOT NULL;

-- name: markets_of_period(league, first, last)
-- The markets of the games that start in or shortly after the period, in the order of their names.
SELECT
    m.market_id, m.ticker, m.platform_id, m.market_type, m.event_id, m.yes_team_id,
    e.series_id, pl.status AS platform_status, pl.platform_type, pl.venue_environment,
    g.game_id, g.game_key, g.league, l.trading_enabled, g.game_type, g.kickoff_at,
    g.home_team_id, g.away_team_id, g.status AS game_status, g.result_known_at,
    g.home_score, g.away_score, g.source AS game_source
FROM games AS g
JOIN leagues AS l ON l.league = g.league
JOIN events AS e ON e.game_id = g.game_id
JOIN markets AS m ON m.event_id = e.event_id
JOIN platforms AS pl ON pl.platform_id = m.platform_id
WHERE g.league = :league
  AND g.kickoff_at BETWEEN CAST(:first AS TIMESTAMPTZ) - INTERVAL '1 day'
                       AND CAST(:last AS TIMESTAMPTZ) + INTERVAL '2 days'
ORDER BY m.platform_id, m.ticker, m.market_id;

-- name: attributes_of_markets(market_ids)
SELECT market_id, known_at, status, price_ranges
FROM market_attributes
WHERE market_id = ANY (CAST(:market_ids AS BIGINT[]))
ORDER BY market_id, known_at, row_start_ts;

-- name: predictions_of_games(model_id, game_ids, last)
SELECT
    prediction_id, game_id, model_id, training_run_id, p_home, p_low, p_high, trained_until,
    event_ts, known_at
FROM predictions
WHERE model_id = :model_id
  AND game_id = ANY (CAST(:game_ids AS BIGINT[]))
  AND known_at < :last
ORDER BY prediction_id;

-- name: settlements_of_markets(market_ids)
SELECT settlement_id, market_id, revision, stage, outcome, settlement_value, known_at
FROM settlements
WHERE market_id = ANY (CAST(:market_ids AS BIGINT[]))
ORDER BY known_at, market_id, revision;

-- name: quote_sources_of_markets(market_ids, first, last)
SELECT DISTINCT source
FROM market_snapshots
WHERE market_id = ANY (CAST(:market_ids AS BIGINT[]))
  AND observed_at >= CAST(:first AS TIMESTAMPTZ) - INTERVAL '9 days'
  AND observed_at < :last
ORDER BY source;

-- name: quotes_of_markets(market_ids, first, last, sources, none)
-- For COPY: only whole numbers and nothing NULL, so that every row has one length. Microseconds since
-- 1970, millionths of a dollar, hundredths of a contract; :none stands for NULL.
SELECT
    market_id,
    CAST(extract(epoch FROM observed_at) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM known_at) * 1000000 AS BIGINT),
    COALESCE(CAST(yes_bid * 1000000 AS BIGINT), :none),
    COALESCE(CAST(yes_ask * 1000000 AS BIGINT), :none),
    COALESCE(CAST(yes_bid_size * 100 AS BIGINT), :none),
    COALESCE(CAST(yes_ask_size * 100 AS BIGINT), :none),
    COALESCE(CAST(volume * 100 AS BIGINT), :none),
    COALESCE(CAST(open_interest * 100 AS BIGINT), :none),
    CAST(array_position(CAST(:sources AS TEXT[]), source) - 1 AS BIGINT)
FROM market_snapshots
WHERE market_id = ANY (CAST(:market_ids AS BIGINT[]))
  AND observed_at >= CAST(:first AS TIMESTAMPTZ) - INTERVAL '9 days'
  AND observed_at < :last
  AND known_at < :last
ORDER BY market_id, observed_at;
