"""What a reply to an order proves, with the replies sent over real HTTP by a plain client."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from precog_core.kalshi.client import KalshiClient
from precog_core.kalshi.outcomes import FOK_NOT_FILLED, Outcome, order_failure, order_verdict
from tests.kalshi.server import TOO_MANY, UNAVAILABLE, FakeKalshi, Reply

ORDERS = "/portfolio/events/orders"


@pytest.fixture
def http(venue: FakeKalshi) -> Iterator[httpx.Client]:
    with httpx.Client(timeout=0.3, trust_env=False) as client:
        yield client


def error(code: str, **more: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": code, **more}}


CREATED = {"order_id": "o-1", "fill_count": "10.00", "remaining_count": "0.00", "ts_ms": 1}
CASES = {
    "created": (Reply(201, CREATED), Outcome.ACCEPTED),
    "ok": (Reply(200, CREATED), Outcome.ACCEPTED),
    "2xx without id": (Reply(200, {"ts_ms": 1}), Outcome.UNKNOWN),
    "2xx empty id": (Reply(200, CREATED | {"order_id": ""}), Outcome.UNKNOWN),
    "2xx error body": (Reply(200, error("deprecated_v1_order_endpoint")), Outcome.UNKNOWN),
    "2xx id and error": (Reply(200, CREATED | {"error": "late"}), Outcome.UNKNOWN),
    "2xx unparsable": (Reply(201, b"<html>"), Outcome.UNKNOWN),
    "2xx list": (Reply(201, [CREATED]), Outcome.UNKNOWN),
    "fill or kill": (Reply(409, error(FOK_NOT_FILLED)), Outcome.REJECTED),
    "duplicate": (Reply(409, error("order_already_exists")), Outcome.UNKNOWN),
    "409 bare": (Reply(409, b""), Outcome.UNKNOWN),
    "post only": (Reply(400, error("invalid_order", details="post only cross")), Outcome.REJECTED),
    "missing": (Reply(400, error("missing_parameters")), Outcome.REJECTED),
    "malformed": (Reply(400, {"code": "bad_request", "message": "m"}), Outcome.REJECTED),
    "400 unlisted": (Reply(400, error("novelty")), Outcome.UNKNOWN),
    "400 text only": (Reply(400, {"error": "invalid_order"}), Outcome.UNKNOWN),
    "funds": (Reply(400, error("insufficient_balance")), Outcome.REJECTED),
    "funds 403": (Reply(403, error("insufficient_balance")), Outcome.REJECTED),
    "key": (Reply(401, error("authentication_error")), Outcome.REJECTED),
    "401 unlisted": (Reply(401, b""), Outcome.UNKNOWN),
    "rate": (TOO_MANY, Outcome.REJECTED),
    "server": (UNAVAILABLE, Outcome.UNKNOWN),
    "502": (Reply(502), Outcome.UNKNOWN),
    "404": (Reply(404, error("not_found")), Outcome.UNKNOWN),
}


@pytest.mark.requirement("API-001", "API-006")
@pytest.mark.parametrize("case", CASES)
def test_the_outcome_of_a_reply(venue: FakeKalshi, http: httpx.Client, case: str) -> None:
    """API-001, API-006: accepted, rejected or unknown; 2xx without an order id is no acceptance."""
    reply, outcome = CASES[case]
    venue.script(ORDERS, reply)
    answer = http.post(venue.url + ORDERS, json={"ticker": "X"})
    verdict = order_verdict(answer.status_code, answer.content)
    assert verdict.outcome is outcome, verdict
    assert verdict.order_id == ("o-1" if outcome is Outcome.ACCEPTED else None)


def test_a_verdict_carries_the_code_and_the_details(venue: FakeKalshi, http: httpx.Client) -> None:
    """API-006."""
    reply = {"error": {"code": "invalid_order", "message": "invalid", "details": "post only"}}
    venue.script(ORDERS, Reply(400, reply))
    answer = http.post(venue.url + ORDERS)
    verdict = order_verdict(answer.status_code, answer.content)
    assert (verdict.code, verdict.message) == ("invalid_order", "invalid, post only")


def test_a_404_on_a_cancel_says_that_the_order_may_have_filled(
    venue: FakeKalshi, http: httpx.Client
) -> None:
    """API-006."""
    answer = http.delete(f"{venue.url}{ORDERS}/o-1")
    verdict = order_verdict(answer.status_code, answer.content)
    assert verdict.outcome is Outcome.UNKNOWN
    assert "may have filled" in verdict.message


def test_a_request_that_never_left_is_rejected(http: httpx.Client) -> None:
    """API-006: no connection, so nothing was sent."""
    with pytest.raises(httpx.TransportError) as caught:
        http.post("http://127.0.0.1:9" + ORDERS)
    verdict = order_failure(caught.value)
    assert (verdict.outcome, verdict.code) == (Outcome.REJECTED, "not_sent")


@pytest.mark.requirement("API-006")
@pytest.mark.parametrize("fault", ["hang", "reset", "cut_body"])
def test_a_request_without_a_complete_reply_is_unknown(
    venue: FakeKalshi, http: httpx.Client, fault: Any
) -> None:
    """API-006: the order may be on the book."""
    venue.script(ORDERS, Reply(201, CREATED, fault=fault))
    with pytest.raises(httpx.TransportError) as caught:
        http.post(venue.url + ORDERS)
    assert order_failure(caught.value).outcome is Outcome.UNKNOWN


def test_the_client_sends_nothing_but_reads(client: KalshiClient) -> None:
    """API-006: orders are never repeated, for there is no way to send one yet."""
    assert not [name for name in dir(client.transport) if name in ("post", "delete", "send")]
