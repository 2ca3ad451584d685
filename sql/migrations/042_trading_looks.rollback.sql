SELECT refuse_to_drop_rows('trading_looks');

DROP TABLE trading_looks;
