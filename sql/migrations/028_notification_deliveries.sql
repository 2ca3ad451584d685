-- The delivery log of notifications, and its summary on the alert.

CREATE TABLE notification_deliveries (
    delivery_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id BIGINT NOT NULL
        CONSTRAINT fk_notification_deliveries_alert_id
            REFERENCES alerts (alert_id) ON DELETE RESTRICT,
    channel TEXT NOT NULL
        CONSTRAINT ck_notification_deliveries_channel CHECK (channel IN (
            'console', 'file', 'database', 'email', 'sms', 'slack', 'webhook'
        )),
    attempt INTEGER NOT NULL,
    status TEXT NOT NULL
        CONSTRAINT ck_notification_deliveries_status
            CHECK (status IN ('sent', 'failed', 'skipped')),
    attempted_at TIMESTAMPTZ NOT NULL,
    error TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_notification_deliveries_alert_id_channel_attempt UNIQUE
        (alert_id, channel, attempt)
);

CREATE TRIGGER trg_notification_deliveries_no_change
    BEFORE UPDATE OR DELETE ON notification_deliveries
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_notification_deliveries_no_truncate
    BEFORE TRUNCATE ON notification_deliveries
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE notification_deliveries IS
    'One row per finished attempt to notify about an alert. The notification_ columns of alerts '
    'are the summary of these rows, kept by a trigger. Append-only.';
COMMENT ON COLUMN notification_deliveries.delivery_id IS 'Surrogate key.';
COMMENT ON COLUMN notification_deliveries.alert_id IS 'Alert notified about.';
COMMENT ON COLUMN notification_deliveries.channel IS 'Way of the notification.';
COMMENT ON COLUMN notification_deliveries.attempt IS
    'Number of the attempt on this channel, from 1.';
COMMENT ON COLUMN notification_deliveries.status IS
    'sent: handed over; failed: see error; skipped: suppressed on purpose, such as rate_limited.';
COMMENT ON COLUMN notification_deliveries.attempted_at IS 'When the attempt ended.';
COMMENT ON COLUMN notification_deliveries.error IS 'Why it failed or was skipped.';
COMMENT ON COLUMN notification_deliveries.created_at IS
    'When the row was stored (database clock, UTC).';

-- Adds one delivery to what is already summarised instead of counting again: two deliveries of one
-- alert at once then queue on its row and both are counted.
CREATE FUNCTION summarise_delivery() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE alerts AS a
    SET notification_attempts = a.notification_attempts + 1,
        notification_sent = a.notification_sent OR NEW.status = 'sent',
        notification_sent_at = CASE
            WHEN NEW.status = 'sent' THEN greatest(a.notification_sent_at, NEW.attempted_at)
            ELSE a.notification_sent_at
        END,
        notification_channels = CASE
            WHEN NEW.status <> 'sent' OR a.notification_channels ? NEW.channel
                THEN a.notification_channels
            ELSE COALESCE(a.notification_channels, '[]') || to_jsonb(NEW.channel)
        END,
        notification_errors = CASE
            WHEN NEW.status <> 'failed' THEN a.notification_errors
            ELSE COALESCE(a.notification_errors, '[]') || jsonb_build_object(
                'channel', NEW.channel,
                'attempt', NEW.attempt,
                'error', NEW.error
            )
        END
    WHERE a.alert_id = NEW.alert_id;
    RETURN NULL;
END;
$$;
COMMENT ON FUNCTION summarise_delivery() IS
    'AFTER INSERT of notification_deliveries FOR EACH ROW: adds the attempt to the notification_ '
    'columns of its alert.';

CREATE TRIGGER trg_notification_deliveries_summarise
    AFTER INSERT ON notification_deliveries
    FOR EACH ROW EXECUTE FUNCTION summarise_delivery();
