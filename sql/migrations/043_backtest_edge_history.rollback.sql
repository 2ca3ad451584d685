-- Back to the guard of 033. Histories that a backtest stored whole stay: they are as if grown.
CREATE OR REPLACE FUNCTION edges_insert_guard() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    predecessor_end TIMESTAMPTZ;
BEGIN
    IF NOT NEW.row_current_ind OR NEW.row_end_ts IS NOT NULL THEN
        RAISE EXCEPTION 'a row of % is inserted as current: row_current_ind true, row_end_ts NULL',
                TG_TABLE_NAME
            USING ERRCODE = 'check_violation',
                  SCHEMA = TG_TABLE_SCHEMA,
                  TABLE = TG_TABLE_NAME;
    END IF;
    -- Two statements, because IS NOT DISTINCT FROM cannot use the index.
    IF NEW.backtest_run_id IS NULL THEN
        SELECT e.row_end_ts
        INTO predecessor_end
        FROM edges AS e
        WHERE e.execution_environment = NEW.execution_environment
          AND e.backtest_run_id IS NULL
          AND e.edge_key = NEW.edge_key
        ORDER BY e.row_start_ts DESC
        LIMIT 1;
    ELSE
        SELECT e.row_end_ts
        INTO predecessor_end
        FROM edges AS e
        WHERE e.execution_environment = NEW.execution_environment
          AND e.backtest_run_id = NEW.backtest_run_id
          AND e.edge_key = NEW.edge_key
        ORDER BY e.row_start_ts DESC
        LIMIT 1;
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
    'BEFORE INSERT of edges FOR EACH ROW: what scd2_guard refuses on INSERT, with a plan kept per session.';
