"""Public market data over real HTTP: the documented form is read exactly, anything else raises."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from precog_core.kalshi.client import KalshiClient
from precog_core.kalshi.errors import KalshiPayloadError, KalshiRefused
from tests.kalshi import payloads
from tests.kalshi.payloads import AWAY, EVENT, HOME
from tests.kalshi.server import FakeKalshi, Reply

START = datetime(2026, 11, 29, 17, tzinfo=UTC)
END = datetime(2026, 11, 29, 19, tzinfo=UTC)
FIRST_BAR = int(START.timestamp()) + 60


@pytest.mark.requirement("SYS-003", "API-001")
def test_a_market_is_read_with_exact_decimals(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-001: prices and counts are the decimals that were sent, times are UTC."""
    venue.list_event(payloads.event(), payloads.market())
    market = client.market(AWAY)
    assert (market.yes_bid, market.yes_ask) == (Decimal("0.5600"), Decimal("0.5700"))
    assert (market.yes_bid_size, market.volume) == (Decimal("1250.00"), Decimal("184210.35"))
    assert market.status == "open"
    assert market.result is None
    assert market.outcome == "KC"
    assert market.open_at == datetime(2026, 11, 17, 3, 29, 26, tzinfo=UTC)
    assert market.price_ranges == ({"start": "0.0000", "end": "1.0000", "step": "0.0100"},)
    assert market.count_step == 1
    assert market.raw["yes_sub_title"] == "Kansas City"


def test_an_empty_side_has_no_price_instead_of_zero_or_one(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    """API-001: the venue writes 0 and 1 for a side without orders."""
    venue.list_event(
        payloads.event(),
        payloads.market(
            yes_bid_dollars="0.0000", yes_bid_size_fp="0.00", last_price_dollars="0.0000"
        ),
        payloads.market(HOME, yes_ask_dollars="1.0000", yes_ask_size_fp="0.00"),
    )
    no_bid = client.market(AWAY)
    assert (no_bid.yes_bid, no_bid.yes_bid_size, no_bid.last_price) == (None, None, None)
    assert no_bid.yes_ask == Decimal("0.57")
    no_ask = client.market(HOME)
    assert (no_ask.yes_ask, no_ask.yes_ask_size) == (None, None)


REQUIRED = [
    "ticker", "event_ticker", "market_type", "title", "status", "result", "open_time",
    "close_time", "yes_bid_dollars", "yes_ask_dollars", "yes_bid_size_fp", "yes_ask_size_fp",
    "last_price_dollars", "volume_fp", "open_interest_fp", "rules_primary", "rules_secondary",
    "price_ranges",
]  # fmt: skip


@pytest.mark.requirement("API-001")
@pytest.mark.parametrize("field", REQUIRED)
@pytest.mark.parametrize("how", ["missing", "null"])
def test_a_missing_field_of_a_market_raises_and_names_endpoint_ticker_and_field(
    client: KalshiClient, venue: FakeKalshi, field: str, how: str
) -> None:
    """API-001: a missing field raises; it is never 0 or 0.50."""
    body = payloads.market()
    if how == "missing":
        del body[field]
    else:
        body[field] = None
    venue.script(f"/markets/{AWAY}", Reply(200, {"market": body}))
    with pytest.raises(KalshiPayloadError) as caught:
        client.market(AWAY)
    assert f"field {field} is {how}" in str(caught.value)
    assert f"GET /markets/{AWAY}" in str(caught.value)
    assert caught.value.ticker == (None if field == "ticker" else AWAY)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"yes_bid_dollars": 0.56}, "field yes_bid_dollars is Decimal('0.56') (a number)"),
        ({"yes_bid_dollars": 56}, "(a number), not a decimal string"),
        ({"yes_bid_dollars": "1.2"}, "not from 0 to 1"),
        ({"yes_bid_dollars": "0.1234567"}, "at most 6 places"),
        ({"yes_bid_dollars": "5e-1"}, "not a decimal string"),
        ({"yes_bid_dollars": "NaN"}, "not a decimal string"),
        ({"yes_bid_dollars": ""}, "not a decimal string"),
        ({"volume_fp": "-1.00"}, "not from 0 on"),
        ({"volume_fp": "1.005"}, "at most 2 places"),
        ({"volume_fp": ["1"]}, "(a list), not a decimal string"),
        ({"status": "frozen"}, "field status is 'frozen'; known are"),
        ({"status": 7}, "field status is 7 (a number), not text"),
        ({"result": "void"}, "field result is 'void'"),
        ({"status": "finalized"}, "field result is empty although the market is finalized"),
        ({"result": "scalar"}, "field settlement_value_dollars is missing although"),
        ({"title": ""}, "field title is empty"),
        ({"open_time": "yesterday"}, "not an ISO time"),
        ({"open_time": "2026-11-17T03:29:26"}, "not an ISO time with a zone"),
        ({"price_ranges": []}, "field price_ranges is empty"),
        ({"price_ranges": {}}, "field price_ranges is {} (an object), not a list"),
        ({"price_ranges": [{"start": "0", "end": "1"}]}, "field price_ranges[0].step is missing"),
        ({"price_ranges": ["cent"]}, "field price_ranges[0] is text, not an object"),
        ({"fractional_trading_enabled": "yes"}, "not true or false"),
    ],
)
def test_a_malformed_field_of_a_market_raises(
    client: KalshiClient, venue: FakeKalshi, changes: dict[str, Any], said: str
) -> None:
    """API-001: strict parsing."""
    venue.script(f"/markets/{AWAY}", Reply(200, {"market": payloads.market(**changes)}))
    with pytest.raises(KalshiPayloadError) as caught:
        client.market(AWAY)
    assert said in str(caught.value)


def test_every_status_of_the_venue_has_a_word_of_the_schema(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    words = {}
    for status in ("initialized", "active", "inactive", "closed", "determined", "disputed",
                   "amended", "finalized"):  # fmt: skip
        body = payloads.settled(status=status)
        venue.script(f"/markets/{AWAY}", Reply(200, {"market": body}))
        words[status] = client.market(AWAY).status
    assert words == {
        "initialized": "unopened", "active": "open", "inactive": "paused", "closed": "closed",
        "determined": "determined", "disputed": "disputed", "amended": "determined",
        "finalized": "settled",
    }  # fmt: skip


def test_a_tie_settles_at_half_a_dollar(client: KalshiClient, venue: FakeKalshi) -> None:
    venue.list_event(payloads.event(), payloads.settled(result="scalar"))
    market = client.market(AWAY)
    assert (market.result, market.settlement_value) == ("scalar", Decimal("0.5"))
    assert market.settled_at == datetime(2026, 11, 30, 0, 41, 5, tzinfo=UTC)


def test_fractional_markets_count_in_hundredths(client: KalshiClient, venue: FakeKalshi) -> None:
    venue.list_event(payloads.event(), payloads.market(fractional_trading_enabled=True))
    assert client.market(AWAY).count_step == Decimal("0.01")


def test_the_ask_of_a_book_is_the_complement_of_the_best_no_bid(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    """API-001: books hold bids only and are sorted here, whatever order they arrive in."""
    venue.books[AWAY] = payloads.order_book(
        yes=[["0.5600", "1250.00"], ["0.5400", "900.00"]],
        no=[["0.4300", "430.00"], ["0.4100", "600.00"]],
    )
    book = client.order_book(AWAY, depth=5)
    assert (book.yes_bid, book.yes_bid_size) == (Decimal("0.56"), Decimal(1250))
    assert (book.yes_ask, book.yes_ask_size) == (Decimal("0.57"), Decimal(430))
    assert venue.asked(f"/markets/{AWAY}/orderbook")[0].query == {"depth": "5"}


def test_an_empty_book_has_no_quotes(client: KalshiClient, venue: FakeKalshi) -> None:
    venue.books[AWAY] = payloads.order_book(yes=[], no=[])
    book = client.order_book(AWAY)
    assert (book.yes_bid, book.yes_bid_size, book.yes_ask, book.yes_ask_size) == (None,) * 4


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"orderbook": {"yes": [[56, 10]], "no": []}}, "field orderbook_fp is missing"),
        ({"orderbook_fp": {"yes_dollars": []}}, "field orderbook_fp.no_dollars is missing"),
        ({"orderbook_fp": {"yes_dollars": [["0.56"]], "no_dollars": []}}, "not a pair"),
        ({"orderbook_fp": {"yes_dollars": [["1.0", "5"]], "no_dollars": []}}, "0 < price < 1"),
        ({"orderbook_fp": {"yes_dollars": [["0.5", "0"]], "no_dollars": []}}, "a count above 0"),
        ({"orderbook_fp": {"yes_dollars": None, "no_dollars": []}}, "yes_dollars is null"),
    ],
)
def test_another_form_of_a_book_raises_instead_of_being_an_empty_book(
    client: KalshiClient, venue: FakeKalshi, body: dict[str, Any], said: str
) -> None:
    """API-001."""
    venue.books[AWAY] = body
    with pytest.raises(KalshiPayloadError) as caught:
        client.order_book(AWAY)
    assert said in str(caught.value)
    assert AWAY in str(caught.value)


def test_a_bar_without_trades_has_no_prices_but_keeps_its_quotes(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    """API-001: the end of a bar is inclusive, and the time from which it is known."""
    quiet = payloads.candle(FIRST_BAR + 60, close=None, volume="0.00")
    venue.candles[AWAY] = [quiet, payloads.candle(FIRST_BAR)]
    listing = client.candles("KXNFLGAME", AWAY, START, END, 60)
    assert listing.complete
    first, second = listing.items
    assert first.end_at == START + timedelta(minutes=1)
    assert (first.open, first.high, first.low, first.close) == (
        Decimal("0.55"), Decimal("0.58"), Decimal("0.54"), Decimal("0.57"),
    )  # fmt: skip
    assert (second.open, second.high, second.low, second.close) == (None,) * 4
    assert (second.yes_bid, second.yes_ask, second.volume) == (Decimal("0.56"), Decimal("0.57"), 0)
    query = venue.asked(f"/series/KXNFLGAME/markets/{AWAY}/candlesticks")[0].query
    assert query == {
        "start_ts": str(int(START.timestamp())),
        "end_ts": str(int(END.timestamp())),
        "period_interval": "1",
    }


def test_a_bar_of_the_archive_has_fields_without_suffix(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    venue.archived_candles[AWAY] = [payloads.archived_candle(FIRST_BAR)]
    bar = client.candles("KXNFLGAME", AWAY, START, END, 3600, archived=True).items[0]
    assert (bar.close, bar.yes_bid, bar.volume) == (Decimal("0.57"), Decimal("0.56"), Decimal(12))
    assert venue.seen[0].path == f"/historical/markets/{AWAY}/candlesticks"
    assert venue.seen[0].query["period_interval"] == "60"


@pytest.mark.parametrize("damage", ["yes_bid", "price", "end_period_ts", "volume_fp", "low", "bad"])
def test_a_damaged_bar_is_set_aside_and_makes_the_listing_incomplete(
    client: KalshiClient, venue: FakeKalshi, damage: str
) -> None:
    """API-001: everything storable is kept, the rest is a named error."""
    bar = payloads.candle(FIRST_BAR)
    if damage == "low":
        del bar["price"]["low_dollars"]
    elif damage == "bad":
        bar["end_period_ts"] = -1
    else:
        del bar[damage]
    venue.candles[AWAY] = [payloads.candle(FIRST_BAR + 60)]
    path = f"/series/KXNFLGAME/markets/{AWAY}/candlesticks"
    good = payloads.candle(FIRST_BAR + 60)
    venue.script(path, Reply(200, {"ticker": AWAY, "candlesticks": [bar, good]}))
    listing = client.candles("KXNFLGAME", AWAY, START, END, 60)
    assert len(listing.items) == 1
    assert not listing.complete
    assert listing.why == "1 of its objects could not be read"
    assert listing.rejected[0].ticker == AWAY


def test_bars_of_another_market_are_refused(client: KalshiClient, venue: FakeKalshi) -> None:
    path = f"/series/KXNFLGAME/markets/{AWAY}/candlesticks"
    venue.script(path, Reply(200, {"ticker": HOME, "candlesticks": []}))
    with pytest.raises(
        KalshiPayloadError, match=f"field ticker is of '{HOME}'; asked for was '{AWAY}'"
    ):
        client.candles("KXNFLGAME", AWAY, START, END, 60)


def test_trades_are_read_from_both_tiers(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-001."""
    venue.trades = [payloads.trade("new"), payloads.trade("other", HOME)]
    venue.archived_trades = [payloads.trade("old", taker_outcome_side="no")]
    live = client.trades(AWAY, START, END)
    old = client.trades(AWAY, START, END, archived=True)
    assert [(t.trade_id, t.price, t.quantity, t.taker_side) for t in live.items + old.items] == [
        ("new", Decimal("0.57"), Decimal(25), "yes"),
        ("old", Decimal("0.57"), Decimal(25), "no"),
    ]
    assert live.items[0].traded_at == datetime(2026, 11, 29, 18, 2, 11, 120000, tzinfo=UTC)


def _without(body: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


def test_a_trade_says_who_took_or_is_set_aside(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-001."""
    venue.trades = [
        _without(payloads.trade("older", taker_side="no"), "taker_outcome_side"),
        _without(payloads.trade("block", is_block_trade=True), "taker_outcome_side"),
        _without(payloads.trade("nameless"), "taker_outcome_side"),
        _without(payloads.trade("bare"), "taker_outcome_side", "is_block_trade"),
        payloads.trade("empty", count_fp="0.00"),
    ]
    listing = client.trades(AWAY, START, END)
    assert [(t.trade_id, t.taker_side) for t in listing.items] == [("older", "no"), ("block", None)]
    fields = [error.field for error in listing.rejected]
    assert fields == ["taker_outcome_side", "taker_outcome_side", "count_fp"]


def test_an_object_that_was_not_asked_for_is_never_taken_for_the_one_that_was(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    """API-001: the venue has ignored filters before."""
    other = payloads.event("KXNBAGAME-26NOV29BOSNYK")
    venue.script("/events", Reply(200, {"events": [other, payloads.event() | {"markets": []}]}))
    events = client.events("KXNFLGAME")
    assert [found.event.ticker for found in events.items] == [EVENT]
    assert not events.complete
    assert "field series_ticker is of 'KXNBAGAME'" in str(events.rejected[0])
    page = {"markets": [payloads.market(), payloads.market("KXNBAGAME-26NOV29BOSNYK-BOS")]}
    venue.script("/markets", Reply(200, page), Reply(200, page))
    assert len(client.markets(series_ticker="KXNFLGAME").items) == 1
    assert len(client.markets(event_ticker=EVENT).rejected) == 1
    trades = {"trades": [payloads.trade("mine"), payloads.trade("other", HOME)]}
    venue.script("/markets/trades", Reply(200, trades))
    assert [trade.trade_id for trade in client.trades(AWAY, START, END).items] == ["mine"]
    venue.script(f"/markets/{AWAY}", Reply(200, {"market": payloads.market(HOME)}))
    venue.script(f"/events/{EVENT}", Reply(200, {"event": other}))
    venue.script("/series/KXNFLGAME", Reply(200, {"series": payloads.series("KXNBAGAME")}))
    for ask in (
        lambda: client.market(AWAY),
        lambda: client.event(EVENT),
        lambda: client.series("KXNFLGAME"),
    ):
        with pytest.raises(KalshiPayloadError, match="asked for was"):
            ask()


def test_series_and_its_fees_are_read(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-001: the multiplier is a JSON number and is read without a float in between."""
    venue.series["KXNFLGAME"] = payloads.series(fee_multiplier=0.1)
    venue.fee_changes = [payloads.fee_change(), payloads.fee_change(series_ticker="KXOTHER")]
    series = client.series("KXNFLGAME")
    assert (series.category, series.frequency) == ("sports", "custom")
    assert (series.fee_type, series.fee_multiplier) == ("quadratic_with_maker_fees", Decimal("0.1"))
    changes = client.fee_changes("KXNFLGAME")
    assert [(c.change_id, c.fee_multiplier) for c in changes.items] == [("fc-1", Decimal("0.5"))]
    assert changes.items[0].effective_at == datetime(2026, 12, 1, 5, tzinfo=UTC)


@pytest.mark.parametrize("value", ["1", True, -1, None])
def test_a_multiplier_that_is_no_number_raises(
    client: KalshiClient, venue: FakeKalshi, value: object
) -> None:
    venue.series["KXNFLGAME"] = payloads.series(fee_multiplier=value)
    with pytest.raises(KalshiPayloadError) as caught:
        client.series("KXNFLGAME")
    assert "GET /series/KXNFLGAME for KXNFLGAME: field fee_multiplier" in str(caught.value)


def test_events_come_with_their_markets_and_competition(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    """API-001."""
    venue.list_event(
        payloads.event(product_metadata={"competition": "Pro Football Preseason"}),
        payloads.market(),
        payloads.market(HOME),
    )
    listing = client.events("KXNFLGAME", status="open", min_close_at=START)
    found = listing.items[0]
    assert found.event.competition == "Pro Football Preseason"
    assert [market.ticker for market in found.markets] == [AWAY, HOME]
    assert "markets" not in found.event.raw
    assert venue.seen[0].query == {
        "series_ticker": "KXNFLGAME", "status": "open", "with_nested_markets": "true",
        "min_close_ts": str(int(START.timestamp())), "limit": "200",
    }  # fmt: skip
    assert client.events("KXNFLGAME", with_markets=False).items[0].markets == ()
    override = payloads.event(fee_type_override="flat", fee_multiplier_override=2)
    venue.script(f"/events/{EVENT}", Reply(200, {"event": override}))
    event = client.event(EVENT)
    assert (event.fee_type_override, event.fee_multiplier_override) == ("flat", 2)


def test_one_unreadable_market_of_an_event_does_not_cost_the_others(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    """API-001: the sister market is kept, the listing is incomplete, the error is named."""
    venue.list_event(
        payloads.event(), payloads.market(yes_bid_dollars="0.5x"), payloads.market(HOME)
    )
    listing = client.events("KXNFLGAME")
    assert [market.ticker for market in listing.items[0].markets] == [HOME]
    assert not listing.complete
    assert str(listing.rejected[0]).startswith(f"GET /events for {AWAY}: field yes_bid_dollars")


def test_the_venue_refuses_the_statuses_of_answers(client: KalshiClient) -> None:
    with pytest.raises(KalshiRefused) as caught:
        client.markets(series_ticker="KXNFLGAME", status="finalized")
    assert (caught.value.status, caught.value.code) == (400, "bad_request")
    assert "invalid status filter" in str(caught.value)


def test_markets_are_listed_by_series_status_and_tier(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    venue.list_event(payloads.event(), payloads.market(), payloads.settled(HOME, "no"))
    venue.archived_markets = [payloads.settled()]
    assert [m.ticker for m in client.markets(series_ticker="KXNFLGAME", status="open").items] == [
        AWAY
    ]
    assert [m.ticker for m in client.markets(event_ticker=EVENT).items] == [AWAY, HOME]
    archived = client.archived_markets("KXNFLGAME")
    assert (archived.items[0].ticker, archived.items[0].status) == (AWAY, "settled")
    assert client.archived_markets("KXOTHER").items == ()


def test_the_state_of_the_exchange_and_the_cutoff_are_read(client: KalshiClient) -> None:
    """API-001."""
    status = client.exchange_status()
    assert (status.exchange_active, status.trading_active) == (True, False)
    cutoff = client.historical_cutoff()
    assert cutoff.market_settled_at == datetime(2026, 8, 20, tzinfo=UTC)


def test_an_answer_that_is_no_object_raises(client: KalshiClient, venue: FakeKalshi) -> None:
    venue.script("/exchange/status", Reply(200, [1, 2]))
    with pytest.raises(KalshiPayloadError, match="is list, not an object"):
        client.exchange_status()


Load = Callable[[str], Any]


@pytest.fixture
def recorded(data_dir: Path) -> Load:
    """Recorded responses of August 2026, which may not ship."""
    folder = data_dir / "kalshi" / "json"
    if not folder.exists():
        pytest.skip(f"no recorded Kalshi responses in {folder}; set PRECOG_DATA_DIR")
    return lambda name: json.loads((folder / f"{name}.json").read_text())


@pytest.mark.requirement("TEST-003")
def test_recorded_nfl_events_are_read_whole(
    client: KalshiClient, venue: FakeKalshi, recorded: Load
) -> None:
    """API-001, TEST-003: recorded payloads through real HTTP, in pages of five."""
    venue.page_size = 5
    for event in recorded("events_nfl_preseason")["events"]:
        venue.list_event(_without(event, "markets"), *event["markets"])
    listing = client.events("KXNFLGAME", status="open")
    assert listing.complete
    assert len(listing.items) == 32
    markets = [market for found in listing.items for market in found.markets]
    assert len(markets) == 64
    competitions = [found.event.competition for found in listing.items]
    assert competitions.count("Pro Football Preseason") == 16
    for found in listing.items:
        first, second = found.markets
        assert first.yes_ask is not None and second.yes_ask is not None
        assert Decimal("0.99") <= first.yes_ask + second.yes_ask <= Decimal("1.03")


def test_recorded_settled_markets_are_read(
    client: KalshiClient, venue: FakeKalshi, recorded: Load
) -> None:
    """API-001, TEST-003."""
    venue.markets = recorded("markets_settled")["markets"]
    listing = client.markets()
    results = [(market.status, market.result) for market in listing.items]
    assert listing.complete
    assert results.count(("settled", "yes")) == results.count(("settled", "no")) == 21
    assert results.count(("closed", None)) == 2


@pytest.mark.requirement("API-001", "TEST-003")
def test_recorded_bars_book_and_fees_are_read(
    client: KalshiClient, venue: FakeKalshi, recorded: Load
) -> None:
    """API-001, TEST-003."""
    bars = recorded("candlesticks_pregame_mlb")["candlesticks_response"]
    ticker = bars["ticker"]
    venue.candles[ticker] = bars["candlesticks"]
    first, last = datetime(2026, 8, 9, tzinfo=UTC), datetime(2026, 8, 10, tzinfo=UTC)
    listing = client.candles("KXMLBGAME", ticker, first, last, 60)
    assert listing.complete
    assert len(listing.items) == 50
    assert sum(bar.close is None for bar in listing.items) == 4
    single = recorded("market_single")
    venue.books[single["ticker"]] = single["orderbook"]
    venue.markets = [single["single"]["market"]]
    book, market = client.order_book(single["ticker"]), client.market(single["ticker"])
    assert (book.yes_bid, book.yes_ask) == (market.yes_bid, market.yes_ask)
    assert (book.yes_bid_size, book.yes_ask_size) == (market.yes_bid_size, market.yes_ask_size)
    for ticker, body in recorded("series_fee_fields")["payloads"].items():
        venue.series[ticker] = body["series"]
    assert client.series("KXMLBGAME").fee_multiplier == Decimal("0.5")
    assert client.series("KXMLBSPREAD").fee_type == "quadratic"
