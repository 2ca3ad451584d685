ALTER TABLE features_historical
    DROP CONSTRAINT uq_features_historical_key;

ALTER TABLE features_historical
    ADD CONSTRAINT uq_features_historical_key
        UNIQUE (feature_id, entity_type, entity_id, event_ts),
    ADD CONSTRAINT fk_features_historical_feature_id
        FOREIGN KEY (feature_id) REFERENCES feature_definitions (feature_id) ON DELETE RESTRICT,
    ADD CONSTRAINT fk_features_historical_source_snapshot_id
        FOREIGN KEY (source_snapshot_id)
        REFERENCES source_snapshots (source_snapshot_id) ON DELETE RESTRICT;
CREATE INDEX idx_features_historical_entity_type_entity_id_event_ts
    ON features_historical (entity_type, entity_id, event_ts);
CREATE INDEX idx_features_historical_source_snapshot_id
    ON features_historical (source_snapshot_id);

COMMENT ON COLUMN features_historical.feature_id IS 'Feature version computed.';
COMMENT ON COLUMN features_historical.source_snapshot_id IS
    'Retrieval of the source data behind the value; NULL when several.';
