"""The one decision function, shared by paper, backtest and live, and the facts it reads."""
