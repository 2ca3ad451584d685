"""Kalshi's listings into PostgreSQL over real HTTP: once, exactly, and marked where incomplete."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.kalshi.client import KalshiClient
from precog_core.kalshi.errors import KalshiUnavailable
from precog_pipelines.sources.kalshi.fees import ingest_fees
from precog_pipelines.sources.kalshi.history import Window, ingest_candles, ingest_trades
from precog_pipelines.sources.kalshi.markets import ingest_markets
from precog_pipelines.sources.kalshi.quotes import ingest_quotes
from precog_pipelines.sources.manual import add_scheduled_game
from tests.kalshi import payloads
from tests.kalshi.conftest import Connect
from tests.kalshi.payloads import AWAY, EVENT, HOME
from tests.kalshi.server import UNAVAILABLE, FakeKalshi, Reply

KICKOFF = datetime(2026, 11, 29, 21, 25, tzinfo=UTC)
DAY = Window(datetime(2026, 11, 29, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC))
COUNTED = (
    "series", "events", "markets", "market_attributes", "market_snapshots", "market_candles",
    "market_trades", "fee_schedules",
)  # fmt: skip


class Now:
    """A wall clock that a test sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def db(store: Database) -> Database:
    """Here every test can do with a database that forgets."""
    return store


@pytest.fixture
def now() -> Now:
    return Now(datetime(2026, 11, 28, 12, tzinfo=UTC))


@pytest.fixture
def game(db: Database) -> str:
    """Kansas City at Denver on 29 November 2026, entered by hand."""
    with db.transaction() as conn:
        added = add_scheduled_game(conn, "nfl", "KC", "DEN", KICKOFF)
    return added.game_key


@pytest.fixture
def listed(venue: FakeKalshi) -> FakeKalshi:
    """A venue with that game open and its books."""
    venue.series["KXNFLGAME"] = payloads.series()
    home = payloads.market(HOME, yes_bid_dollars="0.4300", yes_ask_dollars="0.4400")
    venue.list_event(payloads.event(), payloads.market(), home)
    venue.books[AWAY] = payloads.order_book()
    venue.books[HOME] = payloads.order_book(yes=[["0.4300", "430.00"]], no=[["0.5600", "1250.00"]])
    return venue


def rows(db: Database, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with db.connection() as conn:
        return conn.execute(query, values).fetchall()


def counts(db: Database) -> dict[str, int]:
    return {name: rows(db, f"SELECT count(*) FROM {name}")[0][0] for name in COUNTED}


ATTRIBUTES = """
    SELECT m.ticker, a.status, a.row_current_ind, a.event_ts, a.known_at, a.count_step,
           a.raw ->> 'reconstructed', a.raw #>> '{market,yes_sub_title}'
    FROM market_attributes AS a JOIN markets AS m USING (market_id)
    WHERE m.platform_id = 'kalshi' AND m.ticker = %s ORDER BY a.row_start_ts
"""


def test_a_listing_is_stored_once_and_matched_with_its_game(
    client: KalshiClient, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """API-001: series, events, markets, attributes; the same listing again changes no row."""
    first = ingest_markets(client, db, now)
    assert first.report.complete
    assert first.matching.unmatched == []
    assert rows(
        db,
        "SELECT m.ticker, t.team_code, g.game_key, e.start_at, s.series_ticker, s.category, "
        "s.frequency, s.league FROM markets AS m JOIN events AS e USING (event_id) "
        "JOIN series AS s USING (series_id) JOIN games AS g USING (game_id) "
        "JOIN teams AS t ON t.team_id = m.yes_team_id "
        "WHERE m.platform_id = 'kalshi' ORDER BY m.ticker",
    ) == [
        (HOME, "DEN", game, KICKOFF, "KXNFLGAME", "sports", "custom", "nfl"),
        (AWAY, "KC", game, KICKOFF, "KXNFLGAME", "sports", "custom", "nfl"),
    ]
    updated = datetime(2026, 11, 17, 3, 0, 18, 150913, tzinfo=UTC)
    assert rows(db, ATTRIBUTES, AWAY) == [
        (AWAY, "open", True, updated, now.at, Decimal(1), None, "Kansas City")
    ]
    before = counts(db)
    now.at += timedelta(hours=1)
    listed.markets[0] |= {"yes_bid_dollars": "0.1000", "volume_fp": "999999.00"}
    again = ingest_markets(client, db, now)
    assert counts(db) == before
    assert again.report.counts["attributes_written"] == 0
    assert again.report.counts["markets_new"] == 0


def test_a_changed_attribute_closes_its_row_and_opens_another(
    client: KalshiClient, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """Schema: market_attributes is a history; an older answer never overwrites a newer one."""
    ingest_markets(client, db, now)
    learned = now.at = datetime(2026, 11, 30, 1, tzinfo=UTC)
    listed.markets[0] = payloads.settled()
    ingest_markets(client, db, now)
    settled_at = datetime(2026, 11, 30, 0, 41, 6, tzinfo=UTC)
    history = [row[1:5] for row in rows(db, ATTRIBUTES, AWAY)]
    assert history[0][:2] == ("open", False)
    assert history[1] == ("settled", True, settled_at, learned)
    now.at = learned - timedelta(hours=2)
    listed.markets[0] = payloads.market()
    ingest_markets(client, db, now)
    assert len(rows(db, ATTRIBUTES, AWAY)) == 2


def test_a_market_first_met_after_its_end_has_a_life_before(
    connect: Connect, venue: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """A replay of its prices finds it open then; archived markets come with their event."""
    venue.series["KXNFLGAME"] = payloads.series()
    venue.events.append(payloads.event())
    venue.archived_markets = [payloads.settled(AWAY), payloads.settled(HOME, "no")]
    venue.cutoff["market_settled_ts"] = "2026-12-20T00:00:00Z"
    now.at = datetime(2027, 3, 1, tzinfo=UTC)
    found = ingest_markets(connect(), db, now, since=datetime(2026, 11, 1, tzinfo=UTC))
    assert found.report.complete, found.report.problems
    assert found.matching.unmatched == []
    opened = datetime(2026, 11, 17, 3, 29, 26, tzinfo=UTC)
    settled = datetime(2026, 11, 30, 0, 41, 5, tzinfo=UTC)
    assert [(row[1], row[2], row[3], row[4], row[6]) for row in rows(db, ATTRIBUTES, AWAY)] == [
        ("open", False, opened, opened, "true"),
        ("settled", True, settled, settled, None),
    ]


def test_an_incomplete_listing_is_stored_marked_and_proves_no_absence(
    connect: Connect, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """API-001: what came is kept, the rest is a named error, nothing is closed or removed."""
    client = connect(retry={"retries": 0})
    ingest_markets(client, db, now)
    before = counts(db)
    other = "KXNFLGAME-26NOV29LARSEA"
    broken = payloads.market(f"{other}-LAR")
    del broken["yes_ask_dollars"]
    page = payloads.event(other) | {"markets": [broken, payloads.market(f"{other}-SEA")]}
    listed.script("/events", Reply(200, {"events": [page], "cursor": "2"}), UNAVAILABLE)
    found = ingest_markets(client, db, now)
    assert not found.report.complete
    text = "\n".join(found.report.problems)
    assert f"GET /events for {other}-LAR: field yes_ask_dollars is missing" in text
    assert "events of KXNFLGAME are incomplete: page 2: Kalshi gave no usable answer" in text
    assert [(one.ticker, one.reason) for one in found.matching.unmatched] == [
        (f"{other}-SEA", "not_two_markets")
    ]
    after = counts(db)
    assert {name: after[name] - before[name] for name in ("events", "markets")} == {
        "events": 1, "markets": 1,
    }  # fmt: skip
    assert [row[1:3] for row in rows(db, ATTRIBUTES, AWAY)] == [("open", True)]


def test_a_market_under_a_foreign_event_and_a_league_unknown_are_told(
    connect: Connect, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    client = connect(series=[{"ticker": "KXNFLGAME", "league": "cricket"}])
    foreign = payloads.market(AWAY, event_ticker="KXNFLGAME-26NOV29XXYY")
    listed.series["KXNFLGAME"] |= {"category": "Novelty", "frequency": "biennial"}
    page = payloads.event() | {"markets": [foreign, payloads.market(HOME)]}
    listed.script("/events", Reply(200, {"events": [page]}))
    found = ingest_markets(client, db, now)
    assert "is listed under KXNFLGAME-26NOV29KCDEN but names event" in found.report.problems[0]
    assert [one.reason for one in found.matching.unmatched] == ["league_unknown"]
    assert rows(
        db, "SELECT category, frequency, league FROM series WHERE platform_id = 'kalshi'"
    ) == [("novelty", "biennial", None)]
    assert rows(db, "SELECT is_known FROM market_categories WHERE code = 'novelty'") == [(False,)]


def test_a_league_without_teams_is_stored_and_listed_as_unmapped(
    connect: Connect, listed: FakeKalshi, db: Database, now: Now
) -> None:
    client = connect(series=[{"ticker": "KXNFLGAME", "league": "wnba"}])
    found = ingest_markets(client, db, now)
    assert found.report.complete
    assert {(one.reason, one.detail) for one in found.matching.unmatched} == {
        ("unmapped_team", "DEN in league wnba")
    }


SNAPSHOTS = """
    SELECT m.ticker, q.observed_at, q.yes_bid, q.yes_ask, q.yes_bid_size, q.yes_ask_size,
           q.last_price, q.volume, q.write_reason, q.source, q.known_at
    FROM market_snapshots AS q JOIN markets AS m USING (market_id)
    WHERE m.ticker = %s ORDER BY q.observed_at
"""


def test_quotes_are_written_when_they_change_materially(
    client: KalshiClient, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """API-001: top of the book, one row a change, a heartbeat after five minutes."""
    ingest_markets(client, db, now)
    listed.books[HOME] = payloads.order_book(yes=[], no=[["0.5600", "1250.00"]])
    first = ingest_quotes(client, db, now)
    assert first.complete
    assert first.counts["price"] == 2
    start = now.at
    assert rows(db, SNAPSHOTS, AWAY) == [
        (AWAY, start, Decimal("0.56"), Decimal("0.57"), Decimal(1250), Decimal(430),
         Decimal("0.57"), Decimal("184210.35"), "price", "recorded", start)
    ]  # fmt: skip
    assert rows(db, SNAPSHOTS, HOME)[0][2:6] == (None, Decimal("0.44"), None, Decimal(1250))
    assert ingest_quotes(client, db, now).counts["not_material"] == 2
    now.at += timedelta(seconds=60)
    listed.markets[0]["volume_fp"] = "184220.35"
    assert ingest_quotes(client, db, now).counts["volume"] == 1
    now.at += timedelta(seconds=60)
    listed.books[HOME] = payloads.order_book()
    moved = ingest_quotes(client, db, now).counts
    assert (moved["price"], moved["not_material"]) == (1, 1)
    now.at += timedelta(seconds=300)
    assert ingest_quotes(client, db, now).counts["heartbeat"] == 2
    assert [row[8] for row in rows(db, SNAPSHOTS, AWAY)] == ["price", "volume", "heartbeat"]
    assert [row[8] for row in rows(db, SNAPSHOTS, HOME)] == ["price", "price", "heartbeat"]


def test_a_book_that_cannot_be_read_costs_only_its_market(
    connect: Connect, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """API-001: never a quote of 0 or 0.50 in its place."""
    client = connect(retry={"retries": 0})
    ingest_markets(client, db, now)
    listed.books[AWAY] = {"orderbook": {}}
    listed.markets.append(payloads.market(f"{EVENT}-NEW"))
    report = ingest_quotes(client, db, now)
    assert report.counts["not_stored_yet"] == 1
    assert report.problems == [
        f"GET /markets/{AWAY}/orderbook for {AWAY}: field orderbook_fp is missing; the answer is "
        "not used; if Kalshi has changed its API, Precog needs an update"
    ]
    assert rows(db, SNAPSHOTS, AWAY) == []
    assert len(rows(db, SNAPSHOTS, HOME)) == 1
    listed.script(f"/markets/{AWAY}/orderbook", UNAVAILABLE)
    assert "asked once" in ingest_quotes(client, db, now).problems[0]


def test_quotes_may_come_from_the_listing_alone(
    connect: Connect, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    client = connect(quotes={"from": "listing"})
    ingest_markets(client, db, now)
    assert ingest_quotes(client, db, now).counts["price"] == 2
    assert rows(db, SNAPSHOTS, AWAY)[0][2:6] == (
        Decimal("0.56"), Decimal("0.57"), Decimal(1250), Decimal(430),
    )  # fmt: skip
    assert listed.asked(f"/markets/{AWAY}/orderbook") == []


def test_a_venue_that_is_away_ends_the_ingest_instead_of_asking_for_each_market(
    connect: Connect, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """API-006."""
    names = [f"KXNFLGAME-26NOV29{a}{b}" for a, b in (("LAR", "SEA"), ("NE", "BUF"))]
    for name, pair in zip(names, (("LAR", "SEA"), ("NE", "BUF")), strict=True):
        listed.list_event(payloads.event(name), *[payloads.market(f"{name}-{t}") for t in pair])
    client = connect(retry={"retries": 0})
    ingest_markets(client, db, now)
    for market in listed.markets:
        listed.script(f"/markets/{market['ticker']}/orderbook", UNAVAILABLE)
    with pytest.raises(KalshiUnavailable):
        ingest_quotes(client, db, now)
    assert len([seen for seen in listed.seen if seen.path.endswith("/orderbook")]) == 3
    assert counts(db)["market_snapshots"] == 0


def bars(first: datetime, count: int) -> list[Any]:
    start = int(first.timestamp())
    return [payloads.candle(start + 60 * number) for number in range(count)]


CANDLES = """
    SELECT c.bar_end_ts, c.close_price, c.yes_bid, c.yes_ask, c.volume, c.known_at
    FROM market_candles AS c JOIN markets AS m USING (market_id)
    WHERE m.ticker = %s ORDER BY c.bar_end_ts
"""


@pytest.mark.requirement("PIT-005")
def test_bars_of_a_day_are_stored_once_and_known_at_their_end(
    client: KalshiClient, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """API-001: the bar at midnight belongs to the day it ends; the next day's first does not."""
    ingest_markets(client, db, now)
    now.at = DAY.end_at + timedelta(hours=1)
    listed.candles[AWAY] = [
        *bars(DAY.start_at, 2),
        payloads.candle(int(DAY.end_at.timestamp()), close=None),
        payloads.candle(int(DAY.end_at.timestamp()) + 60),
    ]
    report = ingest_candles(client, db, DAY, now)
    assert report.complete
    assert (report.counts["bars"], report.counts["bars_new"]) == (2, 2)
    minute = DAY.start_at + timedelta(minutes=1)
    assert rows(db, CANDLES, AWAY) == [
        (minute, Decimal("0.57"), Decimal("0.56"), Decimal("0.57"), Decimal(2310), minute),
        (DAY.end_at, None, Decimal("0.56"), Decimal("0.57"), Decimal(2310), DAY.end_at),
    ]
    again = ingest_candles(client, db, DAY, now)
    assert (again.counts["bars_new"], again.counts["bars_differing"]) == (0, 0)
    listed.candles[AWAY][1]["volume_fp"] = "1.00"
    assert ingest_candles(client, db, DAY, now).counts["bars_differing"] == 1


@pytest.mark.requirement("PIT-005")
def test_the_running_bar_waits_and_long_ranges_are_asked_in_parts(
    client: KalshiClient, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """Days in one range or one by one end in the same rows."""
    ingest_markets(client, db, now)
    days = Window(DAY.start_at - timedelta(days=2), DAY.end_at)
    now.at = DAY.end_at - timedelta(seconds=30)
    listed.candles[AWAY] = bars(days.start_at + timedelta(minutes=1), 3 * 1440)
    report = ingest_candles(client, db, days, now)
    assert report.counts["bars_new"] == 3 * 1440 - 1
    parts = listed.asked(f"/series/KXNFLGAME/markets/{AWAY}/candlesticks")
    assert len(parts) == 2
    now.at = DAY.end_at
    again = ingest_candles(client, db, DAY, now)
    assert (again.counts["bars"], again.counts["bars_new"]) == (1440, 1)


def test_bars_of_a_settled_market_come_from_the_archive(
    client: KalshiClient, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """API-001: up to and including the bar in which it closed."""
    listed.markets[0] = payloads.settled(close_time="2026-11-29T23:30:40Z")
    listed.cutoff["market_settled_ts"] = "2026-12-20T00:00:00Z"
    now.at = datetime(2026, 12, 31, tzinfo=UTC)
    ingest_markets(client, db, now, since=DAY.start_at)
    end = int(datetime(2026, 11, 29, 23, 31, tzinfo=UTC).timestamp())
    listed.archived_candles[AWAY] = [payloads.archived_candle(end)]
    ingest_candles(client, db, DAY, now)
    assert [row[:3] for row in rows(db, CANDLES, AWAY)] == [
        (datetime(2026, 11, 29, 23, 31, tzinfo=UTC), Decimal("0.57"), Decimal("0.56"))
    ]
    assert listed.asked(f"/series/KXNFLGAME/markets/{AWAY}/candlesticks") == []


TRADES = """
    SELECT t.venue_trade_id, t.price, t.quantity, t.taker_side, t.event_ts, t.known_at
    FROM market_trades AS t JOIN markets AS m USING (market_id) ORDER BY t.venue_trade_id
"""


def test_trades_of_both_tiers_are_stored_once(
    client: KalshiClient, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """API-001: a day that the cutoff divides is read from both, and a trade has one id."""
    ingest_markets(client, db, now)
    listed.cutoff["trades_created_ts"] = "2026-11-29T12:00:00Z"
    early, late = "2026-11-29T11:00:00Z", "2026-11-29T23:59:59.9Z"
    listed.page_size = 1
    listed.archived_trades = [payloads.trade("a", created_time=early)]
    listed.trades = [
        payloads.trade("a", created_time=early),
        payloads.trade("b", created_time=late, taker_outcome_side="no", count_fp="0.50"),
        payloads.trade("next day", created_time="2026-11-30T00:00:00Z"),
        payloads.trade("damaged", yes_price_dollars=None),
    ]
    report = ingest_trades(client, db, DAY)
    assert report.counts["trades_new"] == 2
    assert "field yes_price_dollars is null" in report.problems[0]
    at = datetime(2026, 11, 29, 11, tzinfo=UTC)
    last = datetime(2026, 11, 29, 23, 59, 59, 900000, tzinfo=UTC)
    assert rows(db, TRADES) == [
        ("a", Decimal("0.57"), Decimal(25), "yes", at, at),
        ("b", Decimal("0.57"), Decimal("0.50"), "no", last, last),
    ]
    assert ingest_trades(client, db, DAY).counts["trades_new"] == 0


def test_a_market_that_closed_as_the_day_began_is_not_asked_for_trades(
    client: KalshiClient, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    midnight = DAY.start_at.isoformat()
    listed.markets[0] = payloads.market(close_time=midnight, status="closed")
    listed.markets[1] = payloads.market(HOME, close_time=midnight, status="closed")
    ingest_markets(client, db, now, since=DAY.start_at)
    assert ingest_trades(client, db, DAY).counts == {"markets": 2}
    assert listed.asked("/markets/trades") == []


def test_fees_are_appended_once_and_say_where_they_are_from(
    client: KalshiClient, listed: FakeKalshi, db: Database, now: Now, game: str
) -> None:
    """API-001."""
    with pytest.raises(PrecogError, match="materialize `kalshi_markets` first"):
        ingest_fees(client, db, now)
    ingest_markets(client, db, now)
    listed.fee_changes = [payloads.fee_change()]
    listed.events[0] = payloads.event(fee_multiplier_override=2)
    assert ingest_fees(client, db, now).counts["rows_new"] == 3
    stored = rows(
        db,
        "SELECT s.series_ticker, e.event_ticker, f.multiplier, f.maker_rate, f.effective_from, "
        "f.known_at FROM fee_schedules AS f LEFT JOIN series AS s ON s.series_id = f.series_id "
        "LEFT JOIN events AS e ON e.event_id = f.event_id WHERE f.platform_id = 'kalshi' "
        "ORDER BY f.effective_from",
    )
    maker = Decimal("0.0175")
    assumed, scheduled = datetime(2025, 7, 1, tzinfo=UTC), datetime(2026, 12, 1, 5, tzinfo=UTC)
    assert stored == [
        ("KXNFLGAME", None, Decimal(1), maker, assumed, assumed),
        (None, EVENT, Decimal(2), maker, now.at, now.at),
        ("KXNFLGAME", None, Decimal("0.5"), maker, scheduled, now.at),
    ]
    now.at += timedelta(hours=1)
    assert ingest_fees(client, db, now).counts["rows_new"] == 0


def test_recorded_listings_are_stored_and_every_unmatched_market_has_a_reason(
    client: KalshiClient, venue: FakeKalshi, db: Database, now: Now, data_dir: Path
) -> None:
    """API-001, TEST-003: 64 recorded markets, 32 of them preseason."""
    folder = data_dir / "kalshi" / "json"
    recorded = json.loads((folder / "events_nfl_preseason.json").read_text())["events"]
    fees = json.loads((folder / "series_fee_fields.json").read_text())["payloads"]["KXMLBGAME"]
    venue.series["KXNFLGAME"] = fees["series"] | {"ticker": "KXNFLGAME"}
    for event in recorded:
        nested = event["markets"]
        venue.list_event({k: v for k, v in event.items() if k != "markets"}, *nested)
        for market in nested:
            yes = [[market["yes_bid_dollars"], market["yes_bid_size_fp"]]]
            no = [[market["no_bid_dollars"], market["yes_ask_size_fp"]]]
            venue.books[market["ticker"]] = payloads.order_book(yes, no)
    now.at = datetime(2026, 8, 9, 22, tzinfo=UTC)
    regular = next(e for e in recorded if "Preseason" not in e["product_metadata"]["competition"])
    away, home = regular["sub_title"].partition(" (")[0].replace(" at ", " vs ").split(" vs ")
    start = datetime.fromisoformat(regular["markets"][0]["occurrence_datetime"])
    with db.transaction() as conn:
        add_scheduled_game(conn, "nfl", away, home, start - timedelta(hours=3))
    found = ingest_markets(client, db, now)
    assert found.report.complete
    assert (found.report.counts["events"], found.report.counts["markets_new"]) == (32, 64)
    assert len(found.matching.matches) == 1
    reasons = [one.reason for one in found.matching.unmatched]
    assert (reasons.count("preseason"), reasons.count("no_game")) == (32, 30)
    quotes = ingest_quotes(client, db, now)
    assert quotes.complete
    assert quotes.counts["price"] == 64
    assert counts(db)["market_snapshots"] == 64
