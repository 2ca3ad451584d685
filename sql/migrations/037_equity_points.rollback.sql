SELECT refuse_to_drop_rows('equity_points');

DROP TABLE equity_points;
