-- Views: what holds now, and what the ledger says about who earned what. Column lists are explicit,
-- so that a column added to a table later changes no reader.


-- What holds now ---------------------------------------------------------------------------------

CREATE VIEW current_markets (
    market_id, platform_id, event_id, game_id, ticker, market_type, yes_team_id,
    title, status, open_at, close_at, expected_expiration_at, price_ranges, count_step,
    observed_at, yes_bid, yes_ask, yes_bid_size, yes_ask_size, last_price, volume, open_interest,
    source, known_at
) AS
SELECT
    m.market_id, m.platform_id, m.event_id, e.game_id, m.ticker, m.market_type, m.yes_team_id,
    a.title, a.status, a.open_at, a.close_at, a.expected_expiration_at, a.price_ranges,
    a.count_step,
    s.observed_at, s.yes_bid, s.yes_ask, s.yes_bid_size, s.yes_ask_size, s.last_price, s.volume,
    s.open_interest, s.source, s.known_at
FROM markets AS m
JOIN events AS e ON e.event_id = m.event_id
LEFT JOIN market_attributes AS a ON a.market_id = m.market_id AND a.row_current_ind
-- One probe of the primary key per market, instead of sorting all quotes.
LEFT JOIN LATERAL (
    SELECT
        q.observed_at, q.yes_bid, q.yes_ask, q.yes_bid_size, q.yes_ask_size, q.last_price,
        q.volume, q.open_interest, q.source, q.known_at
    FROM market_snapshots AS q
    WHERE q.market_id = m.market_id
    ORDER BY q.observed_at DESC
    LIMIT 1
) AS s ON true;
COMMENT ON VIEW current_markets IS
    'Every market with its current attributes and latest quote; NULL where it has none yet. The '
    'latest quote is the newest observed, whenever it became known: a decision at an earlier time '
    'must read market_snapshots.';


CREATE VIEW current_edges (
    edge_id, execution_environment, backtest_run_id, edge_key, market_id, ticker, side,
    strategy_id, model_id, method_id, prediction_id, matrix_id, calculation_run_id,
    true_win_probability, market_implied_probability, market_price, fee, expected_value,
    confidence_level, confidence_metrics, recommended_action, event_ts, known_at, row_start_ts
) AS
SELECT
    e.edge_id, e.execution_environment, e.backtest_run_id, e.edge_key, e.market_id, m.ticker,
    e.side,
    e.strategy_id, e.model_id, e.method_id, e.prediction_id, e.matrix_id, e.calculation_run_id,
    e.true_win_probability, e.market_implied_probability, e.market_price, e.fee, e.expected_value,
    e.confidence_level, e.confidence_metrics, e.recommended_action, e.event_ts, e.known_at,
    e.row_start_ts
FROM edges AS e
JOIN markets AS m ON m.market_id = e.market_id
WHERE e.row_current_ind;
COMMENT ON VIEW current_edges IS
    'The latest valuation per market, side, versions, environment and run. Latest does not mean '
    'tradable: look at known_at, for the last quote of a finished game stays here.';


CREATE VIEW current_game_states (
    game_state_id, game_id, game_key, league, season, home_team_id, away_team_id, status,
    kickoff_at, period, clock_seconds, home_score, away_score, possession, situation, source,
    event_ts, known_at, row_start_ts
) AS
SELECT
    s.game_state_id, s.game_id, g.game_key, g.league, g.season, g.home_team_id, g.away_team_id,
    s.status, s.kickoff_at, s.period, s.clock_seconds, s.home_score, s.away_score, s.possession,
    s.situation, s.source, s.event_ts, s.known_at, s.row_start_ts
FROM game_states AS s
JOIN games AS g ON g.game_id = s.game_id
WHERE s.row_current_ind;
COMMENT ON VIEW current_game_states IS
    'The current live state of each game that has one, with its teams.';


CREATE VIEW current_balances (
    balance_id, platform_id, execution_environment, backtest_run_id, balance, portfolio_value,
    currency, source, event_ts, known_at, row_start_ts
) AS
SELECT
    b.balance_id, b.platform_id, b.execution_environment, b.backtest_run_id, b.balance,
    b.portfolio_value, b.currency, b.source, b.event_ts, b.known_at, b.row_start_ts
FROM account_balance AS b
WHERE b.row_current_ind;
COMMENT ON VIEW current_balances IS 'Cash per venue, environment and run as it stands now.';


CREATE VIEW current_trading_controls (
    control_id, execution_environment, backtest_run_id, scope, scope_key, state, reason, set_by,
    set_by_kind, breaker_event_id, created_at
) AS
SELECT DISTINCT ON (c.execution_environment, c.backtest_run_id, c.scope, c.scope_key)
    c.control_id, c.execution_environment, c.backtest_run_id, c.scope, c.scope_key, c.state,
    c.reason, c.set_by, c.set_by_kind, c.breaker_event_id, c.created_at
FROM trading_controls AS c
ORDER BY
    c.execution_environment, c.backtest_run_id, c.scope, c.scope_key, c.control_id DESC;
COMMENT ON VIEW current_trading_controls IS
    'The ruling command of each scope. Of several that apply the strictest wins; none at all means '
    'halted in live and running elsewhere.';


CREATE VIEW open_positions (
    position_id, position_key, platform_id, market_id, ticker, execution_environment,
    backtest_run_id, side, original_quantity, quantity, entry_price, fees, realized_pnl,
    strategy_id, model_id, method_id, edge_at_entry, target_price, stop_loss_price,
    trailing_stop_active, trailing_stop_price, peak_price, entry_time, last_check_time,
    current_price, unrealized_pnl, unrealized_pnl_pct
) AS
SELECT
    p.position_id, p.position_key, p.platform_id, p.market_id, m.ticker, p.execution_environment,
    p.backtest_run_id, p.side, p.original_quantity, p.quantity, p.entry_price, p.fees,
    p.realized_pnl, p.strategy_id, p.model_id, p.method_id, p.edge_at_entry, p.target_price,
    p.stop_loss_price, p.trailing_stop_active, p.trailing_stop_price, p.peak_price, p.entry_time,
    p.last_check_time, p.current_price, p.unrealized_pnl, p.unrealized_pnl_pct
FROM positions AS p
JOIN markets AS m ON m.market_id = p.market_id
WHERE p.status = 'open';
COMMENT ON VIEW open_positions IS 'Positions with contracts left, in every environment.';


CREATE VIEW active_strategies (
    strategy_id, strategy_name, strategy_version, strategy_type, category, league, config, status,
    activated_at, approved_by
) AS
SELECT
    s.strategy_id, s.strategy_name, s.strategy_version, s.strategy_type, s.category, s.league,
    s.config, s.status, s.activated_at, s.approved_by
FROM strategies AS s
WHERE s.status = 'active';
COMMENT ON VIEW active_strategies IS
    'Strategy versions that may trade live. Versions in status testing trade paper and demo only '
    'and are not listed.';


CREATE VIEW active_models (
    model_id, model_name, model_version, model_type, category, league, config, status, activated_at,
    approved_by
) AS
SELECT
    m.model_id, m.model_name, m.model_version, m.model_type, m.category, m.league, m.config,
    m.status, m.activated_at, m.approved_by
FROM probability_models AS m
WHERE m.status = 'active';
COMMENT ON VIEW active_models IS
    'Model versions that may trade live. Versions in status testing trade paper and demo only and '
    'are not listed.';


CREATE VIEW active_methods (
    method_id, method_name, method_version, description, strategy_id, strategy_name,
    strategy_version, model_id, model_name, model_version, template_id, config_hash, status,
    activated_at, approved_by
) AS
SELECT
    m.method_id, m.method_name, m.method_version, m.description, m.strategy_id, s.strategy_name,
    s.strategy_version, m.model_id, p.model_name, p.model_version, m.template_id, m.config_hash,
    m.status, m.activated_at, m.approved_by
FROM methods AS m
JOIN strategies AS s ON s.strategy_id = m.strategy_id
JOIN probability_models AS p ON p.model_id = m.model_id
WHERE m.status = 'active';
COMMENT ON VIEW active_methods IS
    'Methods that may trade live, with the versions they are made of.';


-- Watching positions -----------------------------------------------------------------------------

CREATE VIEW positions_urgent_monitoring (
    position_id, position_key, market_id, execution_environment, backtest_run_id, side, quantity,
    entry_price, current_price, stop_loss_price, target_price, trailing_stop_active,
    trailing_stop_price, last_check_time, is_urgent
) AS
SELECT
    p.position_id, p.position_key, p.market_id, p.execution_environment, p.backtest_run_id, p.side,
    p.quantity, p.entry_price, p.current_price, p.stop_loss_price, p.target_price,
    p.trailing_stop_active, p.trailing_stop_price, p.last_check_time,
    -- One-sided: a price beyond the stop or the target is no less urgent.
    COALESCE(p.current_price <= p.stop_loss_price + 0.02, false)
    OR COALESCE(p.current_price >= p.target_price - 0.02, false)
    OR (
        p.trailing_stop_active
        AND COALESCE(p.current_price <= p.trailing_stop_price * 1.02, false)
    )
FROM positions AS p
WHERE p.status = 'open';
COMMENT ON VIEW positions_urgent_monitoring IS
    'Open positions, and whether the monitor must look every 5 s instead of every 30 s.';
COMMENT ON COLUMN positions_urgent_monitoring.is_urgent IS
    'True within $0.02 of stop or target, or within 2 % above an active trailing stop, or beyond '
    'one of them; false without a current price.';


CREATE VIEW stale_position_alerts (
    position_id, position_key, market_id, execution_environment, backtest_run_id, side, quantity,
    entry_time, last_check_time, unchecked_for
) AS
SELECT
    p.position_id, p.position_key, p.market_id, p.execution_environment, p.backtest_run_id, p.side,
    p.quantity, p.entry_time, p.last_check_time,
    now() - COALESCE(p.last_check_time, p.entry_time)
FROM positions AS p
WHERE p.status = 'open'
  AND COALESCE(p.last_check_time, p.entry_time) < now() - INTERVAL '60 seconds';
COMMENT ON VIEW stale_position_alerts IS
    'Open positions that no monitor has looked at for 60 s: while they are listed, no stop '
    'protects them.';
COMMENT ON COLUMN stale_position_alerts.unchecked_for IS
    'Time since the last check, or since the entry when there was none.';


-- Attribution ------------------------------------------------------------------------------------

CREATE VIEW trade_attribution (
    trade_id, execution_environment, backtest_run_id, trade_source, platform_id, market_id, ticker,
    action, side, price, quantity, fee, event_ts, position_id, fill_id,
    order_id, client_order_id, order_status,
    decision_id, decision_key, tick_id, decided_at, purpose,
    prediction_id, game_id, p_home, predicted_at,
    training_run_id, mlflow_run_id, git_sha, dataset_id, dataset_sha256,
    strategy_id, strategy_name, strategy_version,
    model_id, model_name, model_version,
    method_id, method_name, method_version
) AS
SELECT
    t.trade_id, t.execution_environment, t.backtest_run_id, t.trade_source, t.platform_id,
    t.market_id, k.ticker, t.action, t.side, t.price, t.quantity, t.fee, t.event_ts, t.position_id,
    t.fill_id,
    o.order_id, o.client_order_id, o.status,
    d.decision_id, d.decision_key, d.tick_id, d.decided_at, d.purpose,
    p.prediction_id, p.game_id, p.p_home, p.event_ts,
    r.training_run_id, r.mlflow_run_id, r.git_sha, b.dataset_id, b.sha256,
    t.strategy_id, s.strategy_name, s.strategy_version,
    t.model_id, m.model_name, m.model_version,
    t.method_id, h.method_name, h.method_version
FROM trades AS t
JOIN markets AS k ON k.market_id = t.market_id
JOIN fills AS f ON f.fill_id = t.fill_id
LEFT JOIN orders AS o ON o.order_id = f.order_id
LEFT JOIN decisions AS d ON d.decision_id = t.decision_id
LEFT JOIN predictions AS p ON p.prediction_id = d.prediction_id
LEFT JOIN model_training_runs AS r ON r.training_run_id = p.training_run_id
LEFT JOIN training_datasets AS b ON b.dataset_id = r.dataset_id
LEFT JOIN strategies AS s ON s.strategy_id = t.strategy_id
LEFT JOIN probability_models AS m ON m.model_id = t.model_id
LEFT JOIN methods AS h ON h.method_id = t.method_id;
COMMENT ON VIEW trade_attribution IS
    'Each trade, traced back: order, decision, prediction, training run and the hash of its data, '
    'with the versions of strategy, model and method. Exactly one row per trade; NULL where a '
    'manual trade or an exit without prediction has no such link.';
COMMENT ON COLUMN trade_attribution.order_status IS 'Status of the order that was executed.';
COMMENT ON COLUMN trade_attribution.predicted_at IS
    'As-of time of the prediction: its inputs were known by then.';
COMMENT ON COLUMN trade_attribution.dataset_sha256 IS
    'SHA-256 of the training data behind the prediction.';


-- Results ----------------------------------------------------------------------------------------

CREATE VIEW exit_performance_summary (
    execution_environment, exit_condition, exits, contracts_exited, attempts, fill_rate,
    realized_pnl, slippage, trigger_to_fill_p95_s
) AS
WITH exits AS (
    SELECT
        x.execution_environment,
        x.exit_condition,
        count(*) AS exits,
        sum(x.quantity_exited) AS contracts_exited,
        sum(x.realized_pnl) AS realized_pnl,
        sum(t.slippage * x.quantity_exited)
            / sum(x.quantity_exited) FILTER (WHERE t.slippage IS NOT NULL) AS slippage,
        percentile_cont(0.95) WITHIN GROUP (
            ORDER BY extract(EPOCH FROM x.executed_at - x.triggered_at)::DOUBLE PRECISION
        ) AS trigger_to_fill_p95_s
    FROM position_exits AS x
    JOIN trades AS t ON t.trade_id = x.trade_id
    GROUP BY x.execution_environment, x.exit_condition
),
attempts AS (
    SELECT
        a.execution_environment,
        a.exit_condition,
        count(*) AS attempts,
        sum(a.filled_quantity) / sum(a.quantity) AS fill_rate
    FROM exit_attempts AS a
    GROUP BY a.execution_environment, a.exit_condition
)
SELECT
    execution_environment,
    exit_condition,
    COALESCE(x.exits, 0),
    COALESCE(x.contracts_exited, 0),
    COALESCE(a.attempts, 0),
    round(a.fill_rate, 4),
    COALESCE(x.realized_pnl, 0),
    round(x.slippage, 6),
    x.trigger_to_fill_p95_s
FROM exits AS x
FULL JOIN attempts AS a USING (execution_environment, exit_condition);
COMMENT ON VIEW exit_performance_summary IS
    'How each exit condition performs per environment; all backtest runs count together.';
COMMENT ON COLUMN exit_performance_summary.exits IS
    'Exits booked to the condition; a trade that serves two conditions counts once in each.';
COMMENT ON COLUMN exit_performance_summary.contracts_exited IS 'Contracts sold for the condition.';
COMMENT ON COLUMN exit_performance_summary.attempts IS
    'Finished exit orders; more than exits when rungs of the ladder went unfilled.';
COMMENT ON COLUMN exit_performance_summary.fill_rate IS
    'Contracts filled as a fraction of contracts ordered over all attempts; NULL without attempts.';
COMMENT ON COLUMN exit_performance_summary.realized_pnl IS
    'Profit or loss in dollars, after fees, of the contracts exited.';
COMMENT ON COLUMN exit_performance_summary.slippage IS
    'Mean of the slippage of the exit trades in dollars per contract, weighted by contracts; '
    'positive = worse for us; NULL when no trade carries one.';
COMMENT ON COLUMN exit_performance_summary.trigger_to_fill_p95_s IS
    'Seconds from trigger to execution that 95 % of the exits stayed within (interpolated).';


CREATE VIEW method_performance (
    method_id, method_name, method_version, status, total_trades, total_fills, win_rate,
    net_pnl, sharpe, last_finished_at,
    paper_trades, paper_win_rate, paper_roi, paper_mean_return, paper_return_stddev,
    live_trades, live_win_rate, live_roi, live_mean_return, live_return_stddev
) AS
WITH movements AS (
    SELECT
        e.position_id,
        e.amount,
        -- A reversal counts as the kind of movement it takes back.
        COALESCE(reversed.entry_type, e.entry_type) AS kind
    FROM account_ledger AS e
    LEFT JOIN account_ledger AS reversed ON reversed.entry_id = e.reverses_entry_id
    WHERE e.position_id IS NOT NULL
),
finished_positions AS (
    SELECT
        p.position_id,
        p.method_id,
        p.execution_environment,
        p.exit_time,
        sum(m.amount) AS net,
        -sum(m.amount) FILTER (WHERE m.kind = 'purchase') AS cost
    FROM positions AS p
    JOIN movements AS m ON m.position_id = p.position_id
    WHERE p.status <> 'open'
      AND p.method_id IS NOT NULL
      AND p.execution_environment IN ('paper', 'live')
    GROUP BY p.position_id
),
returns AS (
    SELECT
        f.*,
        (f.net > 0)::INTEGER::NUMERIC AS won,
        (f.net / NULLIF(f.cost, 0))::DOUBLE PRECISION AS return_on_cost
    FROM finished_positions AS f
),
results AS (
    SELECT
        r.method_id,
        count(*) AS trades,
        avg(r.won) AS win_rate,
        sum(r.net) AS net,
        avg(r.return_on_cost) / NULLIF(stddev_samp(r.return_on_cost), 0) AS sharpe,
        max(r.exit_time) AS last_finished_at,
        count(*) FILTER (WHERE r.execution_environment = 'paper') AS paper_trades,
        avg(r.won) FILTER (WHERE r.execution_environment = 'paper') AS paper_win_rate,
        sum(r.net) FILTER (WHERE r.execution_environment = 'paper')
            / NULLIF(sum(r.cost) FILTER (WHERE r.execution_environment = 'paper'), 0) AS paper_roi,
        avg(r.return_on_cost)
            FILTER (WHERE r.execution_environment = 'paper') AS paper_mean_return,
        stddev_samp(r.return_on_cost)
            FILTER (WHERE r.execution_environment = 'paper') AS paper_return_stddev,
        count(*) FILTER (WHERE r.execution_environment = 'live') AS live_trades,
        avg(r.won) FILTER (WHERE r.execution_environment = 'live') AS live_win_rate,
        sum(r.net) FILTER (WHERE r.execution_environment = 'live')
            / NULLIF(sum(r.cost) FILTER (WHERE r.execution_environment = 'live'), 0) AS live_roi,
        avg(r.return_on_cost)
            FILTER (WHERE r.execution_environment = 'live') AS live_mean_return,
        stddev_samp(r.return_on_cost)
            FILTER (WHERE r.execution_environment = 'live') AS live_return_stddev
    FROM returns AS r
    GROUP BY r.method_id
),
fill_counts AS (
    SELECT t.method_id, count(*) AS fills
    FROM trades AS t
    WHERE t.execution_environment IN ('paper', 'live')
    GROUP BY t.method_id
)
SELECT
    h.method_id,
    h.method_name,
    h.method_version,
    h.status,
    COALESCE(r.trades, 0),
    COALESCE(c.fills, 0),
    round(r.win_rate, 4),
    COALESCE(r.net, 0),
    r.sharpe,
    r.last_finished_at,
    COALESCE(r.paper_trades, 0),
    round(r.paper_win_rate, 4),
    round(r.paper_roi, 6),
    r.paper_mean_return,
    r.paper_return_stddev,
    COALESCE(r.live_trades, 0),
    round(r.live_win_rate, 4),
    round(r.live_roi, 6),
    r.live_mean_return,
    r.live_return_stddev
FROM methods AS h
LEFT JOIN results AS r ON r.method_id = h.method_id
LEFT JOIN fill_counts AS c ON c.method_id = h.method_id;
COMMENT ON VIEW method_performance IS
    'Results of each method, recounted from the ledger. A trade here is a finished position, '
    'bought in however many fills, and its result is the sum of all its cash movements. Paper and '
    'live only: backtests play the same games again and again, and demo prices are no market.';
COMMENT ON COLUMN method_performance.total_trades IS
    'Finished positions, paper and live: the n of win_rate and sharpe.';
COMMENT ON COLUMN method_performance.total_fills IS
    'Rows of trades, paper and live, those of open positions included.';
COMMENT ON COLUMN method_performance.win_rate IS
    'Finished positions with a profit after fees, as a fraction of all; NULL when none finished.';
COMMENT ON COLUMN method_performance.net_pnl IS
    'Profit or loss in dollars of the finished positions, after fees.';
COMMENT ON COLUMN method_performance.sharpe IS
    'Mean over standard deviation of the returns per finished position (net / cost), not '
    'annualised; NULL below two positions.';
COMMENT ON COLUMN method_performance.last_finished_at IS
    'When the latest of the finished positions ended.';
COMMENT ON COLUMN method_performance.paper_trades IS 'Finished positions in paper.';
COMMENT ON COLUMN method_performance.paper_win_rate IS 'As win_rate, paper only.';
COMMENT ON COLUMN method_performance.paper_roi IS
    'Net profit of the finished paper positions divided by the price paid for them, fees in the '
    'profit and not in the price; NULL when none finished.';
COMMENT ON COLUMN method_performance.paper_mean_return IS
    'Mean of net / cost over the finished paper positions, each counting alike.';
COMMENT ON COLUMN method_performance.paper_return_stddev IS
    'Sample standard deviation of the same returns.';
COMMENT ON COLUMN method_performance.live_trades IS 'Finished positions in live.';
COMMENT ON COLUMN method_performance.live_win_rate IS 'As win_rate, live only.';
COMMENT ON COLUMN method_performance.live_roi IS 'As paper_roi, live only.';
COMMENT ON COLUMN method_performance.live_mean_return IS 'As paper_mean_return, live only.';
COMMENT ON COLUMN method_performance.live_return_stddev IS 'As paper_return_stddev, live only.';


CREATE VIEW method_comparison (
    execution_environment, method_a_id, method_a_name, method_a_version, method_b_id, method_b_name,
    method_b_version, n_a, n_b, win_rate_difference, roi_difference, mean_return_difference,
    standard_error
) AS
WITH arms AS (
    SELECT
        p.method_id, p.method_name, p.method_version,
        e.execution_environment, e.n, e.win_rate, e.roi, e.mean_return, e.return_stddev
    FROM method_performance AS p
    CROSS JOIN LATERAL (
        VALUES
            (
                'paper', p.paper_trades, p.paper_win_rate, p.paper_roi, p.paper_mean_return,
                p.paper_return_stddev
            ),
            (
                'live', p.live_trades, p.live_win_rate, p.live_roi, p.live_mean_return,
                p.live_return_stddev
            )
    ) AS e (execution_environment, n, win_rate, roi, mean_return, return_stddev)
    WHERE e.n > 0
)
SELECT
    a.execution_environment,
    a.method_id,
    a.method_name,
    a.method_version,
    b.method_id,
    b.method_name,
    b.method_version,
    a.n,
    b.n,
    a.win_rate - b.win_rate,
    a.roi - b.roi,
    a.mean_return - b.mean_return,
    sqrt(power(a.return_stddev, 2) / a.n + power(b.return_stddev, 2) / b.n)
FROM arms AS a
JOIN arms AS b
    ON b.execution_environment = a.execution_environment
    AND b.method_id > a.method_id;
COMMENT ON VIEW method_comparison IS
    'Each pair of methods once per environment, a minus b. A mean_return_difference within two '
    'standard errors of zero is no evidence that one is better.';
COMMENT ON COLUMN method_comparison.execution_environment IS
    'paper or live; results of one are never compared with the other.';
COMMENT ON COLUMN method_comparison.method_a_id IS 'Method a, the one with the lower id.';
COMMENT ON COLUMN method_comparison.method_a_name IS 'Name of method a.';
COMMENT ON COLUMN method_comparison.method_a_version IS 'Version of method a.';
COMMENT ON COLUMN method_comparison.method_b_id IS 'Method b.';
COMMENT ON COLUMN method_comparison.method_b_name IS 'Name of method b.';
COMMENT ON COLUMN method_comparison.method_b_version IS 'Version of method b.';
COMMENT ON COLUMN method_comparison.n_a IS 'Finished positions of a.';
COMMENT ON COLUMN method_comparison.n_b IS 'Finished positions of b.';
COMMENT ON COLUMN method_comparison.win_rate_difference IS 'Win rate of a minus that of b.';
COMMENT ON COLUMN method_comparison.roi_difference IS
    'Return on the money paid, a minus b; large positions weigh more.';
COMMENT ON COLUMN method_comparison.mean_return_difference IS
    'Mean return per position, a minus b; every position weighs the same.';
COMMENT ON COLUMN method_comparison.standard_error IS
    'Standard error of mean_return_difference for independent arms of unequal variance (Welch): '
    'sqrt(var_a / n_a + var_b / n_b); NULL when an arm has fewer than two positions.';


CREATE VIEW pnl_by_strategy_model (
    execution_environment, backtest_run_id,
    strategy_id, strategy_name, strategy_version,
    model_id, model_name, model_version,
    method_id, method_name, method_version,
    positions, realised, settlement, fees, open_cost, adjustments, net
) AS
WITH movements AS (
    SELECT
        e.execution_environment,
        e.backtest_run_id,
        e.position_id,
        e.fill_id,
        e.amount,
        -- A reversal counts as the kind of movement it takes back.
        COALESCE(reversed.entry_type, e.entry_type) AS kind
    FROM account_ledger AS e
    LEFT JOIN account_ledger AS reversed ON reversed.entry_id = e.reverses_entry_id
),
-- Attribution follows the position; a movement without one follows the trade of its fill (unique
-- per fill, so no movement counts twice); the rest stays unattributed.
attributed AS (
    SELECT
        m.execution_environment,
        m.backtest_run_id,
        m.position_id,
        CASE WHEN p.position_id IS NULL THEN t.strategy_id ELSE p.strategy_id END AS strategy_id,
        CASE WHEN p.position_id IS NULL THEN t.model_id ELSE p.model_id END AS model_id,
        CASE WHEN p.position_id IS NULL THEN t.method_id ELSE p.method_id END AS method_id,
        m.kind,
        m.amount
    FROM movements AS m
    LEFT JOIN positions AS p ON p.position_id = m.position_id
    LEFT JOIN trades AS t ON t.fill_id = m.fill_id
    WHERE m.kind NOT IN ('deposit', 'withdrawal')
),
cash AS (
    SELECT
        a.execution_environment,
        a.backtest_run_id,
        a.strategy_id,
        a.model_id,
        a.method_id,
        a.position_id,
        COALESCE(-sum(a.amount) FILTER (WHERE a.kind = 'purchase'), 0) AS purchases,
        COALESCE(sum(a.amount) FILTER (WHERE a.kind = 'sale'), 0) AS sales,
        COALESCE(sum(a.amount) FILTER (WHERE a.kind = 'settlement'), 0) AS payouts,
        COALESCE(-sum(a.amount) FILTER (WHERE a.kind IN ('fee', 'rebate', 'rounding')), 0) AS fees,
        COALESCE(sum(a.amount) FILTER (WHERE a.kind = 'adjustment'), 0) AS adjustments,
        sum(a.amount) AS net
    FROM attributed AS a
    GROUP BY
        a.execution_environment, a.backtest_run_id, a.strategy_id, a.model_id, a.method_id,
        a.position_id
),
sold AS (
    SELECT t.position_id, sum(t.quantity) AS quantity
    FROM trades AS t
    WHERE t.action = 'sell'
      AND t.position_id IS NOT NULL
    GROUP BY t.position_id
),
-- What the contracts cost that were not sold. Nothing sold: all that was paid, free of the rounding
-- of the average cost.
costed AS (
    SELECT
        c.*,
        p.status,
        CASE
            WHEN p.status IN ('open', 'settled') AND s.quantity IS NULL THEN c.purchases
            WHEN p.status IN ('open', 'settled')
                THEN round(p.entry_price * (p.original_quantity - s.quantity), 6)
            ELSE 0
        END AS kept_cost
    FROM cash AS c
    LEFT JOIN positions AS p ON p.position_id = c.position_id
    LEFT JOIN sold AS s ON s.position_id = c.position_id
),
results AS (
    SELECT
        c.execution_environment,
        c.backtest_run_id,
        c.strategy_id,
        c.model_id,
        c.method_id,
        count(c.position_id) AS positions,
        sum(c.sales - (c.purchases - c.kept_cost)) AS realised,
        sum(c.payouts - CASE WHEN c.status = 'settled' THEN c.kept_cost ELSE 0 END) AS settlement,
        sum(c.fees) AS fees,
        sum(CASE WHEN c.status = 'open' THEN c.kept_cost ELSE 0 END) AS open_cost,
        sum(c.adjustments) AS adjustments,
        sum(c.net) AS net
    FROM costed AS c
    GROUP BY
        c.execution_environment, c.backtest_run_id, c.strategy_id, c.model_id, c.method_id
)
SELECT
    r.execution_environment,
    r.backtest_run_id,
    r.strategy_id,
    s.strategy_name,
    s.strategy_version,
    r.model_id,
    m.model_name,
    m.model_version,
    r.method_id,
    h.method_name,
    h.method_version,
    r.positions,
    r.realised,
    r.settlement,
    r.fees,
    r.open_cost,
    r.adjustments,
    r.net
FROM results AS r
LEFT JOIN strategies AS s ON s.strategy_id = r.strategy_id
LEFT JOIN probability_models AS m ON m.model_id = r.model_id
LEFT JOIN methods AS h ON h.method_id = r.method_id;
COMMENT ON VIEW pnl_by_strategy_model IS
    'Who earned what, per environment, run, strategy, model and method. A row without strategy and '
    'model is unattributed money. The sum of net is the sum of account_ledger without deposits and '
    'withdrawals, exactly; net = realised + settlement - fees - open_cost + adjustments.';
COMMENT ON COLUMN pnl_by_strategy_model.positions IS 'Positions with at least one movement.';
COMMENT ON COLUMN pnl_by_strategy_model.realised IS
    'Dollars received for contracts sold minus their average cost, before fees.';
COMMENT ON COLUMN pnl_by_strategy_model.settlement IS
    'Dollars paid out for contracts held to settlement minus their average cost; settlement itself '
    'is free of fees.';
COMMENT ON COLUMN pnl_by_strategy_model.fees IS
    'Dollars paid in fees and fee rounding, less rebates; positive = paid.';
COMMENT ON COLUMN pnl_by_strategy_model.open_cost IS
    'Dollars paid for contracts still held: spent, so part of net, but neither won nor lost yet.';
COMMENT ON COLUMN pnl_by_strategy_model.adjustments IS 'Dollars booked as adjustment, signed.';
COMMENT ON COLUMN pnl_by_strategy_model.net IS
    'Dollars received minus dollars paid, capital apart: the sum of the movements in the ledger.';


-- A column that a view passes on keeps the comment of its table. The first table that has a column
-- of that name gives it.
DO $$
DECLARE
    passed_on RECORD;
    missing TEXT;
BEGIN
    FOR passed_on IN
        SELECT DISTINCT ON (s.view, v.attnum)
            s.view,
            v.attname AS column_name,
            col_description(t.attrelid, t.attnum) AS description
        FROM (
            VALUES
                ('current_markets', 1, 'markets'),
                ('current_markets', 2, 'market_attributes'),
                ('current_markets', 3, 'market_snapshots'),
                ('current_markets', 4, 'events'),
                ('current_edges', 1, 'edges'),
                ('current_edges', 2, 'markets'),
                ('current_game_states', 1, 'game_states'),
                ('current_game_states', 2, 'games'),
                ('current_balances', 1, 'account_balance'),
                ('current_trading_controls', 1, 'trading_controls'),
                ('open_positions', 1, 'positions'),
                ('open_positions', 2, 'markets'),
                ('active_strategies', 1, 'strategies'),
                ('active_models', 1, 'probability_models'),
                ('active_methods', 1, 'methods'),
                ('active_methods', 2, 'strategies'),
                ('active_methods', 3, 'probability_models'),
                ('positions_urgent_monitoring', 1, 'positions'),
                ('stale_position_alerts', 1, 'positions'),
                ('trade_attribution', 1, 'trades'),
                ('trade_attribution', 2, 'orders'),
                ('trade_attribution', 3, 'decisions'),
                ('trade_attribution', 4, 'predictions'),
                ('trade_attribution', 5, 'model_training_runs'),
                ('trade_attribution', 6, 'training_datasets'),
                ('trade_attribution', 7, 'strategies'),
                ('trade_attribution', 8, 'probability_models'),
                ('trade_attribution', 9, 'methods'),
                ('trade_attribution', 10, 'markets'),
                ('exit_performance_summary', 1, 'position_exits'),
                ('method_performance', 1, 'methods'),
                ('pnl_by_strategy_model', 1, 'account_ledger'),
                ('pnl_by_strategy_model', 2, 'strategies'),
                ('pnl_by_strategy_model', 3, 'probability_models'),
                ('pnl_by_strategy_model', 4, 'methods')
        ) AS s (view, priority, source)
        JOIN pg_attribute AS v ON v.attrelid = s.view::REGCLASS AND v.attnum > 0
        JOIN pg_attribute AS t
            ON t.attrelid = s.source::REGCLASS
            AND t.attname = v.attname
            AND t.attnum > 0
        WHERE col_description(v.attrelid, v.attnum) IS NULL
        ORDER BY s.view, v.attnum, s.priority
    LOOP
        EXECUTE format(
            'COMMENT ON COLUMN %I.%I IS %L',
            passed_on.view, passed_on.column_name, passed_on.description
        );
    END LOOP;

    SELECT string_agg(format('%s.%s', c.relname, a.attname), ', ')
    INTO missing
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
    WHERE c.relkind = 'v'
      AND c.relnamespace = current_schema()::REGNAMESPACE
      AND col_description(c.oid, a.attnum) IS NULL;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'view columns without a comment: %', missing;
    END IF;
END;
$$;
