"""Checks of games, markets and quotes; blocking where a rating or a trade would rest on them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psycopg

from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_dagster.metadata import markdown_table
from precog_dagster.resources import PostgresResource
from precog_pipelines.sources import open_game_source
from precog_pipelines.sources.config import League, league_config, sources_config

Problems = dict[str, list[dict[str, Any]]]
"""Offending rows by name of the check; a check passes when it has none."""

_RUNNING = timedelta(days=30)
_OFF_SEASON = timedelta(days=230)
"""From the last game of a season to the first of the next, and some."""


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "games_unique",
            asset="games",
            blocking=True,
            description="No team plays twice on one day: such a game is stored under two keys.",
        ),
        dg.AssetCheckSpec(
            "results_possible",
            asset="games",
            blocking=True,
            description=(
                "Finals have scores in range, were played in the past, and are known after their "
                "fixture and not in the future."
            ),
        ),
        dg.AssetCheckSpec(
            "results_present",
            asset="games",
            description="No fixture is more than two days old without a result.",
        ),
    ]
)
def games_checks(postgres: PostgresResource) -> Iterator[dg.AssetCheckResult]:
    with postgres.database().transaction() as conn:
        found = game_problems(conn)
    for name, problems in found.items():
        yield _result("games", name, problems)


def game_problems(conn: psycopg.Connection) -> Problems:
    """Rows that should not be, by check of ``games``."""
    queries = load_queries("games")
    return {
        "games_unique": _dicts(("day", "team", "games"), queries.teams_playing_twice_a_day(conn)),
        "results_possible": _dicts(
            ("game_key", "home_score", "away_score", "kickoff_at", "result_known_at"),
            queries.impossible_results(conn),
        ),
        "results_present": _dicts(
            ("game_key", "kickoff_at", "source"), queries.overdue_results(conn)
        ),
    }


@dg.asset_check(
    asset="games",
    name="seasons_complete",
    description=(
        "Every stored season has the games the league plays in it. Known holes of the source (the "
        "sample lacks the 2018 postseason) are listed and allowed, a running season too."
    ),
)
def seasons_complete(postgres: PostgresResource) -> dg.AssetCheckResult:
    with postgres.database().transaction() as conn:
        rows = list(load_queries("games").season_sizes(conn))
    leagues = {league: _configured(league) for league in {row[0] for row in rows}}
    problems, holes = [], []
    for league, season, regular, postseason, still_open, newest, source in rows:
        expected = _expected(leagues[league], season)
        running = still_open > 0 or newest is None or newest > datetime.now(UTC) - _RUNNING
        if expected is None or running:
            continue
        known = _known_holes(source, league, season)
        found = {"league": league, "season": season, "games": regular + postseason}
        if known:
            holes.append(found | {"expected": expected, "known to be missing": known})
        if regular + postseason + known != expected:
            problems.append(found | {"expected": expected, "known to be missing": known})
    return dg.AssetCheckResult(
        passed=not problems,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "seasons": len(rows),
            "known_holes": dg.MetadataValue.md(markdown_table(holes)),
            "problems": dg.MetadataValue.md(markdown_table(problems)),
        },
    )


@dg.asset_check(
    asset="games",
    name="results_fresh",
    description=(
        "The newest result is not older than an off-season. Reads the data, not the time of the "
        "run. The packaged sample and a games file end when they end: they pass."
    ),
)
def results_fresh(postgres: PostgresResource) -> dg.AssetCheckResult:
    with postgres.database().transaction() as conn:
        provider = sources_config(conn).games.provider
        newest, upcoming = load_queries("games").newest_result(conn, league="nfl")
    live = provider == "nflverse"
    fresh = newest is not None and newest > datetime.now(UTC) - _OFF_SEASON
    return dg.AssetCheckResult(
        passed=fresh or not live,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "newest_result": newest.isoformat() if newest else "none",
            "next_kickoff": upcoming.isoformat() if upcoming else "none",
            "provider": provider,
        },
    )


@dg.asset_check(
    asset="markets",
    name="two_markets_a_game",
    blocking=True,
    description="A quoted game has exactly two markets, one that pays for each team.",
)
def two_markets_a_game(postgres: PostgresResource) -> dg.AssetCheckResult:
    with postgres.database().transaction() as conn:
        problems = market_problems(conn)["two_markets_a_game"]
    return _result("markets", "two_markets_a_game", problems)


def market_problems(conn: psycopg.Connection) -> Problems:
    """Rows that should not be, by check of ``markets``."""
    rows = load_queries("markets").games_without_two_markets(conn)
    return {"two_markets_a_game": _dicts(("platform", "game_key", "markets"), rows)}


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "quotes_valid",
            asset="market_snapshots",
            blocking=True,
            description=(
                "Bid below ask, both on the cent grid between 0 and 1, sizes present; quotes of "
                "recorded candles around their last trade, known when the bar ended."
            ),
        ),
        dg.AssetCheckSpec(
            "mirrors_consistent",
            asset="market_snapshots",
            blocking=True,
            description="The two bids of a game sum to less than 1, the two asks to more.",
        ),
        dg.AssetCheckSpec(
            "quotes_labelled",
            asset="market_snapshots",
            blocking=True,
            description="Simulated and assumed quotes say so, and no recorded market carries one.",
        ),
        dg.AssetCheckSpec(
            "quotes_before_kickoff",
            asset="market_snapshots",
            blocking=True,
            description="No simulated or assumed quote is later than the kickoff.",
        ),
    ]
)
def quote_checks(postgres: PostgresResource) -> Iterator[dg.AssetCheckResult]:
    with postgres.database().transaction() as conn:
        found = quote_problems(conn)
    for name, problems in found.items():
        yield _result("market_snapshots", name, problems)


def quote_problems(conn: psycopg.Connection) -> Problems:
    """Rows that should not be, by check of ``market_snapshots``; at most 20 of a kind."""
    queries = load_queries("quotes")
    return {
        "quotes_valid": _dicts(
            ("ticker", "observed_at", "yes_bid", "yes_ask", "source"), queries.invalid_quotes(conn)
        ),
        "mirrors_consistent": _dicts(
            ("event", "observed_at", "bids", "asks"), queries.inconsistent_mirrors(conn)
        ),
        "quotes_labelled": _dicts(
            ("platform", "source", "quotes"), queries.mislabelled_quotes(conn)
        ),
        "quotes_before_kickoff": _dicts(
            ("ticker", "observed_at", "start_at"), queries.quotes_after_kickoff(conn)
        ),
    }


@dg.asset_check(
    asset="market_settlements",
    name="settlements_follow_results",
    blocking=True,
    description=(
        "A recorded settlement pays for the team that won, and is known neither before the result "
        "nor before the last bar of its market."
    ),
)
def settlements_follow_results(postgres: PostgresResource) -> dg.AssetCheckResult:
    with postgres.database().transaction() as conn:
        problems = settlement_problems(conn)
    return _result("market_settlements", "settlements_follow_results", problems)


def settlement_problems(conn: psycopg.Connection) -> list[dict[str, Any]]:
    """Recorded settlements that contradict the game or come too early; at most 20."""
    return _dicts(
        ("ticker", "outcome", "game", "home_score", "away_score", "known_at", "result_known_at"),
        load_queries("recorded").settlements_against_results(conn),
    )


def _result(asset: str, name: str, problems: Sequence[Mapping[str, Any]]) -> dg.AssetCheckResult:
    """Passes when there is no problem; the first ones are shown otherwise."""
    warns = name == "results_present"
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=not problems,
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
        metadata={
            "problems": len(problems),
            "first": dg.MetadataValue.md(markdown_table(problems)),
        },
    )


def _dicts(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def _configured(league: str) -> League | None:
    try:
        return league_config(league)
    except PrecogError:  # games of a league without a source were entered by hand
        return None


def _expected(league: League | None, season: int) -> int | None:
    size = league.complete_season(season) if league else None
    return size.regular + size.postseason if size else None


def _known_holes(source: str, league: str, season: int) -> int:
    return open_game_source("sample").known_holes(league, season) if source == "sample" else 0
