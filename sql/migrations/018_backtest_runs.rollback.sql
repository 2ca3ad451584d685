SELECT refuse_to_drop_rows('backtest_runs');

ALTER TABLE edges DROP CONSTRAINT fk_edges_backtest_run_id;
DROP INDEX idx_edges_backtest_run_id;
-- With the column go its foreign key, its CHECK and the unique index of open positions.
ALTER TABLE positions DROP COLUMN backtest_run_id;
ALTER TABLE trades DROP COLUMN backtest_run_id;
DROP TABLE backtest_runs;
