SELECT refuse_to_drop_rows('decisions');

-- With the column goes the CHECK that automated trades have a decision.
ALTER TABLE trades DROP COLUMN decision_id;
DROP TABLE decisions;
