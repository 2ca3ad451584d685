SELECT refuse_to_drop_rows('probability_matrices');

ALTER TABLE edges DROP COLUMN matrix_id;
DROP TABLE probability_matrices;
