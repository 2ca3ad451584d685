SELECT refuse_to_drop_rows('model_training_runs', 'training_datasets');

DROP TABLE model_training_runs;
DROP TABLE training_dataset_sources;
DROP TABLE training_dataset_features;
DROP TABLE training_datasets;
