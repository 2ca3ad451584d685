"""Deterministic ids of decisions and orders (trading-rules §9, schema §2.5).

An id is a hash of what the thing *is*, so that deciding or sending twice finds the first one.
Markets and versions enter by their names: a surrogate id would give the same fact another id in
another database. Parts are joined as canonical JSON, so no two lists of parts read the same.
"""

import hashlib
import json
from json.encoder import encode_basestring

ORDER_ID_DIGITS = 32
_CANONICAL = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def decision_key(
    *,
    environment: str,
    run_key: str,
    tick_id: str,
    market: str,
    side: str,
    purpose: str,
    strategy: str,
    model: str,
    method: str | None,
    exit_condition: str | None = None,
    position_key: str | None = None,
) -> str:
    """64 hex digits naming one candidate of one tick.

    ``market`` is ``platform:ticker``; ``strategy``, ``model`` and ``method`` are ``name@version``.
    The environment takes part because paper and live may decide on the same tick.
    """
    return _sha256(
        "decision",
        environment,
        run_key,
        exit_condition,
        tick_id,
        market,
        side,
        purpose,
        position_key,
        strategy,
        model,
        method,
    )


def decision_key_around(
    *,
    environment: str,
    run_key: str,
    market: str,
    side: str,
    purpose: str,
    strategy: str,
    model: str,
    method: str | None,
) -> tuple[bytes, bytes]:
    """What is hashed for a decision's key before and after its tick id, which needs no escaping:
    for whoever names many ticks of one candidate."""
    parts = ("decision", environment, run_key, None)
    rest = (market, side, purpose, None, strategy, model, method)
    before, after = _CANONICAL.encode(parts), _CANONICAL.encode(rest)
    return f'{before[:-1]},"'.encode(), f'",{after[1:]}'.encode()


def client_order_id(
    *,
    environment: str,
    strategy: str,
    model: str,
    market: str,
    side: str,
    purpose: str,
    decision_key: str,
    attempt: int,
) -> str:
    """32 hex digits: the id an order is committed, sent and looked up under.

    Another attempt is another order; a retry of the same attempt has the same id and is found
    instead of being sent twice.
    """
    digest = _sha256(
        "order", environment, strategy, model, market, side, purpose, decision_key, attempt
    )
    return digest[:ORDER_ID_DIGITS]


def edge_key(market: str, side: str, strategy: str, model: str, method: str | None) -> str:
    """market:side:strategy:model:method, the business key of an ``edges`` row in its run."""
    return f"{market}:{side}:{strategy}:{model}:{method or '-'}"


def _sha256(*parts: str | int | None) -> str:
    text = ",".join([_text(part) for part in parts])
    return hashlib.sha256(f"[{text}]".encode()).hexdigest()


def _text(part: str | int | None) -> str:
    """A part as ``_CANONICAL`` writes it, without setting an encoder up for each list."""
    if part is None:
        return "null"
    return encode_basestring(part) if isinstance(part, str) else str(part)
