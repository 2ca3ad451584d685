SELECT refuse_to_drop_rows('alerts');

DROP TABLE alerts;
DROP TABLE components;
