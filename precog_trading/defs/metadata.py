"""What the page of a trading asset shows of its table's newest rows."""

import psycopg

from precog_trading.ledger.statements import Row, rows

PREVIEW_ROWS = 10


def recent(conn: psycopg.Connection, table: str, environment: str) -> list[Row]:
    """The newest rows of a trading table, the columns a person looks for first."""
    return rows(
        conn, "performance", f"recent_{table}", environment=environment, maximum=PREVIEW_ROWS
    )
