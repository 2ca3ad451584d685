-- Attribution: every automated trade and its position name the strategy and the model version that
-- made them. Only a trade by hand may name neither.

ALTER TABLE trades
    ADD COLUMN strategy_id BIGINT
        CONSTRAINT fk_trades_strategy_id REFERENCES strategies (strategy_id) ON DELETE RESTRICT,
    ADD COLUMN model_id BIGINT
        CONSTRAINT fk_trades_model_id REFERENCES probability_models (model_id) ON DELETE RESTRICT,
    ADD COLUMN edge_at_execution NUMERIC(12,6)
        CONSTRAINT ck_trades_edge_at_execution CHECK (edge_at_execution BETWEEN -1 AND 1),
    ADD COLUMN confidence_at_execution TEXT
        CONSTRAINT ck_trades_confidence_at_execution
        CHECK (confidence_at_execution IN ('high', 'medium', 'low')),
    ADD COLUMN slippage NUMERIC(12,6)
        CONSTRAINT ck_trades_slippage CHECK (slippage BETWEEN -1 AND 1),
    ADD CONSTRAINT ck_trades_strategy_id_model_id
        CHECK (trade_source = 'manual' OR num_nonnulls(strategy_id, model_id) = 2);

CREATE INDEX idx_trades_strategy_id ON trades (strategy_id);
CREATE INDEX idx_trades_model_id ON trades (model_id);

COMMENT ON COLUMN trades.strategy_id IS
    'Strategy version that decided; NULL only where a person traded by hand.';
COMMENT ON COLUMN trades.model_id IS
    'Model version whose probability was used; NULL only where a person traded by hand.';
COMMENT ON COLUMN trades.edge_at_execution IS
    'Edge per contract in dollars at the price executed: probability of the side - price - fee.';
COMMENT ON COLUMN trades.confidence_at_execution IS
    'Confidence class of the probability when the trade was decided.';
COMMENT ON COLUMN trades.slippage IS
    'Executed price minus the price decided on, per contract in dollars; positive = worse for us.';


ALTER TABLE positions
    ADD COLUMN strategy_id BIGINT
        CONSTRAINT fk_positions_strategy_id REFERENCES strategies (strategy_id) ON DELETE RESTRICT,
    ADD COLUMN model_id BIGINT
        CONSTRAINT fk_positions_model_id
        REFERENCES probability_models (model_id) ON DELETE RESTRICT,
    ADD COLUMN edge_at_entry NUMERIC(12,6)
        CONSTRAINT ck_positions_edge_at_entry CHECK (edge_at_entry BETWEEN -1 AND 1);

CREATE INDEX idx_positions_strategy_id ON positions (strategy_id);
CREATE INDEX idx_positions_model_id ON positions (model_id);

COMMENT ON COLUMN positions.strategy_id IS
    'Strategy version that decided; NULL only where a person traded by hand.';
COMMENT ON COLUMN positions.model_id IS
    'Model version whose probability was used; NULL only where a person traded by hand.';
COMMENT ON COLUMN positions.edge_at_entry IS
    'Edge per contract in dollars when the position was opened.';
