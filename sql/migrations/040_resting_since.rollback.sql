DROP INDEX idx_settlements_known_at_amendments;

CREATE OR REPLACE FUNCTION write_order_event() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    from_status TEXT := CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END;
BEGIN
    INSERT INTO order_events (
        order_id, from_status, to_status, changed_at, filled_quantity, payload
    )
    VALUES (
        NEW.order_id,
        from_status,
        NEW.status,
        COALESCE(
            CASE NEW.status
                WHEN 'intent' THEN (
                    SELECT d.decided_at
                    FROM decisions AS d
                    WHERE d.decision_id = NEW.decision_id
                )
                WHEN 'sent' THEN NEW.sent_at
                WHEN 'filled' THEN NEW.closed_at
                WHEN 'canceled' THEN NEW.closed_at
                WHEN 'rejected' THEN NEW.closed_at
            END,
            clock_timestamp()
        ),
        NEW.filled_quantity,
        NULLIF(
            jsonb_strip_nulls(jsonb_build_object(
                'venue_order_id', NEW.venue_order_id,
                'error_code', NEW.error_code,
                'error_message', NEW.error_message
            )),
            '{}'
        )
    );
    RETURN NULL;
END;
$$;

COMMENT ON COLUMN order_events.changed_at IS
    'When the status was reached on the clock of the environment: decided_at for an intent, '
    'sent_at, closed_at for a terminal status; where the order carries no such time, the database '
    'clock. created_at is always the database clock.';
