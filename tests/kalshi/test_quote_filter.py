"""Material change: what is written, and what is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precog_core.kalshi.config import QuotesSection
from precog_core.kalshi.quote_filter import MarketQuote, write_reason

RULE = QuotesSection()
SEEN = datetime(2026, 11, 29, 18, tzinfo=UTC)


def quote(**changes: Any) -> MarketQuote:
    start = MarketQuote(
        market_id=1, observed_at=SEEN, yes_bid=Decimal("0.56"), yes_ask=Decimal("0.57"),
        yes_bid_size=Decimal(100), yes_ask_size=Decimal(200), last_price=Decimal("0.57"),
        volume=Decimal(1000), open_interest=Decimal(500),
    )  # fmt: skip
    return replace(start, **changes)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ({}, {}, None),
        ({}, {"yes_bid": Decimal("0.57")}, "price"),
        ({}, {"yes_bid": Decimal("0.565")}, None),
        ({}, {"yes_ask": Decimal("0.56")}, "price"),
        ({"yes_bid": Decimal("0.05")}, {"yes_bid": Decimal("0.051")}, "price"),
        ({"yes_bid": Decimal("0.05")}, {"yes_bid": Decimal("0.0509")}, None),
        ({}, {"yes_bid": None}, "price"),
        ({"yes_ask": None}, {}, "price"),
        ({"yes_ask": None}, {"yes_ask": None}, None),
        ({}, {"volume": Decimal(1010)}, "volume"),
        ({}, {"volume": Decimal("1009.99")}, None),
        ({"volume": None}, {"volume": Decimal(10)}, "volume"),
        ({}, {"yes_bid_size": Decimal(1), "open_interest": Decimal(1)}, None),
        ({}, {"observed_at": SEEN + timedelta(seconds=301)}, "heartbeat"),
    ],
)
def test_what_is_material(
    before: dict[str, Any], after: dict[str, Any], reason: str | None
) -> None:
    """Schema: bid or ask moves by a cent or 2 %, volume by ten, or five minutes have passed."""
    seen = {**before, "observed_at": SEEN + timedelta(seconds=60), **after}
    if "yes_bid" not in after and "yes_bid" in before:
        seen["yes_bid"] = before["yes_bid"]
    if before.get("yes_ask", ...) is None and "yes_ask" not in after:
        seen["yes_ask"] = Decimal("0.57")
    assert write_reason(quote(**before), quote(**seen), RULE) == reason


def test_the_first_quote_of_a_market_is_written() -> None:
    assert write_reason(None, quote(), RULE) == "price"


def test_an_older_or_equal_observation_is_never_written() -> None:
    moved = quote(yes_bid=Decimal("0.10"), observed_at=SEEN)
    assert write_reason(quote(), moved, RULE) is None


cents = st.integers(1, 99).map(lambda c: Decimal(c) / 100)


@settings(max_examples=50)
@given(st.lists(st.tuples(cents, cents, st.integers(0, 400)), min_size=1, max_size=40))
def test_the_last_written_quote_is_never_far_from_what_is_seen(
    steps: list[tuple[Decimal, Decimal, int]],
) -> None:
    """Whatever the path: on the cent grid nothing that moved is lost, and no gap exceeds 300 s."""
    stored: MarketQuote | None = None
    at = SEEN
    for bid, ask, seconds in steps:
        at += timedelta(seconds=seconds + 1)
        seen = quote(yes_bid=bid, yes_ask=ask, observed_at=at)
        if write_reason(stored, seen, RULE):
            stored = seen
        assert stored is not None
        assert (stored.yes_bid, stored.yes_ask) == (bid, ask)
        assert at - stored.observed_at < timedelta(seconds=300)
