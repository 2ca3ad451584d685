-- Risk controls: breakers, the kill switch, and approvals by a person.

CREATE TABLE breaker_types (
    code TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    is_known BOOLEAN NOT NULL DEFAULT true,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMENT ON TABLE breaker_types IS
    'The circuit breakers, an open set: an unknown code is stored with is_known false and raises '
    'an alert instead of being lost.';
COMMENT ON COLUMN breaker_types.code IS
    'Name of the breaker as in the configuration, breaker.code.';
COMMENT ON COLUMN breaker_types.description IS
    'What trips it, in words; thresholds are configuration.';
COMMENT ON COLUMN breaker_types.is_known IS
    'False for a code that arrived without being defined here.';
COMMENT ON COLUMN breaker_types.created_at IS 'When the row was stored (database clock, UTC).';

-- The breakers of the trading rules, and manual.
INSERT INTO breaker_types (code, description) VALUES
    ('daily_loss', 'Loss of the day (US Eastern), realised and unrealised, reached its limit.'),
    ('weekly_loss', 'Loss of the week reached its limit.'),
    ('rapid_loss', 'Loss within 15 minutes reached its limit.'),
    ('drawdown', 'Equity fell too far below its peak.'),
    (
        'consecutive_losses',
        'A losing run too unlikely to be chance: the product of (1 - cost) over it fell below the '
        'threshold.'
    ),
    ('venue_errors', 'Too many errors of the venue within 5 minutes.'),
    ('rejects', 'Too many rejected orders within 10 minutes.'),
    ('auth_error', 'The venue refused our credentials.'),
    ('db_errors', 'Too many database errors within 1 minute.'),
    (
        'data_quality',
        'Too many bad data points of a league within 10 minutes; blocks entries of that league.'
    ),
    (
        'edge_anomaly',
        'Too many distinct games within 10 minutes where model and market lie far apart; blocks '
        'the strategies concerned.'
    ),
    (
        'model_stale',
        'No prediction run for too long; blocks the strategies that use the model.'
    ),
    ('trade_burst', 'More trades within 5 minutes than the strategies can justify.'),
    ('position_quote_stale', 'An open position has had no quote for too long.'),
    ('reconcile_mismatch', 'Ledger and venue differ and the difference could not be repaired.'),
    ('unknown_order', 'An order outcome stayed unknown for too long.'),
    ('fee_mismatch', 'Too many fills of a day whose fee differs from the model.'),
    ('manual', 'Set by a person.');

CREATE TABLE circuit_breaker_events (
    breaker_event_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    breaker_type TEXT NOT NULL
        CONSTRAINT fk_circuit_breaker_events_breaker_type
            REFERENCES breaker_types (code) ON DELETE RESTRICT,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_circuit_breaker_events_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    backtest_run_id BIGINT
        CONSTRAINT fk_circuit_breaker_events_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    action TEXT NOT NULL
        CONSTRAINT ck_circuit_breaker_events_action
        CHECK (action IN ('exits_only', 'halted', 'close_all')),
    triggered_at TIMESTAMPTZ NOT NULL,
    trigger_value JSONB NOT NULL,
    resolved_at TIMESTAMPTZ,
    resolved_by TEXT,
    resolution_action TEXT,
    notes TEXT,
    alert_id BIGINT
        CONSTRAINT fk_circuit_breaker_events_alert_id
            REFERENCES alerts (alert_id) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_circuit_breaker_events_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL)),
    CONSTRAINT ck_circuit_breaker_events_resolved_at_resolved_by
        CHECK (resolved_at IS NULL
        OR (resolved_at >= triggered_at AND resolved_by IS NOT NULL))
);

CREATE UNIQUE INDEX uq_circuit_breaker_events_open
    ON circuit_breaker_events (breaker_type, execution_environment, backtest_run_id)
    NULLS NOT DISTINCT
    WHERE resolved_at IS NULL;
CREATE INDEX idx_circuit_breaker_events_breaker_type ON circuit_breaker_events (breaker_type);
CREATE INDEX idx_circuit_breaker_events_backtest_run_id ON circuit_breaker_events (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;
CREATE INDEX idx_circuit_breaker_events_alert_id ON circuit_breaker_events (alert_id)
    WHERE alert_id IS NOT NULL;

CREATE TRIGGER trg_circuit_breaker_events_updated_at
    BEFORE UPDATE ON circuit_breaker_events
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE circuit_breaker_events IS
    'Trips of circuit breakers. A trip holds until a person re-arms it; one may be open per '
    'breaker, environment and run.';
COMMENT ON COLUMN circuit_breaker_events.breaker_event_id IS 'Surrogate key.';
COMMENT ON COLUMN circuit_breaker_events.breaker_type IS 'Breaker that tripped.';
COMMENT ON COLUMN circuit_breaker_events.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN circuit_breaker_events.backtest_run_id IS
    'The simulation this row belongs to; set exactly when execution_environment is backtest, so '
    'that two runs never mix.';
COMMENT ON COLUMN circuit_breaker_events.action IS
    'What it imposes: exits_only stops entries, halted allows cancels only, close_all also sells '
    'all positions.';
COMMENT ON COLUMN circuit_breaker_events.triggered_at IS 'When it tripped, on the decision clock.';
COMMENT ON COLUMN circuit_breaker_events.trigger_value IS
    'What was measured and the threshold it crossed, decimals as strings; names the league or '
    'strategy when it blocks only that.';
COMMENT ON COLUMN circuit_breaker_events.resolved_at IS
    'When it was re-armed; NULL while it blocks.';
COMMENT ON COLUMN circuit_breaker_events.resolved_by IS
    'Who re-armed it: a person, or the simulated operator of a replay.';
COMMENT ON COLUMN circuit_breaker_events.resolution_action IS 'What was done about the cause.';
COMMENT ON COLUMN circuit_breaker_events.notes IS 'Remarks of that person.';
COMMENT ON COLUMN circuit_breaker_events.alert_id IS 'Alert raised for it.';
COMMENT ON COLUMN circuit_breaker_events.created_at IS
    'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN circuit_breaker_events.updated_at IS
    'When the row was last changed; set by trigger.';

CREATE TABLE trading_controls (
    control_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_trading_controls_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    backtest_run_id BIGINT
        CONSTRAINT fk_trading_controls_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    scope TEXT NOT NULL
        CONSTRAINT ck_trading_controls_scope CHECK (scope IN (
            'global', 'platform', 'league', 'strategy', 'market'
        )),
    scope_key TEXT NOT NULL DEFAULT '*',
    state TEXT NOT NULL
        CONSTRAINT ck_trading_controls_state
        CHECK (state IN ('running', 'exits_only', 'halted')),
    reason TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_by_kind TEXT NOT NULL
        CONSTRAINT ck_trading_controls_set_by_kind CHECK (set_by_kind IN ('person', 'system')),
    breaker_event_id BIGINT
        CONSTRAINT fk_trading_controls_breaker_event_id
            REFERENCES circuit_breaker_events (breaker_event_id) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_trading_controls_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL)),
    CONSTRAINT ck_trading_controls_state_set_by_kind
        CHECK (state <> 'running' OR set_by_kind = 'person')
);

CREATE INDEX idx_trading_controls_scope
    ON trading_controls (
        execution_environment, backtest_run_id, scope, scope_key, control_id DESC
    );
CREATE INDEX idx_trading_controls_backtest_run_id ON trading_controls (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;
CREATE INDEX idx_trading_controls_breaker_event_id ON trading_controls (breaker_event_id)
    WHERE breaker_event_id IS NOT NULL;

CREATE TRIGGER trg_trading_controls_no_change
    BEFORE UPDATE OR DELETE ON trading_controls
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_trading_controls_no_truncate
    BEFORE TRUNCATE ON trading_controls
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE trading_controls IS
    'The kill switch as a log of commands: the latest row of each scope rules and the strictest '
    'scope wins. Without a row, live is halted and every other environment runs. Append-only.';
COMMENT ON COLUMN trading_controls.control_id IS 'Surrogate key; the highest one of a scope rules.';
COMMENT ON COLUMN trading_controls.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN trading_controls.backtest_run_id IS
    'The simulation this row belongs to; set exactly when execution_environment is backtest, so '
    'that two runs never mix.';
COMMENT ON COLUMN trading_controls.scope IS 'What the command covers.';
COMMENT ON COLUMN trading_controls.scope_key IS
    'Which platform, league, strategy or market; * for all of the scope.';
COMMENT ON COLUMN trading_controls.state IS
    'running trades; exits_only stops entries and goes on selling; halted allows cancels only.';
COMMENT ON COLUMN trading_controls.reason IS 'Why the command was given.';
COMMENT ON COLUMN trading_controls.set_by IS 'Who gave it: a person, or the part of the system.';
COMMENT ON COLUMN trading_controls.set_by_kind IS 'Only a person may set running again.';
COMMENT ON COLUMN trading_controls.breaker_event_id IS 'Trip that caused the command.';
COMMENT ON COLUMN trading_controls.created_at IS 'When the row was stored (database clock, UTC).';

CREATE TABLE order_approvals (
    approval_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    decision_id BIGINT NOT NULL
        CONSTRAINT uq_order_approvals_decision_id UNIQUE
        CONSTRAINT fk_order_approvals_decision_id
            REFERENCES decisions (decision_id) ON DELETE RESTRICT,
    approved_by TEXT NOT NULL,
    approved_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_order_approvals_expires_at_approved_at CHECK (expires_at > approved_at)
);

CREATE TRIGGER trg_order_approvals_no_change
    BEFORE UPDATE OR DELETE ON order_approvals
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_order_approvals_no_truncate
    BEFORE TRUNCATE ON order_approvals
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE order_approvals IS
    'The yes of a person to a decision in the band that needs one, valid for a limited time. '
    'Append-only.';
COMMENT ON COLUMN order_approvals.approval_id IS 'Surrogate key.';
COMMENT ON COLUMN order_approvals.decision_id IS 'Decision approved.';
COMMENT ON COLUMN order_approvals.approved_by IS 'Who approved.';
COMMENT ON COLUMN order_approvals.approved_at IS 'When.';
COMMENT ON COLUMN order_approvals.expires_at IS 'Until when the approval may be used; prices move.';
COMMENT ON COLUMN order_approvals.created_at IS 'When the row was stored (database clock, UTC).';
