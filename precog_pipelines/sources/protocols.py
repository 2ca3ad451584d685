"""What a provider of games or quotes promises: typed rows, checked, and where they came from.

Rows are frozen data classes rather than a frame. Each is refused or accepted by itself, with the
line and column it stood in, and goes from here straight into COPY.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

GameType = Literal["preseason", "regular", "postseason", "exhibition"]


@dataclass(frozen=True, slots=True)
class SourceGame:
    """A fixture and, once played, its result, under Precog's own team codes.

    ``game_date`` is the local date of the league; ``kickoff_at`` (UTC) is None when the source
    gives no time. Scores are both given (final) or both None (scheduled). Moneylines are closing
    American odds, or None. Quarterbacks are those who started, key and name at the source; known
    with the result. ``played_until`` is an instant at which the game may still have been on, where
    the source tells: its result was not known before. ``points`` of a finished game are
    (home, away) by period, all overtime as one more; ``closing_spread`` is what the home team was
    favoured by.
    """

    league: str
    season: int
    week: int | None
    game_type: GameType
    game_date: date
    kickoff_at: datetime | None
    away: str
    home: str
    neutral_site: bool
    away_score: int | None
    home_score: int | None
    source_game_id: str | None
    away_moneyline: int | None = None
    home_moneyline: int | None = None
    away_quarterback: tuple[str, str | None] | None = None
    home_quarterback: tuple[str, str | None] | None = None
    played_until: datetime | None = None
    points: tuple[tuple[int, int], ...] = ()
    closing_spread: Decimal | None = None

    @property
    def game_key(self) -> str:
        """``league:season:date:away@home``, the same from every source."""
        return f"{self.league}:{self.season}:{self.game_date}:{self.away}@{self.home}"

    @property
    def is_final(self) -> bool:
        return self.home_score is not None

    @property
    def home_result(self) -> float | None:
        """1 home won, 0 away won, 0.5 tie, None before the end."""
        if self.home_score is None or self.away_score is None:
            return None
        return 0.5 + ((self.home_score > self.away_score) - (self.home_score < self.away_score)) / 2


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """One retrieval, named by its content. ``row_count`` counts all games of the retrieved file."""

    source: str
    dataset: str
    league: str
    uri: str
    sha256: str
    row_count: int
    fetched_at: datetime
    published_at: datetime | None
    licence: str


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The games asked for, the file they came from, and what was corrected on the way."""

    games: tuple[SourceGame, ...]
    snapshot: SourceSnapshot
    corrections: tuple[str, ...] = ()


class GameSource(Protocol):
    """A provider of fixtures and results."""

    @property
    def name(self) -> str:
        """Value of ``games.source`` and ``team_aliases.source``."""

    @property
    def label(self) -> str:
        """Where the games come from, in words; shown wherever they are."""

    def seasons(self, league: str) -> list[int]:
        """Seasons the provider has, ascending. PrecogError for a league it does not have."""

    def games(self, league: str, seasons: Sequence[int] | None = None) -> Retrieval:
        """The games of ``seasons`` (None: all). PrecogError, naming those it has, for another."""

    def known_holes(self, league: str, season: int) -> int:
        """Games that the provider is known to lack in ``season``; 0 where it is complete."""


class Quote(NamedTuple):
    """One state of the YES book of one of a game's two markets, prices in dollars."""

    game_key: str
    team: Literal["home", "away"]
    observed_at: datetime
    yes_bid: Decimal
    yes_ask: Decimal
    yes_bid_size: Decimal
    yes_ask_size: Decimal
    volume: Decimal | None
    open_interest: Decimal | None
    write_reason: Literal["price", "volume", "heartbeat"]


class ClosingPrice(NamedTuple):
    """The unrounded last price before the start, known at the start and not before."""

    game_key: str
    team: Literal["home", "away"]
    bar_end_at: datetime
    price: Decimal


class QuoteSource(Protocol):
    """A provider of quotes on who wins."""

    @property
    def source(self) -> str:
        """Value of ``market_snapshots.source``: simulated, assumed_closing_line, recorded."""

    @property
    def platform_id(self) -> str:
        """Platform whose markets are quoted."""

    @property
    def label(self) -> str:
        """What the quotes are, in words; shown wherever they are."""

    def quotes(self, games: Sequence[SourceGame]) -> Iterator[Quote]:
        """Quotes of ``games`` by game, market and time."""

    def closing_prices(self, games: Sequence[SourceGame]) -> Iterable[ClosingPrice]:
        """Exact closing prices where they are more than the last quote; else nothing."""
