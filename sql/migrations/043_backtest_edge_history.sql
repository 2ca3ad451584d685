-- A backtest knows the whole history of an edge before it stores any of it. Inserting each version as
-- current and closing it when the next comes wrote every row twice and took half of the storing, so
-- while a run is being written its versions may arrive closed, the oldest first. What the guard
-- keeps is the same: versions of a key never overlap, and one of them at most is current. Every
-- other environment, and every finished run, still inserts current rows only.

CREATE OR REPLACE FUNCTION edges_insert_guard() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    predecessor_end TIMESTAMPTZ;
    predecessor_is_current BOOLEAN;
BEGIN
    IF (NOT NEW.row_current_ind OR NEW.row_end_ts IS NOT NULL)
        AND (NEW.backtest_run_id IS NULL OR NOT EXISTS (
            SELECT
            FROM backtest_runs AS r
            WHERE r.backtest_run_id = NEW.backtest_run_id
              AND r.status = 'running'
        ))
    THEN
        RAISE EXCEPTION 'a row of % is inserted as current: row_current_ind true, row_end_ts NULL',
                TG_TABLE_NAME
            USING ERRCODE = 'check_violation',
                  HINT = 'Closed versions are taken from a running backtest only.',
                  SCHEMA = TG_TABLE_SCHEMA,
                  TABLE = TG_TABLE_NAME;
    END IF;
    -- Two statements, because IS NOT DISTINCT FROM cannot use the index.
    IF NEW.backtest_run_id IS NULL THEN
        SELECT e.row_end_ts, e.row_current_ind
        INTO predecessor_end, predecessor_is_current
        FROM edges AS e
        WHERE e.execution_environment = NEW.execution_environment
          AND e.backtest_run_id IS NULL
          AND e.edge_key = NEW.edge_key
        ORDER BY e.row_start_ts DESC
        LIMIT 1;
    ELSE
        SELECT e.row_end_ts, e.row_current_ind
        INTO predecessor_end, predecessor_is_current
        FROM edges AS e
        WHERE e.execution_environment = NEW.execution_environment
          AND e.backtest_run_id = NEW.backtest_run_id
          AND e.edge_key = NEW.edge_key
        ORDER BY e.row_start_ts DESC
        LIMIT 1;
    END IF;
    -- Two current rows are the unique index's business; a closed one has no place behind a current.
    IF predecessor_is_current AND NOT NEW.row_current_ind THEN
        RAISE EXCEPTION 'a closed row of % comes after the current one of its key', TG_TABLE_NAME
            USING ERRCODE = 'check_violation',
                  HINT = 'Insert the versions of a key oldest first, the current one last.',
                  SCHEMA = TG_TABLE_SCHEMA,
                  TABLE = TG_TABLE_NAME;
    END IF;
    IF NEW.row_start_ts < predecessor_end THEN
        RAISE EXCEPTION 'a row of % starts at %, before its predecessor ended at %',
                TG_TABLE_NAME, NEW.row_start_ts, predecessor_end
            USING ERRCODE = 'check_violation',
                  HINT = 'Rows of one key (execution_environment, backtest_run_id, edge_key) never overlap.',
                  SCHEMA = TG_TABLE_SCHEMA,
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION edges_insert_guard() IS
    'BEFORE INSERT of edges FOR EACH ROW: what scd2_guard refuses on INSERT, with a plan kept per '
    'session; a running backtest may insert closed versions, oldest first.';
