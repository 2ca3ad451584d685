SELECT refuse_to_drop_rows('predictions');

DROP TABLE predictions;
