-- Orders, their history, and fills. Law: persist, then act.

CREATE TABLE orders (
    order_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_order_id TEXT NOT NULL
        CONSTRAINT uq_orders_client_order_id UNIQUE,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_orders_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    backtest_run_id BIGINT
        CONSTRAINT fk_orders_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_orders_platform_id REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    market_id BIGINT NOT NULL
        CONSTRAINT fk_orders_market_id REFERENCES markets (market_id) ON DELETE RESTRICT,
    decision_id BIGINT NOT NULL
        CONSTRAINT fk_orders_decision_id REFERENCES decisions (decision_id) ON DELETE RESTRICT,
    position_id BIGINT
        CONSTRAINT fk_orders_position_id REFERENCES positions (position_id) ON DELETE RESTRICT,
    strategy_id BIGINT
        CONSTRAINT fk_orders_strategy_id REFERENCES strategies (strategy_id) ON DELETE RESTRICT,
    model_id BIGINT
        CONSTRAINT fk_orders_model_id REFERENCES probability_models (model_id) ON DELETE RESTRICT,
    method_id BIGINT
        CONSTRAINT fk_orders_method_id REFERENCES methods (method_id) ON DELETE RESTRICT,
    purpose TEXT NOT NULL
        CONSTRAINT ck_orders_purpose CHECK (purpose IN ('entry', 'exit')),
    exit_condition TEXT
        CONSTRAINT ck_orders_exit_condition CHECK (exit_condition IN (
            'stop_loss', 'circuit_breaker', 'trailing_stop', 'time_based_urgent',
            'liquidity_dried_up', 'profit_target', 'partial_exit_target', 'early_exit',
            'edge_disappeared', 'rebalance', 'manual'
        )),
    action TEXT NOT NULL
        CONSTRAINT ck_orders_action CHECK (action IN ('buy', 'sell')),
    side TEXT NOT NULL
        CONSTRAINT ck_orders_side CHECK (side IN ('yes', 'no')),
    limit_price NUMERIC(12,6) NOT NULL
        CONSTRAINT ck_orders_limit_price CHECK (limit_price BETWEEN 0 AND 1),
    quantity NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_orders_quantity CHECK (quantity > 0),
    time_in_force TEXT NOT NULL
        CONSTRAINT ck_orders_time_in_force CHECK (time_in_force IN ('gtc', 'ioc', 'fok')),
    reduce_only BOOLEAN NOT NULL DEFAULT false,
    post_only BOOLEAN NOT NULL DEFAULT false,
    attempt_number INTEGER NOT NULL DEFAULT 1,
    status TEXT NOT NULL DEFAULT 'intent'
        CONSTRAINT ck_orders_status CHECK (status IN (
            'intent', 'sent', 'resting', 'filled', 'canceled', 'rejected', 'unknown'
        )),
    venue_order_id TEXT,
    filled_quantity NUMERIC(14,2) NOT NULL DEFAULT 0
        CONSTRAINT ck_orders_filled_quantity CHECK (filled_quantity >= 0),
    sent_at TIMESTAMPTZ,
    closed_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ,
    error_code TEXT,
    error_message TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_orders_platform_id_execution_environment_venue_order_id UNIQUE
        (platform_id, execution_environment, venue_order_id),
    CONSTRAINT ck_orders_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL)),
    CONSTRAINT ck_orders_client_order_id CHECK (client_order_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT ck_orders_filled_quantity_quantity CHECK (filled_quantity <= quantity),
    CONSTRAINT ck_orders_purpose_exit_condition
        CHECK ((purpose = 'exit') = (exit_condition IS NOT NULL))
);

-- The markets that are frozen or have money at work: read before every order.
CREATE INDEX idx_orders_market_id_unfinished ON orders (market_id)
    WHERE status IN ('intent', 'sent', 'resting', 'unknown');
CREATE INDEX idx_orders_backtest_run_id ON orders (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;
CREATE INDEX idx_orders_market_id ON orders (market_id);
CREATE INDEX idx_orders_decision_id ON orders (decision_id);
CREATE INDEX idx_orders_position_id ON orders (position_id) WHERE position_id IS NOT NULL;
CREATE INDEX idx_orders_strategy_id ON orders (strategy_id);
CREATE INDEX idx_orders_model_id ON orders (model_id);
CREATE INDEX idx_orders_method_id ON orders (method_id) WHERE method_id IS NOT NULL;

CREATE TRIGGER trg_orders_updated_at
    BEFORE UPDATE ON orders
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER trg_orders_allow_only
    BEFORE UPDATE ON orders
    FOR EACH ROW EXECUTE FUNCTION allow_only(
        'status', 'venue_order_id', 'filled_quantity', 'sent_at', 'closed_at',
        'error_code', 'error_message'
    );
-- An order is born as an intent; unknown leads to any state of the venue, never back to sent.
CREATE TRIGGER trg_orders_status
    BEFORE INSERT OR UPDATE ON orders
    FOR EACH ROW EXECUTE FUNCTION enforce_status_path(
        'intent>sent', 'intent>canceled',
        'sent>resting', 'sent>filled', 'sent>canceled', 'sent>rejected', 'sent>unknown',
        'resting>filled', 'resting>canceled', 'resting>unknown',
        'unknown>resting', 'unknown>filled', 'unknown>canceled', 'unknown>rejected'
    );
-- An intent is evidence, even of nothing sent.
CREATE TRIGGER trg_orders_no_delete
    BEFORE DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_orders_no_truncate
    BEFORE TRUNCATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE orders IS
    'Order intents and what became of them. The row is committed before anything is sent, so that '
    'a crash leaves evidence; only status, along its path, and the outcome columns change '
    'afterwards. Prices are those of the side traded.';
COMMENT ON COLUMN orders.order_id IS 'Surrogate key.';
COMMENT ON COLUMN orders.client_order_id IS
    'Deterministic id sent to the venue: 32 hexadecimal digits of a SHA-256 over environment, '
    'versions, market, side, purpose, decision_key and attempt. A retry reuses it, so the venue '
    'cannot execute an intent twice.';
COMMENT ON COLUMN orders.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN orders.backtest_run_id IS
    'The simulation this row belongs to; set exactly when execution_environment is backtest, so '
    'that two runs never mix.';
COMMENT ON COLUMN orders.platform_id IS 'Venue the order goes to.';
COMMENT ON COLUMN orders.market_id IS 'Market traded.';
COMMENT ON COLUMN orders.decision_id IS
    'Decision that asked for this order; a manual order has one too.';
COMMENT ON COLUMN orders.position_id IS
    'Position an exit reduces; NULL for an entry, whose position exists only after a fill.';
COMMENT ON COLUMN orders.strategy_id IS
    'Version of the decision rules that gave the order; a version never changes, so this names '
    'the exact configuration.';
COMMENT ON COLUMN orders.model_id IS 'Version of the probability model that gave the order.';
COMMENT ON COLUMN orders.method_id IS
    'Method (strategy, model and configurations as one unit) that gave the order; NULL when the '
    'strategy ran on its own.';
COMMENT ON COLUMN orders.purpose IS 'entry opens or adds to a position, exit reduces one.';
COMMENT ON COLUMN orders.exit_condition IS
    'Condition that asked for the exit, or manual; set exactly when the purpose is exit.';
COMMENT ON COLUMN orders.action IS 'buy or sell of the side named in side.';
COMMENT ON COLUMN orders.side IS 'Side traded; the venue adapter alone converts to yes space.';
COMMENT ON COLUMN orders.limit_price IS
    'Worst acceptable price of the side in dollars per contract.';
COMMENT ON COLUMN orders.quantity IS 'Contracts ordered.';
COMMENT ON COLUMN orders.time_in_force IS
    'gtc rests until canceled, ioc executes what it can at once, fok all or nothing.';
COMMENT ON COLUMN orders.reduce_only IS
    'True when the venue must not let the order open or turn a position.';
COMMENT ON COLUMN orders.post_only IS
    'True when the order must rest: it is rejected rather than executed at once.';
COMMENT ON COLUMN orders.attempt_number IS
    '1 for the first try of a decision, then 2, 3; each attempt is an order of its own.';
COMMENT ON COLUMN orders.status IS
    'intent (committed, not sent), sent (call under way), resting (acknowledged), filled, '
    'canceled and rejected (terminal; canceled may carry fills), unknown (outcome lost: freezes '
    'order writes of the market until reconciled).';
COMMENT ON COLUMN orders.venue_order_id IS
    'Id the venue gave; NULL until it answered. Simulated ids contain the run id.';
COMMENT ON COLUMN orders.filled_quantity IS 'Contracts executed so far.';
COMMENT ON COLUMN orders.sent_at IS 'When sending began, on the clock of the environment.';
COMMENT ON COLUMN orders.closed_at IS
    'When a terminal status was reached, on the clock of the environment.';
COMMENT ON COLUMN orders.expires_at IS 'When the venue shall cancel what rests; NULL for no limit.';
COMMENT ON COLUMN orders.error_code IS
    'Code of the refusal or failure, as the venue gave it or our own.';
COMMENT ON COLUMN orders.error_message IS 'Text of the refusal or failure, for a person.';
COMMENT ON COLUMN orders.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN orders.updated_at IS 'When the row was last changed; set by trigger.';

CREATE TABLE order_events (
    order_event_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id BIGINT NOT NULL
        CONSTRAINT fk_order_events_order_id REFERENCES orders (order_id) ON DELETE RESTRICT,
    from_status TEXT
        CONSTRAINT ck_order_events_from_status CHECK (from_status IN (
            'intent', 'sent', 'resting', 'filled', 'canceled', 'rejected', 'unknown'
        )),
    to_status TEXT NOT NULL
        CONSTRAINT ck_order_events_to_status CHECK (to_status IN (
            'intent', 'sent', 'resting', 'filled', 'canceled', 'rejected', 'unknown'
        )),
    changed_at TIMESTAMPTZ NOT NULL,
    filled_quantity NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_order_events_filled_quantity CHECK (filled_quantity >= 0),
    payload JSONB,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX idx_order_events_order_id ON order_events (order_id);

CREATE TRIGGER trg_order_events_no_change
    BEFORE UPDATE OR DELETE ON order_events
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_order_events_no_truncate
    BEFORE TRUNCATE ON order_events
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE order_events IS
    'The status history of every order, one row per status it took, written by a trigger on '
    'orders: nobody has to remember to.';
COMMENT ON COLUMN order_events.order_event_id IS
    'Surrogate key; its order is the order of events of one order.';
COMMENT ON COLUMN order_events.order_id IS 'Order whose status changed.';
COMMENT ON COLUMN order_events.from_status IS 'Status before; NULL for the birth of the order.';
COMMENT ON COLUMN order_events.to_status IS 'Status after.';
COMMENT ON COLUMN order_events.changed_at IS
    'When the status was reached on the clock of the environment: decided_at for an intent, '
    'sent_at, closed_at for a terminal status; where the order carries no such time, the database '
    'clock. created_at is always the database clock.';
COMMENT ON COLUMN order_events.filled_quantity IS 'Contracts executed when the status was reached.';
COMMENT ON COLUMN order_events.payload IS
    'What the change brought: venue_order_id, error_code, error_message; NULL when nothing.';
COMMENT ON COLUMN order_events.created_at IS 'When the row was stored (database clock, UTC).';

-- changed_at takes the times the order itself carries: a replay then writes the same history
-- however often and whenever it runs.
CREATE FUNCTION write_order_event() RETURNS TRIGGER
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
COMMENT ON FUNCTION write_order_event() IS
    'AFTER INSERT OR UPDATE of orders FOR EACH ROW: appends the status just reached to '
    'order_events.';

CREATE TRIGGER trg_orders_write_event_insert
    AFTER INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION write_order_event();
CREATE TRIGGER trg_orders_write_event_update
    AFTER UPDATE ON orders
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION write_order_event();

CREATE TABLE fills (
    fill_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_fills_platform_id REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_fills_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    backtest_run_id BIGINT
        CONSTRAINT fk_fills_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    venue_fill_id TEXT NOT NULL,
    venue_order_id TEXT NOT NULL,
    order_id BIGINT
        CONSTRAINT fk_fills_order_id REFERENCES orders (order_id) ON DELETE RESTRICT,
    market_id BIGINT NOT NULL
        CONSTRAINT fk_fills_market_id REFERENCES markets (market_id) ON DELETE RESTRICT,
    action TEXT NOT NULL
        CONSTRAINT ck_fills_action CHECK (action IN ('buy', 'sell')),
    side TEXT NOT NULL
        CONSTRAINT ck_fills_side CHECK (side IN ('yes', 'no')),
    price NUMERIC(12,6) NOT NULL
        CONSTRAINT ck_fills_price CHECK (price BETWEEN 0 AND 1),
    quantity NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_fills_quantity CHECK (quantity > 0),
    fee NUMERIC(18,6) NOT NULL
        CONSTRAINT ck_fills_fee CHECK (fee >= 0),
    modelled_fee NUMERIC(18,6) NOT NULL
        CONSTRAINT ck_fills_modelled_fee CHECK (modelled_fee >= 0),
    fee_schedule_id BIGINT
        CONSTRAINT fk_fills_fee_schedule_id
            REFERENCES fee_schedules (fee_schedule_id) ON DELETE RESTRICT,
    is_taker BOOLEAN NOT NULL,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    raw JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_fills_platform_id_execution_environment_venue_fill_id UNIQUE
        (platform_id, execution_environment, venue_fill_id),
    CONSTRAINT ck_fills_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL))
);

CREATE INDEX idx_fills_market_id_event_ts ON fills (market_id, event_ts);
CREATE INDEX idx_fills_backtest_run_id ON fills (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;
CREATE INDEX idx_fills_order_id ON fills (order_id);
CREATE INDEX idx_fills_fee_schedule_id ON fills (fee_schedule_id);

CREATE TRIGGER trg_fills_no_change
    BEFORE UPDATE OR DELETE ON fills
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_fills_no_truncate
    BEFORE TRUNCATE ON fills
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE fills IS
    'Executions as the venue reported them, each once: the unique venue_fill_id makes a repeated '
    'page harmless. Positions are the fold of their fills. Append-only.';
COMMENT ON COLUMN fills.fill_id IS 'Surrogate key.';
COMMENT ON COLUMN fills.platform_id IS 'Venue that executed.';
COMMENT ON COLUMN fills.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN fills.backtest_run_id IS
    'The simulation this row belongs to; set exactly when execution_environment is backtest, so '
    'that two runs never mix.';
COMMENT ON COLUMN fills.venue_fill_id IS
    'Id the venue gave the execution, unique per venue and environment. Simulated ids contain the '
    'run id.';
COMMENT ON COLUMN fills.venue_order_id IS 'Order id of the venue the execution belongs to.';
COMMENT ON COLUMN fills.order_id IS
    'Our order; NULL when the execution belongs to an order Precog did not place, which is '
    'counted but never attributed.';
COMMENT ON COLUMN fills.market_id IS 'Market executed in.';
COMMENT ON COLUMN fills.action IS 'buy or sell of the side named in side.';
COMMENT ON COLUMN fills.side IS 'Side executed.';
COMMENT ON COLUMN fills.price IS
    'Price of that side in dollars per contract, after conversion from yes space.';
COMMENT ON COLUMN fills.quantity IS 'Contracts executed; the venue may report fractions.';
COMMENT ON COLUMN fills.fee IS
    'Fee in dollars for the whole fill, as booked: the amount of the venue in demo and live, the '
    'model otherwise.';
COMMENT ON COLUMN fills.modelled_fee IS
    'Fee in dollars by our fee model; a difference to fee raises fee_mismatch.';
COMMENT ON COLUMN fills.fee_schedule_id IS 'Fee schedule the model used; NULL when none was known.';
COMMENT ON COLUMN fills.is_taker IS
    'True when the fill took resting liquidity, which costs the taker rate.';
COMMENT ON COLUMN fills.event_ts IS 'When the venue executed.';
COMMENT ON COLUMN fills.known_at IS 'When we learned of it.';
COMMENT ON COLUMN fills.raw IS
    'The report of the venue, unchanged; for simulated fills what the paper exchange saw.';
COMMENT ON COLUMN fills.created_at IS 'When the row was stored (database clock, UTC).';

ALTER TABLE trades
    ADD COLUMN fill_id BIGINT NOT NULL
        CONSTRAINT uq_trades_fill_id UNIQUE
        CONSTRAINT fk_trades_fill_id REFERENCES fills (fill_id) ON DELETE RESTRICT;

COMMENT ON COLUMN trades.fill_id IS 'Fill that this trade attributes; one trade per fill.';
