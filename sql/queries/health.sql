-- The latest state of each component, as the supervisor sees it.

-- name: note_health(component, status, at, details, alert_id)!
INSERT INTO system_health (component, status, last_check, details, alert_id)
VALUES (:component, :status, :at, :details, :alert_id)
ON CONFLICT (component) DO UPDATE
SET status = excluded.status,
    last_check = excluded.last_check,
    details = excluded.details,
    alert_id = excluded.alert_id;

-- name: health_of_components()
SELECT component, status, last_check, details, alert_id
FROM system_health
ORDER BY component;

-- name: forget_ticks_after(now)!
-- In Dagster's database, after the wall clock was set back: sensors and schedules would wait until
-- they are reached again.
DELETE FROM job_ticks
WHERE timestamp > :now;
