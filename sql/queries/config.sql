-- Settings changed at run time.

-- name: active_overrides(prefix)
-- Those in force now. Values as text: every digit of a JSON number survives.
SELECT
    config_key,
    CAST(override_value AS TEXT),
    data_type,
    reason,
    applied_by,
    applied_at,
    expires_at
FROM config_overrides
WHERE active
  AND (expires_at IS NULL OR expires_at > now())
  AND (
      CAST(:prefix AS TEXT) IS NULL
      OR config_key = :prefix
      OR starts_with(config_key, :prefix || '.')
  )
ORDER BY config_key;

-- name: lock_key(key)$
-- Two writers of one key take turns, until the end of their transaction.
SELECT pg_advisory_xact_lock(hashtext('config_overrides'), hashtext(:key));

-- name: deactivate_override(key)!
UPDATE config_overrides
SET active = false
WHERE config_key = :key
  AND active;

-- name: insert_override(key, value, data_type, reason, applied_by, expires_at)!
INSERT INTO config_overrides
    (config_key, override_value, data_type, reason, applied_by, expires_at)
VALUES (:key, CAST(:value AS JSONB), :data_type, :reason, :applied_by, :expires_at);

-- name: override_history(prefix, maximum)
-- All overrides ever set, the newest first. An inactive one was replaced or reset at updated_at.
SELECT
    config_key,
    CAST(override_value AS TEXT),
    data_type,
    reason,
    applied_by,
    applied_at,
    expires_at,
    active,
    CASE WHEN active THEN NULL ELSE updated_at END AS ended_at
FROM config_overrides
WHERE CAST(:prefix AS TEXT) IS NULL
   OR config_key = :prefix
   OR starts_with(config_key, :prefix || '.')
ORDER BY override_id DESC
LIMIT :maximum;
