"""Moneylines become a probability, a quote on the grid, and an exact closing price."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_pipelines.sources.closing_line_quotes import (
    ClosingLineQuotes,
    book_around,
    implied_probability,
    no_vig_probability,
)
from precog_pipelines.sources.config import ClosingLineSection, league_config
from precog_pipelines.sources.nflverse_csv import parse_games
from precog_pipelines.sources.protocols import SourceGame
from precog_pipelines.sources.teams import TeamDirectory

odds = st.integers(100, 10_000) | st.integers(-10_000, -100)


@pytest.fixture
def game(game_row: Callable[..., dict[str, str]], csv_bytes: Any) -> Callable[..., SourceGame]:
    league = league_config("nfl")
    teams = TeamDirectory.configured("nfl", league)
    return lambda **changes: parse_games("f", csv_bytes([game_row(**changes)]), teams, league)[0][0]


def test_american_odds_imply_the_price_of_a_dollar() -> None:
    assert implied_probability(-150) == Fraction(3, 5)
    assert implied_probability(+150) == Fraction(2, 5)
    assert implied_probability(100) == implied_probability(-100) == Fraction(1, 2)


def test_the_margin_is_removed_in_proportion() -> None:
    assert no_vig_probability(-110, -110) == Decimal("0.5")
    assert no_vig_probability(-170, 150).quantize(Decimal("0.000001")) == Decimal("0.611511")


@given(home=odds, away=odds)
def test_the_two_sides_sum_to_one(home: int, away: int) -> None:
    one = no_vig_probability(home, away) + no_vig_probability(away, home)
    assert abs(one - 1) < Decimal("1e-20")


@given(
    mid=st.decimals("0.001", "0.999", places=4), spread=st.sampled_from(["0.01", "0.02", "0.05"])
)
def test_a_book_has_the_configured_spread_on_the_grid(mid: Decimal, spread: str) -> None:
    bid, ask = book_around(mid, Decimal(spread))
    assert ask - bid == Decimal(spread)
    assert Decimal("0.01") <= bid < ask <= Decimal("0.99")
    assert bid == round(bid, 2)
    if Decimal("0.06") < mid < Decimal("0.94"):
        assert abs((bid + ask) / 2 - mid) <= Decimal("0.005")


def test_a_finished_game_gets_two_mirror_quotes_31_minutes_before_kickoff(game: Any) -> None:
    source = ClosingLineQuotes(ClosingLineSection())
    played = game()
    home, away = source.quotes([played])
    assert (home.team, home.yes_bid, home.yes_ask) == ("home", Decimal("0.60"), Decimal("0.62"))
    assert (away.team, away.yes_bid, away.yes_ask) == ("away", Decimal("0.38"), Decimal("0.40"))
    assert (played.kickoff_at - home.observed_at).total_seconds() == 31 * 60
    assert home.yes_bid_size == away.yes_ask_size == 500
    assert home.volume is None
    assert home.open_interest is None
    assert [(p.team, p.price) for p in source.closing_prices([played])] == [
        ("home", Decimal("0.611511")),
        ("away", Decimal("0.388489")),
    ]
    assert source.label == "quotes ASSUMED FROM CLOSING LINES (declared 31-minute look-ahead)"


@pytest.mark.parametrize(
    "changes",
    [
        {"home_moneyline": ""},
        {"gametime": ""},
        {"home_score": "", "away_score": "", "result": ""},
    ],
)
def test_a_game_without_a_closing_line_or_result_gets_no_quote(game: Any, changes: Any) -> None:
    source = ClosingLineQuotes(ClosingLineSection())
    assert list(source.quotes([game(**changes)])) == []
    assert list(source.closing_prices([game(**changes)])) == []


def test_spread_size_and_lead_come_from_the_settings(game: Any) -> None:
    settings = ClosingLineSection(spread=Decimal("0.04"), size=Decimal(50), lead_min=90)
    home, _ = ClosingLineQuotes(settings).quotes([game()])
    assert (home.yes_bid, home.yes_ask, home.yes_bid_size) == (
        Decimal("0.59"),
        Decimal("0.63"),
        Decimal(50),
    )
