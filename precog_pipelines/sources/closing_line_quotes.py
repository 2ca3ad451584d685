"""Quotes assumed from closing moneylines: what the betting market thought, dressed as a book.

Only the probability is real. The spread and the sizes come from ``config/sources.yaml``, and the
line is taken as seen 31 minutes before kickoff although it closed at kickoff: a declared
look-ahead. Such rows carry the source ``assumed_closing_line`` wherever they go; volume and open
interest stay empty. The exact no-vig price is kept beside the quote as a one-day bar that is
known at kickoff, because the grid rounds it.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Literal

from precog_pipelines.sources.config import ClosingLineSection
from precog_pipelines.sources.protocols import ClosingPrice, Quote, SourceGame

TICK = Decimal("0.01")
STORED_PLACES = Decimal("0.000001")
TEAMS: tuple[Literal["home", "away"], ...] = ("home", "away")


def implied_probability(moneyline: int) -> Fraction:
    """What American odds pay for, margin included: m/(m + 100) for -m, 100/(m + 100) for +m."""
    if moneyline < 0:
        return Fraction(-moneyline, 100 - moneyline)
    return Fraction(100, 100 + moneyline)


def no_vig_probability(home_moneyline: int, away_moneyline: int) -> Decimal:
    """P(home wins) without the bookmaker's margin: h/(h + a) of the implied probabilities."""
    home, away = implied_probability(home_moneyline), implied_probability(away_moneyline)
    fair = home / (home + away)
    return Decimal(fair.numerator) / fair.denominator


def book_around(mid: Decimal, spread: Decimal) -> tuple[Decimal, Decimal]:
    """Bid and ask on the cent grid, exactly ``spread`` apart, as near to ``mid`` as that allows.

    Stays inside 0.01 .. 0.99.
    """
    width = max(TICK, spread.quantize(TICK, ROUND_HALF_EVEN))
    bid = ((mid - width / 2) / TICK).quantize(Decimal(1), ROUND_HALF_EVEN) * TICK
    bid = min(max(bid, TICK), 1 - TICK - width)
    return bid, bid + width


class ClosingLineQuotes:
    """QuoteSource over the moneylines of finished games; the others have no closing line yet."""

    source = "assumed_closing_line"
    platform_id = "closing_line"

    def __init__(self, config: ClosingLineSection) -> None:
        self.config = config
        self.label = (
            f"quotes ASSUMED FROM CLOSING LINES (declared {config.lead_min:g}-minute look-ahead)"
        )

    def quotes(self, games: Sequence[SourceGame]) -> Iterator[Quote]:
        """Two mirror quotes per game, ``lead_min`` before kickoff."""
        lead = timedelta(minutes=self.config.lead_min)
        for game in games:
            price = closing_price(game)
            if price is None or game.kickoff_at is None:
                continue
            bid, ask = book_around(price, self.config.spread)
            for team, yes_bid, yes_ask in (("home", bid, ask), ("away", 1 - ask, 1 - bid)):
                yield Quote(
                    game_key=game.game_key,
                    team=team,  # type: ignore[arg-type]
                    observed_at=game.kickoff_at - lead,
                    yes_bid=yes_bid,
                    yes_ask=yes_ask,
                    yes_bid_size=self.config.size,
                    yes_ask_size=self.config.size,
                    volume=None,
                    open_interest=None,
                    write_reason="price",
                )

    def closing_prices(self, games: Sequence[SourceGame]) -> Iterator[ClosingPrice]:
        """The no-vig price of both markets, known at kickoff."""
        for game in games:
            price = closing_price(game)
            if price is None or game.kickoff_at is None:
                continue
            home = price.quantize(STORED_PLACES, ROUND_HALF_EVEN)
            yield ClosingPrice(game.game_key, "home", game.kickoff_at, home)
            yield ClosingPrice(game.game_key, "away", game.kickoff_at, 1 - home)


def closing_price(game: SourceGame) -> Decimal | None:
    """P(home wins) of the closing line; None without both moneylines or before the game is over."""
    if not game.is_final or game.home_moneyline is None or game.away_moneyline is None:
        return None
    return no_vig_probability(game.home_moneyline, game.away_moneyline)
