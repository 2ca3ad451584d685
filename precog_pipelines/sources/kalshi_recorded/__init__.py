"""Recorded Kalshi prices of finished games: a folder with one file of games and one of candles.

``files`` finds them, ``games_file`` and ``candles_file`` read them strictly, ``games`` is the
source of games behind the usual protocol, ``store`` writes markets, settlements, candles and
quotes into the same tables that live data goes to.

Nobody recorded a book. A quote is the close of a bar minus and plus an assumed half spread, without
sizes, and carries the source ``recorded_candle`` wherever it goes. A bar, and with it its quote, is
known at its end and not before.
"""
