"""The settlement wording: alike for all games of a kind, different where the terms differ."""

import pytest

from precog_core.kalshi.wording import wording, wording_hash
from precog_trading.config import TradingConfig

PRIMARY = (
    "If {team} wins the {game} professional football game originally scheduled for {date}, "
    "then the market resolves to Yes."
)
SECONDARY = (
    "If the game ends in a tie, the market will resolve to $0.50 for each team. Begins within 48 "
    "hours of the scheduled start: stays open. Otherwise: fair market price."
)


def test_team_game_and_date_make_no_difference() -> None:
    games = [
        ("Kansas City", "Kansas City at Denver", "Nov 29, 2026"),
        ("New York J", "Tampa Bay vs New York J", "Aug 14, 2026"),
        ("A's", "A's vs. St. Louis", "Sep 3, 2026"),
    ]
    found = {
        wording_hash(PRIMARY.format(team=team, game=game, date=date), SECONDARY)
        for team, game, date in games
    }
    assert len(found) == 1
    assert found < set(TradingConfig().gate.rules_recognised)


@pytest.mark.parametrize(
    ("said", "instead"),
    [("$0.50", "$0.00"), ("48", "24"), ("fair market", "last"), ("Yes", "No"), ("wins", "loses")],
)
def test_other_terms_are_another_wording(said: str, instead: str) -> None:
    primary = PRIMARY.format(team="Denver", game="Kansas City at Denver", date="Nov 29, 2026")
    changed = wording_hash(primary.replace(said, instead), SECONDARY.replace(said, instead))
    assert changed != wording_hash(primary, SECONDARY)


def test_a_time_of_day_is_left_out_and_spaces_do_not_count() -> None:
    said = (
        "The following market refers to the Los Angeles A vs Miami professional baseball game "
        "originally scheduled for Aug 2, 2026 at 4:10 PM EDT.\n\nNo  more."
    )
    assert wording("", said) == (
        "The following market refers to the <game> professional baseball game originally scheduled "
        "for <date>. No more."
    )
