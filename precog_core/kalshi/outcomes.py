"""What a reply to an order, or its absence, proves: accepted, rejected or unknown.

Rejected means that the order certainly does not exist. Everything that leaves a doubt is unknown
and has to be looked up, never sent again. Decided by ``error.code``, never by text or by the
status alone. Nothing here sends anything.
"""

import json
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import httpx

FOK_NOT_FILLED = "fill_or_kill_insufficient_resting_volume"
_REJECTED_400 = frozenset({"invalid_order", "missing_parameters", "bad_request"})


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OrderVerdict:
    """The outcome, the venue's code where it gave one, and what to do where that is not obvious."""

    outcome: Outcome
    code: str | None
    message: str
    order_id: str | None = None


def order_verdict(status: int, body: bytes) -> OrderVerdict:
    """What an HTTP reply to a create, amend or cancel proves."""
    content = _decoded(body)
    code, message = error_of(content)
    if 200 <= status < 300:
        order_id = content.get("order_id") if isinstance(content, dict) else None
        failed = isinstance(content, dict) and "error" in content
        if not failed and isinstance(order_id, str) and order_id:
            return OrderVerdict(Outcome.ACCEPTED, None, "accepted", order_id)
        return OrderVerdict(Outcome.UNKNOWN, code, f"HTTP {status} without an order id: {message}")
    if status == 429:
        return OrderVerdict(Outcome.REJECTED, code, "too many requests: back off")
    rejected = (
        (status == 409 and code == FOK_NOT_FILLED)
        or (status == 400 and code in _REJECTED_400)
        or (status == 401 and code == "authentication_error")
        or (400 <= status < 500 and code == "insufficient_balance")
    )
    if rejected:
        return OrderVerdict(Outcome.REJECTED, code, message)
    if status == 404:
        message = f"{message}; the order may have filled: read it again"
    return OrderVerdict(Outcome.UNKNOWN, code, f"HTTP {status}: {message}; look the order up")


def order_failure(error: httpx.TransportError) -> OrderVerdict:
    """What a request that ended without a reply proves: not sent, or unknown."""
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return OrderVerdict(Outcome.REJECTED, "not_sent", f"not sent ({said})")
    return OrderVerdict(Outcome.UNKNOWN, None, f"no reply ({said}); look the order up")


def error_of(content: Any) -> tuple[str | None, str]:
    """Code and text of an error body: nested under ``error``, at top level, or a bare string."""
    if not isinstance(content, dict):
        return None, "no JSON object"
    error = content.get("error")
    if isinstance(error, str):
        return None, error
    holder = error if isinstance(error, dict) else content
    code = holder.get("code")
    if not isinstance(code, str):
        return None, "no error code"
    parts = [holder.get("message"), holder.get("details")]
    texts = [part for part in parts if isinstance(part, str) and part != code]
    return code, ", ".join(texts) or code


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal)
    except ValueError:
        return None
