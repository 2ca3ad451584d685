"""Orders in doubt: what the venue's listing says about them, and what silence proves.

An order whose answer was lost is never sent again. It is looked up by its client_order_id; found,
it is booked as the venue has it. A venue that does not know it proves nothing once: only two
complete listings, each at least a minute after sending, make it rejected. While it is unknown its
market is frozen for entries and exits (row 3 of the gate).
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import psycopg

from precog_core.alerts import report
from precog_trading.config import TradingConfig
from precog_trading.exchanges.paper import PaperExchange
from precog_trading.exchanges.port import UNKNOWN, Listing, OrderOutcome
from precog_trading.ledger.bookings import Booked
from precog_trading.ledger.statements import as_json, change, rows, value
from precog_trading.ledger.writing import write_booked
from precog_trading.rules.fees import FeeSchedule
from precog_trading.tick.execution import ExchangeOf, directly, load_desk

LOGGER = logging.getLogger(__name__)
ABSENCES = 2
Write = Callable[[], AbstractContextManager[object]]
"""Opens a transaction of the writer."""


def verdict(
    listing: Listing,
    client_order_id: str,
    sent_at: datetime,
    earlier_absences: int,
    absence_s: int,
) -> tuple[OrderOutcome | None, bool]:
    """(what is now known of an order in doubt or None, whether this listing lacks it).

    Only a complete listing at least ``absence_s`` after sending counts as an absence; with
    ``earlier_absences`` such listings before, the second one proves that the order never arrived.
    """
    found = listing.orders.get(client_order_id)
    if found is not None:
        return found, False
    proves = listing.complete and listing.at >= sent_at + timedelta(seconds=absence_s)
    if not proves:
        return None, False
    if earlier_absences + 1 < ABSENCES:
        return None, True
    return OrderOutcome(
        "rejected", None, (), listing.at, "never_arrived",
        f"absent from {ABSENCES} complete listings of the venue",
    ), True  # fmt: skip


def reconcile(
    conn: psycopg.Connection,
    environment: str,
    config: TradingConfig,
    schedules: Sequence[FeeSchedule],
    at: datetime,
    write: Write,
    exchange_of: ExchangeOf = directly,
) -> list[Booked]:
    """Resolve what can be resolved; ``at`` is the clock of the environment.

    Orders still ``sent`` were under way when a process died: they become unknown first. Without
    orders in doubt nothing is written. Each look is a row of ``reconciliation_runs``.
    """
    doubtful = value(conn, "ledger", "orders_in_doubt", environment=environment)
    if not doubtful:
        return []
    with write():
        change(conn, "ledger", "doubt_sent_orders", environment=environment)
        desk = load_desk(conn, environment, config, schedules, at)
        orders = [o for o in desk.orders if o["status"] == UNKNOWN] if desk else []
        if desk is None or not orders:
            return []
        exchange = exchange_of(PaperExchange(desk, config.fees.account_precision))
        listing = exchange.listing([desk.ticket(order) for order in orders], at)
        absences = {
            row["client_order_id"]: row["absences"]
            for row in rows(
                conn, "ledger", "absences",
                environment=environment, absence_s=config.reconcile.absence_s,
                client_order_ids=[order["client_order_id"] for order in orders],
            )
        }  # fmt: skip
        booked: list[Booked] = []
        missing: list[dict[str, Any]] = []
        for order in orders:
            name = order["client_order_id"]
            outcome, absent = verdict(
                listing, name, order["sent_at"], absences.get(name, 0), config.reconcile.absence_s
            )
            if absent:
                missing.append({"client_order_id": name, "absent": True})
            if outcome is not None and outcome.status != UNKNOWN:
                booked.append(desk.settle_unknown(order, outcome))
        write_booked(conn, environment, booked)
        _record(conn, environment, config, at, listing, orders, booked, missing)
    for done in booked:
        name, status = done.order["client_order_id"], done.order["status"]
        LOGGER.info("order %s, which was in doubt, is %s", name, status)
    return booked


def _record(
    conn: psycopg.Connection,
    environment: str,
    config: TradingConfig,
    at: datetime,
    listing: Listing,
    orders: Sequence[Any],
    booked: Sequence[Booked],
    missing: Sequence[dict[str, Any]],
) -> None:
    """One row per platform, and an alert for every order that stays in doubt too long.

    A look that leaves an order in doubt has failed; that is no mismatch, because nothing is proven.
    """
    resolved = {b.order["client_order_id"] for b in booked}
    for platform_id in sorted({order["platform_id"] for order in orders}):
        here = [o for o in orders if o["platform_id"] == platform_id]
        open_ = [o for o in here if o["client_order_id"] not in resolved]
        names = {o["client_order_id"] for o in here}
        value(
            conn, "ledger", "insert_reconciliation",
            platform_id=platform_id, environment=environment, at=at,
            status="failed" if open_ else "repaired", complete=listing.complete,
            counts=as_json({"in_doubt": len(here), "resolved": len(here) - len(open_)}),
            mismatches=as_json([m for m in missing if m["client_order_id"] in names]),
        )  # fmt: skip
        for order in open_:
            if at - order["sent_at"] >= timedelta(seconds=config.breaker.unknown_order):
                report(
                    conn,
                    "unknown_order",
                    f"order {order['client_order_id']} was sent at {order['sent_at']:%H:%M:%S} and "
                    "its outcome is still unknown; its market is frozen",
                    details={"market_id": order["market_id"]},
                    environment=environment,  # type: ignore[arg-type]
                    source=("orders", order["order_id"]),
                    stable_keys={"client_order_id": order["client_order_id"]},
                )
