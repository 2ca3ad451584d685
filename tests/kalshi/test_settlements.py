"""What the venue paid, over real HTTP: a revision for each new word, none for the same again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from precog_core.database import Database
from precog_core.kalshi.client import KalshiClient
from precog_pipelines.sources.kalshi.markets import ingest_markets
from tests.kalshi import payloads
from tests.kalshi.conftest import Connect
from tests.kalshi.payloads import AWAY, EVENT, HOME
from tests.kalshi.server import FakeKalshi, Reply

DURING = datetime(2026, 11, 29, 22, tzinfo=UTC)
AFTER = datetime(2026, 11, 30, 0, 50, tzinfo=UTC)
SETTLED_AT = datetime(2026, 11, 30, 0, 41, 5, tzinfo=UTC)
PAID = """
    SELECT s.revision, s.stage, s.outcome, s.settlement_value, s.event_ts, s.known_at
    FROM settlements AS s JOIN markets AS m USING (market_id)
    WHERE m.ticker = %s ORDER BY s.revision
"""


class Now:
    """A wall clock that a test sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now(DURING)


@pytest.fixture
def listed(venue: FakeKalshi) -> FakeKalshi:
    venue.series["KXNFLGAME"] = payloads.series()
    venue.list_event(payloads.event(), payloads.market(AWAY), payloads.market(HOME))
    return venue


@pytest.fixture
def paid(store: Database) -> Callable[[str], list[tuple[Any, ...]]]:
    def read(ticker: str = AWAY) -> list[tuple[Any, ...]]:
        with store.connection() as conn:
            return conn.execute(PAID, (ticker,)).fetchall()

    return read


@pytest.mark.requirement("API-001", "LEDGER-008")
def test_a_result_goes_from_determined_over_amended_to_finalized(
    client: KalshiClient, listed: FakeKalshi, store: Database, now: Now, paid: Any
) -> None:
    ingest_markets(client, store, now)
    assert paid() == []
    for minutes, status, result in (
        (1, "determined", "yes"),
        (2, "determined", "yes"),
        (3, "disputed", "yes"),
        (4, "amended", "no"),
        (5, "determined", "no"),
        (6, "finalized", "no"),
        (7, "finalized", "no"),
    ):
        now.at = AFTER + timedelta(minutes=minutes)
        listed.markets[0] = payloads.settled(AWAY, result, status=status)
        assert ingest_markets(client, store, now).report.complete
    assert paid() == [
        (1, "determined", "yes", 1, SETTLED_AT, AFTER + timedelta(minutes=1)),
        (2, "amended", "no", 0, SETTLED_AT, AFTER + timedelta(minutes=4)),
        (3, "finalized", "no", 0, SETTLED_AT, AFTER + timedelta(minutes=6)),
    ]
    assert paid(HOME) == []


@pytest.mark.requirement("API-001", "LEDGER-008")
def test_an_amendment_nobody_saw_is_told_by_its_value(
    client: KalshiClient, listed: FakeKalshi, store: Database, now: Now, paid: Any
) -> None:
    """Also one after the final word: the latest revision counts."""
    ingest_markets(client, store, now)
    now.at = AFTER
    for status, result in (
        ("determined", "yes"), ("determined", "no"), ("finalized", "no"), ("finalized", "scalar"),
        ("determined", "scalar"),
    ):  # fmt: skip
        listed.markets[0] = payloads.settled(AWAY, result, status=status)
        ingest_markets(client, store, now)
    assert [row[:4] for row in paid()] == [
        (1, "determined", "yes", 1),
        (2, "amended", "no", 0),
        (3, "finalized", "no", 0),
        (4, "finalized", "scalar", Decimal("0.5")),
    ]


def test_a_result_older_than_the_listing_was_public_when_it_was_settled(
    client: KalshiClient, listed: FakeKalshi, store: Database, now: Now, paid: Any
) -> None:
    """A backfill may use it for what came after; one that was awaited is known from its receipt."""
    listed.markets[:] = [payloads.settled(AWAY), payloads.settled(HOME, "scalar")]
    now.at = AFTER + timedelta(days=1)
    report = ingest_markets(client, store, now).report
    assert report.counts["settlements_new"] == 2
    assert paid() == [(1, "finalized", "yes", 1, SETTLED_AT, SETTLED_AT)]
    assert paid(HOME)[0][2:4] == ("scalar", Decimal("0.5"))
    assert ingest_markets(client, store, now).report.counts["settlements_new"] == 0


def test_a_market_that_stays_closed_is_asked_until_it_settles(
    connect: Connect, listed: FakeKalshi, store: Database, now: Now, paid: Any
) -> None:
    """Recorded: closed for months without a result. The listing no longer shows it by then."""
    client = connect(retry={"retries": 0})
    for position, ticker in enumerate((AWAY, HOME)):
        listed.markets[position] = payloads.market(
            ticker, status="closed", close_time="2026-11-30T00:20:00Z"
        )
    now.at = AFTER
    ingest_markets(client, store, now)
    now.at = AFTER + timedelta(days=30)
    waiting = ingest_markets(client, store, now).report
    assert waiting.complete, waiting.problems
    assert waiting.counts["overdue_asked"] == 2
    assert paid() == []
    listed.markets[0] = payloads.settled(AWAY, settlement_ts="2026-12-28T00:00:00Z")
    assert ingest_markets(client, store, now).report.counts["settlements_new"] == 1
    assert paid()[0][1:3] == ("finalized", "yes")
    assert paid()[0][5] == now.at
    # One that left the live tier is no problem of every later listing; a failing venue is.
    listed.markets.pop(1)
    gone = ingest_markets(client, store, now).report
    assert (gone.complete, gone.counts["overdue_archived"]) == (True, 1)
    listed.script(f"/events/{EVENT}", Reply(500, {"error": {"code": "internal", "message": "no"}}))
    assert not ingest_markets(client, store, now).report.complete
