SELECT refuse_to_drop_rows('model_evaluations');

DROP TABLE model_evaluations;
