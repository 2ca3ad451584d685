"""The minute's look at the tape: only markets whose game is near, each trade known from receipt."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from precog_core.database import Database
from precog_core.kalshi.client import KalshiClient
from precog_pipelines.sources.kalshi.history import Window, ingest_recent_trades, ingest_trades
from precog_pipelines.sources.kalshi.markets import ingest_markets
from precog_pipelines.sources.manual import add_scheduled_game
from tests.kalshi import payloads
from tests.kalshi.payloads import AWAY, EVENT, HOME
from tests.kalshi.server import FakeKalshi

KICKOFF = datetime(2026, 11, 29, 21, 25, tzinfo=UTC)
TAPE = """
    SELECT t.venue_trade_id, t.event_ts, t.known_at
    FROM market_trades AS t ORDER BY t.venue_trade_id
"""


@pytest.fixture
def tape(venue: FakeKalshi, store: Database) -> Callable[..., FakeKalshi]:
    """The game's two markets, listed and matched, with trades at these times."""

    def build(client: KalshiClient, *trades: tuple[str, datetime]) -> FakeKalshi:
        with store.transaction() as conn:
            add_scheduled_game(conn, "nfl", "KC", "DEN", KICKOFF)
        venue.series["KXNFLGAME"] = payloads.series()
        venue.list_event(payloads.event(), payloads.market(AWAY), payloads.market(HOME))
        far = EVENT.replace("26NOV29", "26DEC20")
        venue.list_event(payloads.event(far), payloads.market(f"{far}-KC"))
        ingest_markets(client, store, lambda: KICKOFF - timedelta(hours=2))
        venue.trades = [
            payloads.trade(name, AWAY, created_time=at.isoformat()) for name, at in trades
        ]
        return venue

    return build


def rows(store: Database) -> list[tuple[Any, ...]]:
    with store.connection() as conn:
        return conn.execute(TAPE).fetchall()


@pytest.mark.requirement("API-001")
def test_the_tape_is_read_on_from_where_it_was_left(
    client: KalshiClient, tape: Any, store: Database
) -> None:
    at = KICKOFF - timedelta(hours=1)
    minute = timedelta(minutes=1)
    venue = tape(client, ("t-1", at - 90 * minute), ("t-2", at - minute), ("t-3", at))
    venue.page_size = 2
    first = ingest_recent_trades(client, store, lambda: at)
    assert (first.complete, first.counts["markets"], first.counts["trades_new"]) == (True, 2, 3)
    assert rows(store) == [
        ("t-1", at - 90 * minute, at), ("t-2", at - minute, at), ("t-3", at, at),
    ]  # fmt: skip
    venue.trades.append(payloads.trade("t-4", AWAY, created_time=(at + minute).isoformat()))
    venue.trades.append(payloads.trade("t-5", AWAY, created_time=at.isoformat()))
    later = ingest_recent_trades(client, store, lambda: at + 2 * minute)
    assert later.counts["trades_new"] == 2
    assert rows(store)[3:] == [
        ("t-4", at + minute, at + 2 * minute), ("t-5", at, at + 2 * minute),
    ]  # fmt: skip
    asked = venue.asked("/markets/trades")[-2]
    assert int(asked.query["min_ts"]) == int(at.timestamp()) - 1
    # The day's history finds the same trades, and leaves them as they became known.
    day = Window(datetime(2026, 11, 29, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC))
    assert ingest_trades(client, store, day).counts["trades_new"] == 0
    assert rows(store)[3][2] == at + 2 * minute


def test_a_game_far_off_or_long_over_is_not_asked_for(
    client: KalshiClient, tape: Any, store: Database
) -> None:
    venue = tape(client)
    for at in (KICKOFF - timedelta(hours=26), KICKOFF + timedelta(hours=9)):
        assert ingest_recent_trades(client, store, lambda at=at: at).counts["markets"] == 0
    assert venue.asked("/markets/trades") == []


def test_an_unreadable_trade_is_named_and_the_others_are_kept(
    client: KalshiClient, tape: Any, store: Database
) -> None:
    at = KICKOFF - timedelta(hours=1)
    venue = tape(client, ("t-1", at), ("t-2", at))
    del venue.trades[0]["yes_price_dollars"]
    report = ingest_recent_trades(client, store, lambda: at)
    assert "field yes_price_dollars is missing" in report.problems[0]
    assert [row[0] for row in rows(store)] == ["t-2"]
