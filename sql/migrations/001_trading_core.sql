-- What can be traded, who decides, and what was bought: reference data of the venue, the immutable
-- versions of strategies and models, positions and trades. Later migrations add attribution (003),
-- exit management (004) and the links to games, orders and fills.

CREATE TABLE sports (
    code TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    is_known BOOLEAN NOT NULL DEFAULT true,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMENT ON TABLE sports IS
    'Sports with a market or a game source. Open set: an unknown code is stored with is_known '
    'false instead of losing the row.';
COMMENT ON COLUMN sports.code IS 'Code of the sport: lower-case, never renamed.';
COMMENT ON COLUMN sports.description IS 'What the code means, in words.';
COMMENT ON COLUMN sports.is_known IS
    'False when the code was met in data before anyone described it; a medium alert asks for '
    'review.';
COMMENT ON COLUMN sports.created_at IS 'When the row was stored (database clock, UTC).';


CREATE TABLE market_categories (
    code TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    is_known BOOLEAN NOT NULL DEFAULT true,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMENT ON TABLE market_categories IS
    'What a market is about, as the venue groups it. Open set; Precog trades sports only.';
COMMENT ON COLUMN market_categories.code IS 'Code of the category: lower-case, never renamed.';
COMMENT ON COLUMN market_categories.description IS 'What the code means, in words.';
COMMENT ON COLUMN market_categories.is_known IS
    'False when the code was met in data before anyone described it; a medium alert asks for '
    'review.';
COMMENT ON COLUMN market_categories.created_at IS 'When the row was stored (database clock, UTC).';


CREATE TABLE series_frequencies (
    code TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    is_known BOOLEAN NOT NULL DEFAULT true,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

COMMENT ON TABLE series_frequencies IS
    'How often a series lists new events. Open set: venues invent new ones.';
COMMENT ON COLUMN series_frequencies.code IS 'Code of the frequency: lower-case, never renamed.';
COMMENT ON COLUMN series_frequencies.description IS 'What the code means, in words.';
COMMENT ON COLUMN series_frequencies.is_known IS
    'False when the code was met in data before anyone described it; a medium alert asks for '
    'review.';
COMMENT ON COLUMN series_frequencies.created_at IS 'When the row was stored (database clock, UTC).';


CREATE TABLE leagues (
    league TEXT PRIMARY KEY,
    sport TEXT NOT NULL
        CONSTRAINT fk_leagues_sport REFERENCES sports (code) ON DELETE RESTRICT,
    name TEXT NOT NULL,
    trading_enabled BOOLEAN NOT NULL DEFAULT false,
    is_known BOOLEAN NOT NULL DEFAULT true,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX idx_leagues_sport ON leagues (sport);

COMMENT ON TABLE leagues IS
    'Competitions. The code is the league part of every partition key, such as nfl|2018.';
COMMENT ON COLUMN leagues.league IS 'Code of the league, lower-case: nfl, nba, mlb.';
COMMENT ON COLUMN leagues.sport IS 'Sport played in the league.';
COMMENT ON COLUMN leagues.name IS 'Full name for people.';
COMMENT ON COLUMN leagues.trading_enabled IS
    'True where trading may open positions; the others are only modelled.';
COMMENT ON COLUMN leagues.is_known IS
    'False when the code was met in data before anyone described it; a medium alert asks for '
    'review.';
COMMENT ON COLUMN leagues.created_at IS 'When the row was stored (database clock, UTC).';


CREATE TABLE platforms (
    platform_id TEXT PRIMARY KEY,
    platform_type TEXT NOT NULL
        CONSTRAINT ck_platforms_platform_type
        CHECK (platform_type IN ('trading', 'data_source', 'hybrid')),
    display_name TEXT NOT NULL,
    venue_environment TEXT NOT NULL
        CONSTRAINT ck_platforms_venue_environment
        CHECK (venue_environment IN ('prod', 'demo', 'none')),
    status TEXT NOT NULL DEFAULT 'active'
        CONSTRAINT ck_platforms_status
        CHECK (status IN ('active', 'inactive', 'maintenance')),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE TRIGGER trg_platforms_updated_at
    BEFORE UPDATE ON platforms
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE platforms IS
    'Venues and data sources, one row per host environment, so that prod and demo never share a '
    'key.';
COMMENT ON COLUMN platforms.platform_id IS
    'Code of the venue or source, such as kalshi, kalshi_demo, simulated, nflverse.';
COMMENT ON COLUMN platforms.platform_type IS
    'trading takes orders, data_source gives facts, hybrid does both.';
COMMENT ON COLUMN platforms.display_name IS
    'Name for people; says where prices are assumed or simulated.';
COMMENT ON COLUMN platforms.venue_environment IS
    'Which environment of the venue the row stands for; none where there is no venue behind it.';
COMMENT ON COLUMN platforms.status IS 'Whether the platform may be used now.';
COMMENT ON COLUMN platforms.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN platforms.updated_at IS 'When the row was last changed; set by trigger.';


CREATE TABLE series (
    series_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_series_platform_id REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    series_ticker TEXT NOT NULL,
    category TEXT NOT NULL
        CONSTRAINT fk_series_category REFERENCES market_categories (code) ON DELETE RESTRICT,
    league TEXT
        CONSTRAINT fk_series_league REFERENCES leagues (league) ON DELETE RESTRICT,
    title TEXT NOT NULL,
    frequency TEXT NOT NULL
        CONSTRAINT fk_series_frequency REFERENCES series_frequencies (code) ON DELETE RESTRICT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_series_platform_id_series_ticker UNIQUE (platform_id, series_ticker)
);

CREATE INDEX idx_series_category ON series (category);
CREATE INDEX idx_series_league ON series (league);
CREATE INDEX idx_series_frequency ON series (frequency);

CREATE TRIGGER trg_series_updated_at
    BEFORE UPDATE ON series
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE series IS
    'Contract families of a venue, such as all NFL game winners. Fees and settlement wording '
    'usually hang on the series.';
COMMENT ON COLUMN series.series_id IS 'Surrogate key.';
COMMENT ON COLUMN series.platform_id IS 'Venue that lists the series.';
COMMENT ON COLUMN series.series_ticker IS 'The venue''s name of the series, such as KXNFLGAME.';
COMMENT ON COLUMN series.category IS 'What the series is about.';
COMMENT ON COLUMN series.league IS 'League of the games; NULL outside sports or when unmapped.';
COMMENT ON COLUMN series.title IS 'The venue''s title.';
COMMENT ON COLUMN series.frequency IS 'How often new events appear.';
COMMENT ON COLUMN series.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN series.updated_at IS 'When the row was last changed; set by trigger.';


CREATE TABLE events (
    event_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_events_platform_id REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    series_id BIGINT NOT NULL
        CONSTRAINT fk_events_series_id REFERENCES series (series_id) ON DELETE RESTRICT,
    event_ticker TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'scheduled'
        CONSTRAINT ck_events_status CHECK (status IN (
            'scheduled', 'live', 'final', 'canceled', 'postponed'
        )),
    start_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_events_platform_id_event_ticker UNIQUE (platform_id, event_ticker)
);

CREATE INDEX idx_events_series_id ON events (series_id);

CREATE TRIGGER trg_events_updated_at
    BEFORE UPDATE ON events
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE events IS
    'One thing that will happen, with one or more markets on it; for Precog a game.';
COMMENT ON COLUMN events.event_id IS 'Surrogate key.';
COMMENT ON COLUMN events.platform_id IS 'Venue that lists the event.';
COMMENT ON COLUMN events.series_id IS 'Contract family of the event.';
COMMENT ON COLUMN events.event_ticker IS
    'The venue''s name of the event, such as KXNFLGAME-26SEP14DENKC.';
COMMENT ON COLUMN events.title IS 'The venue''s title.';
COMMENT ON COLUMN events.status IS
    'Course of the event itself; the state of its markets is in market_attributes.';
COMMENT ON COLUMN events.start_at IS
    'Scheduled start (UTC), from the sports feed where mapped; the close time of a market is no '
    'start.';
COMMENT ON COLUMN events.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN events.updated_at IS 'When the row was last changed; set by trigger.';


CREATE TABLE markets (
    market_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_markets_platform_id REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    event_id BIGINT NOT NULL
        CONSTRAINT fk_markets_event_id REFERENCES events (event_id) ON DELETE RESTRICT,
    ticker TEXT NOT NULL,
    market_type TEXT NOT NULL
        CONSTRAINT ck_markets_market_type
        CHECK (market_type IN ('binary', 'scalar', 'categorical')),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_markets_platform_id_ticker UNIQUE (platform_id, ticker)
);

CREATE INDEX idx_markets_event_id ON markets (event_id);

CREATE TRIGGER trg_markets_updated_at
    BEFORE UPDATE ON markets
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE markets IS
    'Contracts, identity only: each pays 1 dollar if its outcome happens. What changes over time '
    'is in market_attributes and market_snapshots.';
COMMENT ON COLUMN markets.market_id IS 'Surrogate key.';
COMMENT ON COLUMN markets.platform_id IS 'Venue that lists the market.';
COMMENT ON COLUMN markets.event_id IS 'Event whose outcome decides the market.';
COMMENT ON COLUMN markets.ticker IS
    'The venue''s name of the market; its last part names the outcome that YES pays.';
COMMENT ON COLUMN markets.market_type IS
    'binary pays 0 or 1; scalar any value between; categorical one of several. Only binary is '
    'traded.';
COMMENT ON COLUMN markets.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN markets.updated_at IS 'When the row was last changed; set by trigger.';


CREATE TABLE strategies (
    strategy_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    strategy_name TEXT NOT NULL,
    strategy_version TEXT NOT NULL,
    strategy_type TEXT NOT NULL
        CONSTRAINT ck_strategies_strategy_type
        CHECK (strategy_type IN ('entry', 'exit', 'sizing', 'hedging')),
    category TEXT NOT NULL
        CONSTRAINT fk_strategies_category REFERENCES market_categories (code) ON DELETE RESTRICT,
    league TEXT
        CONSTRAINT fk_strategies_league REFERENCES leagues (league) ON DELETE RESTRICT,
    config JSONB NOT NULL,
    status TEXT NOT NULL DEFAULT 'draft'
        CONSTRAINT ck_strategies_status CHECK (status IN (
            'draft', 'testing', 'active', 'inactive', 'deprecated'
        )),
    activated_at TIMESTAMPTZ,
    deactivated_at TIMESTAMPTZ,
    created_by TEXT,
    approved_by TEXT,
    notes TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_strategies_strategy_name_strategy_version
        UNIQUE (strategy_name, strategy_version),
    CONSTRAINT ck_strategies_strategy_version CHECK (strategy_version ~ '^v[0-9]+\.[0-9]+$'),
    CONSTRAINT ck_strategies_deactivated_at CHECK (deactivated_at >= activated_at)
);

CREATE INDEX idx_strategies_status ON strategies (status);
CREATE INDEX idx_strategies_category ON strategies (category);
CREATE INDEX idx_strategies_league ON strategies (league);

CREATE TRIGGER trg_strategies_allow_only
    BEFORE UPDATE ON strategies
    FOR EACH ROW EXECUTE FUNCTION allow_only(
        'status', 'activated_at', 'deactivated_at', 'created_by', 'approved_by', 'notes'
    );
CREATE TRIGGER trg_strategies_status
    BEFORE INSERT OR UPDATE ON strategies
    FOR EACH ROW EXECUTE FUNCTION enforce_status_path(
        'draft>testing', 'testing>active', 'testing>draft', 'active>inactive',
        'active>deprecated', 'inactive>active', 'inactive>deprecated'
    );
CREATE TRIGGER trg_strategies_no_delete
    BEFORE DELETE ON strategies
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_strategies_no_truncate
    BEFORE TRUNCATE ON strategies
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE strategies IS
    'Versions of decision rules. A row is never edited: tuning is a minor, a new algorithm a '
    'major version, and every automated trade names the version that decided.';
COMMENT ON COLUMN strategies.strategy_id IS 'Surrogate key of one version.';
COMMENT ON COLUMN strategies.strategy_name IS 'Name shared by all versions.';
COMMENT ON COLUMN strategies.strategy_version IS 'vMAJOR.MINOR, such as v1.0.';
COMMENT ON COLUMN strategies.strategy_type IS 'Which decision the rules make.';
COMMENT ON COLUMN strategies.category IS 'Markets the strategy is meant for.';
COMMENT ON COLUMN strategies.league IS 'League the strategy is limited to; NULL = any.';
COMMENT ON COLUMN strategies.config IS
    'Every parameter of the rules; decimals as strings. Immutable from creation.';
COMMENT ON COLUMN strategies.status IS
    'Place in the life of the version: draft, testing, active, inactive, deprecated.';
COMMENT ON COLUMN strategies.activated_at IS
    'When the version was first allowed to act (left draft); NULL before.';
COMMENT ON COLUMN strategies.deactivated_at IS
    'When the version stopped acting; NULL while it may act.';
COMMENT ON COLUMN strategies.created_by IS 'Person or program that defined the version.';
COMMENT ON COLUMN strategies.approved_by IS 'Person who released the version; bootstrap in paper.';
COMMENT ON COLUMN strategies.notes IS
    'Free text on the life of the version: why it was released or withdrawn.';
COMMENT ON COLUMN strategies.created_at IS 'When the row was stored (database clock, UTC).';


CREATE TABLE probability_models (
    model_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_name TEXT NOT NULL,
    model_version TEXT NOT NULL,
    model_type TEXT NOT NULL
        CONSTRAINT ck_probability_models_model_type CHECK (model_type IN (
            'elo', 'regression', 'ml', 'ensemble', 'matrix'
        )),
    category TEXT NOT NULL
        CONSTRAINT fk_probability_models_category
        REFERENCES market_categories (code) ON DELETE RESTRICT,
    league TEXT
        CONSTRAINT fk_probability_models_league REFERENCES leagues (league) ON DELETE RESTRICT,
    config JSONB NOT NULL,
    status TEXT NOT NULL DEFAULT 'draft'
        CONSTRAINT ck_probability_models_status
        CHECK (status IN ('draft', 'testing', 'active', 'deprecated')),
    activated_at TIMESTAMPTZ,
    deactivated_at TIMESTAMPTZ,
    created_by TEXT,
    approved_by TEXT,
    notes TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT uq_probability_models_model_name_model_version UNIQUE (model_name, model_version),
    CONSTRAINT ck_probability_models_model_version CHECK (model_version ~ '^v[0-9]+\.[0-9]+$'),
    CONSTRAINT ck_probability_models_deactivated_at CHECK (deactivated_at >= activated_at)
);

CREATE INDEX idx_probability_models_status ON probability_models (status);
CREATE INDEX idx_probability_models_category ON probability_models (category);
CREATE INDEX idx_probability_models_league ON probability_models (league);

CREATE TRIGGER trg_probability_models_allow_only
    BEFORE UPDATE ON probability_models
    FOR EACH ROW EXECUTE FUNCTION allow_only(
        'status', 'activated_at', 'deactivated_at', 'created_by', 'approved_by', 'notes'
    );
CREATE TRIGGER trg_probability_models_status
    BEFORE INSERT OR UPDATE ON probability_models
    FOR EACH ROW EXECUTE FUNCTION enforce_status_path(
        'draft>testing', 'testing>active', 'testing>draft', 'active>deprecated'
    );
CREATE TRIGGER trg_probability_models_no_delete
    BEFORE DELETE ON probability_models
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_probability_models_no_truncate
    BEFORE TRUNCATE ON probability_models
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE probability_models IS
    'Versions of models that give P(home wins): definition and parameters only. Fits are in '
    'model_training_runs, ratings in elo_rating_history.';
COMMENT ON COLUMN probability_models.model_id IS 'Surrogate key of one version.';
COMMENT ON COLUMN probability_models.model_name IS 'Name shared by all versions, such as nfl-elo.';
COMMENT ON COLUMN probability_models.model_version IS 'vMAJOR.MINOR, such as v1.0.';
COMMENT ON COLUMN probability_models.model_type IS 'Family of the model.';
COMMENT ON COLUMN probability_models.category IS 'Markets the model speaks about.';
COMMENT ON COLUMN probability_models.league IS 'League the model was made for; NULL = any.';
COMMENT ON COLUMN probability_models.config IS
    'Every hyper-parameter; decimals as strings. Immutable from creation.';
COMMENT ON COLUMN probability_models.status IS
    'Place in the life of the version: draft, testing, active, deprecated.';
COMMENT ON COLUMN probability_models.activated_at IS
    'When the version was first allowed to act (left draft); NULL before.';
COMMENT ON COLUMN probability_models.deactivated_at IS
    'When the version stopped acting; NULL while it may act.';
COMMENT ON COLUMN probability_models.created_by IS 'Person or program that defined the version.';
COMMENT ON COLUMN probability_models.approved_by IS
    'Person who released the version; bootstrap in paper.';
COMMENT ON COLUMN probability_models.notes IS
    'Free text on the life of the version: why it was released or withdrawn.';
COMMENT ON COLUMN probability_models.created_at IS 'When the row was stored (database clock, UTC).';


CREATE TABLE positions (
    position_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position_key TEXT NOT NULL
        CONSTRAINT uq_positions_position_key UNIQUE,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_positions_platform_id REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    market_id BIGINT NOT NULL
        CONSTRAINT fk_positions_market_id REFERENCES markets (market_id) ON DELETE RESTRICT,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_positions_execution_environment CHECK (execution_environment IN (
            'backtest', 'paper', 'demo', 'live'
        )),
    side TEXT NOT NULL
        CONSTRAINT ck_positions_side CHECK (side IN ('yes', 'no')),
    original_quantity NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_positions_original_quantity CHECK (original_quantity > 0),
    quantity NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_positions_quantity CHECK (quantity >= 0),
    entry_price NUMERIC(12,6) NOT NULL
        CONSTRAINT ck_positions_entry_price CHECK (entry_price BETWEEN 0 AND 1),
    fees NUMERIC(18,6) NOT NULL DEFAULT 0
        CONSTRAINT ck_positions_fees CHECK (fees >= 0),
    realized_pnl NUMERIC(18,6) NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'open'
        CONSTRAINT ck_positions_status CHECK (status IN ('open', 'closed', 'settled')),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT ck_positions_quantity_original_quantity CHECK (quantity <= original_quantity),
    CONSTRAINT ck_positions_status_quantity CHECK ((status = 'open') = (quantity > 0))
);

CREATE INDEX idx_positions_platform_id ON positions (platform_id);
CREATE INDEX idx_positions_market_id ON positions (market_id);

CREATE TRIGGER trg_positions_updated_at
    BEFORE UPDATE ON positions
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

COMMENT ON TABLE positions IS
    'What we hold, per market, side, strategy, model and environment: a fold of its fills at '
    'average cost. Prices are those of the held side. Every change is kept in position_history.';
COMMENT ON COLUMN positions.position_id IS 'Stable surrogate key: partial exits keep it.';
COMMENT ON COLUMN positions.position_key IS
    'Deterministic business key; makes opening a position idempotent.';
COMMENT ON COLUMN positions.platform_id IS 'Venue that holds the contracts.';
COMMENT ON COLUMN positions.market_id IS 'Market of the contracts.';
COMMENT ON COLUMN positions.execution_environment IS
    'Where the position lives: backtest, paper, demo or live. No default: nothing is real by '
    'accident.';
COMMENT ON COLUMN positions.side IS 'Held side of the market.';
COMMENT ON COLUMN positions.original_quantity IS
    'Contracts ever bought; partial exits take shares of it.';
COMMENT ON COLUMN positions.quantity IS 'Contracts still held.';
COMMENT ON COLUMN positions.entry_price IS 'Average cost per contract in dollars, without fees.';
COMMENT ON COLUMN positions.fees IS 'Fees paid so far in dollars.';
COMMENT ON COLUMN positions.realized_pnl IS
    'Profit or loss taken so far in dollars, net of the fees booked to it.';
COMMENT ON COLUMN positions.status IS
    'open while contracts are held, closed when all were sold, settled when the market paid.';
COMMENT ON COLUMN positions.created_at IS 'When the row was stored (database clock, UTC).';
COMMENT ON COLUMN positions.updated_at IS 'When the row was last changed; set by trigger.';


CREATE TABLE trades (
    trade_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    platform_id TEXT NOT NULL
        CONSTRAINT fk_trades_platform_id REFERENCES platforms (platform_id) ON DELETE RESTRICT,
    market_id BIGINT NOT NULL
        CONSTRAINT fk_trades_market_id REFERENCES markets (market_id) ON DELETE RESTRICT,
    position_id BIGINT
        CONSTRAINT fk_trades_position_id REFERENCES positions (position_id) ON DELETE RESTRICT,
    execution_environment TEXT NOT NULL
        CONSTRAINT ck_trades_execution_environment CHECK (execution_environment IN (
            'backtest', 'paper', 'demo', 'live'
        )),
    trade_source TEXT NOT NULL
        CONSTRAINT ck_trades_trade_source CHECK (trade_source IN ('automated', 'manual')),
    action TEXT NOT NULL
        CONSTRAINT ck_trades_action CHECK (action IN ('buy', 'sell')),
    side TEXT NOT NULL
        CONSTRAINT ck_trades_side CHECK (side IN ('yes', 'no')),
    price NUMERIC(12,6) NOT NULL
        CONSTRAINT ck_trades_price CHECK (price BETWEEN 0 AND 1),
    quantity NUMERIC(14,2) NOT NULL
        CONSTRAINT ck_trades_quantity CHECK (quantity > 0),
    fee NUMERIC(18,6) NOT NULL
        CONSTRAINT ck_trades_fee CHECK (fee >= 0),
    is_taker BOOLEAN NOT NULL,
    event_ts TIMESTAMPTZ NOT NULL,
    known_at TIMESTAMPTZ NOT NULL,
    trade_metadata JSONB,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX idx_trades_market_id_event_ts ON trades (market_id, event_ts);
CREATE INDEX idx_trades_event_ts ON trades (event_ts);
CREATE INDEX idx_trades_platform_id ON trades (platform_id);
CREATE INDEX idx_trades_position_id ON trades (position_id);

CREATE TRIGGER trg_trades_no_change
    BEFORE UPDATE OR DELETE ON trades
    FOR EACH ROW EXECUTE FUNCTION forbid_change();
CREATE TRIGGER trg_trades_no_truncate
    BEFORE TRUNCATE ON trades
    FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

COMMENT ON TABLE trades IS
    'Executions, one attributed row per fill: who decided, with which model, at what price. A '
    'correction is a new row.';
COMMENT ON COLUMN trades.trade_id IS 'Surrogate key.';
COMMENT ON COLUMN trades.platform_id IS 'Venue of the execution.';
COMMENT ON COLUMN trades.market_id IS 'Market traded.';
COMMENT ON COLUMN trades.position_id IS
    'Position the trade built or reduced; NULL for external fills.';
COMMENT ON COLUMN trades.execution_environment IS
    'Where the trade happened: backtest, paper, demo or live. No default.';
COMMENT ON COLUMN trades.trade_source IS 'automated by Precog, manual by a person at the venue.';
COMMENT ON COLUMN trades.action IS 'Bought or sold.';
COMMENT ON COLUMN trades.side IS 'Side of the market that changed hands.';
COMMENT ON COLUMN trades.price IS 'Price per contract of that side in dollars.';
COMMENT ON COLUMN trades.quantity IS 'Contracts; may be fractional.';
COMMENT ON COLUMN trades.fee IS 'Fee of the whole trade in dollars, as booked.';
COMMENT ON COLUMN trades.is_taker IS 'True if the order took liquidity, false if it rested.';
COMMENT ON COLUMN trades.event_ts IS 'When the venue executed the trade.';
COMMENT ON COLUMN trades.known_at IS
    'When the platform could first use the fact; a reader at time t sees only rows with known_at '
    '<= t.';
COMMENT ON COLUMN trades.trade_metadata IS
    'What no column holds: reply fields, book seen; decimals as strings.';
COMMENT ON COLUMN trades.created_at IS 'When the row was stored (database clock, UTC).';


INSERT INTO sports (code, description) VALUES
    ('football', 'American football'),
    ('basketball', 'Basketball'),
    ('baseball', 'Baseball'),
    ('hockey', 'Ice hockey'),
    ('tennis', 'Tennis');

INSERT INTO market_categories (code, description) VALUES
    ('sports', 'Outcomes of games and competitions');

INSERT INTO series_frequencies (code, description) VALUES
    ('one_off', 'A single event'),
    ('hourly', 'New events every hour'),
    ('daily', 'New events every day, as for game days'),
    ('weekly', 'New events every week'),
    ('monthly', 'New events every month'),
    ('annual', 'New events every year or season'),
    ('custom', 'No fixed rhythm');

-- Only the NFL trades: its models and data passed their checks. The others may be modelled.
INSERT INTO leagues (league, sport, name, trading_enabled) VALUES
    ('nfl', 'football', 'National Football League', true),
    ('ncaaf', 'football', 'NCAA Division I football', false),
    ('nba', 'basketball', 'National Basketball Association', false),
    ('wnba', 'basketball', 'Women''s National Basketball Association', false),
    ('ncaab', 'basketball', 'NCAA Division I men''s basketball', false),
    ('mlb', 'baseball', 'Major League Baseball', false),
    ('nhl', 'hockey', 'National Hockey League', false);

INSERT INTO platforms (platform_id, platform_type, display_name, venue_environment) VALUES
    ('kalshi', 'hybrid', 'Kalshi', 'prod'),
    ('kalshi_demo', 'hybrid', 'Kalshi demo', 'demo'),
    ('simulated', 'trading', 'Simulated quotes', 'none'),
    ('closing_line', 'trading', 'Quotes assumed from closing lines', 'none'),
    ('espn', 'data_source', 'ESPN scoreboards', 'none'),
    ('nflverse', 'data_source', 'nflverse game results', 'none'),
    ('nflgame_sample', 'data_source', 'Packaged sample of NFL results 2009-2019', 'none');
