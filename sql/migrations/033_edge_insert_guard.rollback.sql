DROP TRIGGER trg_edges_scd2_insert ON edges;
DROP TRIGGER trg_edges_scd2 ON edges;
CREATE TRIGGER trg_edges_scd2
    BEFORE INSERT OR UPDATE OR DELETE ON edges
    FOR EACH ROW EXECUTE FUNCTION scd2_guard('execution_environment', 'backtest_run_id', 'edge_key');
DROP FUNCTION edges_insert_guard();
