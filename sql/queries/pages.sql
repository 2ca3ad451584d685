-- What the page of an asset shows of its table.

-- name: columns(table)
SELECT
    a.attname AS name,
    format_type(a.atttypid, a.atttypmod) AS type,
    col_description(a.attrelid, a.attnum) AS description,
    NOT a.attnotnull AS nullable
FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = CAST(:table AS REGCLASS)
  AND a.attnum > 0
  AND NOT a.attisdropped
ORDER BY a.attnum;
