"""Kalshi's public market data into Precog's tables.

``markets`` stores what is listed and matches it with games, ``quotes`` what is bid and asked now,
``history`` bars and trades of past days, ``fees`` what trading costs. Each listing is one
transaction; the same listing again changes nothing; an incomplete one is stored and marked, and
never read as proof that something does not exist.
"""
