-- An order that rests does so since it was sent: without this its history would carry the wall clock,
-- and a replay would write another one each time.

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
                WHEN 'resting' THEN NEW.sent_at
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

-- A settlement that replaces another is looked for at every tick, and there are few.
CREATE INDEX idx_settlements_known_at_amendments ON settlements (known_at)
    WHERE revision > 1;
COMMENT ON INDEX idx_settlements_known_at_amendments IS
    'Finds settlements amended since the last tick.';

COMMENT ON COLUMN order_events.changed_at IS
    'When the status was reached on the clock of the environment: decided_at for an intent, '
    'sent_at for sent and resting, closed_at for a terminal status; where the order carries no '
    'such time, the database clock. created_at is always the database clock.';
