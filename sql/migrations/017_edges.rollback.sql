SELECT refuse_to_drop_rows('edges');

DROP TABLE edges;
