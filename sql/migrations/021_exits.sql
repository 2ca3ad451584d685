-- Exits: what was realised by which condition, and every attempt to realise it.

CREATE TABLE position_exits (
    exit_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position_id BIGINT NOT NULL
        CONSTRAINT fk_position_exits_position_id
            REFERENCES positions (position_id) ON DELETE RESTRICT,
    trade_id BIGINT NOT NULL
        CONSTRAINT fk_position_exits_trade_id REFERENCES trades (trade_id) ON DELETE RESTRICT,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_position_exits_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    backtest_run_id BIGINT
        CONSTRAINT fk_position_exits_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    exit_condition TEXT NOT NULL
        CONSTRAINT ck_position_exits_exit_condition CHECK (exit_condition IN (
            'stop_loss', 'circuit_breaker', 'trailing_stop', 'time_based_urgent',
            'liquidity_dried_up', 'profit_target', 'partial_exit_target', 'early_exit',
            'edge_disappeared', 'rebalance'
        )),
    exit_priority TEXT NOT NULL
        CONSTRAINT ck_position_exits_exit_priority
        CHECK (exit_priority IN ('critical', 'high', 'medium', 'low')),
    stage INTEGER,
    quantity_exited NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_position_exits_quantity_exited CHECK (quantity_exited > 0),
    remaining_quantity NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_position_exits_remaining_quantity CHECK (remaining_quantity >= 0),
    exit_price NUMERIC(12,6) NOT NULL
        CONSTRAINT ck_position_exits_exit_price CHECK (exit_price BETWEEN 0 AND 1),
    realized_pnl NUMERIC(18,6) NOT NULL,
    conflicting_triggers JSONB,
    triggered_at TIMESTAMPTZ NOT NULL,
    executed_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_position_exits_trade_id_exit_condition_stage UNIQUE NULLS NOT DISTINCT
        (trade_id, exit_condition, stage),
    CONSTRAINT ck_position_exits_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL)),
    CONSTRAINT ck_position_exits_executed_at_triggered_at CHECK (executed_at >= triggered_at),
    CONSTRAINT ck_position_exits_exit_condition_stage
        CHECK ((exit_condition = 'partial_exit_target') = (stage IS NOT NULL))
);

CREATE INDEX idx_position_exits_exit_condition ON position_exits (exit_condition);
CREATE INDEX idx_position_exits_position_id ON position_exits (position_id);
CREATE INDEX idx_position_exits_backtest_run_id ON position_exits (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;

CREATE TRIGGER trg_position_exits_no_change
    BEFORE UPDATE OR DELETE ON position_exits
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_position_exits_no_truncate
    BEFORE TRUNCATE ON position_exits
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE position_exits IS
    'Exit trades booked to the conditions that caused them. One trade may serve several: due '
    'stages of a partial exit first, the rest to the profit target. Append-only.';
COMMENT ON COLUMN position_exits.exit_id IS 'Surrogate key.';
COMMENT ON COLUMN position_exits.position_id IS 'Position reduced.';
COMMENT ON COLUMN position_exits.trade_id IS 'Trade that reduced it.';
COMMENT ON COLUMN position_exits.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN position_exits.backtest_run_id IS
    'The simulation this row belongs to; set exactly when execution_environment is backtest, so '
    'that two runs never mix.';
COMMENT ON COLUMN position_exits.exit_condition IS
    'Which of the ten exit conditions this part belongs to.';
COMMENT ON COLUMN position_exits.exit_priority IS
    'Priority of that condition, which chose the execution ladder.';
COMMENT ON COLUMN position_exits.stage IS
    'Stage 1 or 2 of a partial exit; set exactly for partial_exit_target.';
COMMENT ON COLUMN position_exits.quantity_exited IS 'Contracts booked to this condition.';
COMMENT ON COLUMN position_exits.remaining_quantity IS 'Contracts of the position left afterwards.';
COMMENT ON COLUMN position_exits.exit_price IS
    'Price of the held side received, in dollars per contract.';
COMMENT ON COLUMN position_exits.realized_pnl IS
    'Profit or loss in dollars of the contracts exited, after the exit fee and their share of the '
    'entry fees.';
COMMENT ON COLUMN position_exits.conflicting_triggers IS
    'Other conditions that were true in the same cycle and were outranked.';
COMMENT ON COLUMN position_exits.triggered_at IS 'When the condition was first seen.';
COMMENT ON COLUMN position_exits.executed_at IS
    'When the trade executed; the difference is the latency of the exit.';
COMMENT ON COLUMN position_exits.created_at IS 'When the row was stored (database clock, UTC).';

CREATE TABLE exit_attempts (
    attempt_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position_id BIGINT NOT NULL
        CONSTRAINT fk_exit_attempts_position_id
            REFERENCES positions (position_id) ON DELETE RESTRICT,
    order_id BIGINT NOT NULL
        CONSTRAINT uq_exit_attempts_order_id UNIQUE
        CONSTRAINT fk_exit_attempts_order_id REFERENCES orders (order_id) ON DELETE RESTRICT,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_exit_attempts_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    backtest_run_id BIGINT
        CONSTRAINT fk_exit_attempts_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    exit_condition TEXT NOT NULL
        CONSTRAINT ck_exit_attempts_exit_condition CHECK (exit_condition IN (
            'stop_loss', 'circuit_breaker', 'trailing_stop', 'time_based_urgent',
            'liquidity_dried_up', 'profit_target', 'partial_exit_target', 'early_exit',
            'edge_disappeared', 'rebalance'
        )),
    exit_priority TEXT NOT NULL
        CONSTRAINT ck_exit_attempts_exit_priority
        CHECK (exit_priority IN ('critical', 'high', 'medium', 'low')),
    order_style TEXT NOT NULL
        CONSTRAINT ck_exit_attempts_order_style CHECK (order_style IN ('market', 'limit')),
    attempt_number INTEGER NOT NULL,
    limit_price NUMERIC(12,6) NOT NULL
        CONSTRAINT ck_exit_attempts_limit_price CHECK (limit_price BETWEEN 0 AND 1),
    fill_price NUMERIC(12,6)
        CONSTRAINT ck_exit_attempts_fill_price CHECK (fill_price BETWEEN 0 AND 1),
    quantity NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_exit_attempts_quantity CHECK (quantity > 0),
    filled_quantity NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_exit_attempts_filled_quantity CHECK (filled_quantity >= 0),
    timeout_seconds INTEGER NOT NULL,
    success BOOLEAN NOT NULL,
    placed_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ NOT NULL,
    error_message TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_exit_attempts_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL)),
    CONSTRAINT ck_exit_attempts_filled_quantity_quantity CHECK (filled_quantity <= quantity),
    CONSTRAINT ck_exit_attempts_success_filled_quantity
        CHECK (success = (filled_quantity = quantity))
);

CREATE INDEX idx_exit_attempts_exit_condition ON exit_attempts (exit_condition);
CREATE INDEX idx_exit_attempts_position_id ON exit_attempts (position_id);
CREATE INDEX idx_exit_attempts_backtest_run_id ON exit_attempts (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;

CREATE TRIGGER trg_exit_attempts_no_change
    BEFORE UPDATE OR DELETE ON exit_attempts
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_exit_attempts_no_truncate
    BEFORE TRUNCATE ON exit_attempts
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE exit_attempts IS
    'One row per finished exit order, filled or not: the rungs of the execution ladder, and how '
    'well each works. Append-only.';
COMMENT ON COLUMN exit_attempts.attempt_id IS 'Surrogate key.';
COMMENT ON COLUMN exit_attempts.position_id IS 'Position to be reduced.';
COMMENT ON COLUMN exit_attempts.order_id IS 'The exit order that finished.';
COMMENT ON COLUMN exit_attempts.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN exit_attempts.backtest_run_id IS
    'The simulation this row belongs to; set exactly when execution_environment is backtest, so '
    'that two runs never mix.';
COMMENT ON COLUMN exit_attempts.exit_condition IS 'Condition that asked for the exit.';
COMMENT ON COLUMN exit_attempts.exit_priority IS 'Priority of that condition.';
COMMENT ON COLUMN exit_attempts.order_style IS
    'market: crosses the book at once; limit: rests and walks.';
COMMENT ON COLUMN exit_attempts.attempt_number IS 'Number of the rung, from 1.';
COMMENT ON COLUMN exit_attempts.limit_price IS 'Limit of the held side in dollars per contract.';
COMMENT ON COLUMN exit_attempts.fill_price IS 'Average price received; NULL when nothing filled.';
COMMENT ON COLUMN exit_attempts.quantity IS 'Contracts ordered: what earlier rungs left.';
COMMENT ON COLUMN exit_attempts.filled_quantity IS 'Contracts executed.';
COMMENT ON COLUMN exit_attempts.timeout_seconds IS
    'How long the rung was allowed to rest, in seconds.';
COMMENT ON COLUMN exit_attempts.success IS 'True when all of quantity executed.';
COMMENT ON COLUMN exit_attempts.placed_at IS 'When the order was placed.';
COMMENT ON COLUMN exit_attempts.ended_at IS 'When it was filled, canceled or rejected.';
COMMENT ON COLUMN exit_attempts.error_message IS
    'Why it failed, for a person; NULL for a plain timeout.';
COMMENT ON COLUMN exit_attempts.created_at IS 'When the row was stored (database clock, UTC).';
