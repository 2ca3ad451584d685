"""Reads of one's own account: orders, fills, settlements, balance, limits."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from precog_core.kalshi.client import KalshiClient
from precog_core.kalshi.credentials import Credentials
from precog_core.kalshi.errors import KalshiPayloadError
from tests.kalshi import payloads
from tests.kalshi.conftest import Connect
from tests.kalshi.payloads import AWAY
from tests.kalshi.server import FakeKalshi, Reply


@pytest.fixture
def client(connect: Connect) -> KalshiClient:
    return connect(Credentials("key-1", ed25519.Ed25519PrivateKey.generate()))


@pytest.mark.requirement("API-001")
def test_an_order_is_read_by_its_counts(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-001: a partly filled IOC is canceled, with fills."""
    venue.orders = [payloads.order()]
    order = client.order("o-1")
    assert order == client.orders(AWAY, datetime(2026, 11, 1, tzinfo=UTC)).items[0]
    assert (order.status, order.filled_count, order.initial_count) == ("canceled", 4, 10)
    assert order.client_order_id == "c-1"
    assert order.yes_price == Decimal("0.57")
    assert venue.seen[1].query["min_ts"] == "1793491200"


@pytest.mark.requirement("API-001")
def test_fills_and_settlements_are_read(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-001: cents of a settlement become dollars."""
    venue.fills = [payloads.fill()]
    venue.settlements = [payloads.settlement()]
    fill = client.fills().items[0]
    assert (fill.count, fill.fee, fill.is_taker) == (10, Decimal("0.1716"), True)
    settled = client.settlements().items[0]
    assert (settled.revenue, settled.value) == (Decimal("4.00"), Decimal("0.50"))
    assert settled.result == "scalar"


@pytest.mark.requirement("API-001")
@pytest.mark.parametrize(
    ("name", "build", "fields"),
    [
        (
            "orders",
            payloads.order,
            ["order_id", "status", "outcome_side", "book_side", "yes_price_dollars",
             "initial_count_fp", "fill_count_fp", "remaining_count_fp", "created_time"],
        ),
        (
            "fills",
            payloads.fill,
            ["fill_id", "order_id", "outcome_side", "book_side", "count_fp", "yes_price_dollars",
             "is_taker", "fee_cost", "created_time"],
        ),
        (
            "settlements",
            payloads.settlement,
            ["market_result", "yes_count_fp", "no_count_fp", "revenue", "value", "fee_cost",
             "settled_time"],
        ),
    ],
)  # fmt: skip
def test_a_missing_field_of_an_account_record_is_named(
    client: KalshiClient, venue: FakeKalshi, name: str, build: Any, fields: list[str]
) -> None:
    """API-001: a missing field raises; in a listing it is set aside and named."""
    for field in fields:
        body = build()
        del body[field]
        getattr(venue, name).append(body)
    listing = client.orders(AWAY) if name == "orders" else getattr(client, name)()
    assert listing.items == ()
    assert [error.field for error in listing.rejected] == fields
    assert {error.ticker for error in listing.rejected} == {AWAY}


def test_a_balance_is_exact_where_the_venue_gives_dollars(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    assert client.balance().cash == Decimal("1243.18")
    exact = {"balance": 124318, "balance_dollars": "1243.1815"}
    venue.script("/portfolio/balance", Reply(200, exact))
    assert client.balance().cash == Decimal("1243.1815")
    venue.script("/portfolio/balance", Reply(200, {"balance": "124318"}))
    with pytest.raises(KalshiPayloadError, match="not a whole number"):
        client.balance()


def test_the_limits_of_the_account_are_read(client: KalshiClient) -> None:
    limits = client.account_limits()
    assert (limits.tier, limits.read_rate, limits.write_capacity) == ("basic", 200, 100)
