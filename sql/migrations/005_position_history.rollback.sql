SELECT refuse_to_drop_rows('position_history');

DROP TRIGGER trg_positions_history ON positions;
DROP TABLE position_history;
