"""Elo as stored history: reads finished games, rates them in one pass, writes what is new.

A season is a pure function of all finished games up to it. Every call therefore rates from the
first game on (20,000 games take a tenth of a second) and writes only the requested seasons; there
is no stored checkpoint that could go stale. ``elo_rating_history`` is append-only: equal rows are
left alone, differing ones get the next revision.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import psycopg

from precog_core.database.copying import copy_rows
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.models import ensure_model, find_model
from precog_pipelines.ratings.config import LeagueElo
from precog_pipelines.ratings.elo import EloParameters, EloTable, Game


class FinishedGame(NamedTuple):
    """A result as stored in ``games``; instants are UTC."""

    game_id: int
    season: int
    home_team_id: int
    away_team_id: int
    home_score: int
    away_score: int
    neutral_site: bool
    event_ts: datetime
    result_known_at: datetime


class RatingRow(NamedTuple):
    """One team's update by one game. ``k_factor`` is K·M, the effective update size.

    ``known_at`` is the latest instant at which any result in the chain of either team became known,
    this game included: before it, nobody could have computed ``rating_after``.
    """

    game_id: int
    is_home: bool
    team_id: int
    opponent_team_id: int
    rating_before: float
    rating_after: float
    expected: float
    actual: float
    k_factor: float
    event_ts: datetime
    known_at: datetime


@dataclass(frozen=True)
class Written:
    """What one call did: rows of the requested seasons, and how many were new or revised."""

    model_id: int
    rows: int
    inserted: int
    revised: int


def model_name(league: str) -> str:
    """The name of a league's Elo in ``probability_models``."""
    return f"{league}-elo"


def ensure_elo_model(conn: psycopg.Connection, league: str, elo: LeagueElo) -> int:
    """The ``model_id`` of the league's configured Elo version, registered if new."""
    return ensure_model(
        conn,
        name=model_name(league),
        version=elo.version,
        model_type="elo",
        league=league,
        config=elo.definition(),
    )


def find_elo_model(conn: psycopg.Connection, league: str, elo: LeagueElo) -> int:
    """The ``model_id`` of the league's Elo. Raises PrecogError when it was never computed."""
    model_id = find_model(conn, model_name(league), elo.version)
    if model_id is None:
        raise PrecogError(
            f"there are no Elo ratings of league {league} ({model_name(league)} {elo.version}); "
            f"materialise the asset elo_ratings for {league}, or run `precog bootstrap`"
        )
    return model_id


def rating_rows(
    games: Sequence[FinishedGame],
    parameters: EloParameters,
    seasons: Collection[int] | None = None,
) -> list[RatingRow]:
    """Two rows a game, home first, for the games of ``seasons`` (default: all).

    ``games`` must be all finished games from the first on, in playing order.
    """
    table = EloTable(parameters)
    chain_known: dict[int, datetime] = {}
    rows: list[RatingRow] = []
    for game in games:
        home, away = game.home_team_id, game.away_team_id
        rated = table.play(
            Game(game.season, home, away, game.home_score, game.away_score, game.neutral_site)
        )
        known_at = max(
            game.result_known_at,
            chain_known.get(home, game.result_known_at),
            chain_known.get(away, game.result_known_at),
        )
        chain_known[home] = chain_known[away] = known_at
        if seasons is not None and game.season not in seasons:
            continue
        of_home = RatingRow(
            game_id=game.game_id,
            is_home=True,
            team_id=home,
            opponent_team_id=away,
            rating_before=rated.home_before,
            rating_after=rated.home_after,
            expected=rated.expected,
            actual=rated.actual,
            k_factor=rated.weight,
            event_ts=game.event_ts,
            known_at=known_at,
        )
        of_away = RatingRow(
            game_id=game.game_id,
            is_home=False,
            team_id=away,
            opponent_team_id=home,
            rating_before=rated.away_before,
            rating_after=rated.away_after,
            expected=1.0 - rated.expected,
            actual=1.0 - rated.actual,
            k_factor=rated.weight,
            event_ts=game.event_ts,
            known_at=known_at,
        )
        rows += (of_home, of_away)
    return rows


def write_ratings(
    conn: psycopg.Connection,
    league: str,
    seasons: Sequence[int],
    elo: LeagueElo,
    *,
    source_seasons: Collection[int] = (),
) -> Written:
    """Rate ``league`` up to the last of ``seasons`` and store those seasons, in one transaction.

    ``source_seasons`` are the seasons that the source of games offers. Raises PrecogError when one
    of them, not later than the last requested, is absent from ``games``: ratings over a hole would
    look right and be wrong.
    """
    last = max(seasons)
    require_seasons(conn, league, last, source_seasons)
    queries = load_queries("ratings")
    model_id = ensure_elo_model(conn, league, elo)
    # Two runs that write the same season at once would both see it absent.
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"precog.elo.{model_id}",))
    games = [
        FinishedGame(*row) for row in queries.finished_games(conn, league=league, last_season=last)
    ]
    rows = rating_rows(games, elo.parameters(), frozenset(seasons))
    stored: dict[tuple[int, bool], tuple[RatingRow, int]] = {}
    for *fields, revision in queries.stored_ratings(conn, model_id=model_id, seasons=list(seasons)):
        row = RatingRow(*fields)
        stored[row.game_id, row.is_home] = (row, revision)

    new: list[tuple[object, ...]] = []
    for row in rows:
        old, revision = stored.get((row.game_id, row.is_home), (None, 0))
        if old != row:
            new.append((*row, model_id, revision + 1))
    if new:
        copy_rows(conn, "elo_rating_history", (*RatingRow._fields, "model_id", "revision"), new)
        queries.refresh_rating_statistics(conn)
    inserted = sum(revision == 1 for *_, revision in new)
    return Written(model_id, len(rows), inserted=inserted, revised=len(new) - inserted)


class SeasonSummary(NamedTuple):
    """One stored season: its rows, the Brier score of Elo on its decided games, what it spans."""

    season: int
    rows: int
    brier: float | None
    first: datetime
    last: datetime
    last_known_at: datetime


def season_summaries(
    conn: psycopg.Connection, model_id: int, seasons: Sequence[int]
) -> list[SeasonSummary]:
    """Those of ``seasons`` that have ratings, ascending."""
    rows = load_queries("ratings").season_summaries(conn, model_id=model_id, seasons=list(seasons))
    return [SeasonSummary(*row) for row in rows]


def require_seasons(
    conn: psycopg.Connection, league: str, last: int, source_seasons: Collection[int]
) -> None:
    """Raise PrecogError unless ``games`` has every season of the source up to ``last``."""
    stored = load_queries("ratings").seasons_of_games(conn, league=league)
    present = {season for season, _ in stored}
    missing = sorted(s for s in source_seasons if s <= last and s not in present)
    if missing:
        keys = ", ".join(f"{league}|{season}" for season in missing)
        raise PrecogError(
            f"ratings of {league} up to {last} need games of {keys}, which are not stored; "
            "materialise the asset games for these partitions first"
        )


def require_rated(conn: psycopg.Connection, model_id: int, league: str, last: int) -> None:
    """Raise PrecogError unless every finished game up to season ``last`` has its rating rows."""
    missing = list(
        load_queries("ratings").games_without_rating(
            conn, model_id=model_id, league=league, last_season=last
        )
    )
    if missing:
        parts = ", ".join(f"{league}|{season} ({count} games)" for season, count in missing)
        raise PrecogError(
            f"finished games without Elo rating: {parts}; materialise the asset elo_ratings for "
            "these partitions first"
        )
