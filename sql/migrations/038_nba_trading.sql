-- The NBA may be traded: recorded market prices exist for it, and a model that the gates of paper
-- and live trading judge like any other. Without games, quotes or a champion nothing happens.

UPDATE leagues
SET trading_enabled = true
WHERE league = 'nba';
