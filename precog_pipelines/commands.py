"""The commands this package adds to `precog`: games and quotes entered by hand."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from precog_core.errors import PrecogError
from precog_core.kalshi.commands import kalshi
from precog_core.sections import declare_section

games = typer.Typer(help="Games by hand.", no_args_is_help=True)
quotes = typer.Typer(help="Quotes by hand, or recorded ones from a folder.", no_args_is_help=True)

_SECTIONS = {
    "models": "training.config:ModelsConfig",
    "datasets": "training.completeness:DatasetsConfig",
    "features": "features.config:FeaturesConfig",
    "sources": "sources.config:SourcesConfig",
    "leagues": "sources.config:LeaguesConfig",
    "elo": "ratings.config:EloConfig",
    "ratings": "ratings.config:RatingsConfig",
    "matrices": "matrices.config:MatricesConfig",
}


def register(app: typer.Typer) -> None:
    """Add this package's commands to the `precog` command line."""
    from precog_pipelines.matrices.commands import register as register_matrices
    from precog_pipelines.ratings.commands import register as register_ratings
    from precog_pipelines.training.commands import register as register_models

    app.add_typer(games, name="games")
    app.add_typer(quotes, name="quotes")
    register_ratings(app)
    register_models(app)
    register_matrices(app)
    # Beside what precog_core has under the same name: it knows no games.
    kalshi.command("brier")(price_brier)
    for section, model in _SECTIONS.items():
        declare_section(section, f"precog_pipelines.{model}")


def price_brier(
    league: Annotated[str, typer.Option(help="League code.")] = "nba",
    platform: Annotated[str, typer.Option(help="kalshi or kalshi_demo.")] = "kalshi",
    minutes: Annotated[
        list[int], typer.Option(help="Minutes before the start; repeat for several.")
    ] = [0, 60, 360],  # noqa: B006
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """How well the market's last trades before a game foretold it, from stored candles."""
    from precog_core.database import open_database
    from precog_core.progress import progress
    from precog_pipelines.sources.kalshi_recorded.accuracy import price_accuracy

    with (
        open_database() as database,
        database.transaction() as conn,
        progress("Prices and results", quiet=as_json) as report,
    ):
        found = price_accuracy(conn, league, minutes, platform, report)
    if as_json:
        rows = [asdict(one) for one in found]
        typer.echo(json.dumps({"league": league, "platform": platform, "prices": rows}))
        return
    table = Table(title=f"{league.upper()} on {platform}: last trade before the start")
    for heading in ("Minutes before", "Games", "Brier", "Log loss", "ECE", "Median age s"):
        table.add_column(heading, justify="right")
    for one in found:
        table.add_row(
            str(one.lead_min), str(one.n), f"{one.brier:.4f}", f"{one.log_loss:.4f}",
            f"{one.ece:.3f}", f"{one.median_age_s:.0f}",
        )  # fmt: skip
    Console(soft_wrap=True).print(table)


@games.callback()
def _games() -> None:
    """Games of this home."""


@games.command("add")
def add_game(
    away: Annotated[str, typer.Option(help="Team code, such as BUF.")],
    home: Annotated[str, typer.Option(help="Team code, such as KC.")],
    kickoff: Annotated[str, typer.Option(help="Start, such as 2026-11-29T18:00:00Z.")],
    league: Annotated[str, typer.Option(help="League code.")] = "nfl",
    season: Annotated[int | None, typer.Option(help="Default: from the day.")] = None,
    postseason: Annotated[bool, typer.Option("--postseason", help="A playoff game.")] = False,
    neutral: Annotated[bool, typer.Option("--neutral", help="Played at a neutral site.")] = False,
) -> None:
    """Add a scheduled game and its two markets, source `manual`. The same again changes nothing."""
    from precog_core.database import open_database
    from precog_pipelines.sources.manual import add_scheduled_game

    start = _instant("--kickoff", kickoff)
    with open_database() as database, database.transaction() as conn:
        added = add_scheduled_game(
            conn,
            league,
            away,
            home,
            start,
            season=season,
            game_type="postseason" if postseason else "regular",
            neutral_site=neutral,
        )
    console = Console(soft_wrap=True)
    state = "added" if added.changed else f"unchanged, source {added.source}"
    console.print(f"{added.game_key} ({state})", highlight=False)
    for ticker in added.tickers:
        console.print(f"market {ticker}", highlight=False)


@quotes.callback()
def _quotes() -> None:
    """Quotes of this home."""


@quotes.command("add")
def add_quote(
    ticker: Annotated[str, typer.Option(help="Market, as `precog games add` prints it.")],
    bid: Annotated[str, typer.Option(help="Best YES bid in dollars, such as 0.50.")],
    ask: Annotated[str, typer.Option(help="Best YES ask in dollars, such as 0.51.")],
    bid_size: Annotated[str, typer.Option(help="Contracts at the bid.")] = "500",
    ask_size: Annotated[str, typer.Option(help="Contracts at the ask.")] = "500",
    at: Annotated[
        str | None, typer.Option(help="When it was seen; default now. Give it to repeat a batch.")
    ] = None,
    volume: Annotated[str | None, typer.Option(help="Contracts traded in 24 h.")] = None,
    open_interest: Annotated[str | None, typer.Option(help="Contracts held.")] = None,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Also quote the other team's market, as one book.")
    ] = False,
) -> None:
    """Add one quote, source `manual`. The same quote again changes nothing."""
    from precog_core.database import open_database
    from precog_pipelines.sources import manual

    with open_database() as database, database.transaction() as conn:
        written = manual.add_quote(
            conn,
            ticker,
            _decimal("--bid", bid),
            _decimal("--ask", ask),
            _decimal("--bid-size", bid_size),
            _decimal("--ask-size", ask_size),
            observed_at=_instant("--at", at) if at else None,
            volume=_optional("--volume", volume),
            open_interest=_optional("--open-interest", open_interest),
            mirror=mirror,
        )
    console = Console(soft_wrap=True)
    console.print(f"{written.inserted} of {written.offered} quotes new", highlight=False)


def _instant(option: str, text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise PrecogError(f"{option} {text!r} is not a time such as 2026-11-29T18:00:00Z") from None
    if instant.tzinfo is None:
        raise PrecogError(f"{option} {text!r} has no zone; end it with Z for UTC")
    return instant.astimezone(UTC)


def _decimal(option: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise PrecogError(f"{option} {text!r} is not a number such as 0.50") from None
    if not number.is_finite() or number < 0:
        raise PrecogError(f"{option} {text!r} is not a number from 0 on")
    return number


def _optional(option: str, text: str | None) -> Decimal | None:
    return None if text is None else _decimal(option, text)
