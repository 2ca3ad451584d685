"""Stored quotes replayed through the same decide, paper exchange and ledger rules as trading.

A backtest is the paper account run over the past, in memory and without waiting: it reads every
fact once, keeps the account as Python objects, and writes the same tables in one transaction at
the end. What it must never do is decide for itself; a rule that existed here and there would
diverge, so this package only fetches, orders, keeps and writes.
"""
