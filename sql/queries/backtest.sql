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
    g.home_score, g.away_score, g.source AS game_source, g.known_at AS game_known_at
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
SELECT market_id, known_at, status, price_ranges, rules_hash
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

-- name: lock_identity(identity)
-- Two starts of one run wait for each other; released with the connection.
SELECT pg_advisory_lock(hashtextextended('precog.backtest:' || :identity, 0));

-- name: runs_of_identity(identity)
-- Runs of this identity that are done or were cut off, the done ones first.
SELECT backtest_run_id, status, mlflow_run_id, run_name
FROM backtest_runs
WHERE config ->> 'identity' = :identity
  AND status IN ('completed', 'running')
ORDER BY status, backtest_run_id DESC;

-- name: start_run(run_name, strategy_id, model_id, method_id, league, first, last, starting_balance, config, seed, git_sha, dagster_run_id)$
INSERT INTO backtest_runs (
    run_name, execution_environment, strategy_id, model_id, method_id, league, period_start_ts,
    period_end_ts, starting_balance, config, seed, git_sha, dagster_run_id
)
VALUES (
    :run_name, 'backtest', :strategy_id, :model_id, :method_id, :league, :first, :last,
    :starting_balance, :config, :seed, :git_sha, :dagster_run_id
)
RETURNING backtest_run_id;

-- name: complete_run(backtest_run_id, total_pnl, metrics, mlflow_run_id)!
-- Not now(): everything is written in this one transaction, which began with the writing.
UPDATE backtest_runs
SET status = 'completed',
    total_pnl = :total_pnl,
    metrics = :metrics,
    mlflow_run_id = :mlflow_run_id,
    completed_at = clock_timestamp()
WHERE backtest_run_id = :backtest_run_id
  AND status = 'running';

-- name: fail_run(backtest_run_id, reason)!
UPDATE backtest_runs
SET status = 'failed',
    metrics = jsonb_build_object('error', CAST(:reason AS TEXT)),
    completed_at = now()
WHERE backtest_run_id = :backtest_run_id
  AND status = 'running';

-- name: run(backtest_run_id)^
SELECT
    r.backtest_run_id, r.run_name, r.league, r.period_start_ts, r.period_end_ts,
    r.starting_balance, r.config, r.seed, r.git_sha, r.dagster_run_id, r.mlflow_run_id, r.status,
    r.total_pnl, r.metrics, r.completed_at,
    s.strategy_name, s.strategy_version, pm.model_name, pm.model_version, me.method_name,
    me.method_version
FROM backtest_runs AS r
JOIN strategies AS s ON s.strategy_id = r.strategy_id
JOIN probability_models AS pm ON pm.model_id = r.model_id
LEFT JOIN methods AS me ON me.method_id = r.method_id
WHERE r.backtest_run_id = :backtest_run_id;

-- name: settlement_ids(market_ids)
SELECT settlement_id, market_id, revision
FROM settlements
WHERE market_id = ANY (CAST(:market_ids AS BIGINT[]));

-- name: position_ids(backtest_run_id)
SELECT position_id, position_key
FROM positions
WHERE backtest_run_id = :backtest_run_id;

-- name: ordering_decision_ids(backtest_run_id)
SELECT decision_id, decision_key
FROM decisions
WHERE backtest_run_id = :backtest_run_id
  AND outcome = 'taken';

-- name: order_ids(backtest_run_id)
SELECT order_id, client_order_id
FROM orders
WHERE backtest_run_id = :backtest_run_id;

-- name: fill_ids(backtest_run_id)
SELECT fill_id, venue_fill_id
FROM fills
WHERE backtest_run_id = :backtest_run_id;

-- name: advance_positions(backtest_run_id, version)!
-- The next version of every position that has one. Who holds what, and why, never changes.
UPDATE positions AS p
SET original_quantity = b.original_quantity,
    quantity = b.quantity,
    entry_price = b.entry_price,
    fees = b.fees,
    realized_pnl = b.realized_pnl,
    status = b.status,
    exit_price = b.exit_price,
    exit_reason = b.exit_reason,
    exit_priority = b.exit_priority,
    exit_time = b.exit_time,
    last_check_time = b.last_check_time,
    current_price = b.current_price,
    unrealized_pnl = b.unrealized_pnl,
    unrealized_pnl_pct = b.unrealized_pnl_pct,
    target_price = b.target_price,
    stop_loss_price = b.stop_loss_price,
    trailing_stop_active = b.trailing_stop_active,
    trailing_stop_type = b.trailing_stop_type,
    trailing_stop_distance = b.trailing_stop_distance,
    trailing_stop_price = b.trailing_stop_price,
    peak_price = b.peak_price
FROM bulk_positions AS b
WHERE b.version = :version
  AND b.position_key = p.position_key
  AND p.backtest_run_id = :backtest_run_id;

-- name: trade_ids(backtest_run_id)
SELECT trade_id, fill_id
FROM trades
WHERE backtest_run_id = :backtest_run_id;

-- name: ledger_entry_ids(backtest_run_id, entry_keys)
-- The entries that a reversal of the run takes back.
SELECT entry_id, entry_key
FROM account_ledger
WHERE backtest_run_id = :backtest_run_id
  AND entry_key = ANY (CAST(:entry_keys AS TEXT[]));

-- name: send_orders(backtest_run_id)!
UPDATE orders AS o
SET status = 'sent',
    sent_at = b.sent_at
FROM bulk_orders AS b
WHERE b.client_order_id = o.client_order_id
  AND o.backtest_run_id = :backtest_run_id
  AND b.status <> 'intent';

-- name: rest_orders(backtest_run_id)!
UPDATE orders AS o
SET status = 'resting',
    venue_order_id = b.venue_order_id
FROM bulk_orders AS b
WHERE b.client_order_id = o.client_order_id
  AND o.backtest_run_id = :backtest_run_id
  AND b.rested;

-- name: end_orders(backtest_run_id)!
UPDATE orders AS o
SET status = b.status,
    venue_order_id = b.venue_order_id,
    filled_quantity = b.filled_quantity,
    closed_at = b.closed_at,
    error_code = b.error_code,
    error_message = b.error_message
FROM bulk_orders AS b
WHERE b.client_order_id = o.client_order_id
  AND o.backtest_run_id = :backtest_run_id
  AND b.status NOT IN ('intent', 'sent', 'resting');

-- name: insert_balance_version(backtest_run_id, platform_id, balance, event_ts, row_start_ts)!
INSERT INTO account_balance (
    platform_id, execution_environment, backtest_run_id, balance, source, event_ts, known_at,
    row_start_ts
)
VALUES (
    :platform_id, 'backtest', :backtest_run_id, :balance, 'ledger', :event_ts, :event_ts,
    :row_start_ts
);

-- name: close_balance_version(backtest_run_id, platform_id, row_end_ts)!
UPDATE account_balance
SET row_end_ts = :row_end_ts,
    row_current_ind = false
WHERE platform_id = :platform_id
  AND execution_environment = 'backtest'
  AND backtest_run_id = :backtest_run_id
  AND row_current_ind;

-- name: run_pnl(backtest_run_id)
SELECT
    strategy_name, strategy_version, model_name, model_version, method_name, method_version,
    positions, realised, settlement, fees, open_cost, adjustments, net
FROM pnl_by_strategy_model
WHERE execution_environment = 'backtest'
  AND backtest_run_id = :backtest_run_id
ORDER BY strategy_name, strategy_version, model_name, model_version;

-- name: run_reasons(backtest_run_id)
SELECT purpose, COALESCE(exit_condition, '') AS exit_condition,
       COALESCE(skip_reason, outcome) AS reason, count(*) AS candidates
FROM decisions
WHERE backtest_run_id = :backtest_run_id
GROUP BY purpose, exit_condition, COALESCE(skip_reason, outcome)
ORDER BY purpose, candidates DESC, reason;

-- name: run_equity(backtest_run_id)
-- Cash plus contracts at what they cost, after each instant at which money moved.
WITH moves AS (
    SELECT known_at AS at, amount AS cash,
           CASE WHEN entry_type = 'purchase' THEN -amount ELSE 0 END AS cost
    FROM account_ledger
    WHERE backtest_run_id = :backtest_run_id
    UNION ALL
    SELECT x.executed_at, 0, -(x.quantity_exited * p.entry_price)
    FROM position_exits AS x
    JOIN positions AS p ON p.position_id = x.position_id
    WHERE x.backtest_run_id = :backtest_run_id
    UNION ALL
    SELECT p.exit_time, 0, -(p.entry_price * (p.original_quantity - COALESCE((
        SELECT sum(x.quantity_exited)
        FROM position_exits AS x
        WHERE x.position_id = p.position_id
    ), 0)))
    FROM positions AS p
    WHERE p.backtest_run_id = :backtest_run_id
      AND p.status = 'settled'
)
SELECT at, sum(sum(cash)) OVER (ORDER BY at) AS cash, sum(sum(cash + cost)) OVER (ORDER BY at) AS equity
FROM moves
GROUP BY at
ORDER BY at;

-- name: run_entries(backtest_run_id)
-- Each entry order that filled: what was believed, what was paid, where the market closed, and what
-- the contract came to. The closing mid is the last own-side mid known before the start.
SELECT
    o.order_id, d.decided_at, m.ticker, g.game_key, g.kickoff_at, d.side, d.probability, d.edge,
    filled.quantity, filled.paid, filled.fees,
    (filled.paid + filled.fees) / filled.quantity AS cost_per_contract,
    CASE WHEN d.side = 'yes' THEN closing.mid ELSE 1 - closing.mid END AS closing_mid,
    CASE WHEN d.side = 'yes' THEN s.settlement_value ELSE 1 - s.settlement_value END AS value
FROM orders AS o
JOIN decisions AS d ON d.decision_id = o.decision_id
JOIN markets AS m ON m.market_id = o.market_id
JOIN events AS e ON e.event_id = m.event_id
JOIN games AS g ON g.game_id = e.game_id
JOIN LATERAL (
    SELECT sum(f.quantity) AS quantity, sum(f.quantity * f.price) AS paid, sum(f.fee) AS fees
    FROM fills AS f
    WHERE f.order_id = o.order_id
) AS filled ON filled.quantity > 0
LEFT JOIN LATERAL (
    SELECT (q.yes_bid + q.yes_ask) / 2 AS mid
    FROM market_snapshots AS q
    WHERE q.market_id = o.market_id
      AND q.observed_at < g.kickoff_at
      AND q.observed_at > g.kickoff_at - INTERVAL '2 days'
      AND q.known_at < g.kickoff_at
      AND q.yes_bid IS NOT NULL
      AND q.yes_ask IS NOT NULL
    ORDER BY q.observed_at DESC
    LIMIT 1
) AS closing ON true
LEFT JOIN LATERAL (
    SELECT latest.settlement_value
    FROM settlements AS latest
    WHERE latest.market_id = o.market_id
      AND latest.stage = 'finalized'
    ORDER BY latest.revision DESC
    LIMIT 1
) AS s ON true
WHERE o.backtest_run_id = :backtest_run_id
  AND o.purpose = 'entry'
ORDER BY d.decided_at, o.order_id;

-- name: run_money(backtest_run_id)^
SELECT
    COALESCE(sum(quantity * price) FILTER (WHERE action = 'buy'), 0) AS bought,
    COALESCE(sum(quantity * price) FILTER (WHERE action = 'sell'), 0) AS sold,
    COALESCE(sum(fee), 0) AS fees,
    COALESCE(sum(quantity), 0) AS contracts,
    count(*) AS fills
FROM fills
WHERE backtest_run_id = :backtest_run_id;

-- name: run_positions(backtest_run_id)
SELECT COALESCE(exit_reason, 'open') AS exit_reason, count(*) AS positions,
       count(*) FILTER (WHERE realized_pnl > 0) AS won, sum(realized_pnl) AS net
FROM positions
WHERE backtest_run_id = :backtest_run_id
GROUP BY COALESCE(exit_reason, 'open')
ORDER BY positions DESC, exit_reason;

-- name: run_quote_sources(backtest_run_id)
SELECT COALESCE(inputs ->> 'quote_source', 'unknown') AS source, count(*) AS decisions,
       count(*) FILTER (WHERE inputs ? 'assumed.size') AS assumed_size
FROM decisions
WHERE backtest_run_id = :backtest_run_id
GROUP BY inputs ->> 'quote_source'
ORDER BY source;

-- name: list_runs(maximum)
SELECT r.backtest_run_id, r.run_name, r.league, r.status, r.period_start_ts, r.period_end_ts,
       r.total_pnl, r.created_at
FROM backtest_runs AS r
ORDER BY r.backtest_run_id DESC
LIMIT :maximum;

-- name: bars_of_markets(market_ids, first, last, none)
-- For COPY, as quotes_of_markets: whole numbers only. Of several periods the shortest is the tape.
SELECT
    market_id,
    CAST(extract(epoch FROM bar_end_ts) * 1000000 AS BIGINT) - period_s * CAST(1000000 AS BIGINT),
    CAST(extract(epoch FROM bar_end_ts) * 1000000 AS BIGINT),
    CAST(extract(epoch FROM known_at) * 1000000 AS BIGINT),
    COALESCE(CAST(low_price * 1000000 AS BIGINT), :none),
    COALESCE(CAST(high_price * 1000000 AS BIGINT), :none),
    COALESCE(CAST(volume * 100 AS BIGINT), :none)
FROM market_candles
WHERE market_id = ANY (CAST(:market_ids AS BIGINT[]))
  AND bar_end_ts >= :first
  AND bar_end_ts < :last
  AND known_at < :last
  AND period_s = (
      SELECT min(shortest.period_s)
      FROM market_candles AS shortest
      WHERE shortest.market_id = ANY (CAST(:market_ids AS BIGINT[]))
  )
ORDER BY market_id, bar_end_ts;

-- name: prints_of_markets(market_ids, first, last)
SELECT market_id, venue_trade_id, event_ts, known_at, price, quantity
FROM market_trades
WHERE market_id = ANY (CAST(:market_ids AS BIGINT[]))
  AND event_ts >= :first
  AND event_ts < :last
  AND known_at < :last
ORDER BY market_id, event_ts, venue_trade_id;

-- name: hide_quotes_after(at)!
-- The views of the look-ahead audit: named like the tables they hide, they live in the session's
-- temporary schema, which is searched first, so every reader of the session sees the past cut at :at.
CREATE TEMPORARY VIEW market_snapshots AS
SELECT * FROM public.market_snapshots WHERE known_at <= :at;

-- name: hide_predictions_after(at)!
CREATE TEMPORARY VIEW predictions AS
SELECT * FROM public.predictions WHERE known_at <= :at;

-- name: hide_attributes_after(at)!
CREATE TEMPORARY VIEW market_attributes AS
SELECT * FROM public.market_attributes WHERE known_at <= :at;

-- name: hide_settlements_after(at)!
CREATE TEMPORARY VIEW settlements AS
SELECT * FROM public.settlements WHERE known_at <= :at;

-- name: hide_schedules_after(at)!
CREATE TEMPORARY VIEW fee_schedules AS
SELECT * FROM public.fee_schedules WHERE known_at <= :at;

-- name: hide_bars_after(at)!
CREATE TEMPORARY VIEW market_candles AS
SELECT * FROM public.market_candles WHERE known_at <= :at;

-- name: hide_prints_after(at)!
CREATE TEMPORARY VIEW market_trades AS
SELECT * FROM public.market_trades WHERE known_at <= :at;

-- name: hide_results_after(at)!
-- A game whose result was not known yet is a scheduled game.
CREATE TEMPORARY VIEW games AS
SELECT
    game_id, game_key, league, season, week, game_type, kickoff_at, home_team_id, away_team_id,
    neutral_site, source, source_game_id, known_at,
    CASE WHEN result_known_at <= :at THEN home_score END AS home_score,
    CASE WHEN result_known_at <= :at THEN away_score END AS away_score,
    CASE WHEN result_known_at > :at AND status = 'final' THEN 'scheduled' ELSE status END AS status,
    CASE WHEN result_known_at <= :at THEN result_known_at END AS result_known_at
FROM public.games;

-- name: poison_quotes_after(at)!
-- Prices turned over, sizes and volumes gone: whoever reads a later quote decides differently.
CREATE TEMPORARY VIEW market_snapshots AS
SELECT
    market_id, observed_at, known_at, write_reason, source,
    CASE WHEN known_at > :at THEN 1 - yes_ask ELSE yes_bid END AS yes_bid,
    CASE WHEN known_at > :at THEN 1 - yes_bid ELSE yes_ask END AS yes_ask,
    CASE WHEN known_at > :at THEN 11 ELSE yes_bid_size END AS yes_bid_size,
    CASE WHEN known_at > :at THEN 11 ELSE yes_ask_size END AS yes_ask_size,
    last_price,
    CASE WHEN known_at > :at THEN volume + 7 ELSE volume END AS volume,
    CASE WHEN known_at > :at THEN 0 ELSE open_interest END AS open_interest
FROM public.market_snapshots;

-- name: poison_predictions_after(at)!
CREATE TEMPORARY VIEW predictions AS
SELECT
    prediction_id, game_id, model_id, training_run_id, trained_until, mlflow_run_id,
    registry_version, features_hash, event_ts, known_at, dagster_run_id,
    CASE WHEN known_at > :at THEN 1 - p_home ELSE p_home END AS p_home,
    CASE WHEN known_at > :at THEN 1 - p_high ELSE p_low END AS p_low,
    CASE WHEN known_at > :at THEN 1 - p_low ELSE p_high END AS p_high
FROM public.predictions;

-- name: poison_attributes_after(at)!
CREATE TEMPORARY VIEW market_attributes AS
SELECT
    market_id, row_start_ts, known_at, price_ranges, rules_hash,
    CASE WHEN known_at > :at THEN 'paused' ELSE status END AS status
FROM public.market_attributes;

-- name: poison_settlements_after(at)!
CREATE TEMPORARY VIEW settlements AS
SELECT
    settlement_id, market_id, revision, stage, raw, event_ts, known_at,
    CASE WHEN known_at > :at AND outcome <> 'scalar'
        THEN CASE outcome WHEN 'yes' THEN 'no' ELSE 'yes' END ELSE outcome END AS outcome,
    CASE WHEN known_at > :at THEN 1 - settlement_value ELSE settlement_value END
        AS settlement_value
FROM public.settlements;

-- name: poison_schedules_after(at)!
CREATE TEMPORARY VIEW fee_schedules AS
SELECT
    fee_schedule_id, platform_id, series_id, event_id, fee_type, rounding_increment,
    effective_from, source, known_at, maker_rate, multiplier,
    CASE WHEN known_at > :at THEN taker_rate * 3 ELSE taker_rate END AS taker_rate
FROM public.fee_schedules;

-- name: poison_bars_after(at)!
CREATE TEMPORARY VIEW market_candles AS
SELECT
    market_id, period_s, bar_end_ts, known_at, volume,
    CASE WHEN known_at > :at THEN 0.01 ELSE low_price END AS low_price,
    CASE WHEN known_at > :at THEN 0.99 ELSE high_price END AS high_price
FROM public.market_candles;

-- name: poison_prints_after(at)!
CREATE TEMPORARY VIEW market_trades AS
SELECT
    market_id, venue_trade_id, event_ts, known_at, quantity,
    CASE WHEN known_at > :at THEN 1 - price ELSE price END AS price
FROM public.market_trades;

-- name: poison_results_after(at)!
CREATE TEMPORARY VIEW games AS
SELECT
    game_id, game_key, league, season, week, game_type, kickoff_at, home_team_id, away_team_id,
    neutral_site, source, source_game_id, known_at, status, result_known_at,
    CASE WHEN result_known_at > :at THEN away_score ELSE home_score END AS home_score,
    CASE WHEN result_known_at > :at THEN home_score ELSE away_score END AS away_score
FROM public.games;

-- name: shuffle_results(seed)!
-- Every league's results dealt out again among its finished games, the same way for one seed.
CREATE TEMPORARY VIEW games AS
WITH finished AS (
    SELECT
        game_id, league, home_score, away_score,
        row_number() OVER (PARTITION BY league ORDER BY game_id) AS place,
        row_number() OVER (
            PARTITION BY league ORDER BY md5(game_key || ':' || CAST(:seed AS TEXT)), game_id
        ) AS other
    FROM public.games
    WHERE status = 'final'
),
dealt AS (
    SELECT mine.game_id, theirs.home_score, theirs.away_score
    FROM finished AS mine
    JOIN finished AS theirs ON theirs.league = mine.league AND theirs.other = mine.place
)
SELECT
    g.game_id, g.game_key, g.league, g.season, g.week, g.game_type, g.kickoff_at, g.home_team_id,
    g.away_team_id, g.neutral_site, g.source, g.source_game_id, g.known_at, g.status,
    g.result_known_at, d.home_score, d.away_score
FROM public.games AS g
LEFT JOIN dealt AS d ON d.game_id = g.game_id;

-- name: prediction_scores(league, model_id, first, last)^
-- The model's last word before each start against what happened: its Brier score, that of always
-- saying the share of home wins, and what a probability without knowledge of the results would score.
WITH said AS (
    SELECT DISTINCT ON (p.game_id)
        CAST(p.p_home AS DOUBLE PRECISION) AS p,
        CASE WHEN g.home_score > g.away_score THEN 1.0 ELSE 0.0 END AS won
    FROM predictions AS p
    JOIN games AS g ON g.game_id = p.game_id
    WHERE g.league = :league
      AND p.model_id = :model_id
      AND g.kickoff_at >= :first
      AND g.kickoff_at < :last
      AND p.known_at < g.kickoff_at
      AND g.status = 'final'
      AND g.home_score <> g.away_score
    ORDER BY p.game_id, p.event_ts DESC, p.known_at DESC, p.prediction_id DESC
),
rate AS (
    SELECT avg(won) AS base FROM said
)
SELECT
    count(*) AS n,
    avg((p - won) ^ 2) AS brier,
    avg(base * (1 - base)) AS base_rate_brier,
    avg(base * (1 - base) + (p - base) ^ 2) AS unknowing_brier,
    COALESCE(stddev_samp((p - won) ^ 2) / NULLIF(sqrt(count(*)), 0), 0) AS standard_error
FROM said
CROSS JOIN rate;

-- name: methods_of_league(league)
-- Newest versions of the methods that may trade a league's markets in paper.
SELECT DISTINCT ON (me.method_name) me.method_name, me.method_version
FROM methods AS me
JOIN strategies AS s ON s.strategy_id = me.strategy_id
JOIN probability_models AS pm ON pm.model_id = me.model_id
WHERE me.status IN ('testing', 'active')
  AND COALESCE(s.league, :league) = :league
  AND COALESCE(pm.league, :league) = :league
ORDER BY me.method_name, me.method_id DESC;

-- name: run_to_audit()^
-- The newest completed run, and the week of its period that ends with its last decision.
SELECT
    r.backtest_run_id, r.run_name, r.league, me.method_name, me.method_version,
    greatest(r.period_start_ts, last.decided_at - INTERVAL '7 days') AS first,
    least(r.period_end_ts, last.decided_at + INTERVAL '1 second') AS last
FROM backtest_runs AS r
JOIN methods AS me ON me.method_id = r.method_id
JOIN LATERAL (
    SELECT max(d.decided_at) AS decided_at
    FROM decisions AS d
    WHERE d.backtest_run_id = r.backtest_run_id
) AS last ON last.decided_at IS NOT NULL
WHERE r.status = 'completed'
ORDER BY r.backtest_run_id DESC
LIMIT 1;
