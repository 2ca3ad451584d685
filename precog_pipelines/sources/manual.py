"""Games and quotes entered by hand: source ``manual``, known from the moment they are entered.

They are for trying things out and for what no source has yet. The markets belong to the platform
that this home quotes; only the source of each row says that a person typed it.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

import psycopg

from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_core.prices import parse_grid
from precog_pipelines.sources import quote_platform
from precog_pipelines.sources.config import league_config, sources_config
from precog_pipelines.sources.games_table import add_game
from precog_pipelines.sources.markets_table import store_markets
from precog_pipelines.sources.protocols import GameType, Quote, SourceGame
from precog_pipelines.sources.quotes_table import QuotesWritten, store_quotes
from precog_pipelines.sources.reference import store_league
from precog_pipelines.sources.teams import TeamDirectory


@dataclass(frozen=True, slots=True)
class GameAdded:
    """The game, whether it or its kickoff is new, and the tickers of its home and away market."""

    game_key: str
    source: str
    changed: bool
    tickers: tuple[str, ...]


def add_scheduled_game(
    conn: psycopg.Connection,
    league: str,
    away: str,
    home: str,
    kickoff_at: datetime,
    *,
    season: int | None = None,
    game_type: GameType = "regular",
    neutral_site: bool = False,
) -> GameAdded:
    """A fixture and its two markets, in the caller's transaction; the same again changes nothing.

    A game that a source already delivered is left as it is. Raises PrecogError for an unknown
    league or team, or a kickoff without a zone.
    """
    if kickoff_at.tzinfo is None:
        raise PrecogError(f"kickoff {kickoff_at} has no zone; write 2026-11-29T18:00:00Z")
    config = league_config(league)
    settings = sources_config(conn)
    teams = store_league(conn, league, config)
    day = kickoff_at.astimezone(config.zone).date()
    game = SourceGame(
        league=league,
        season=season or config.season_of(day),
        week=None,
        game_type=game_type,
        game_date=day,
        kickoff_at=kickoff_at,
        away=_team(teams, away),
        home=_team(teams, home),
        neutral_site=neutral_site,
        away_score=None,
        home_score=None,
        source_game_id=None,
    )
    if game.away == game.home:
        raise PrecogError(f"{away} and {home} are the same team; a game needs two")
    queries = load_queries("markets")
    known = queries.game_source(conn, game_key=game.game_key)
    changed = False
    if known in (None, "manual"):
        written = add_game(conn, game, config, settings.backfill)
        changed = written.inserted + written.updated > 0
    game_id = queries.game_id(conn, game_key=game.game_key)
    platform = quote_platform(settings.games.provider)
    store_markets(conn, platform, league, config, [game_id])
    tickers = queries.tickers_of_game(conn, game_id=game_id, platform_id=platform)
    return GameAdded(game.game_key, known or "manual", changed, tuple(t for (t,) in tickers))


def add_quote(
    conn: psycopg.Connection,
    ticker: str,
    bid: Decimal,
    ask: Decimal,
    bid_size: Decimal,
    ask_size: Decimal,
    *,
    observed_at: datetime | None = None,
    volume: Decimal | None = None,
    open_interest: Decimal | None = None,
    mirror: bool = False,
) -> QuotesWritten:
    """One quote of a market and, with ``mirror``, the same book seen from the other market.

    ``observed_at`` is when it was seen (default: now), it is known from now.
    The same quote again changes nothing. Raises PrecogError for an unknown ticker, a price off the
    market's grid, a crossed book, a time to come, or other values stored for that very instant.
    """
    queries = load_queries("markets")
    now = queries.database_now(conn)
    observed_at = observed_at or now
    if observed_at.tzinfo is None:
        raise PrecogError(f"time {observed_at} has no zone; write 2026-11-29T16:00:00Z")
    if observed_at > now:
        raise PrecogError(f"{observed_at.isoformat()} is still to come; a quote is of now")
    found = list(queries.market_by_ticker(conn, ticker=ticker))
    if len(found) != 1:
        reason = "more than one platform has" if found else "no platform has"
        raise PrecogError(
            f"{reason} a market {ticker!r}; `precog games add` prints the tickers of a game"
        )
    market_id, game_key, side, price_ranges, mirror_id = found[0]
    _check_book(ticker, bid, ask, price_ranges)
    quote = Quote(
        game_key, side, observed_at, bid, ask, bid_size, ask_size, volume, open_interest, "price"
    )
    markets = {(game_key, side): market_id}
    quotes = [quote]
    if mirror:
        if mirror_id is None:
            raise PrecogError(f"market {ticker} has no mirror market; leave out --mirror")
        other: Literal["home", "away"] = "away" if side == "home" else "home"
        markets[game_key, other] = mirror_id
        quotes.append(
            quote._replace(
                team=other,
                yes_bid=1 - ask,
                yes_ask=1 - bid,
                yes_bid_size=ask_size,
                yes_ask_size=bid_size,
            )
        )
    written = store_quotes(conn, markets, quotes, "manual", received_at=now)
    if written.differing:
        raise PrecogError(
            f"{ticker} already has another quote at {observed_at.isoformat()}; quotes never "
            "change: give a later --at"
        )
    return written


def _team(teams: TeamDirectory, name: str) -> str:
    code = teams.code("manual", name.upper())
    if code is None:
        raise PrecogError(f"no team {name!r}; expected one of {', '.join(teams.names('manual'))}")
    return code


def _check_book(ticker: str, bid: Decimal, ask: Decimal, price_ranges: object) -> None:
    grid = parse_grid(price_ranges)  # type: ignore[arg-type]
    for name, price in (("bid", bid), ("ask", ask)):
        if not grid.contains(price):
            raise PrecogError(
                f"{name} {price} is not a price of {ticker}: expected a price on its grid "
                "between 0 and 1, such as 0.50"
            )
    if bid >= ask:
        raise PrecogError(f"bid {bid} is not below ask {ask}: such a book would trade at once")
