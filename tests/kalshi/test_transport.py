"""Reads against a venue that misbehaves: what is repeated, what is not, and what is concluded."""

from decimal import Decimal
from typing import Any

import pytest

from precog_core.errors import PrecogError
from precog_core.kalshi.client import KalshiClient
from precog_core.kalshi.config import KalshiConfig
from precog_core.kalshi.errors import KalshiPayloadError, KalshiRefused, KalshiUnavailable
from precog_core.kalshi.limits import HostLimits
from precog_core.kalshi.transport import Transport
from tests.kalshi import payloads
from tests.kalshi.conftest import Clock, Connect
from tests.kalshi.payloads import AWAY, EVENT, HOME
from tests.kalshi.server import TOO_MANY, UNAVAILABLE, FakeKalshi, Reply

STATUS = "/exchange/status"
GOOD = payloads.STATUS


@pytest.mark.requirement("API-006")
@pytest.mark.parametrize(
    "reply",
    [
        TOO_MANY,
        UNAVAILABLE,
        Reply(500, b"<html>"),
        Reply(502),
        Reply(200, GOOD, fault="cut_body"),
        Reply(200, GOOD, fault="cut_json"),
        Reply(200, b"<html>busy</html>"),
        Reply(200, b'{"exchange_active": NaN}'),
        Reply(200, b"not gzip", {"Content-Encoding": "gzip"}),
        Reply(fault="reset"),
    ],
    ids=["429", "503", "500", "502", "cut", "cut json", "html", "nan", "encoding", "reset"],
)
def test_a_read_is_repeated_after_a_failure_that_may_pass(
    client: KalshiClient, venue: FakeKalshi, clock: Clock, reply: Reply
) -> None:
    """API-006: 429 with a string body, 5xx, dead connections and truncated bodies."""
    venue.script(STATUS, reply, reply)
    assert client.exchange_status().exchange_active
    assert len(venue.asked(STATUS)) == 3
    assert len([pause for pause in clock.slept if pause > 0]) >= 1


def test_a_silent_connection_is_given_up_and_asked_again(
    connect: Connect, venue: FakeKalshi
) -> None:
    """API-006: a hung socket ends with the timeout of a read."""
    client = connect(timeout_s=0.2)
    venue.script(STATUS, Reply(fault="hang"))
    assert client.exchange_status().exchange_active
    assert len(venue.asked(STATUS)) == 2


def test_an_answer_that_drips_is_given_up_at_the_deadline(
    connect: Connect, venue: FakeKalshi
) -> None:
    """API-006: each byte arrives in time, the whole never does."""
    client = connect(timeout_s=2, deadline_s=0.2, retry={"retries": 0})
    venue.script(STATUS, Reply(200, b" " * 500, fault="drip"))
    with pytest.raises(KalshiUnavailable, match="no complete answer in 0.2 s"):
        client.exchange_status()


def test_an_endless_answer_is_cut_off(venue: FakeKalshi, clock: Clock) -> None:
    """No answer fills the memory."""
    config = KalshiConfig.model_validate({"rest_url": venue.url, "retry": {"retries": 0}})
    limits = HostLimits("test", config, clock, clock.sleep)
    transport = Transport(config, limits=limits, largest_answer=1000)
    venue.script(STATUS, Reply(200, b" " * 5000))
    client = KalshiClient(config, transport)
    with client, pytest.raises(KalshiUnavailable, match="more than 1000 bytes"):
        client.exchange_status()


@pytest.mark.requirement("API-006")
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 301])
@pytest.mark.parametrize("body", [{"error": {"code": "some_code", "message": "no"}}, b"plain no"])
def test_a_definite_no_is_not_repeated(
    client: KalshiClient, venue: FakeKalshi, clock: Clock, status: int, body: Any
) -> None:
    """API-006: never 400, 401, 403, 404."""
    venue.script(STATUS, Reply(status, body))
    with pytest.raises(KalshiRefused) as caught:
        client.exchange_status()
    assert caught.value.status == status
    assert caught.value.code == (None if isinstance(body, bytes) else "some_code")
    assert f"refused GET {STATUS} with HTTP {status}" in str(caught.value)
    assert len(venue.seen) == 1
    assert clock.slept == []


def test_advice_comes_with_a_refused_key(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-006."""
    error = {"code": "authentication_error", "message": "authentication_error"}
    venue.script(STATUS, Reply(401, {"error": error}))
    with pytest.raises(KalshiRefused, match="clock is right"):
        client.exchange_status()


def test_the_retries_end_and_the_last_reason_is_told(
    client: KalshiClient, venue: FakeKalshi, clock: Clock
) -> None:
    """API-006: three retries, pauses of random(0, min(0.5 * 2^n, 30)) seconds."""
    venue.script(STATUS, *[UNAVAILABLE] * 4)
    with pytest.raises(KalshiUnavailable) as caught:
        client.exchange_status()
    assert caught.value.attempts == 4
    assert "asked 4 times; the last: HTTP 503" in str(caught.value)
    assert len(clock.slept) == 3
    for number, pause in enumerate(clock.slept):
        assert 0 <= pause <= 0.5 * 2**number


@pytest.mark.requirement("API-006")
def test_the_pause_has_a_cap_and_full_jitter(
    connect: Connect, venue: FakeKalshi, clock: Clock
) -> None:
    """API-006: with a large base the cap rules, and pauses differ."""
    client = connect(retry={"retries": 8, "base_s": 20, "max_s": 30})
    venue.script(STATUS, *[UNAVAILABLE] * 8)
    assert client.exchange_status().exchange_active
    assert max(clock.slept) <= 30
    assert len(set(clock.slept)) == 8
    assert min(clock.slept) < 20


def test_retry_after_is_honoured(client: KalshiClient, venue: FakeKalshi, clock: Clock) -> None:
    """API-006: the venue's own pause is the least that is waited."""
    venue.script(STATUS, Reply(429, {"error": "too many requests"}, {"Retry-After": "17"}))
    client.exchange_status()
    assert max(clock.slept) == 17


def test_a_long_retry_after_ends_the_call(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-006: no run sleeps for an hour."""
    venue.script(STATUS, Reply(503, b"", {"Retry-After": "3600"}))
    with pytest.raises(KalshiUnavailable, match="a pause of 3600 s"):
        client.exchange_status()
    assert len(venue.seen) == 1


def test_a_retry_after_that_is_a_date_is_left_to_the_jitter(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    later = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    venue.script(STATUS, Reply(429, {"error": "too many requests"}, later))
    assert client.exchange_status().exchange_active


def test_a_venue_that_is_not_there_is_a_clear_error(connect: Connect, venue: FakeKalshi) -> None:
    client = connect(rest_url="http://127.0.0.1:9/trade-api/v2", retry={"retries": 1})
    with pytest.raises(KalshiUnavailable) as caught:
        client.exchange_status()
    assert "asked 2 times; the last: ConnectError" in str(caught.value)


def test_numbers_are_decimals(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-001: no float between the wire and us."""
    venue.script(STATUS, Reply(200, b'{"x": 0.1, "n": 3}'))
    content = client.transport.get(STATUS)
    assert content == {"x": Decimal("0.1"), "n": 3}
    assert isinstance(content["x"], Decimal)


def test_a_signed_read_without_a_key_is_not_sent(client: KalshiClient, venue: FakeKalshi) -> None:
    with pytest.raises(PrecogError, match="needs a Kalshi key for prod; set KALSHI_KEY_ID"):
        client.balance()
    assert venue.seen == []


def _page_of_markets(venue: FakeKalshi, count: int) -> None:
    venue.list_event(
        payloads.event(), *[payloads.market(f"{EVENT}-T{number:03}") for number in range(count)]
    )


def test_a_listing_is_paged_to_its_end(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-001: an empty cursor ends."""
    venue.page_size = 7
    _page_of_markets(venue, 23)
    listing = client.markets(series_ticker="KXNFLGAME")
    assert listing.complete
    assert [market.outcome for market in listing.items] == [f"T{n:03}" for n in range(23)]
    cursors = [seen.query.get("cursor") for seen in venue.asked("/markets")]
    assert cursors == [None, "7", "14", "21"]


def test_an_absent_cursor_ends_a_listing(client: KalshiClient, venue: FakeKalshi) -> None:
    venue.script("/markets", Reply(200, {"markets": [payloads.market()]}))
    assert client.markets().complete


def test_a_listing_over_its_page_budget_is_incomplete(connect: Connect, venue: FakeKalshi) -> None:
    """API-001: what is not listed may still exist."""
    venue.page_size = 2
    _page_of_markets(venue, 9)
    listing = connect(page_budget=3).markets()
    assert (len(listing.items), listing.complete) == (6, False)
    assert listing.why == "GET /markets has more than 3 pages (kalshi.page_budget)"


def test_a_repeated_cursor_ends_a_listing_as_incomplete(
    client: KalshiClient, venue: FakeKalshi
) -> None:
    """API-001: instead of asking for ever."""
    first = {"markets": [payloads.market()], "cursor": "a"}
    second = {"markets": [payloads.market(HOME)], "cursor": "a"}
    venue.script("/markets", Reply(200, first), Reply(200, second))
    listing = client.markets()
    assert [market.ticker for market in listing.items] == [AWAY, HOME]
    assert not listing.complete
    assert listing.why == "GET /markets repeated the cursor of an earlier page"


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ([UNAVAILABLE] * 4, "HTTP 503"),
        ([Reply(400, {"code": "bad_request", "message": "bad request"})], "bad_request"),
        ([Reply(200, {"cursor": ""})], "field markets is missing"),
        ([Reply(200, {"markets": [], "cursor": 7})], "field cursor is 7"),
    ],
)
def test_a_failure_on_a_later_page_keeps_what_came_and_says_incomplete(
    client: KalshiClient, venue: FakeKalshi, failure: list[Reply], said: str
) -> None:
    """API-001."""
    first = {"markets": [payloads.market()], "cursor": "next"}
    venue.script("/markets", Reply(200, first), *failure)
    listing = client.markets()
    assert [market.ticker for market in listing.items] == [AWAY]
    assert not listing.complete
    assert listing.why is not None
    assert listing.why.startswith("page 2: ")
    assert said in listing.why


def test_a_failure_on_the_first_page_raises(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-001: nothing was learned, so nothing is returned."""
    venue.script("/markets", Reply(200, {"items": []}))
    with pytest.raises(KalshiPayloadError, match="GET /markets: field markets is missing"):
        client.markets()
    venue.script("/markets", *[TOO_MANY] * 4)
    with pytest.raises(KalshiUnavailable):
        client.markets()


def test_an_unreadable_object_is_set_aside_by_name(client: KalshiClient, venue: FakeKalshi) -> None:
    """API-001: the other objects of the page are kept."""
    broken = payloads.market(HOME)
    del broken["yes_ask_dollars"]
    venue.list_event(payloads.event(), payloads.market(), broken)
    listing = client.markets()
    assert [market.ticker for market in listing.items] == [AWAY]
    assert not listing.complete
    error = listing.rejected[0]
    assert (error.endpoint, error.ticker, error.field) == ("GET /markets", HOME, "yes_ask_dollars")
    assert str(error).startswith(f"GET /markets for {HOME}: field yes_ask_dollars is missing;")


def test_a_ticker_is_quoted_in_the_path(client: KalshiClient, venue: FakeKalshi) -> None:
    with pytest.raises(KalshiRefused, match="not_found"):
        client.market("A/../B?x=1")
    assert venue.seen[0].path == "/markets/A%2F..%2FB%3Fx%3D1"
    assert venue.seen[0].query == {}


def test_without_limits_given_a_client_shares_those_of_its_host(venue: FakeKalshi) -> None:
    """API-005: two clients of one process draw from one bucket."""
    config = KalshiConfig(rest_url=venue.url)
    with KalshiClient.connect(config) as one, KalshiClient.connect(config) as other:
        assert one.transport.limits is other.transport.limits
        one.exchange_status()
        assert other.transport.limits.read.share() > 0
