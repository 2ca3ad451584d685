-- What the venue said about its markets: slow attributes, quotes, bars and public trades. Quotes
-- are by far the largest table and are partitioned by month of observation.

CREATE TABLE market_attributes (
    market_attribute_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    market_id BIGINT NOT NULL
        CONSTRAINT fk_market_attributes_market_id
        REFERENCES markets (market_id) ON DELETE RESTRICT,
    title TEXT NOT NULL,
    status TEXT NOT NULL
        CONSTRAINT ck_market_attributes_status CHECK (status IN (
            'unopened', 'open', 'paused', 'closed', 'determined', 'disputed', 'settled'
        )),
    open_at TIMESTAMPTZ,
    close_at TIMESTAMPTZ,
    expected_expiration_at TIMESTAMPTZ,
    price_ranges JSONB NOT NULL,
    count_step NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_market_attributes_count_step CHECK (count_step > 0),
    rules_hash TEXT
        CONSTRAINT ck_market_attributes_rules_hash CHECK (rules_hash ~ '^[0-9a-f]{64}$'),
    raw JSONB NOT NULL,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    row_start_ts TIMESTAMPTZ NOT NULL,
    row_end_ts TIMESTAMPTZ,
    row_current_ind BOOLEAN NOT NULL DEFAULT true,
    CONSTRAINT ck_market_attributes_row_current_ind CHECK (row_current_ind = (row_end_ts IS NULL)),
    CONSTRAINT ck_market_attributes_row_end_ts CHECK (row_end_ts > row_start_ts)
);

CREATE UNIQUE INDEX uq_market_attributes_market_id
    ON market_attributes (market_id)
    WHERE row_current_ind;
CREATE UNIQUE INDEX uq_market_attributes_market_id_row_start_ts
    ON market_attributes (market_id, row_start_ts);

CREATE TRIGGER trg_market_attributes_scd2
    BEFORE INSERT OR UPDATE OR DELETE ON market_attributes
    FOR EACH ROW EXECUTE FUNCTION scd2_guard('market_id');
CREATE TRIGGER trg_market_attributes_no_truncate
    BEFORE TRUNCATE ON market_attributes
    FOR EACH STATEMENT EXECUTE FUNCTION scd2_guard();

COMMENT ON TABLE market_attributes IS
    'Attributes of a market that change slowly: state, times, price grid, rules. One row per '
    'state, the current one open-ended.';
COMMENT ON COLUMN market_attributes.market_attribute_id IS 'Surrogate key of one state.';
COMMENT ON COLUMN market_attributes.market_id IS 'Market described.';
COMMENT ON COLUMN market_attributes.title IS 'The venue''s title, such as who wins.';
COMMENT ON COLUMN market_attributes.status IS
    'State of the market in Precog''s words; trading needs open.';
COMMENT ON COLUMN market_attributes.open_at IS 'When trading opens or opened.';
COMMENT ON COLUMN market_attributes.close_at IS 'When trading closes at the latest; no game time.';
COMMENT ON COLUMN market_attributes.expected_expiration_at IS 'When the venue expects the outcome.';
COMMENT ON COLUMN market_attributes.price_ranges IS
    'Price grid: list of {start, end, step} in dollars as strings; orders must lie on it.';
COMMENT ON COLUMN market_attributes.count_step IS 'Smallest step of order quantity, in contracts.';
COMMENT ON COLUMN market_attributes.rules_hash IS
    'SHA-256 of the settlement wording; an unrecognised one is not traded. NULL = no wording.';
COMMENT ON COLUMN market_attributes.raw IS 'The reply as received, for audit.';
COMMENT ON COLUMN market_attributes.event_ts IS 'When the fact was true in the world.';
COMMENT ON COLUMN market_attributes.known_at IS
    'When the platform could first use the fact; a reader at time t sees only rows with known_at '
    '<= t.';
COMMENT ON COLUMN market_attributes.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN market_attributes.row_start_ts IS
    'From when this version of the row is valid (inclusive).';
COMMENT ON COLUMN market_attributes.row_end_ts IS
    'Until when this version was valid (exclusive); NULL on the current row.';
COMMENT ON COLUMN market_attributes.row_current_ind IS
    'True on the one row per key that is valid now.';


-- The index on known_at serves the trading sensor, which asks for quotes newer than its last tick.

CREATE TABLE market_snapshots (
    market_id BIGINT NOT NULL
        CONSTRAINT fk_market_snapshots_market_id REFERENCES markets (market_id) ON DELETE RESTRICT,
    observed_at TIMESTAMPTZ NOT NULL,
    yes_bid NUMERIC(12,6)
        CONSTRAINT ck_market_snapshots_yes_bid CHECK (yes_bid BETWEEN 0 AND 1),
    yes_ask NUMERIC(12,6)
        CONSTRAINT ck_market_snapshots_yes_ask CHECK (yes_ask BETWEEN 0 AND 1),
    yes_bid_size NUMERIC(14,2)
        CONSTRAINT ck_market_snapshots_yes_bid_size CHECK (yes_bid_size >= 0),
    yes_ask_size NUMERIC(14,2)
        CONSTRAINT ck_market_snapshots_yes_ask_size CHECK (yes_ask_size >= 0),
    last_price NUMERIC(12,6)
        CONSTRAINT ck_market_snapshots_last_price CHECK (last_price BETWEEN 0 AND 1),
    volume NUMERIC(14,2)
        CONSTRAINT ck_market_snapshots_volume CHECK (volume >= 0),
    open_interest NUMERIC(14,2)
        CONSTRAINT ck_market_snapshots_open_interest CHECK (open_interest >= 0),
    write_reason TEXT NOT NULL
        CONSTRAINT ck_market_snapshots_write_reason CHECK (write_reason IN (
            'price', 'volume', 'heartbeat', 'decision'
        )),
    source TEXT NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT market_snapshots_pkey PRIMARY KEY (market_id, observed_at),
    CONSTRAINT ck_market_snapshots_known_at CHECK (known_at >= observed_at)
) PARTITION BY RANGE (observed_at);

CREATE INDEX idx_market_snapshots_known_at ON market_snapshots (known_at);

CREATE TRIGGER trg_market_snapshots_no_change
    BEFORE UPDATE OR DELETE ON market_snapshots
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_market_snapshots_no_truncate
    BEFORE TRUNCATE ON market_snapshots
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE market_snapshots IS
    'Quotes in YES prices: best bid and ask with sizes, as observed. Written when bid or ask '
    'moves by 0.01 or 2 %, when volume moves by 10, for the quote of a decision, and every 300 s. '
    'NULL = no quote.';
COMMENT ON COLUMN market_snapshots.market_id IS 'Market quoted.';
COMMENT ON COLUMN market_snapshots.observed_at IS
    'When the quote was seen or stood; decides the monthly partition (UTC).';
COMMENT ON COLUMN market_snapshots.yes_bid IS
    'Best price someone pays for YES, in dollars; NULL = none. A NO ask is 1 - this.';
COMMENT ON COLUMN market_snapshots.yes_ask IS
    'Best price someone sells YES at, in dollars; NULL = none. A NO bid is 1 - this.';
COMMENT ON COLUMN market_snapshots.yes_bid_size IS 'Contracts at the best bid.';
COMMENT ON COLUMN market_snapshots.yes_ask_size IS 'Contracts at the best ask.';
COMMENT ON COLUMN market_snapshots.last_price IS
    'Price of the last trade in dollars; never used as cost.';
COMMENT ON COLUMN market_snapshots.volume IS 'Contracts traded over the last 24 hours.';
COMMENT ON COLUMN market_snapshots.open_interest IS 'Contracts outstanding.';
COMMENT ON COLUMN market_snapshots.write_reason IS 'What made the row be written.';
COMMENT ON COLUMN market_snapshots.source IS
    'Origin of the quote: recorded, simulated, assumed_closing_line or manual; reports say so.';
COMMENT ON COLUMN market_snapshots.known_at IS
    'When the platform could first use the quote: receipt when live.';
COMMENT ON COLUMN market_snapshots.created_at IS 'When the row was stored (database clock, UTC).';


CREATE FUNCTION missing_snapshot_months(from_ts TIMESTAMPTZ, to_ts TIMESTAMPTZ)
RETURNS TIMESTAMPTZ[]
LANGUAGE sql STABLE
SET search_path = public, pg_temp
SET timezone = 'UTC'
AS $$
    SELECT coalesce(array_agg(month_start ORDER BY month_start), '{}')
    FROM generate_series(
        date_trunc('month', from_ts), date_trunc('month', to_ts), INTERVAL '1 month'
    ) AS month_start
    WHERE to_regclass('market_snapshots_' || to_char(month_start, 'YYYY_MM')) IS NULL;
$$;
COMMENT ON FUNCTION missing_snapshot_months(TIMESTAMPTZ, TIMESTAMPTZ) IS
    'First instants of the UTC months between two times without a partition of market_snapshots.';


-- What CREATE TABLE ... PARTITION OF does not inherit: the refusal of TRUNCATE, and comments.
CREATE FUNCTION finish_snapshot_partition(partition_name TEXT, description TEXT) RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
    commented RECORD;
BEGIN
    EXECUTE format(
        'CREATE TRIGGER %I BEFORE TRUNCATE ON %I
         FOR EACH STATEMENT EXECUTE FUNCTION forbid_change()',
        'trg_' || partition_name || '_no_truncate', partition_name
    );
    EXECUTE format('COMMENT ON TABLE %I IS %L', partition_name, description);
    FOR commented IN
        SELECT a.attname, col_description(a.attrelid, a.attnum) AS text
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = 'market_snapshots'::REGCLASS
          AND a.attnum > 0
          AND NOT a.attisdropped
    LOOP
        EXECUTE format(
            'COMMENT ON COLUMN %I.%I IS %L', partition_name, commented.attname, commented.text
        );
    END LOOP;
END;
$$;
COMMENT ON FUNCTION finish_snapshot_partition(TEXT, TEXT) IS
    'Gives a new partition of market_snapshots its TRUNCATE guard and its comments.';


CREATE TABLE market_snapshots_default PARTITION OF market_snapshots DEFAULT;
SELECT finish_snapshot_partition(
    'market_snapshots_default', 'Quotes of months without a partition; kept empty.'
);


-- SECURITY DEFINER: the role that stores quotes has no right to create tables. A quote of a month
-- without a partition is never lost: it waits in DEFAULT and is moved, not changed, when the
-- partition is made. DEFAULT is dropped and made anew for that, because its rows refuse a DELETE.
CREATE FUNCTION ensure_snapshot_partitions(from_ts TIMESTAMPTZ, to_ts TIMESTAMPTZ) RETURNS INTEGER
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = public, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
    missing TIMESTAMPTZ[];
    month_start TIMESTAMPTZ;
    partition_name TEXT;
    has_strays BOOLEAN;
BEGIN
    IF from_ts IS NULL OR to_ts IS NULL OR NOT isfinite(from_ts) OR NOT isfinite(to_ts)
            OR to_ts < from_ts THEN
        RAISE EXCEPTION 'ensure_snapshot_partitions needs from_ts <= to_ts, got % and %',
                from_ts, to_ts
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- Twice: without the lock, so that the usual call costs nothing; and under it, because another
    -- session may have created the months meanwhile.
    missing := missing_snapshot_months(from_ts, to_ts);
    IF cardinality(missing) = 0 THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('ensure_snapshot_partitions', 0));
    -- Waiting for an advisory lock does not refresh the catalog cache, locking a table does.
    LOCK TABLE market_snapshots_default IN ACCESS EXCLUSIVE MODE;
    missing := missing_snapshot_months(from_ts, to_ts);
    IF cardinality(missing) = 0 THEN
        RETURN 0;
    END IF;

    SELECT EXISTS (
        SELECT
        FROM market_snapshots_default
        WHERE date_trunc('month', observed_at) = ANY (missing)
    )
    INTO has_strays;
    IF has_strays THEN
        CREATE TEMP TABLE snapshot_strays ON COMMIT DROP AS
        SELECT *
        FROM market_snapshots_default;
        DROP TABLE market_snapshots_default;
    END IF;

    FOREACH month_start IN ARRAY missing LOOP
        partition_name := 'market_snapshots_' || to_char(month_start, 'YYYY_MM');
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF market_snapshots FOR VALUES FROM (%L) TO (%L)',
            partition_name, month_start, month_start + INTERVAL '1 month'
        );
        PERFORM finish_snapshot_partition(
            partition_name,
            format('Quotes observed in %s (UTC).', to_char(month_start, 'YYYY-MM'))
        );
    END LOOP;

    IF has_strays THEN
        CREATE TABLE market_snapshots_default PARTITION OF market_snapshots DEFAULT;
        PERFORM finish_snapshot_partition(
            'market_snapshots_default', 'Quotes of months without a partition; kept empty.'
        );
        INSERT INTO market_snapshots
        SELECT *
        FROM pg_temp.snapshot_strays;
        DROP TABLE pg_temp.snapshot_strays;
    END IF;
    RETURN cardinality(missing);
END;
$$;
COMMENT ON FUNCTION ensure_snapshot_partitions(TIMESTAMPTZ, TIMESTAMPTZ) IS
    'Creates the missing monthly partitions (UTC) of market_snapshots between two times and '
    'returns their number; safe to repeat and to call from several sessions.';

SELECT ensure_snapshot_partitions(now(), now() + INTERVAL '3 months');


CREATE TABLE market_candles (
    candle_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    market_id BIGINT NOT NULL
        CONSTRAINT fk_market_candles_market_id REFERENCES markets (market_id) ON DELETE RESTRICT,
    period_s INTEGER NOT NULL,
    bar_end_ts TIMESTAMPTZ NOT NULL,
    open_price NUMERIC(12,6)
        CONSTRAINT ck_market_candles_open_price CHECK (open_price BETWEEN 0 AND 1),
    high_price NUMERIC(12,6)
        CONSTRAINT ck_market_candles_high_price CHECK (high_price BETWEEN 0 AND 1),
    low_price NUMERIC(12,6)
        CONSTRAINT ck_market_candles_low_price CHECK (low_price BETWEEN 0 AND 1),
    close_price NUMERIC(12,6)
        CONSTRAINT ck_market_candles_close_price CHECK (close_price BETWEEN 0 AND 1),
    yes_bid NUMERIC(12,6)
        CONSTRAINT ck_market_candles_yes_bid CHECK (yes_bid BETWEEN 0 AND 1),
    yes_ask NUMERIC(12,6)
        CONSTRAINT ck_market_candles_yes_ask CHECK (yes_ask BETWEEN 0 AND 1),
    volume NUMERIC(14,2)
        CONSTRAINT ck_market_candles_volume CHECK (volume >= 0),
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_market_candles_market_id_period_s_bar_end_ts
        UNIQUE (market_id, period_s, bar_end_ts),
    CONSTRAINT ck_market_candles_known_at CHECK (known_at >= bar_end_ts)
);

CREATE TRIGGER trg_market_candles_no_change
    BEFORE UPDATE OR DELETE ON market_candles
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_market_candles_no_truncate
    BEFORE TRUNCATE ON market_candles
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE market_candles IS
    'Bars of a market in YES prices. A bar is knowable only at its end, so bar_end_ts is its '
    'event time.';
COMMENT ON COLUMN market_candles.candle_id IS 'Surrogate key.';
COMMENT ON COLUMN market_candles.market_id IS 'Market of the bar.';
COMMENT ON COLUMN market_candles.period_s IS 'Length of the bar in seconds.';
COMMENT ON COLUMN market_candles.bar_end_ts IS 'Inclusive end of the bar.';
COMMENT ON COLUMN market_candles.open_price IS
    'First trade in dollars; NULL when nothing traded, as the next three.';
COMMENT ON COLUMN market_candles.high_price IS 'Highest trade in dollars.';
COMMENT ON COLUMN market_candles.low_price IS 'Lowest trade in dollars.';
COMMENT ON COLUMN market_candles.close_price IS 'Last trade in dollars.';
COMMENT ON COLUMN market_candles.yes_bid IS 'Best YES bid at the end of the bar; NULL = none.';
COMMENT ON COLUMN market_candles.yes_ask IS 'Best YES ask at the end of the bar; NULL = none.';
COMMENT ON COLUMN market_candles.volume IS 'Contracts traded in the bar.';
COMMENT ON COLUMN market_candles.known_at IS
    'When the platform could first use the fact; a reader at time t sees only rows with known_at '
    '<= t.';
COMMENT ON COLUMN market_candles.created_at IS 'When the row was stored (database clock, UTC).';


CREATE TABLE market_trades (
    market_trade_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    market_id BIGINT NOT NULL
        CONSTRAINT fk_market_trades_market_id REFERENCES markets (market_id) ON DELETE RESTRICT,
    venue_trade_id TEXT NOT NULL,
    price NUMERIC(12,6) NOT NULL
        CONSTRAINT ck_market_trades_price CHECK (price BETWEEN 0 AND 1),
    quantity NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_market_trades_quantity CHECK (quantity > 0),
    taker_side TEXT
        CONSTRAINT ck_market_trades_taker_side CHECK (taker_side IN ('yes', 'no')),
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_market_trades_market_id_venue_trade_id UNIQUE (market_id, venue_trade_id)
);

CREATE TRIGGER trg_market_trades_no_change
    BEFORE UPDATE OR DELETE ON market_trades
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_market_trades_no_truncate
    BEFORE TRUNCATE ON market_trades
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE market_trades IS
    'Public trades of a market. Resting paper orders fill only when one of them trades through '
    'their price.';
COMMENT ON COLUMN market_trades.market_trade_id IS 'Surrogate key.';
COMMENT ON COLUMN market_trades.market_id IS 'Market traded.';
COMMENT ON COLUMN market_trades.venue_trade_id IS
    'The venue''s key of the trade; repeated pages count once.';
COMMENT ON COLUMN market_trades.price IS 'YES price in dollars.';
COMMENT ON COLUMN market_trades.quantity IS 'Contracts; may be fractional.';
COMMENT ON COLUMN market_trades.taker_side IS 'Side the taker bought; NULL when not told.';
COMMENT ON COLUMN market_trades.event_ts IS 'When the fact was true in the world.';
COMMENT ON COLUMN market_trades.known_at IS
    'When the platform could first use the fact; a reader at time t sees only rows with known_at '
    '<= t.';
COMMENT ON COLUMN market_trades.created_at IS 'When the row was stored (database clock, UTC).';
