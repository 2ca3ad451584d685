-- Alerts: raising, taking, closing, delivering. Only the database's own triggers write the
-- notification_ columns.

-- name: lock_cause(fingerprint)$
-- Two occurrences of one cause take turns until the end of their transactions.
SELECT pg_advisory_xact_lock(hashtext('alerts'), hashtext(:fingerprint));

-- name: latest_of_cause(fingerprint)^
-- The open row, else the one resolved last; locked, because a delivery summarises into it.
SELECT
    alert_id,
    severity,
    notification_sent_at,
    resolved_at
FROM alerts
WHERE fingerprint = :fingerprint
ORDER BY resolved_at DESC NULLS FIRST
LIMIT 1
FOR UPDATE;

-- name: note_component(code)!
INSERT INTO components (code, description, is_known)
VALUES (:code, 'Met in an alert; nobody has described it yet.', false)
ON CONFLICT (code) DO NOTHING;

-- name: insert_alert(alert_type, severity, category, component, message, details, source_table, source_id, environment, tags, now, fingerprint, suppressed)$
INSERT INTO alerts
    (alert_type, severity, category, component, message, details, source_table, source_id,
     environment, tags, triggered_at, last_seen_at, fingerprint, suppressed)
VALUES
    (:alert_type, :severity, :category, :component, :message, CAST(:details AS JSONB),
     :source_table, :source_id, :environment, CAST(:tags AS JSONB), :now, :now, :fingerprint,
     :suppressed)
RETURNING alert_id;

-- name: count_alert(alert_id, now)!
UPDATE alerts
SET occurrence_count = occurrence_count + 1,
    last_seen_at = greatest(last_seen_at, :now)
WHERE alert_id = :alert_id;

-- name: renew_alert(alert_id, severity, message, details, source_table, source_id, now)!
-- Told again, higher, or reopened: the newest facts stand on the row, and nobody has taken or
-- closed a reopened one. The acknowledgement of a row that was open all along stays.
UPDATE alerts
SET severity = :severity,
    message = :message,
    details = CAST(:details AS JSONB),
    source_table = :source_table,
    source_id = :source_id,
    occurrence_count = occurrence_count + 1,
    last_seen_at = greatest(last_seen_at, :now),
    acknowledged_at = CASE WHEN resolved_at IS NULL THEN acknowledged_at END,
    acknowledged_by = CASE WHEN resolved_at IS NULL THEN acknowledged_by END,
    acknowledged_notes = CASE WHEN resolved_at IS NULL THEN acknowledged_notes END,
    resolved_at = NULL,
    resolved_by = NULL,
    resolved_notes = NULL,
    resolution_action = NULL
WHERE alert_id = :alert_id;

-- name: begin_notification(alert_id, now)!
-- The row itself is the first notification, on the channel that is never down. It begins a round:
-- the other channels of the alert's severity are owed one delivery after it.
INSERT INTO notification_deliveries (alert_id, channel, attempt, status, attempted_at)
SELECT :alert_id, 'database', COALESCE(max(attempt), 0) + 1, 'sent', :now
FROM notification_deliveries
WHERE alert_id = :alert_id
  AND channel = 'database';
