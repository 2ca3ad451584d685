DROP TABLE trading_writers;
