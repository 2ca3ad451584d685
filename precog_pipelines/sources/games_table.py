"""Writes games by key, so that the same input again changes no row.

A whole file of seasons goes through one staging table in the caller's transaction: all of it is
stored or none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.sources.config import BackfillSection, League
from precog_pipelines.sources.game_facts import store_closing_spreads, store_period_points
from precog_pipelines.sources.game_times import result_known_at, schedule_known_at
from precog_pipelines.sources.protocols import Retrieval, SourceGame, SourceSnapshot

_COLUMNS = (
    "game_key", "league", "season", "week", "game_type", "kickoff_at", "home_code", "away_code",
    "neutral_site", "home_score", "away_score", "status", "source", "source_game_id", "known_at",
    "result_known_at",
)  # fmt: skip


BULK = 100
"""From so many new rows on, statistics are refreshed within the transaction."""


@dataclass(frozen=True, slots=True)
class GamesWritten:
    """Rows inserted, changed and left alone; games stored earlier that the source no longer has."""

    inserted: int
    updated: int
    unchanged: int
    absent: int


def store_games(
    conn: psycopg.Connection,
    league: str,
    retrieval: Retrieval,
    config: League,
    backfill: BackfillSection,
) -> GamesWritten:
    """Insert or update the games of a retrieval; idempotent.

    A result learnt for a stored fixture, or a corrected score, is known from now; everything else
    follows the back-fill rule. Raises PrecogError when the home is filled from another source, or
    when a game that was final has lost its result.
    """
    snapshot = retrieval.snapshot
    queries = load_queries("games")
    queries.lock_league(conn, league=league)
    _refuse_other_sources(conn, league, snapshot)
    snapshot_id = store_snapshot(conn, snapshot)
    return _upsert(
        conn, league, retrieval.games, snapshot.source, snapshot_id, config, backfill, snapshot.uri
    )


def add_game(
    conn: psycopg.Connection, game: SourceGame, config: League, backfill: BackfillSection
) -> GamesWritten:
    """A fixture entered by hand: source ``manual``, no retrieval behind it, known from now."""
    load_queries("games").lock_league(conn, league=game.league)
    return _upsert(conn, game.league, [game], "manual", None, config, backfill, "the command line")


def store_snapshot(conn: psycopg.Connection, snapshot: SourceSnapshot) -> int:
    """The id of this content in ``source_snapshots``; the same bytes keep their first row."""
    queries = load_queries("games")
    values = asdict(snapshot)
    queries.insert_source_snapshot(conn, **values)
    found: int = queries.source_snapshot_id(
        conn, **{key: values[key] for key in ("source", "dataset", "league", "sha256")}
    )
    return found


def _upsert(
    conn: psycopg.Connection,
    league: str,
    games: Sequence[SourceGame],
    source: str,
    snapshot_id: int | None,
    config: League,
    backfill: BackfillSection,
    origin: str,
) -> GamesWritten:
    queries = load_queries("games")
    queries.create_staged_games(conn)
    copy_rows(conn, "staged_games", _COLUMNS, _rows(games, source, config, backfill))
    lost = list(queries.lost_results(conn))
    if lost:
        key, away, home = lost[0]
        raise PrecogError(
            f"{origin} has no result for {key}, which was final {away}-{home} "
            f"({len(lost)} such games); the file is older than what is stored or damaged; give a "
            "complete one; nothing was stored"
        )
    queries.move_rescheduled_games(conn)
    inserted, updated = queries.upsert_games(conn, source_snapshot_id=snapshot_id)
    absent = queries.games_absent_from_source(
        conn, league=league, seasons=sorted({game.season for game in games}), source=source
    )
    queries.drop_staged_games(conn)
    _store_starters(conn, games, source)
    store_period_points(conn, games, source)
    store_closing_spreads(conn, games, source)
    if inserted + updated >= BULK:
        queries.analyze_games(conn)
    unchanged = len(games) - inserted - updated
    return GamesWritten(inserted, updated, unchanged, absent if source != "manual" else 0)


def _store_starters(conn: psycopg.Connection, games: Sequence[SourceGame], source: str) -> None:
    """Who started the finished games, known with the result; the same again changes nothing."""
    rows = [
        (game.game_key, is_home, "quarterback", *starter)
        for game in games
        for is_home, starter in ((True, game.home_quarterback), (False, game.away_quarterback))
        if starter is not None and game.is_final
    ]
    if not rows:
        return
    queries = load_queries("games")
    queries.create_staged_starters(conn)
    columns = ("game_key", "is_home", "role", "player_key", "player_name")
    copy_rows(conn, "staged_starters", columns, rows)
    queries.upsert_starters(conn, source=source)
    queries.drop_staged_starters(conn)


def _rows(
    games: Iterable[SourceGame], source: str, config: League, backfill: BackfillSection
) -> Iterable[tuple[Any, ...]]:
    zone = config.zone
    for game in games:
        lag = backfill.result_lag(game.league)
        yield (
            game.game_key,
            game.league,
            game.season,
            game.week,
            game.game_type,
            game.kickoff_at,
            game.home,
            game.away,
            game.neutral_site,
            game.home_score,
            game.away_score,
            "final" if game.is_final else "scheduled",
            source,
            game.source_game_id,
            schedule_known_at(game.game_date, game.kickoff_at, zone, backfill.schedule_lead),
            _result_known_at(game, config, lag) if game.is_final else None,
        )


def _result_known_at(game: SourceGame, config: League, lag: timedelta) -> datetime:
    """The back-fill rule, but not while the game may still have been on."""
    known_at = result_known_at(game.game_date, game.kickoff_at, config.zone, lag)
    return max(known_at, game.played_until or known_at)


def _refuse_other_sources(conn: psycopg.Connection, league: str, snapshot: SourceSnapshot) -> None:
    other = load_queries("games").other_sources(conn, league=league, source=snapshot.source)
    if other:
        source, count, first, last = other
        raise PrecogError(
            f"this home holds {count} {league} games of {first}-{last} from source {source!r}; "
            f"games from {snapshot.source!r} ({snapshot.uri}) would mix with them under other "
            "rules; use another folder: PRECOG_HOME=… precog up …"
        )
