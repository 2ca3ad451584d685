"""The chain of the newest trade as a small Markdown table, for the page of the asset ``trades``."""

import psycopg

from precog_core.database import Database
from precog_core.text import cell
from precog_trading.explain.chain import explain_trade
from precog_trading.ledger.statements import value


def newest_trade(conn: psycopg.Connection, database: Database, environment: str) -> str:
    """Its links with their keys and whether they hold, and how to see the rest."""
    trade_id = value(conn, "explain", "newest_trade", environment=environment)
    if trade_id is None:
        return "no trade yet"
    found = explain_trade(conn, database, trade_id)
    lines = [
        found.words,
        "",
        f"| link of trade {trade_id} | key | verified |",
        "|---|---|---|",
        *(
            f"| {link.name} | {cell(link.key)} | {'yes' if link.verified else 'NO'} |"
            for link in found.links
        ),
        "",
        *(f"* broken: {sentence}" for sentence in found.broken),
        f"`precog explain trade {trade_id}` shows every fact and check; other trades by their id.",
    ]
    return "\n".join(lines)
