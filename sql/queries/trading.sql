-- Trading ticks: which batches wait, what is known at one, and what was decided. Every statement
-- takes sets, so the number of statements of a tick does not depend on the number of markets.

-- name: writer(environment)^
-- The decision clock and the fencing number, read under the lock.
SELECT decided_at, fence
FROM trading_writers
WHERE execution_environment = :environment;

-- name: raise_fence(environment, fence, decided_at, holder)
-- Proves that nobody has written since ``fence`` was read, and counts this writing; no row if not.
UPDATE trading_writers
SET fence = fence + 1,
    decided_at = greatest(decided_at, CAST(:decided_at AS TIMESTAMPTZ)),
    holder = :holder
WHERE execution_environment = :environment
  AND fence = :fence
RETURNING fence;

-- name: replay_start(earliest_s)$
-- Just before the first tradable instant of the latest season that a champion has predicted, over
-- all leagues that trade: where trading begins when nothing was decided yet.
SELECT min(season_start.first_kickoff) - make_interval(secs => :earliest_s) - INTERVAL '1 microsecond'
FROM leagues AS l
CROSS JOIN LATERAL (
    SELECT min(g.kickoff_at) AS first_kickoff
    FROM games AS g
    WHERE g.league = l.league
      AND g.season = (
          SELECT max(predicted.season)
          FROM probability_models AS champion
          JOIN predictions AS p ON p.model_id = champion.model_id
          JOIN games AS predicted ON predicted.game_id = p.game_id
          WHERE champion.status IN ('testing', 'active')
            AND predicted.league = l.league
      )
) AS season_start
WHERE l.trading_enabled;

-- name: pending_batches(since, until, clock, earliest_s, latest_s, environment, fresh_s, maximum)
-- Batches (instants at which quotes or predictions became known) in (since, until] that still have
-- a market to decide on, oldest first, each with those markets; and with those in which we hold a
-- position or have an order working, at every quote after the decision clock.
--
-- A quote waits unless its market was already decided on with it or a newer one, so quotes that
-- were committed late are found as well. A prediction waits, where it meets a quote of the last
-- fresh_s seconds, unless its market was decided on with it or a newer one. OFFSET 0 keeps that
-- test a lookup by key: as a join it would read the tables whole while statistics are young.
WITH champions AS MATERIALIZED (
    SELECT model_id, league
    FROM probability_models
    WHERE status IN ('testing', 'active')
),
-- What is the same for all quotes of a market is asked once: since when a champion has spoken, and
-- the newest quote that was decided on.
playing AS MATERIALIZED (
    SELECT g.kickoff_at, m.market_id, spoken.first_at, decided.last_quote_at
    FROM games AS g
    JOIN leagues AS l ON l.league = g.league AND l.trading_enabled
    CROSS JOIN LATERAL (
        SELECT min(p.known_at) AS first_at
        FROM predictions AS p
        JOIN champions AS c ON c.model_id = p.model_id
        WHERE p.game_id = g.game_id
    ) AS spoken
    JOIN events AS e ON e.game_id = g.game_id
    JOIN markets AS m ON m.event_id = e.event_id
    CROSS JOIN LATERAL (
        SELECT max(d.quote_observed_at) AS last_quote_at
        FROM decisions AS d
        WHERE d.market_id = m.market_id
          AND d.execution_environment = :environment
          AND d.backtest_run_id IS NULL
          AND d.purpose = 'entry'
    ) AS decided
    WHERE g.kickoff_at > CAST(:since AS TIMESTAMPTZ) + make_interval(secs => :latest_s)
      AND g.kickoff_at <= CAST(:until AS TIMESTAMPTZ) + make_interval(secs => :earliest_s)
      AND spoken.first_at IS NOT NULL
),
new_quotes AS (
    SELECT q.known_at AS batch_at, q.market_id
    FROM playing AS p
    JOIN market_snapshots AS q
        ON q.market_id = p.market_id
       AND q.observed_at > p.kickoff_at - make_interval(secs => :earliest_s) - INTERVAL '1 day'
       AND q.observed_at <= p.kickoff_at - make_interval(secs => :latest_s)
    WHERE q.known_at > :since
      AND q.known_at <= :until
      -- Implied, up to a day of delay; lets the planner skip the partitions of other months.
      AND q.observed_at > CAST(:since AS TIMESTAMPTZ) - INTERVAL '1 day'
      AND q.observed_at <= :until
      AND q.observed_at > COALESCE(p.last_quote_at, '-infinity')
      AND q.known_at >= p.first_at
      AND q.known_at BETWEEN p.kickoff_at - make_interval(secs => :earliest_s)
                         AND p.kickoff_at - make_interval(secs => :latest_s)
),
new_predictions AS (
    SELECT p.known_at AS batch_at, m.market_id
    FROM predictions AS p
    JOIN champions AS c ON c.model_id = p.model_id
    JOIN games AS g ON g.game_id = p.game_id
    JOIN leagues AS l ON l.league = g.league AND l.trading_enabled
    JOIN events AS e ON e.game_id = g.game_id
    JOIN markets AS m ON m.event_id = e.event_id
    WHERE p.known_at > :since
      AND p.known_at <= :until
      AND p.known_at BETWEEN g.kickoff_at - make_interval(secs => :earliest_s)
                         AND g.kickoff_at - make_interval(secs => :latest_s)
      AND EXISTS (
          SELECT
          FROM market_snapshots AS q
          WHERE q.market_id = m.market_id
            AND q.observed_at BETWEEN p.known_at - make_interval(secs => :fresh_s) AND p.known_at
            AND q.observed_at > CAST(:since AS TIMESTAMPTZ) - INTERVAL '1 day'
            AND q.known_at <= p.known_at
      )
      AND NOT EXISTS (
          SELECT
          FROM decisions AS d
          JOIN predictions AS used ON used.prediction_id = d.prediction_id
          WHERE d.market_id = m.market_id
            AND d.execution_environment = :environment
            AND d.decided_at >= p.known_at
            AND (used.event_ts, used.known_at) >= (p.event_ts, p.known_at)
            AND d.backtest_run_id IS NULL
            AND d.purpose = 'entry'
          OFFSET 0
      )
),
held_quotes AS (
    SELECT q.known_at AS batch_at, q.market_id
    FROM (
        SELECT market_id
        FROM positions
        WHERE status = 'open'
          AND execution_environment = :environment
          AND backtest_run_id IS NULL
        UNION
        SELECT market_id
        FROM orders
        WHERE status IN ('intent', 'sent', 'resting', 'unknown')
          AND execution_environment = :environment
          AND backtest_run_id IS NULL
    ) AS held
    JOIN market_snapshots AS q ON q.market_id = held.market_id
    WHERE q.known_at > COALESCE(CAST(:clock AS TIMESTAMPTZ), 'infinity')
      AND q.known_at <= :until
      AND q.observed_at > CAST(:clock AS TIMESTAMPTZ) - INTERVAL '1 day'
      AND q.observed_at <= :until
)
SELECT
    batch_at,
    COALESCE(array_agg(DISTINCT market_id ORDER BY market_id) FILTER (WHERE enters), '{}')
        AS market_ids,
    COALESCE(array_agg(DISTINCT market_id ORDER BY market_id) FILTER (WHERE NOT enters), '{}')
        AS held_ids
FROM (
    SELECT batch_at, market_id, true AS enters FROM new_quotes
    UNION ALL
    SELECT batch_at, market_id, true FROM new_predictions
    UNION ALL
    SELECT batch_at, market_id, false FROM held_quotes
) AS waiting
GROUP BY batch_at
ORDER BY batch_at
LIMIT :maximum;

-- name: finishing_leagues()
-- How long after a result methods look at finished games (their strategy has a certainty), by
-- league, NULL = every league. No rows is the usual answer, and then nobody asks further.
SELECT
    COALESCE(s.league, pm.league) AS league,
    max(COALESCE(CAST(s.config ->> 'until_h' AS FLOAT8), 24)) AS until_h
FROM methods AS me
JOIN strategies AS s ON s.strategy_id = me.strategy_id
JOIN probability_models AS pm ON pm.model_id = me.model_id
WHERE me.status IN ('testing', 'active')
  AND s.config ->> 'certainty' IS NOT NULL
GROUP BY 1;

-- name: finished_batches(league, until_h, since, until, environment)
-- Batches of quotes in (since, until] of a league's markets whose game has had a known winner for
-- at most until_h hours. The window is cut out first: decisions are looked up for what is left.
WITH finished AS MATERIALIZED (
    SELECT q.market_id, q.observed_at, q.known_at
    FROM games AS g
    JOIN leagues AS l ON l.league = g.league AND l.trading_enabled
    JOIN events AS e ON e.game_id = g.game_id
    JOIN markets AS m ON m.event_id = e.event_id
    JOIN market_snapshots AS q
        ON q.market_id = m.market_id
        AND q.known_at BETWEEN g.result_known_at
                           AND g.result_known_at + make_interval(secs => 3600 * :until_h)
    WHERE g.league = COALESCE(:league, g.league)
      AND g.status = 'final'
      AND g.home_score <> g.away_score
      AND g.kickoff_at > CAST(:since AS TIMESTAMPTZ) - INTERVAL '3 days'
      AND q.known_at > :since
      AND q.known_at <= :until
      AND q.observed_at > CAST(:since AS TIMESTAMPTZ) - INTERVAL '1 day'
      AND q.observed_at <= :until
)
SELECT f.known_at AS batch_at, array_agg(DISTINCT f.market_id ORDER BY f.market_id) AS market_ids
FROM finished AS f
WHERE NOT EXISTS (
    SELECT
    FROM decisions AS d
    WHERE d.market_id = f.market_id
      AND d.execution_environment = :environment
      AND d.quote_observed_at >= f.observed_at
      AND d.backtest_run_id IS NULL
      AND d.purpose = 'entry'
    OFFSET 0
)
GROUP BY f.known_at
ORDER BY f.known_at;

-- name: held_tickers(environment, platform_id)
-- The markets of a platform in which we hold a position or have an order working.
SELECT m.market_id, m.ticker, bool_or(h.is_ordered) AS is_ordered
FROM (
    SELECT market_id, false AS is_ordered
    FROM positions
    WHERE status = 'open'
      AND execution_environment = :environment
      AND backtest_run_id IS NULL
    UNION ALL
    SELECT market_id, true
    FROM orders
    WHERE status IN ('intent', 'sent', 'resting', 'unknown')
      AND execution_environment = :environment
      AND backtest_run_id IS NULL
) AS h
JOIN markets AS m ON m.market_id = h.market_id
WHERE m.platform_id = :platform_id
GROUP BY m.market_id
ORDER BY m.ticker;

-- name: held_markets(environment)
-- Where we hold a position or have an order working.
SELECT market_id
FROM positions
WHERE status = 'open'
  AND execution_environment = :environment
  AND backtest_run_id IS NULL
UNION
SELECT market_id
FROM orders
WHERE status IN ('intent', 'sent', 'resting', 'unknown')
  AND execution_environment = :environment
  AND backtest_run_id IS NULL;

-- name: quotes_known(market_ids, after, until)
-- When quotes of some markets became known in (after, until].
SELECT q.known_at, q.market_id
FROM unnest(CAST(:market_ids AS BIGINT[])) AS asked (market_id)
JOIN market_snapshots AS q ON q.market_id = asked.market_id
WHERE q.known_at > :after
  AND q.known_at <= :until
  AND q.observed_at > CAST(:after AS TIMESTAMPTZ) - INTERVAL '1 day'
  AND q.observed_at <= :until
ORDER BY q.known_at, q.market_id;

-- name: fee_schedules()
SELECT
    fee_schedule_id, fee_type, taker_rate, maker_rate, multiplier, rounding_increment,
    platform_id, series_id, event_id, effective_from, known_at, source
FROM fee_schedules;

-- name: market_facts(market_ids, environment, now)
-- The markets of a tick, those we are exposed in, and their sisters in the same events: facts and
-- the newest quote, as known at the decision time.
WITH concerned AS (
    SELECT unnest(CAST(:market_ids AS BIGINT[])) AS market_id
    UNION
    SELECT market_id
    FROM positions
    WHERE status = 'open'
      AND execution_environment = :environment
      AND backtest_run_id IS NULL
    UNION
    SELECT market_id
    FROM orders
    WHERE status IN ('intent', 'sent', 'resting', 'unknown')
      AND execution_environment = :environment
      AND backtest_run_id IS NULL
),
concerned_events AS (
    SELECT DISTINCT m.event_id
    FROM concerned AS c
    JOIN markets AS m ON m.market_id = c.market_id
)
SELECT
    m.market_id, m.ticker, m.platform_id, m.market_type, m.event_id, m.yes_team_id,
    e.series_id, pl.status AS platform_status,
    -- A market whose outcome is known takes no orders, whatever its last attributes said.
    CASE WHEN EXISTS (
        SELECT
        FROM settlements AS st
        WHERE st.market_id = m.market_id
          AND st.known_at <= :now
    ) THEN 'settled' ELSE a.status END AS status,
    a.price_ranges, a.rules_hash,
    g.game_id, g.game_key, g.league, l.trading_enabled, g.game_type, g.kickoff_at,
    g.home_team_id, g.away_team_id, g.home_score, g.away_score, g.result_known_at,
    -- The games row holds the latest word; before its result was known the game was not final, and
    -- before that word it was not canceled.
    CASE
        WHEN g.status = 'final' AND g.result_known_at > :now THEN 'scheduled'
        WHEN g.status = 'canceled' AND g.known_at > :now THEN 'scheduled'
        ELSE g.status
    END AS game_status,
    q.observed_at, q.known_at, q.source, q.yes_bid, q.yes_ask, q.yes_bid_size, q.yes_ask_size,
    q.open_interest, q.volume_24h
FROM concerned_events AS ce
JOIN events AS e ON e.event_id = ce.event_id
JOIN markets AS m ON m.event_id = e.event_id
JOIN platforms AS pl ON pl.platform_id = m.platform_id
LEFT JOIN games AS g ON g.game_id = e.game_id
LEFT JOIN leagues AS l ON l.league = g.league
LEFT JOIN LATERAL (
    SELECT ma.status, ma.price_ranges, ma.rules_hash
    FROM market_attributes AS ma
    WHERE ma.market_id = m.market_id
      AND ma.known_at <= :now
    ORDER BY ma.known_at DESC, ma.row_start_ts DESC
    LIMIT 1
) AS a ON true
LEFT JOIN LATERAL (
    SELECT
        s.observed_at, s.known_at, s.source, s.yes_bid, s.yes_ask, s.yes_bid_size,
        s.yes_ask_size, s.open_interest,
        -- The venue's volume is cumulative: what was traded in 24 hours is a difference.
        CASE WHEN s.volume IS NOT NULL THEN s.volume - COALESCE((
            SELECT earlier.volume
            FROM market_snapshots AS earlier
            WHERE earlier.market_id = m.market_id
              AND earlier.observed_at BETWEEN s.observed_at - INTERVAL '48 hours'
                                          AND s.observed_at - INTERVAL '24 hours'
              AND earlier.observed_at > CAST(:now AS TIMESTAMPTZ) - INTERVAL '9 days'
              AND earlier.observed_at <= :now
            ORDER BY earlier.observed_at DESC
            LIMIT 1
        ), 0) END AS volume_24h
    FROM market_snapshots AS s
    WHERE s.market_id = m.market_id
      AND s.observed_at > CAST(:now AS TIMESTAMPTZ) - INTERVAL '7 days'
      AND s.observed_at <= :now
      AND s.known_at <= :now
    ORDER BY s.observed_at DESC
    LIMIT 1
) AS q ON true
ORDER BY m.market_id;

-- name: champion_predictions(market_ids, now)
-- What the champions had said by the decision time about the games of the given markets.
SELECT
    p.prediction_id, p.game_id, p.model_id, p.training_run_id, p.p_home, p.p_low, p.p_high,
    p.trained_until, p.event_ts, p.known_at
FROM predictions AS p
JOIN probability_models AS c ON c.model_id = p.model_id AND c.status IN ('testing', 'active')
WHERE p.game_id IN (
    SELECT e.game_id
    FROM markets AS m
    JOIN events AS e ON e.event_id = m.event_id
    WHERE m.market_id = ANY (CAST(:market_ids AS BIGINT[]))
)
  AND p.known_at <= :now
ORDER BY p.prediction_id;

-- name: open_positions(environment)
-- With what exits read: the plan made at entry, the trailing stop, the confidence it was bought
-- with, and the names of its versions.
SELECT
    p.position_id, p.position_key, p.platform_id, p.market_id, p.side, p.quantity,
    p.original_quantity, p.entry_price,
    -- Fees of what has been sold are no longer at risk.
    round(p.fees * p.quantity / p.original_quantity, 6) AS fees,
    p.strategy_id, p.model_id, p.method_id, p.entry_time, p.position_metadata, p.current_price,
    p.trailing_stop_active, p.trailing_stop_type, p.trailing_stop_distance, p.trailing_stop_price,
    p.peak_price,
    s.strategy_name || '@' || s.strategy_version AS strategy,
    pm.model_name || '@' || pm.model_version AS model,
    me.method_name || '@' || me.method_version AS method,
    (
        SELECT t.confidence_at_execution
        FROM trades AS t
        WHERE t.position_id = p.position_id
          AND t.action = 'buy'
        ORDER BY t.trade_id
        LIMIT 1
    ) AS confidence
FROM positions AS p
LEFT JOIN strategies AS s ON s.strategy_id = p.strategy_id
LEFT JOIN probability_models AS pm ON pm.model_id = p.model_id
LEFT JOIN methods AS me ON me.method_id = p.method_id
WHERE p.status = 'open'
  AND p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
ORDER BY p.position_id;

-- name: stages_sold(environment)
-- Contracts that open positions sold under each stage of partial_exit_target.
SELECT x.position_id, x.stage, sum(x.quantity_exited) AS quantity
FROM positions AS p
JOIN position_exits AS x ON x.position_id = p.position_id
WHERE p.status = 'open'
  AND p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
  AND x.stage IS NOT NULL
GROUP BY x.position_id, x.stage;

-- name: exit_attempts_running(environment)
-- Of open positions the attempts since the last first one, oldest first.
SELECT
    a.position_id, a.exit_condition AS condition, a.exit_priority AS priority,
    a.attempt_number AS number, a.limit_price, a.quantity, a.filled_quantity AS filled,
    a.placed_at, a.ended_at, a.timeout_seconds AS timeout_s,
    CAST(o.terms ->> 'trigger_mark' AS NUMERIC(12, 6)) AS trigger_mark
FROM positions AS p
CROSS JOIN LATERAL (
    SELECT max(began.attempt_id) AS attempt_id
    FROM exit_attempts AS began
    WHERE began.position_id = p.position_id
      AND began.attempt_number = 1
) AS episode
JOIN exit_attempts AS a
    ON a.position_id = p.position_id
   AND a.attempt_id >= episode.attempt_id
JOIN orders AS o ON o.order_id = a.order_id
WHERE p.status = 'open'
  AND p.execution_environment = :environment
  AND p.backtest_run_id IS NULL
ORDER BY a.position_id, a.attempt_id;

-- name: recent_quotes(market_ids, environment, now)
-- Of the given markets in which we hold a position the two quotes before the newest.
SELECT
    q.market_id, q.observed_at, q.known_at, q.source, q.yes_bid, q.yes_ask, q.yes_bid_size,
    q.yes_ask_size, q.open_interest,
    CASE WHEN q.volume IS NOT NULL THEN q.volume - COALESCE((
        SELECT earlier.volume
        FROM market_snapshots AS earlier
        WHERE earlier.market_id = q.market_id
          AND earlier.observed_at BETWEEN q.observed_at - INTERVAL '48 hours'
                                      AND q.observed_at - INTERVAL '24 hours'
          AND earlier.observed_at > CAST(:now AS TIMESTAMPTZ) - INTERVAL '9 days'
          AND earlier.observed_at <= :now
        ORDER BY earlier.observed_at DESC
        LIMIT 1
    ), 0) END AS volume_24h
FROM (
    SELECT DISTINCT market_id
    FROM positions
    WHERE status = 'open'
      AND execution_environment = :environment
      AND backtest_run_id IS NULL
      AND market_id = ANY (CAST(:market_ids AS BIGINT[]))
) AS held
CROSS JOIN LATERAL (
    SELECT s.*
    FROM market_snapshots AS s
    WHERE s.market_id = held.market_id
      AND s.observed_at > CAST(:now AS TIMESTAMPTZ) - INTERVAL '7 days'
      AND s.observed_at <= :now
      AND s.known_at <= :now
    ORDER BY s.observed_at DESC
    OFFSET 1
    LIMIT 2
) AS q
ORDER BY q.market_id, q.observed_at;

-- name: mid_bars(market_ids, environment, now)
-- Bars of YES mids, oldest first, of the given markets with a position whose trailing stop follows
-- the average true range.
SELECT
    held.market_id, b.end_at, b.high, b.low, b.close
FROM (
    SELECT DISTINCT ON (market_id)
        market_id,
        CAST(position_metadata #>> '{trailing,atr,bar_s}' AS INTEGER) AS bar_s,
        CAST(position_metadata #>> '{trailing,atr,period}' AS INTEGER) AS period
    FROM positions
    WHERE status = 'open'
      AND execution_environment = :environment
      AND backtest_run_id IS NULL
      AND market_id = ANY (CAST(:market_ids AS BIGINT[]))
      AND position_metadata @> '{"trailing": {"type": "atr"}}'
    ORDER BY market_id, position_id
) AS held
CROSS JOIN LATERAL (
    SELECT
        date_bin(make_interval(secs => held.bar_s), s.observed_at, 'epoch')
            + make_interval(secs => held.bar_s) AS end_at,
        max((s.yes_bid + s.yes_ask) / 2) AS high,
        min((s.yes_bid + s.yes_ask) / 2) AS low,
        (array_agg((s.yes_bid + s.yes_ask) / 2 ORDER BY s.observed_at DESC))[1] AS close
    FROM market_snapshots AS s
    WHERE s.market_id = held.market_id
      AND s.observed_at > CAST(:now AS TIMESTAMPTZ)
          - make_interval(secs => held.bar_s * (held.period + 2))
      AND s.observed_at <= :now
      AND s.known_at <= :now
      AND s.yes_bid IS NOT NULL
      AND s.yes_ask IS NOT NULL
    GROUP BY 1
) AS b
WHERE b.end_at <= :now
ORDER BY held.market_id, b.end_at;

-- name: entries_missed(environment, now, wait_s)
-- Entry orders of the last seconds that ended without any fill: the leg may be tried again.
SELECT d.decided_at, o.platform_id, o.strategy_id, o.model_id, o.method_id, o.market_id, o.side
FROM decisions AS d
JOIN orders AS o ON o.decision_id = d.decision_id
WHERE d.execution_environment = :environment
  AND d.backtest_run_id IS NULL
  AND d.outcome = 'taken'
  AND d.purpose = 'entry'
  AND d.decided_at > CAST(:now AS TIMESTAMPTZ) - make_interval(secs => :wait_s)
  AND d.decided_at <= :now
  AND o.status IN ('canceled', 'rejected')
  AND o.filled_quantity = 0
ORDER BY o.order_id;

-- name: models_spoken(model_ids, now)
-- When each model last issued a prediction.
SELECT asked.model_id, (
    SELECT p.known_at
    FROM predictions AS p
    WHERE p.model_id = asked.model_id
      AND p.known_at <= :now
    ORDER BY p.known_at DESC
    LIMIT 1
) AS known_at
FROM unnest(CAST(:model_ids AS BIGINT[])) AS asked (model_id);

-- name: working_orders(environment)
SELECT
    client_order_id, platform_id, market_id, side, action, purpose, status, limit_price,
    quantity - filled_quantity AS remaining, strategy_id, model_id, method_id, position_id,
    exit_condition, terms ->> 'priority' AS exit_priority, sent_at
FROM orders
WHERE status IN ('intent', 'sent', 'resting', 'unknown')
  AND execution_environment = :environment
  AND backtest_run_id IS NULL
ORDER BY order_id;

-- name: entries_made(market_ids, environment, now)
-- Entries (orders with a fill, or still open): in the games of the given markets ever, in all games
-- in the last day.
WITH concerned AS (
    SELECT o.order_id
    FROM markets AS asked
    JOIN events AS ae ON ae.event_id = asked.event_id
    JOIN events AS e ON e.game_id = ae.game_id
    JOIN markets AS m ON m.event_id = e.event_id
    JOIN orders AS o ON o.market_id = m.market_id
    WHERE asked.market_id = ANY (CAST(:market_ids AS BIGINT[]))
    UNION
    SELECT o.order_id
    FROM decisions AS d
    JOIN orders AS o ON o.decision_id = d.decision_id
    WHERE d.execution_environment = :environment
      AND d.decided_at > CAST(:now AS TIMESTAMPTZ) - INTERVAL '25 hours'
      AND d.outcome = 'taken'
)
SELECT d.decided_at, o.platform_id, o.strategy_id, e.game_id
FROM concerned AS c
JOIN orders AS o ON o.order_id = c.order_id
JOIN decisions AS d ON d.decision_id = o.decision_id
JOIN markets AS m ON m.market_id = o.market_id
JOIN events AS e ON e.event_id = m.event_id
WHERE o.execution_environment = :environment
  AND o.backtest_run_id IS NULL
  AND o.purpose = 'entry'
  AND (o.filled_quantity > 0 OR o.status IN ('intent', 'sent', 'resting', 'unknown'))
  AND e.game_id IS NOT NULL
ORDER BY d.decided_at, o.order_id;

-- name: exits_made(now, environment)
SELECT t.platform_id, e.game_id, max(t.event_ts) AS exited_at
FROM trades AS t
JOIN markets AS m ON m.market_id = t.market_id
JOIN events AS e ON e.event_id = m.event_id
WHERE t.event_ts > CAST(:now AS TIMESTAMPTZ) - INTERVAL '1 day'
  AND t.event_ts <= :now
  AND t.action = 'sell'
  AND t.execution_environment = :environment
  AND t.backtest_run_id IS NULL
  AND e.game_id IS NOT NULL
GROUP BY t.platform_id, e.game_id;

-- name: controls_in_force(environment)
-- One row per kind: the latest control of each scope, breakers that are open, and for each breaker
-- type when one was last re-armed.
SELECT 'control' AS kind, c.scope AS scope, c.scope_key AS scope_key, c.state AS state,
       NULL::TIMESTAMPTZ AS at, NULL::JSONB AS details
FROM (
    SELECT DISTINCT ON (scope, scope_key) scope, scope_key, state
    FROM trading_controls
    WHERE execution_environment = :environment
      AND backtest_run_id IS NULL
    ORDER BY scope, scope_key, control_id DESC
) AS c
UNION ALL
SELECT 'breaker', b.breaker_type, '', b.action, b.triggered_at, b.trigger_value
FROM circuit_breaker_events AS b
WHERE b.resolved_at IS NULL
  AND b.execution_environment = :environment
  AND b.backtest_run_id IS NULL
UNION ALL
SELECT 'rearmed', b.breaker_type, '', '', max(b.resolved_at), NULL
FROM circuit_breaker_events AS b
WHERE b.resolved_at IS NOT NULL
  AND b.execution_environment = :environment
  AND b.backtest_run_id IS NULL
GROUP BY b.breaker_type
ORDER BY kind, scope;

-- name: trip_breakers(rows, environment)
INSERT INTO circuit_breaker_events (
    breaker_type, execution_environment, action, triggered_at, trigger_value
)
SELECT r.breaker_type, :environment, r.action, r.triggered_at, r.trigger_value
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    breaker_type TEXT, action TEXT, triggered_at TIMESTAMPTZ, trigger_value JSONB
)
ON CONFLICT DO NOTHING
RETURNING breaker_event_id, breaker_type, action, triggered_at, trigger_value;

-- name: rearm_breakers(rows, environment)!
UPDATE circuit_breaker_events AS b
SET resolved_at = greatest(r.resolved_at, b.triggered_at),
    resolved_by = r.resolved_by,
    resolution_action = 're-armed',
    notes = r.notes
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    breaker_type TEXT, resolved_at TIMESTAMPTZ, resolved_by TEXT, notes TEXT
)
WHERE b.breaker_type = r.breaker_type
  AND b.execution_environment = :environment
  AND b.backtest_run_id IS NULL
  AND b.resolved_at IS NULL;

-- name: breaker_events(environment, maximum)
-- The newest trips, open ones first.
SELECT breaker_event_id, breaker_type, action, triggered_at, trigger_value, resolved_at,
       resolved_by, notes
FROM circuit_breaker_events
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL
ORDER BY resolved_at IS NOT NULL, triggered_at DESC, breaker_event_id DESC
LIMIT :maximum;

-- name: set_control(environment, scope, scope_key, state, reason, set_by)$
INSERT INTO trading_controls (
    execution_environment, scope, scope_key, state, reason, set_by, set_by_kind
)
VALUES (:environment, :scope, :scope_key, :state, :reason, :set_by, 'person')
RETURNING control_id;

-- name: risk_points(environment)
-- The course of the accounts, oldest first.
SELECT platform_id, event_ts, cash, portfolio_value
FROM equity_points
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL
ORDER BY event_ts, equity_point_id;

-- name: risk_flows(environment)
SELECT platform_id, event_ts, amount
FROM account_ledger
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL
  AND entry_type IN ('deposit', 'withdrawal')
ORDER BY entry_id;

-- name: risk_closed(environment)
-- The positions that ended last, more than any losing run is long.
SELECT platform_id, position_key, exit_time, realized_pnl, entry_price, fees, original_quantity
FROM positions
WHERE status <> 'open'
  AND execution_environment = :environment
  AND backtest_run_id IS NULL
ORDER BY exit_time DESC, position_key DESC
LIMIT 500;

-- name: risk_events(environment, since)
-- What happened on the accounts since: trades, refused and lost orders, fees not as modelled.
SELECT 'traded' AS kind, platform_id, event_ts AS at
FROM trades
WHERE event_ts > :since
  AND execution_environment = :environment
  AND backtest_run_id IS NULL
UNION ALL
SELECT 'fee_differed', platform_id, event_ts
FROM fills
WHERE event_ts > :since
  AND abs(fee - modelled_fee) > 0.0001
  AND execution_environment = :environment
  AND backtest_run_id IS NULL
UNION ALL
SELECT CASE v.to_status WHEN 'rejected' THEN 'rejected' ELSE 'venue_failed' END, o.platform_id,
       CASE v.to_status WHEN 'rejected' THEN v.changed_at ELSE o.sent_at END
FROM decisions AS d
JOIN orders AS o ON o.decision_id = d.decision_id
JOIN order_events AS v ON v.order_id = o.order_id
WHERE d.decided_at > :since
  AND d.outcome = 'taken'
  AND d.execution_environment = :environment
  AND d.backtest_run_id IS NULL
  AND v.to_status IN ('rejected', 'unknown')
UNION ALL
SELECT 'reconcile_failed', platform_id, started_at
FROM reconciliation_runs
WHERE started_at > :since
  AND execution_environment = :environment
  AND status = 'mismatch'
ORDER BY at;

-- name: risk_decisions(environment, since)
-- Entry decisions since that a breaker may count: invalid books, and probabilities with a mid.
SELECT d.decided_at, d.market_id, d.skip_reason, d.inputs ->> 'probability' AS probability,
       d.inputs ->> 'mid' AS mid, m.platform_id, e.game_id, g.league, s.strategy_name
FROM decisions AS d
JOIN markets AS m ON m.market_id = d.market_id
JOIN events AS e ON e.event_id = m.event_id
LEFT JOIN games AS g ON g.game_id = e.game_id
LEFT JOIN strategies AS s ON s.strategy_id = d.strategy_id
WHERE d.decided_at > :since
  AND d.execution_environment = :environment
  AND d.backtest_run_id IS NULL
  AND d.purpose = 'entry'
ORDER BY d.decision_id;

-- name: insert_equity_points(rows, environment)!
INSERT INTO equity_points (platform_id, execution_environment, event_ts, cash, portfolio_value)
SELECT r.platform_id, :environment, r.event_ts, r.cash, r.portfolio_value
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    platform_id TEXT, event_ts TIMESTAMPTZ, cash NUMERIC, portfolio_value NUMERIC
);

-- name: update_marks(rows, environment)!
-- What a look found, for positions still open.
UPDATE positions AS p
SET last_check_time = r.last_check_time,
    current_price = r.current_price,
    unrealized_pnl = r.unrealized_pnl,
    unrealized_pnl_pct = r.unrealized_pnl_pct,
    target_price = r.target_price,
    stop_loss_price = r.stop_loss_price,
    trailing_stop_active = r.trailing_stop_active,
    trailing_stop_type = r.trailing_stop_type,
    trailing_stop_distance = r.trailing_stop_distance,
    trailing_stop_price = r.trailing_stop_price,
    peak_price = r.peak_price
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    position_id BIGINT, last_check_time TIMESTAMPTZ, current_price NUMERIC, unrealized_pnl NUMERIC,
    unrealized_pnl_pct NUMERIC, target_price NUMERIC, stop_loss_price NUMERIC,
    trailing_stop_active BOOLEAN, trailing_stop_type TEXT, trailing_stop_distance NUMERIC,
    trailing_stop_price NUMERIC, peak_price NUMERIC
)
WHERE p.position_id = r.position_id
  AND p.execution_environment = :environment
  AND p.status = 'open';

-- name: approvals_in_force(now, environment)
SELECT d.market_id, d.side, d.strategy_id, d.model_id, a.expires_at
FROM order_approvals AS a
CROSS JOIN LATERAL (
    SELECT approved.market_id, approved.side, approved.strategy_id, approved.model_id,
           approved.execution_environment
    FROM decisions AS approved
    WHERE approved.decision_id = a.decision_id
    OFFSET 0
) AS d
WHERE a.approved_at <= :now
  AND a.expires_at > :now
  AND d.execution_environment = :environment
  AND d.strategy_id IS NOT NULL
  AND d.model_id IS NOT NULL;

-- name: insert_decisions(rows)
-- Rows whose key exists are left out, so a tick that runs again writes nothing.
INSERT INTO decisions (
    decision_key, tick_id, dagster_run_id, decided_at, execution_environment, backtest_run_id,
    market_id, side, purpose, exit_condition, position_id, strategy_id, model_id, method_id,
    prediction_id, outcome, skip_reason, probability, price, fee, edge, stake, quantity,
    quote_observed_at, inputs
)
SELECT
    r.decision_key, r.tick_id, r.dagster_run_id, r.decided_at, r.execution_environment,
    r.backtest_run_id, r.market_id, r.side, r.purpose, r.exit_condition, r.position_id,
    r.strategy_id, r.model_id, r.method_id, r.prediction_id, r.outcome, r.skip_reason,
    r.probability, r.price, r.fee, r.edge, r.stake, r.quantity, r.quote_observed_at, r.inputs
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    decision_key TEXT, tick_id TEXT, dagster_run_id TEXT, decided_at TIMESTAMPTZ,
    execution_environment TEXT, backtest_run_id BIGINT, market_id BIGINT, side TEXT, purpose TEXT,
    exit_condition TEXT, position_id BIGINT, strategy_id BIGINT, model_id BIGINT,
    method_id BIGINT, prediction_id BIGINT, outcome TEXT, skip_reason TEXT, probability NUMERIC,
    price NUMERIC, fee NUMERIC, edge NUMERIC, stake NUMERIC, quantity NUMERIC,
    quote_observed_at TIMESTAMPTZ, inputs JSONB
)
ON CONFLICT (decision_key) DO NOTHING
RETURNING decision_key, decision_id;

-- name: close_changed_edges(rows, environment)!
-- Ends the current valuations that the given ones replace; equal ones stay.
UPDATE edges AS e
SET row_end_ts = greatest(r.row_start_ts, e.row_start_ts + INTERVAL '1 microsecond'),
    row_current_ind = false
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    edge_key TEXT, prediction_id BIGINT, true_win_probability NUMERIC,
    market_implied_probability NUMERIC, market_price NUMERIC, fee NUMERIC,
    confidence_level TEXT, confidence_metrics JSONB, recommended_action TEXT,
    row_start_ts TIMESTAMPTZ
)
CROSS JOIN LATERAL (
    SELECT c.edge_id
    FROM edges AS c
    WHERE c.edge_key = r.edge_key
      AND c.execution_environment = :environment
      AND c.backtest_run_id IS NULL
      AND c.row_current_ind
    LIMIT 1
) AS held
WHERE e.edge_id = held.edge_id
  AND (e.prediction_id, e.true_win_probability, e.market_implied_probability, e.market_price,
       e.fee, e.confidence_level, e.confidence_metrics, e.recommended_action)
      IS DISTINCT FROM
      (r.prediction_id, r.true_win_probability, round(r.market_implied_probability, 4),
       r.market_price, r.fee, r.confidence_level, r.confidence_metrics, r.recommended_action);

-- name: insert_edges(environment, calculation_run_id, rows)!
-- New valuations of the keys that have no current one (any more).
INSERT INTO edges (
    execution_environment, backtest_run_id, edge_key, market_id, side, strategy_id, model_id,
    method_id, prediction_id, calculation_run_id, true_win_probability,
    market_implied_probability, market_price, fee, expected_value, confidence_level,
    confidence_metrics, recommended_action, event_ts, known_at, row_start_ts
)
SELECT
    :environment, NULL, r.edge_key, r.market_id, r.side, r.strategy_id, r.model_id, r.method_id,
    r.prediction_id, :calculation_run_id, r.true_win_probability, r.market_implied_probability,
    r.market_price, r.fee, r.expected_value, r.confidence_level, r.confidence_metrics,
    r.recommended_action, r.event_ts, r.known_at,
    -- The predecessor may have ended a microsecond later, when two ticks share an instant.
    greatest(r.row_start_ts, (
        SELECT max(ended.row_end_ts)
        FROM edges AS ended
        WHERE ended.edge_key = r.edge_key
          AND ended.execution_environment = :environment
          AND ended.backtest_run_id IS NULL
    ))
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    edge_key TEXT, market_id BIGINT, side TEXT, strategy_id BIGINT, model_id BIGINT,
    method_id BIGINT, prediction_id BIGINT, true_win_probability NUMERIC,
    market_implied_probability NUMERIC, market_price NUMERIC, fee NUMERIC, expected_value NUMERIC,
    confidence_level TEXT, confidence_metrics JSONB, recommended_action TEXT,
    event_ts TIMESTAMPTZ, known_at TIMESTAMPTZ, row_start_ts TIMESTAMPTZ
)
WHERE NOT EXISTS (
    SELECT
    FROM edges AS e
    WHERE e.edge_key = r.edge_key
      AND e.execution_environment = :environment
      AND e.backtest_run_id IS NULL
      AND e.row_current_ind
    OFFSET 0
);

-- name: insert_order_intents(rows)!
INSERT INTO orders (
    client_order_id, execution_environment, backtest_run_id, platform_id, market_id, decision_id,
    position_id, strategy_id, model_id, method_id, purpose, exit_condition, action, side,
    limit_price, quantity, time_in_force, reduce_only, post_only, attempt_number, expires_at, terms
)
SELECT
    r.client_order_id, d.execution_environment, d.backtest_run_id, r.platform_id, d.market_id,
    d.decision_id, d.position_id, d.strategy_id, d.model_id, d.method_id, d.purpose,
    r.exit_condition, r.action, d.side, r.limit_price, r.quantity, r.time_in_force, r.reduce_only,
    r.post_only, r.attempt_number, r.expires_at, r.terms
FROM jsonb_to_recordset(CAST(:rows AS JSONB)) AS r (
    number INTEGER, decision_key TEXT, client_order_id TEXT, platform_id TEXT, action TEXT,
    exit_condition TEXT, limit_price NUMERIC, quantity NUMERIC, time_in_force TEXT,
    reduce_only BOOLEAN, post_only BOOLEAN, attempt_number INTEGER, expires_at TIMESTAMPTZ,
    terms JSONB
)
JOIN decisions AS d ON d.decision_key = r.decision_key
ORDER BY r.number
ON CONFLICT (client_order_id) DO NOTHING;

-- name: trading_platforms()
SELECT platform_id
FROM platforms
WHERE platform_type IN ('trading', 'hybrid')
ORDER BY platform_id;

-- name: try_writer_locks(names)$
SELECT bool_and(pg_try_advisory_lock(hashtextextended(name, 0)))
FROM unnest(CAST(:names AS TEXT[])) AS name;

-- name: wait_for_writer_locks(names)
-- In the order of the names, which is the same for every writer, so that two cannot deadlock.
SELECT pg_advisory_lock(hashtextextended(ordered.name, 0))
FROM (
    SELECT name
    FROM unnest(CAST(:names AS TEXT[])) AS name
    ORDER BY name
) AS ordered;

-- name: release_writer_locks()
-- The connection of a tick holds no other advisory lock.
SELECT pg_advisory_unlock_all();

-- name: writer_lock_holder(names)^
SELECT held.pid, activity.application_name, activity.backend_start
FROM unnest(CAST(:names AS TEXT[])) AS name
JOIN pg_locks AS held
    ON held.locktype = 'advisory'
   AND held.objsubid = 1
   AND held.granted
   AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND ((CAST(held.classid AS BIGINT) << 32) | CAST(held.objid AS BIGINT))
       = hashtextextended(name, 0)
JOIN pg_stat_activity AS activity ON activity.pid = held.pid
WHERE held.pid <> pg_backend_pid()
LIMIT 1;

-- name: refresh_statistics()!
-- Gives the planner the sizes that the tables trading writes have by now, and so replaces the plans
-- it made while they were empty. Quotes are left out: reading all their months takes a second.
ANALYZE decisions, edges, orders, fills, trades, positions, account_ledger, account_balance,
    settlements, position_exits, exit_attempts, equity_points, order_events;
