SELECT refuse_to_drop_rows('feature_definitions');

DROP TABLE features_historical;
DROP TABLE feature_definitions;
