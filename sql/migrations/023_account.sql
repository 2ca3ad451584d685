-- Cash: the balance as history, and the ledger it is the sum of.

CREATE TABLE account_balance (
    balance_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_account_balance_platform_id
            REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_account_balance_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    backtest_run_id BIGINT
        CONSTRAINT fk_account_balance_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    balance NUMERIC(18,6) NOT NULL
        CONSTRAINT ck_account_balance_balance CHECK (balance >= 0),
    portfolio_value NUMERIC(18,6),
    currency TEXT NOT NULL DEFAULT 'USD',
    source TEXT NOT NULL
        CONSTRAINT ck_account_balance_source CHECK (source IN ('venue', 'ledger')),
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    row_start_ts TIMESTAMPTZ NOT NULL,
    row_end_ts TIMESTAMPTZ,
    row_current_ind BOOLEAN NOT NULL DEFAULT true,
    CONSTRAINT ck_account_balance_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL)),
    CONSTRAINT ck_account_balance_row_current_ind CHECK (row_current_ind = (row_end_ts IS NULL)),
    CONSTRAINT ck_account_balance_row_end_ts CHECK (row_end_ts > row_start_ts)
);

CREATE UNIQUE INDEX uq_account_balance_platform_id_environment_run
    ON account_balance (platform_id, execution_environment, backtest_run_id) NULLS NOT DISTINCT
    WHERE row_current_ind;
CREATE UNIQUE INDEX uq_account_balance_platform_id_environment_run_row_start_ts
    ON account_balance (platform_id, execution_environment, backtest_run_id, row_start_ts)
    NULLS NOT DISTINCT;
CREATE INDEX idx_account_balance_backtest_run_id ON account_balance (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;

CREATE TRIGGER trg_account_balance_scd2
    BEFORE INSERT OR UPDATE OR DELETE ON account_balance
    FOR EACH ROW
    EXECUTE FUNCTION scd2_guard('platform_id', 'execution_environment', 'backtest_run_id');
CREATE TRIGGER trg_account_balance_no_truncate
    BEFORE TRUNCATE ON account_balance
    FOR EACH STATEMENT EXECUTE FUNCTION scd2_guard();

COMMENT ON TABLE account_balance IS
    'Cash per venue, environment and run, as history. It equals the sum of account_ledger, and in '
    'demo and live the balance of the venue.';
COMMENT ON COLUMN account_balance.balance_id IS 'Surrogate key of one version of the balance.';
COMMENT ON COLUMN account_balance.platform_id IS 'Venue that holds the cash.';
COMMENT ON COLUMN account_balance.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN account_balance.backtest_run_id IS
    'The simulation this row belongs to; set exactly when execution_environment is backtest, so '
    'that two runs never mix.';
COMMENT ON COLUMN account_balance.balance IS
    'Cash in dollars, available to trade; never negative, since nothing is bought on credit.';
COMMENT ON COLUMN account_balance.portfolio_value IS
    'Market value in dollars of the open positions, as the venue states it or marked at own-side '
    'bids; NULL when unknown.';
COMMENT ON COLUMN account_balance.currency IS 'Currency of the amounts.';
COMMENT ON COLUMN account_balance.source IS
    'venue: as reported by the venue; ledger: the sum of account_ledger.';
COMMENT ON COLUMN account_balance.event_ts IS 'When the balance was true.';
COMMENT ON COLUMN account_balance.known_at IS 'When the platform could first use it.';
COMMENT ON COLUMN account_balance.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN account_balance.row_start_ts IS
    'From when this version of the row is valid (inclusive).';
COMMENT ON COLUMN account_balance.row_end_ts IS
    'Until when this version was valid (exclusive); NULL on the current row.';
COMMENT ON COLUMN account_balance.row_current_ind IS
    'True on the one row per key that is valid now.';

CREATE TABLE account_ledger (
    entry_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_key TEXT NOT NULL
        CONSTRAINT uq_account_ledger_entry_key UNIQUE,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_account_ledger_platform_id
            REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_account_ledger_execution_environment
            CHECK (execution_environment IN ('backtest', 'paper', 'demo', 'live')),
    backtest_run_id BIGINT
        CONSTRAINT fk_account_ledger_backtest_run_id
            REFERENCES backtest_runs (backtest_run_id) ON DELETE RESTRICT,
    entry_type TEXT NOT NULL
        CONSTRAINT ck_account_ledger_entry_type CHECK (entry_type IN (
            'deposit', 'withdrawal', 'purchase', 'sale', 'fee', 'settlement', 'rebate',
            'rounding', 'adjustment', 'reversal'
        )),
    amount NUMERIC(18,6) NOT NULL,
    currency TEXT NOT NULL DEFAULT 'USD',
    position_id BIGINT
        CONSTRAINT fk_account_ledger_position_id
            REFERENCES positions (position_id) ON DELETE RESTRICT,
    fill_id BIGINT
        CONSTRAINT fk_account_ledger_fill_id REFERENCES fills (fill_id) ON DELETE RESTRICT,
    settlement_id BIGINT
        CONSTRAINT fk_account_ledger_settlement_id
            REFERENCES settlements (settlement_id) ON DELETE RESTRICT,
    reverses_entry_id BIGINT
        CONSTRAINT uq_account_ledger_reverses_entry_id UNIQUE
        CONSTRAINT fk_account_ledger_reverses_entry_id
            REFERENCES account_ledger (entry_id) ON DELETE RESTRICT,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    note TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_account_ledger_execution_environment_backtest_run_id
        CHECK ((execution_environment = 'backtest') = (backtest_run_id IS NOT NULL)),
    CONSTRAINT ck_account_ledger_entry_type_reverses_entry_id
        CHECK ((entry_type = 'reversal') = (reverses_entry_id IS NOT NULL))
);

CREATE INDEX idx_account_ledger_execution_environment_event_ts
    ON account_ledger (execution_environment, event_ts);
CREATE INDEX idx_account_ledger_platform_id ON account_ledger (platform_id);
CREATE INDEX idx_account_ledger_backtest_run_id ON account_ledger (backtest_run_id)
    WHERE backtest_run_id IS NOT NULL;
CREATE INDEX idx_account_ledger_position_id ON account_ledger (position_id)
    WHERE position_id IS NOT NULL;
CREATE INDEX idx_account_ledger_fill_id ON account_ledger (fill_id) WHERE fill_id IS NOT NULL;
CREATE INDEX idx_account_ledger_settlement_id ON account_ledger (settlement_id)
    WHERE settlement_id IS NOT NULL;

CREATE TRIGGER trg_account_ledger_no_change
    BEFORE UPDATE OR DELETE ON account_ledger
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_account_ledger_no_truncate
    BEFORE TRUNCATE ON account_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE account_ledger IS
    'Every movement of cash, signed, once: positive is money received. The sum is the balance; '
    'the sum without deposits and withdrawals is the profit or loss. Append-only: a mistake is '
    'reversed by an entry of the opposite amount.';
COMMENT ON COLUMN account_ledger.entry_id IS 'Surrogate key.';
COMMENT ON COLUMN account_ledger.entry_key IS
    'Identity of the movement, such as fill:ID:cash, fill:ID:fee or settle:MARKET:REV:POSITION: '
    'booking it again changes nothing.';
COMMENT ON COLUMN account_ledger.platform_id IS 'Venue whose cash moves.';
COMMENT ON COLUMN account_ledger.execution_environment IS
    'Where this happened: backtest (stored quotes replayed), paper (our own exchange), demo (the '
    'test host of the venue) or live (real money). No default: the writer must say which.';
COMMENT ON COLUMN account_ledger.backtest_run_id IS
    'The simulation this row belongs to; set exactly when execution_environment is backtest, so '
    'that two runs never mix.';
COMMENT ON COLUMN account_ledger.entry_type IS
    'Kind of movement. deposit and withdrawal are capital, all others are profit or loss; a '
    'reversal counts as the kind it reverses.';
COMMENT ON COLUMN account_ledger.amount IS
    'Dollars, signed from our side: a purchase, fee or withdrawal is negative.';
COMMENT ON COLUMN account_ledger.currency IS 'Currency of the amount.';
COMMENT ON COLUMN account_ledger.position_id IS
    'Position the movement belongs to and through which it is attributed to a strategy and model; '
    'NULL for capital and for external fills.';
COMMENT ON COLUMN account_ledger.fill_id IS
    'Fill that caused it; NULL for settlements, capital and adjustments.';
COMMENT ON COLUMN account_ledger.settlement_id IS 'Settlement revision that caused it.';
COMMENT ON COLUMN account_ledger.reverses_entry_id IS
    'Entry that this one cancels; at most one reversal each, set exactly when entry_type is '
    'reversal.';
COMMENT ON COLUMN account_ledger.event_ts IS 'When the money moved.';
COMMENT ON COLUMN account_ledger.known_at IS 'When the platform could first use it.';
COMMENT ON COLUMN account_ledger.note IS
    'Why, in words; expected of deposits, withdrawals and adjustments.';
COMMENT ON COLUMN account_ledger.created_at IS 'When the row was stored (database clock, UTC).';

-- A reversal that is not the exact opposite would make the ledger sum to something that never was.
CREATE FUNCTION check_reversal() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    reversed account_ledger%ROWTYPE;
BEGIN
    SELECT *
    INTO reversed
    FROM account_ledger
    WHERE entry_id = NEW.reverses_entry_id;
    IF NOT FOUND THEN
        RETURN NEW;  -- the foreign key names the missing entry
    END IF;
    IF reversed.entry_type = 'reversal' THEN
        RAISE EXCEPTION 'entry % is itself a reversal and cannot be reversed', reversed.entry_id
            USING ERRCODE = 'check_violation',
                  HINT = 'Book the original movement again under a new entry_key.',
                  TABLE = TG_TABLE_NAME;
    END IF;
    IF (NEW.amount, NEW.currency, NEW.platform_id, NEW.execution_environment,
        NEW.backtest_run_id, NEW.position_id)
       IS DISTINCT FROM
       (-reversed.amount, reversed.currency, reversed.platform_id, reversed.execution_environment,
        reversed.backtest_run_id, reversed.position_id)
    THEN
        RAISE EXCEPTION 'a reversal of entry % must be the same account and position with amount %',
                reversed.entry_id, -reversed.amount
            USING ERRCODE = 'check_violation',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END;
$$;
COMMENT ON FUNCTION check_reversal() IS
    'BEFORE INSERT of a reversal FOR EACH ROW: it must be the exact opposite of an entry that is '
    'no reversal.';

CREATE TRIGGER trg_account_ledger_reverses_entry_id
    BEFORE INSERT ON account_ledger
    FOR EACH ROW WHEN (NEW.reverses_entry_id IS NOT NULL)
    EXECUTE FUNCTION check_reversal();
