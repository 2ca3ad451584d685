SELECT refuse_to_drop_rows('methods');

ALTER TABLE positions DROP COLUMN method_id;
ALTER TABLE trades DROP COLUMN method_id;
DROP TABLE methods;
DROP TABLE method_templates;
