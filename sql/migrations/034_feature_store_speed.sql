-- Filling the feature store took ten times as long as writing its rows: a foreign key asks for every
-- row again what a partition knows from its construction, and an index that begins with the feature
-- is written at as many places as there are features. The rows now arrive in the order of the one
-- index that also answers every question; the asset check feature_keys looks for orphans instead.

ALTER TABLE features_historical
    DROP CONSTRAINT fk_features_historical_feature_id,
    DROP CONSTRAINT fk_features_historical_source_snapshot_id,
    DROP CONSTRAINT uq_features_historical_key;
DROP INDEX idx_features_historical_source_snapshot_id;
DROP INDEX idx_features_historical_entity_type_entity_id_event_ts;

ALTER TABLE features_historical
    ADD CONSTRAINT uq_features_historical_key
        UNIQUE (entity_type, entity_id, event_ts, feature_id);

COMMENT ON COLUMN features_historical.feature_id IS
    'Feature version computed, of feature_definitions; orphans are found by an asset check.';
COMMENT ON COLUMN features_historical.source_snapshot_id IS
    'Retrieval of the source data behind the value, of source_snapshots; NULL when several. '
    'Orphans are found by an asset check.';
