"""The rule book as pure functions: no I/O, no clock, no float for money (trading-rules.md)."""
