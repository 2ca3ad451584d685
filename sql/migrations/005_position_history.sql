-- Every state a position ever had. Written by trigger, so no writer can forget it; the clock of
-- the monitor (last_check_time) is no event.

CREATE TABLE position_history (
    position_history_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position_id BIGINT NOT NULL
        CONSTRAINT fk_position_history_position_id
        REFERENCES positions (position_id) ON DELETE RESTRICT,
    version INTEGER NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    changed_columns JSONB NOT NULL,
    row_data JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_position_history_position_id_version UNIQUE (position_id, version)
);

CREATE TRIGGER trg_position_history_no_change
    BEFORE UPDATE OR DELETE ON position_history
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_position_history_no_truncate
    BEFORE TRUNCATE ON position_history
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE position_history IS
    'The whole row of a position after each change, numbered per position. Written by trigger on '
    'positions only.';
COMMENT ON COLUMN position_history.position_history_id IS 'Surrogate key.';
COMMENT ON COLUMN position_history.position_id IS 'Position that changed.';
COMMENT ON COLUMN position_history.version IS 'Number of the state, 1 = as opened; no gaps.';
COMMENT ON COLUMN position_history.changed_at IS 'Time of the transaction that changed it.';
COMMENT ON COLUMN position_history.changed_columns IS
    'Names of the columns that differ from the version before; at version 1 those that are set.';
COMMENT ON COLUMN position_history.row_data IS
    'The row after the change, by column name; decimals as strings.';
COMMENT ON COLUMN position_history.created_at IS 'When the row was stored (database clock, UTC).';


CREATE TRIGGER trg_positions_history
    AFTER INSERT OR UPDATE ON positions
    FOR EACH ROW EXECUTE FUNCTION write_history(
        'position_history', 'position_id', 'last_check_time', 'updated_at'
    );
