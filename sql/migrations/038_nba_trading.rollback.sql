UPDATE leagues
SET trading_enabled = false
WHERE league = 'nba';
