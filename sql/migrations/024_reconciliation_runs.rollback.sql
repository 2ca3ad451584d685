SELECT refuse_to_drop_rows('reconciliation_runs');

DROP TABLE reconciliation_runs;
