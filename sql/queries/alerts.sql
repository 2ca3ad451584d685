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

-- name: take_channel(channel)$
-- One process at a time delivers on a channel; held by the session, which ends with the process.
SELECT pg_try_advisory_lock(hashtext('alerts.delivery'), hashtext(:channel));

-- name: give_back_channel(channel)$
SELECT pg_advisory_unlock(hashtext('alerts.delivery'), hashtext(:channel));

-- name: open_rounds()
-- Every open alert that may notify, the current round of each, and the finished attempts of that
-- round by channel. An alert that somebody took after the round began owes nothing any more.
SELECT
    a.alert_id,
    CAST(a.alert_uuid AS TEXT) AS alert_uuid,
    a.alert_type,
    a.severity,
    a.component,
    a.environment,
    a.message,
    a.details,
    a.triggered_at,
    a.last_seen_at,
    a.occurrence_count,
    round.attempted_at AS round_at,
    round.delivery_id AS round_id,
    COALESCE(
        (
            SELECT jsonb_agg(jsonb_build_array(d.channel, d.status, d.attempted_at)
                             ORDER BY d.delivery_id)
            FROM notification_deliveries AS d
            WHERE d.alert_id = a.alert_id
              AND d.delivery_id > round.delivery_id
              AND d.channel <> 'database'
        ),
        '[]'
    ) AS attempts
FROM alerts AS a
CROSS JOIN LATERAL (
    SELECT d.delivery_id, d.attempted_at
    FROM notification_deliveries AS d
    WHERE d.alert_id = a.alert_id
      AND d.channel = 'database'
    ORDER BY d.attempt DESC
    LIMIT 1
) AS round
WHERE a.resolved_at IS NULL
  AND NOT a.suppressed
  AND (a.acknowledged_at IS NULL OR a.acknowledged_at < round.attempted_at)
ORDER BY array_position(ARRAY['critical', 'high', 'medium', 'low'], a.severity), a.alert_id;

-- name: sent_since(channel, since)
SELECT attempted_at
FROM notification_deliveries
WHERE channel = :channel
  AND status = 'sent'
  AND attempted_at > :since;

-- name: record_delivery(alert_id, channel, status, attempted_at, error)!
-- The row of the alert is locked first, as in raising, so that attempts number and summarise in
-- order.
WITH alert AS MATERIALIZED (
    SELECT alert_id
    FROM alerts
    WHERE alert_id = :alert_id
    FOR UPDATE
)
INSERT INTO notification_deliveries (alert_id, channel, attempt, status, attempted_at, error)
SELECT
    alert.alert_id,
    :channel,
    COALESCE(
        (
            SELECT max(d.attempt)
            FROM notification_deliveries AS d
            WHERE d.alert_id = :alert_id
              AND d.channel = :channel
        ),
        0
    ) + 1,
    :status,
    :attempted_at,
    :error
FROM alert;

-- name: begin_reminders(now, told_before)!
-- A critical alert that nobody has taken is told again. Somebody who raises or reminds at this
-- moment has the row locked, and tells it anyway. What was told in a future further away than the
-- pause was told before the clock was set back.
WITH unanswered AS MATERIALIZED (
    SELECT a.alert_id
    FROM alerts AS a
    WHERE a.severity = 'critical'
      AND a.resolved_at IS NULL
      AND a.acknowledged_at IS NULL
      AND NOT a.suppressed
    ORDER BY a.alert_id
    FOR UPDATE SKIP LOCKED
)

INSERT INTO notification_deliveries (alert_id, channel, attempt, status, attempted_at)
SELECT u.alert_id, 'database', max(d.attempt) + 1, 'sent', :now
FROM unanswered AS u
INNER JOIN notification_deliveries AS d
    ON d.alert_id = u.alert_id
    AND d.channel = 'database'
GROUP BY u.alert_id
HAVING max(d.attempted_at) <= :told_before
    OR max(d.attempted_at) > :now + (CAST(:now AS TIMESTAMPTZ) - :told_before)
ON CONFLICT (alert_id, channel, attempt) DO NOTHING;

-- name: list_alerts(state, severity, alert_type, maximum)
-- The most urgent first, then the latest seen.
SELECT
    alert_id,
    severity,
    alert_type,
    category,
    component,
    environment,
    message,
    triggered_at,
    last_seen_at,
    occurrence_count,
    acknowledged_at,
    acknowledged_by,
    resolved_at,
    resolution_action
FROM alerts
WHERE (:state = 'all' OR (:state = 'open' AND resolved_at IS NULL)
       OR (:state = 'unacknowledged' AND resolved_at IS NULL AND acknowledged_at IS NULL)
       OR (:state = 'resolved' AND resolved_at IS NOT NULL))
  AND (CAST(:severity AS TEXT) IS NULL OR severity = :severity)
  AND (CAST(:alert_type AS TEXT) IS NULL OR alert_type = :alert_type)
ORDER BY
    resolved_at IS NOT NULL,
    array_position(ARRAY['critical', 'high', 'medium', 'low'], severity),
    last_seen_at DESC
LIMIT :maximum;

-- name: alert(alert_id)^
SELECT
    alert_id,
    CAST(alert_uuid AS TEXT) AS alert_uuid,
    severity,
    alert_type,
    category,
    component,
    environment,
    message,
    details,
    source_table,
    source_id,
    triggered_at,
    last_seen_at,
    occurrence_count,
    acknowledged_at,
    acknowledged_by,
    acknowledged_notes,
    resolved_at,
    resolved_by,
    resolved_notes,
    resolution_action,
    suppressed,
    fingerprint
FROM alerts
WHERE alert_id = :alert_id;

-- name: deliveries_of(alert_id)
SELECT channel, attempt, status, attempted_at, error
FROM notification_deliveries
WHERE alert_id = :alert_id
ORDER BY delivery_id;

-- name: acknowledge(alert_id, by, notes, now)!
UPDATE alerts
SET acknowledged_at = greatest(:now, triggered_at),
    acknowledged_by = :by,
    acknowledged_notes = :notes
WHERE alert_id = :alert_id
  AND acknowledged_at IS NULL
  AND resolved_at IS NULL;

-- name: resolve(alert_id, by, action, notes, now)!
UPDATE alerts
SET resolved_at = greatest(:now, acknowledged_at),
    resolved_by = :by,
    resolved_notes = :notes,
    resolution_action = :action
WHERE alert_id = :alert_id
  AND acknowledged_at IS NOT NULL
  AND resolved_at IS NULL;

-- name: waiting_of(fingerprint)$
-- The failed runs that the open alert of a cause still waits for; NULL without one.
SELECT details -> 'waiting'
FROM alerts
WHERE fingerprint = :fingerprint
  AND resolved_at IS NULL;

-- name: set_waiting(alert_id, waiting)!
UPDATE alerts
SET details = jsonb_set(details, '{waiting}', CAST(:waiting AS JSONB))
WHERE alert_id = :alert_id;

-- name: waiting_alerts(root, work)
-- Open alerts about failed runs, each with those no later run has made good, where one of this root
-- or of this work is among them.
SELECT alert_id, details -> 'waiting'
FROM alerts
WHERE alert_type = 'run_failed'
  AND resolved_at IS NULL
  AND (
      details -> 'waiting' @> jsonb_build_array(jsonb_build_object('root', CAST(:root AS TEXT)))
      OR details -> 'waiting' @> jsonb_build_array(jsonb_build_object('work', CAST(:work AS TEXT)))
  )
ORDER BY alert_id
FOR UPDATE;

-- name: resolve_by_itself(alert_id, by, notes, now)!
-- The cause is gone and nobody needs to look: taken, unless somebody had, and closed in one.
UPDATE alerts
SET acknowledged_at = COALESCE(acknowledged_at, greatest(:now, triggered_at)),
    acknowledged_by = COALESCE(acknowledged_by, :by),
    resolved_at = greatest(:now, COALESCE(acknowledged_at, triggered_at)),
    resolved_by = :by,
    resolved_notes = :notes,
    resolution_action = 'fixed'
WHERE alert_id = :alert_id
  AND resolved_at IS NULL;
