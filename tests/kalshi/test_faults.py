"""Recorded answers served on loopback by a venue that fails in every way it can.

Everything that can be stored is stored once, everything else is an error that names it, and once
the venue is well again the same run adds exactly what was missing.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from precog_core.database import Database
from precog_core.kalshi.client import KalshiClient
from precog_pipelines.sources.kalshi.history import Window, ingest_candles, ingest_trades
from precog_pipelines.sources.kalshi.markets import ingest_markets
from precog_pipelines.sources.kalshi.quotes import ingest_quotes
from precog_pipelines.sources.kalshi.report import Report
from tests.kalshi import payloads
from tests.kalshi.conftest import Connect
from tests.kalshi.server import TOO_MANY, UNAVAILABLE, FakeKalshi, Reply

AT = datetime(2026, 8, 9, 22, tzinfo=UTC)
DAY = Window(datetime(2026, 8, 9, tzinfo=UTC), datetime(2026, 8, 10, tzinfo=UTC))
TABLES = ("events", "markets", "market_attributes", "market_snapshots", "market_candles",
          "market_trades", "settlements")  # fmt: skip
HANGS = [Reply(fault="hang")] * 3


@pytest.fixture
def recorded(venue: FakeKalshi, data_dir: Path) -> FakeKalshi:
    """32 recorded events with their 64 markets, in pages of five; bars and trades for two."""
    file = data_dir / "kalshi" / "json" / "events_nfl_preseason.json"
    venue.series["KXNFLGAME"] = payloads.series()
    for event in json.loads(file.read_text())["events"]:
        nested = event["markets"]
        venue.list_event({k: v for k, v in event.items() if k != "markets"}, *nested)
        for market in nested:
            yes = [[market["yes_bid_dollars"], market["yes_bid_size_fp"]]]
            no = [[market["no_bid_dollars"], market["yes_ask_size_fp"]]]
            venue.books[market["ticker"]] = payloads.order_book(yes, no)
    venue.cutoff = dict.fromkeys(venue.cutoff, "2026-01-01T00:00:00Z")
    venue.page_size = 5
    first, second = (market["ticker"] for market in venue.markets[:2])
    start = int((DAY.end_at - timedelta(hours=3)).timestamp())
    for ticker in (first, second):
        venue.candles[ticker] = [payloads.candle(start + 60 * n) for n in range(9)]
        venue.trades += [
            payloads.trade(f"{ticker}-{n}", ticker, created_time=f"2026-08-09T21:0{n}:00Z")
            for n in range(8)
        ]
    return venue


def stored(db: Database) -> dict[str, int]:
    with db.connection() as conn:
        return {t: conn.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES}


def everything(client: KalshiClient, db: Database) -> list[Report]:
    """Listing, quotes, bars and trades, one after the other."""

    def now() -> datetime:
        return AT

    return [
        ingest_markets(client, db, now).report,
        ingest_quotes(client, db, now),
        ingest_candles(client, db, DAY, lambda: DAY.end_at),
        ingest_trades(client, db, DAY),
    ]


def break_everything(venue: FakeKalshi) -> dict[str, Any]:
    """Failures that pass, failures that last, and damaged objects; returns what was taken away."""
    first, second, third, fourth = (market["ticker"] for market in venue.markets[:4])
    series = "/series/KXNFLGAME/markets"
    # These pass: a full bucket, a body cut twice, a dead connection, a restart.
    venue.script("/events", TOO_MANY, Reply(body={"events": []}, fault="cut_body"))
    venue.script(f"/markets/{first}/orderbook", Reply(body={"orderbook_fp": {}}, fault="cut_json"))
    venue.script(f"/markets/{second}/orderbook", Reply(fault="reset"), UNAVAILABLE)
    # These last: a silent socket, a book in another envelope, a listing that breaks off.
    venue.script(f"/markets/{third}/orderbook", *HANGS)
    venue.script(f"/markets/{fourth}/orderbook", Reply(body={"orderbook": {"yes": []}}))
    venue.script("/markets/trades", Reply(body=_page(venue, first)), *[UNAVAILABLE] * 3)
    venue.script(f"{series}/{second}/candlesticks", *[TOO_MANY] * 3)
    # And objects without a price.
    del venue.candles[first][4]["yes_bid"]["close_dollars"]
    return {"taken": venue.markets[-1].pop("yes_ask_dollars"), "tickers": (first, second, third)}


def _page(venue: FakeKalshi, ticker: str) -> Any:
    return {"trades": [t for t in venue.trades if t["ticker"] == ticker][:5], "cursor": "5"}


@pytest.mark.requirement("API-001", "API-006", "TEST-003")
def test_what_can_be_stored_is_stored_once_and_the_rest_is_named(
    connect: Connect, recorded: FakeKalshi, store: Database
) -> None:
    client = connect(timeout_s=0.25, retry={"retries": 2})
    broken = break_everything(recorded)
    first, second, third = broken["tickers"]
    listing, quotes, candles, trades = everything(client, store)
    last = recorded.markets[-1]["ticker"]
    assert [report.complete for report in (listing, quotes, candles, trades)] == [False] * 4
    assert listing.problems[0].startswith(f"GET /events for {last}: field yes_ask_dollars is missi")
    assert any(f"/markets/{third}/orderbook, asked 3 times" in text for text in quotes.problems)
    assert any("field orderbook_fp is missing" in text for text in quotes.problems)
    assert any(f"bars of {first} are incomplete" in text for text in candles.problems)
    assert any(f"{second}/candlesticks, asked 3 times" in text for text in candles.problems)
    assert any(f"trades of {first} are incomplete: page 2" in text for text in trades.problems)
    assert stored(store) == {
        "events": 32, "markets": 63, "market_attributes": 63, "market_snapshots": 61,
        "market_candles": 8, "market_trades": 13, "settlements": 0,
    }  # fmt: skip

    recorded.markets[-1]["yes_ask_dollars"] = broken["taken"]
    recorded.candles[first][4] = payloads.candle(recorded.candles[first][4]["end_period_ts"])
    well = everything(client, store)
    assert [report.problems for report in well] == [[]] * 4
    whole = {
        "events": 32, "markets": 64, "market_attributes": 64, "market_snapshots": 64,
        "market_candles": 18, "market_trades": 16, "settlements": 0,
    }  # fmt: skip
    assert stored(store) == whole
    everything(client, store)
    assert stored(store) == whole


@pytest.mark.requirement("API-001", "LEDGER-008")
def test_recorded_settled_markets_become_settlements(
    connect: Connect, venue: FakeKalshi, store: Database, data_dir: Path
) -> None:
    """42 of 44 are final; the two that closed without a result settle nothing."""
    file = json.loads((data_dir / "kalshi" / "json" / "markets_settled.json").read_text())
    markets = _markets_in(file)
    series = {market["ticker"].partition("-")[0] for market in markets}
    for name in series:
        venue.series[name] = payloads.series(name)
    for event in sorted({market["event_ticker"] for market in markets}):
        venue.list_event(payloads.event(event), *[m for m in markets if m["event_ticker"] == event])
    venue.cutoff = dict.fromkeys(venue.cutoff, "2026-01-01T00:00:00Z")
    entries = [{"ticker": name, "league": "nfl"} for name in sorted(series)]
    client = connect(series=entries)
    report = ingest_markets(
        client, store, lambda: AT, since=datetime(2025, 1, 1, tzinfo=UTC)
    ).report
    assert report.complete, report.problems
    with store.connection() as conn:
        assert conn.execute(
            "SELECT stage, outcome, settlement_value, count(*), bool_and(known_at = event_ts) "
            "FROM settlements GROUP BY 1, 2, 3 ORDER BY 2"
        ).fetchall() == [("finalized", "no", 0, 21, True), ("finalized", "yes", 1, 21, True)]


def _markets_in(content: Any) -> list[dict[str, Any]]:
    """Every market object of the file, wherever the recorder put it; each ticker once."""
    found: dict[str, dict[str, Any]] = {}

    def search(value: Any) -> None:
        if isinstance(value, dict):
            if "ticker" in value and "yes_bid_dollars" in value and "event_ticker" in value:
                found.setdefault(value["ticker"], value)
            for inner in value.values():
                search(inner)
        elif isinstance(value, list):
            for inner in value:
                search(inner)

    search(content)
    return list(found.values())
