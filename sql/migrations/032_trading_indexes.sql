-- Indexes for the questions a trading tick asks again and again, so that its cost does not grow with
-- the history: what was decided on, what is due for settlement, how many entries were made lately.

-- The clock of an environment; without its own index, a large backtest with later times would be
-- walked through first.
CREATE INDEX idx_decisions_execution_environment_decided_at
    ON decisions (execution_environment, decided_at);
COMMENT ON INDEX idx_decisions_execution_environment_decided_at IS
    'Finds the last decision of an environment: the decision clock.';

CREATE INDEX idx_decisions_market_id_quote_observed_at
    ON decisions (market_id, quote_observed_at);
COMMENT ON INDEX idx_decisions_market_id_quote_observed_at IS
    'Tells whether a market was already decided on with a quote or a newer one.';

CREATE INDEX idx_predictions_known_at ON predictions (known_at);
COMMENT ON INDEX idx_predictions_known_at IS
    'Finds predictions that arrived since the last tick.';

CREATE INDEX idx_games_result_known_at ON games (result_known_at)
    WHERE result_known_at IS NOT NULL;
COMMENT ON INDEX idx_games_result_known_at IS 'Finds games whose result became known in an interval.';

CREATE INDEX idx_orders_execution_environment_event_ts
    ON orders (execution_environment, event_ts);
COMMENT ON INDEX idx_orders_execution_environment_event_ts IS
    'Counts the entries of the last hour and day.';

CREATE INDEX idx_positions_market_id_open ON positions (market_id)
    WHERE status = 'open';
COMMENT ON INDEX idx_positions_market_id_open IS
    'The open positions, which are few, among all there ever were.';
