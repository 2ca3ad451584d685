-- Indexes for the questions a trading tick asks again and again, so that its cost does not grow with
-- the history: what was decided on, what is due for settlement, how many entries were made lately.

-- Without backtests, whose times may be later and whose rows would be walked through first. The
-- environment is left to the filter: as first column, an equality on it would lure the planner away
-- from the index below.
CREATE INDEX idx_decisions_decided_at_trading ON decisions (decided_at)
    WHERE backtest_run_id IS NULL;
COMMENT ON INDEX idx_decisions_decided_at_trading IS
    'Finds the last decision outside backtests: the decision clock.';

CREATE INDEX idx_decisions_market_id_execution_environment_quote
    ON decisions (market_id, execution_environment, quote_observed_at)
    WHERE backtest_run_id IS NULL;
COMMENT ON INDEX idx_decisions_market_id_execution_environment_quote IS
    'Tells whether a market was already decided on with a quote or a newer one.';

CREATE INDEX idx_predictions_known_at ON predictions (known_at);
COMMENT ON INDEX idx_predictions_known_at IS
    'Finds predictions that arrived since the last tick.';

CREATE INDEX idx_games_result_known_at ON games (result_known_at)
    WHERE result_known_at IS NOT NULL;
COMMENT ON INDEX idx_games_result_known_at IS 'Finds games whose result became known in an interval.';

CREATE INDEX idx_decisions_execution_environment_decided_at_taken
    ON decisions (execution_environment, decided_at)
    WHERE outcome = 'taken';
COMMENT ON INDEX idx_decisions_execution_environment_decided_at_taken IS
    'Counts the entries of the last hour and day.';

CREATE INDEX idx_positions_market_id_open ON positions (market_id)
    WHERE status = 'open';
COMMENT ON INDEX idx_positions_market_id_open IS
    'The open positions, which are few, among all there ever were.';
