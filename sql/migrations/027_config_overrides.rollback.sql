SELECT refuse_to_drop_rows('config_overrides');

DROP TABLE config_overrides;
