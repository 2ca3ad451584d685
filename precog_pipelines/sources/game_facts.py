"""What a source tells about finished games besides their result: points by period, closing spreads.

Both are facts that no prediction before the game may read, so they are known with the result, even
a spread, which files give without the time of its quote.
"""

from collections.abc import Sequence

import psycopg

from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_pipelines.sources.protocols import SourceGame


def store_period_points(conn: psycopg.Connection, games: Sequence[SourceGame], source: str) -> int:
    """Points of the finished games by period; rows new or changed. The same again changes nothing.

    The games themselves must be stored already, in the caller's transaction.
    """
    rows = [
        (game.game_key, period, *points)
        for game in games
        if game.is_final
        for period, points in enumerate(game.points, start=1)
    ]
    if not rows:
        return 0
    queries = load_queries("game_facts")
    queries.create_staged_points(conn)
    copy_rows(conn, "staged_points", ("game_key", "period", "home_points", "away_points"), rows)
    changed: int = queries.upsert_points(conn, source=source)
    queries.drop_staged_points(conn)
    return changed


def store_closing_spreads(
    conn: psycopg.Connection, games: Sequence[SourceGame], source: str
) -> int:
    """Closing spreads of the finished games; rows new or changed."""
    rows = [
        (game.game_key, game.closing_spread)
        for game in games
        if game.is_final and game.closing_spread is not None
    ]
    if not rows:
        return 0
    queries = load_queries("game_facts")
    queries.create_staged_spreads(conn)
    copy_rows(conn, "staged_spreads", ("game_key", "home_favoured_by"), rows)
    changed: int = queries.upsert_spreads(conn, source=source)
    queries.drop_staged_spreads(conn)
    return changed
