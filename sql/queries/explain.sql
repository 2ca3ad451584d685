-- The chain behind one trade or decision, link by link, each found by key.

-- name: trade(trade_id)^
-- A trade with its fill and order; a manual trade has no decision.
SELECT
    t.trade_id, t.execution_environment, t.backtest_run_id, t.trade_source, t.platform_id,
    k.ticker, t.action, t.side, t.price, t.quantity, t.fee, t.event_ts, t.position_id, t.fill_id,
    t.decision_id, t.strategy_id, t.model_id, t.method_id, t.edge_at_execution,
    f.price AS fill_price, f.quantity AS fill_quantity, f.fee AS fill_fee,
    f.action AS fill_action, f.side AS fill_side, f.event_ts AS fill_event_ts, f.venue_fill_id,
    o.order_id, o.client_order_id, o.status AS order_status, o.action AS order_action,
    o.side AS order_side, o.purpose, o.limit_price, o.quantity AS order_quantity,
    o.filled_quantity, o.time_in_force, o.attempt_number, o.sent_at, o.closed_at, o.venue_order_id,
    o.decision_id AS order_decision_id, o.strategy_id AS order_strategy_id,
    o.model_id AS order_model_id, o.method_id AS order_method_id,
    (SELECT sum(all_fills.quantity) FROM fills AS all_fills WHERE all_fills.order_id = o.order_id)
        AS order_fills
FROM trades AS t
JOIN markets AS k ON k.market_id = t.market_id
JOIN fills AS f ON f.fill_id = t.fill_id
LEFT JOIN orders AS o ON o.order_id = f.order_id
WHERE t.trade_id = :trade_id;

-- name: decision(decision_id)^
-- A decision with the names that its key is made of.
SELECT
    d.decision_id, d.decision_key, d.tick_id, d.dagster_run_id, d.decided_at,
    d.execution_environment, d.backtest_run_id, d.market_id, d.side, d.purpose, d.exit_condition,
    d.position_id, d.strategy_id, d.model_id, d.method_id, d.prediction_id, d.outcome,
    d.skip_reason, d.probability, d.price, d.fee, d.edge, d.stake, d.quantity,
    d.quote_observed_at, d.inputs,
    m.platform_id, m.ticker, m.yes_team_id,
    s.strategy_name, s.strategy_version, pm.model_name, pm.model_version,
    me.method_name, me.method_version,
    p.position_key, b.run_name,
    g.game_id, g.game_key, g.kickoff_at, g.home_team_id
FROM decisions AS d
JOIN markets AS m ON m.market_id = d.market_id
JOIN events AS e ON e.event_id = m.event_id
LEFT JOIN games AS g ON g.game_id = e.game_id
LEFT JOIN strategies AS s ON s.strategy_id = d.strategy_id
LEFT JOIN probability_models AS pm ON pm.model_id = d.model_id
LEFT JOIN methods AS me ON me.method_id = d.method_id
LEFT JOIN positions AS p ON p.position_id = d.position_id
LEFT JOIN backtest_runs AS b ON b.backtest_run_id = d.backtest_run_id
WHERE d.decision_id = :decision_id;

-- name: entry_of_position(position_id)^
-- The decision that opened a position.
SELECT o.decision_id
FROM trades AS t
JOIN fills AS f ON f.fill_id = t.fill_id
JOIN orders AS o ON o.order_id = f.order_id
WHERE t.position_id = :position_id
  AND t.action = 'buy'
ORDER BY t.trade_id
LIMIT 1;

-- name: edges_at(edge_key, environment, backtest_run_id, decided_at)
-- The valuation in force at a decision; two ticks of one instant are a microsecond apart.
SELECT
    edge_id, edge_key, prediction_id, true_win_probability, market_implied_probability,
    market_price, fee, expected_value, confidence_level, recommended_action, event_ts, known_at
FROM edges
WHERE edge_key = :edge_key
  AND execution_environment = :environment
  AND backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
  AND row_start_ts <= CAST(:decided_at AS TIMESTAMPTZ) + INTERVAL '1 millisecond'
  AND (row_end_ts IS NULL OR row_end_ts >= :decided_at)
ORDER BY row_start_ts DESC;

-- name: quote(market_id, observed_at)^
SELECT
    observed_at, known_at, source, yes_bid, yes_ask, yes_bid_size, yes_ask_size, volume,
    open_interest
FROM market_snapshots
WHERE market_id = :market_id
  AND observed_at = :observed_at;

-- name: prediction(prediction_id)^
-- A prediction with its game, fit, model and dataset.
SELECT
    p.prediction_id, p.game_id, p.model_id, p.training_run_id, p.p_home, p.p_low, p.p_high,
    p.trained_until, p.mlflow_run_id, p.registry_version, p.features_hash, p.event_ts, p.known_at,
    g.game_key, g.kickoff_at, g.source AS game_source, g.source_snapshot_id,
    pm.model_name, pm.model_version, pm.model_type, pm.status AS model_status,
    r.model_id AS run_model_id, r.mlflow_run_id AS run_mlflow_run_id, r.git_sha, r.seed,
    r.trained_until AS run_trained_until, r.status AS run_status, r.dataset_id,
    b.dataset_name, b.dataset_version, b.sha256, b.parquet_path, b.row_count, b.feature_count,
    b.manifest, b.git_sha AS dataset_git_sha
FROM predictions AS p
JOIN games AS g ON g.game_id = p.game_id
JOIN probability_models AS pm ON pm.model_id = p.model_id
JOIN model_training_runs AS r ON r.training_run_id = p.training_run_id
JOIN training_datasets AS b ON b.dataset_id = r.dataset_id
WHERE p.prediction_id = :prediction_id;

-- name: method(method_id)^
SELECT
    me.method_id, me.method_name, me.method_version, me.config_hash, me.position_mgmt_config,
    me.risk_config, me.execution_config, me.sport_config, me.strategy_id, me.model_id,
    s.strategy_name, s.strategy_version, pm.model_name, pm.model_version
FROM methods AS me
JOIN strategies AS s ON s.strategy_id = me.strategy_id
JOIN probability_models AS pm ON pm.model_id = me.model_id
WHERE me.method_id = :method_id;

-- name: dataset_features(dataset_id)
SELECT f.feature_id, f.feature_name, f.feature_version, f.calculation
FROM training_dataset_features AS d
JOIN feature_definitions AS f ON f.feature_id = d.feature_id
WHERE d.dataset_id = :dataset_id
ORDER BY d.ordinal;

-- name: dataset_sources(dataset_id)
SELECT
    s.source_snapshot_id, s.source, s.dataset, s.league, s.season, s.uri, s.sha256, s.row_count,
    s.fetched_at, s.licence
FROM training_dataset_sources AS d
JOIN source_snapshots AS s ON s.source_snapshot_id = d.source_snapshot_id
WHERE d.dataset_id = :dataset_id
ORDER BY s.source_snapshot_id;

-- name: feature_vector(game_id, event_ts, feature_ids)
SELECT f.feature_name, f.feature_version, h.feature_value
FROM features_historical AS h
JOIN feature_definitions AS f ON f.feature_id = h.feature_id
WHERE h.feature_id = ANY (CAST(:feature_ids AS BIGINT[]))
  AND h.entity_type = 'game'
  AND h.entity_id = :game_id
  AND h.event_ts = :event_ts;

-- name: newest_features(names)
-- The newest version of each named feature that was ever released.
SELECT DISTINCT ON (feature_name) feature_id, feature_name, feature_version, calculation
FROM feature_definitions
WHERE feature_name = ANY (CAST(:names AS TEXT[]))
  AND status <> 'draft'
ORDER BY feature_name, feature_id DESC;

-- name: mlflow_run(run_id)^
-- In the database of MLflow, whose schema is its own; these three tables are stable since 1.0.
SELECT
    r.status,
    (SELECT t.value FROM tags AS t WHERE t.run_uuid = r.run_uuid AND t.key = 'dataset_sha256')
        AS dataset_sha256,
    (SELECT t.value FROM tags AS t WHERE t.run_uuid = r.run_uuid AND t.key = 'git_sha') AS git_sha,
    (SELECT t.value FROM tags AS t WHERE t.run_uuid = r.run_uuid AND t.key = 'model_version')
        AS model_version,
    (SELECT t.value FROM tags AS t WHERE t.run_uuid = r.run_uuid AND t.key = 'feature_versions')
        AS feature_versions,
    r.artifact_uri
FROM runs AS r
WHERE r.run_uuid = :run_id;

-- name: tick_of(tick_id, environment, backtest_run_id, decided_at)^
-- What a tick looked at: its first decision bounds what came before, its entries are the candidates.
SELECT
    min(d.decision_id) AS first_id,
    array_agg(DISTINCT d.market_id) FILTER (WHERE d.purpose = 'entry') AS market_ids,
    array_agg(DISTINCT d.model_id) FILTER (WHERE d.purpose = 'entry') AS model_ids,
    array_agg(DISTINCT d.method_id) FILTER (WHERE d.purpose = 'entry') AS method_ids
FROM decisions AS d
WHERE d.tick_id = :tick_id
  AND d.execution_environment = :environment
  AND d.backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
  AND d.decided_at = :decided_at;

-- name: methods_of_tick(method_ids)
SELECT
    me.method_id, me.method_name, me.method_version, me.status, me.risk_config,
    me.position_mgmt_config, me.execution_config, me.sport_config,
    s.strategy_id, s.strategy_name, s.strategy_version, s.status AS strategy_status,
    s.config AS strategy_config, s.league AS strategy_league,
    pm.model_id, pm.model_name, pm.model_version, pm.status AS model_status,
    pm.league AS model_league
FROM methods AS me
JOIN strategies AS s ON s.strategy_id = me.strategy_id
JOIN probability_models AS pm ON pm.model_id = me.model_id
WHERE me.method_id = ANY (CAST(:method_ids AS BIGINT[]))
ORDER BY me.method_name, me.method_id;

-- name: predictions_at(market_ids, model_ids, now)
SELECT
    p.prediction_id, p.game_id, p.model_id, p.training_run_id, p.p_home, p.p_low, p.p_high,
    p.trained_until, p.event_ts, p.known_at
FROM predictions AS p
WHERE p.model_id = ANY (CAST(:model_ids AS BIGINT[]))
  AND p.known_at <= :now
  AND p.game_id IN (
      SELECT e.game_id
      FROM markets AS m
      JOIN events AS e ON e.event_id = m.event_id
      WHERE m.market_id = ANY (CAST(:market_ids AS BIGINT[]))
  )
ORDER BY p.prediction_id;

-- name: cash_before(environment, backtest_run_id, first_id, now)
-- Cash by platform before the orders of a tick: movements known by then that are not of its fills.
SELECT l.platform_id, sum(l.amount) AS cash
FROM account_ledger AS l
LEFT JOIN fills AS f ON f.fill_id = l.fill_id
LEFT JOIN orders AS o ON o.order_id = f.order_id
WHERE l.execution_environment = :environment
  AND l.backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
  AND l.known_at <= :now
  AND (o.decision_id IS NULL OR o.decision_id < :first_id)
GROUP BY l.platform_id;

-- name: executions_before(environment, backtest_run_id, first_id, now)
-- Fills of positions that were open before a tick, in the order in which they were booked.
SELECT
    p.position_id, p.position_key, p.platform_id, p.market_id, p.side, p.strategy_id, p.model_id,
    p.method_id, p.entry_time,
    f.venue_fill_id, f.event_ts AS executed_at, f.action, f.price, f.quantity, f.fee
FROM positions AS p
JOIN trades AS t ON t.position_id = p.position_id
JOIN fills AS f ON f.fill_id = t.fill_id
JOIN orders AS o ON o.order_id = f.order_id
WHERE p.execution_environment = :environment
  AND p.backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
  AND o.decision_id < :first_id
  AND f.known_at <= :now
  AND NOT EXISTS (
      SELECT
      FROM account_ledger AS paid
      WHERE paid.position_id = p.position_id
        AND paid.entry_type = 'settlement'
        AND paid.known_at <= :now
  )
ORDER BY p.position_id, f.fill_id;

-- name: orders_before(environment, backtest_run_id, first_id, now)
-- Orders of earlier ticks: what was filled by then, and whether they still waited.
SELECT
    o.client_order_id, o.platform_id, o.market_id, o.side, o.action, o.purpose, o.limit_price,
    o.quantity - COALESCE(filled.quantity, 0) AS remaining,
    o.strategy_id, o.model_id, o.method_id, o.position_id, o.exit_condition,
    COALESCE(filled.quantity, 0) AS filled,
    o.closed_at IS NULL OR o.closed_at > :now AS waits,
    d.decided_at, e.game_id
FROM orders AS o
JOIN decisions AS d ON d.decision_id = o.decision_id
JOIN markets AS m ON m.market_id = o.market_id
JOIN events AS e ON e.event_id = m.event_id
LEFT JOIN LATERAL (
    SELECT sum(f.quantity) AS quantity
    FROM fills AS f
    WHERE f.order_id = o.order_id
      AND f.known_at <= :now
) AS filled ON true
WHERE o.execution_environment = :environment
  AND o.backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
  AND o.decision_id < :first_id
ORDER BY o.order_id;

-- name: sales_before(environment, backtest_run_id, first_id, now)
SELECT t.platform_id, e.game_id, max(t.event_ts) AS exited_at
FROM trades AS t
JOIN markets AS m ON m.market_id = t.market_id
JOIN events AS e ON e.event_id = m.event_id
WHERE t.execution_environment = :environment
  AND t.backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
  AND t.action = 'sell'
  AND t.decision_id < :first_id
  AND t.event_ts > CAST(:now AS TIMESTAMPTZ) - INTERVAL '1 day'
  AND t.event_ts <= :now
  AND e.game_id IS NOT NULL
GROUP BY t.platform_id, e.game_id;

-- name: breakers_at(environment, backtest_run_id, now)
SELECT breaker_type, action, trigger_value
FROM circuit_breaker_events
WHERE execution_environment = :environment
  AND backtest_run_id IS NOT DISTINCT FROM CAST(:backtest_run_id AS BIGINT)
  AND triggered_at <= :now
  AND (resolved_at IS NULL OR resolved_at > :now)
ORDER BY breaker_event_id;

-- name: newest_trade(environment)$
SELECT trade_id
FROM trades
WHERE execution_environment = :environment
  AND backtest_run_id IS NULL
ORDER BY trade_id DESC
LIMIT 1;
