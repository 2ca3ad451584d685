"""What is known at a tick, read in a constant number of statements and turned into frozen facts.

Everything is as of the decision time: quotes, predictions and attributes known later do not exist,
and a result not yet known leaves its game unfinished. One account per platform, so the facts come
in one bundle per platform that has something new.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import psycopg

from precog_core.prices import Action, Grid, Side, parse_grid
from precog_trading.engine.state import (
    Approval,
    Control,
    Entry,
    Exit,
    MarketFacts,
    OpenBreaker,
    OpenOrder,
    OpenPosition,
    Portfolio,
    Prediction,
    Purpose,
    Quote,
    TradingState,
)
from precog_trading.ledger.statements import Row, as_json, rows, rows_of_all
from precog_trading.rules.fees import FeeSchedule, schedule_in_force


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """What ``decide`` gets for one platform: state, new quotes, predictions of their games."""

    platform_id: str
    state: TradingState
    quotes: tuple[Quote, ...]
    predictions: tuple[Prediction, ...]


def load_fee_schedules(conn: psycopg.Connection) -> list[FeeSchedule]:
    """All schedules; they are append-only, and which is in force depends on market and time."""
    return [FeeSchedule(**row) for row in rows(conn, "trading", "fee_schedules")]


def load_facts(
    conn: psycopg.Connection,
    environment: str,
    market_ids: Sequence[int],
    now: datetime,
    cash: Mapping[str, Decimal],
    schedules: Sequence[FeeSchedule],
    extra_controls: Sequence[Control] = (),
) -> list[PlatformFacts]:
    """The facts of a tick by platform, for the markets with something new at ``now``.

    ``cash`` is the balance by platform, ``extra_controls`` commands from outside the database.
    """
    at: dict[str, Any] = {"environment": environment, "now": now}
    here = {"environment": environment}
    asked = {"market_ids": list(market_ids)}
    found, told, positions, orders, entries, exits, commands, approved = rows_of_all(
        conn,
        ("trading", "market_facts", {**at, **asked}),
        ("trading", "champion_predictions", {"now": now, **asked}),
        ("trading", "open_positions", here),
        ("trading", "working_orders", here),
        ("trading", "entries_made", {**at, **asked}),
        ("trading", "exits_made", at),
        ("trading", "controls_in_force", here),
        ("trading", "approvals_in_force", at),
    )
    new = set(market_ids)
    markets = {row["market_id"]: market_facts(row, now, schedules) for row in found}
    quotes = {row["market_id"]: _quote(row) for row in found if row["observed_at"] is not None}
    predictions = [Prediction(**row) for row in told]
    portfolios = _portfolios(cash, positions, orders, entries, exits)
    controls, breakers = _controls(commands)
    approvals = tuple(Approval(**{**row, "side": Side(row["side"])}) for row in approved)
    by_platform: dict[str, list[int]] = defaultdict(list)
    for market_id, market in markets.items():
        by_platform[market.platform_id].append(market_id)
    bundles: list[PlatformFacts] = []
    for platform_id, ids in sorted(by_platform.items()):
        fresh = tuple(quotes[market_id] for market_id in ids if market_id in new & quotes.keys())
        if not fresh:
            continue
        playing = {markets[quote.market_id].game_id for quote in fresh}
        state = TradingState(
            markets={market_id: markets[market_id] for market_id in ids},
            portfolio=portfolios.get(platform_id) or Portfolio(cash.get(platform_id, Decimal(0))),
            is_writer=True,
            controls=(*controls, *extra_controls),
            breakers=breakers,
            approvals=approvals,
            last_quotes={i: quotes[i] for i in ids if i in quotes and i not in new},
        )
        spoken = tuple(p for p in predictions if p.game_id in playing)
        bundles.append(PlatformFacts(platform_id, state, fresh, spoken))
    return bundles


def market_facts(row: Row, now: datetime, schedules: Iterable[FeeSchedule]) -> MarketFacts:
    """A row of the statement ``market_facts`` with the fee schedule in force at ``now``."""
    return MarketFacts(
        market_id=row["market_id"],
        ticker=row["ticker"],
        platform_id=row["platform_id"],
        market_type=row["market_type"],
        status=row["status"],
        grid=_grid(as_json(row["price_ranges"])) if row["price_ranges"] else Grid(()),
        fee_schedule=schedule_in_force(
            schedules,
            now,
            platform_id=row["platform_id"],
            series_id=row["series_id"],
            event_id=row["event_id"],
        ),
        event_id=row["event_id"],
        platform_status=row["platform_status"],
        game_id=row["game_id"],
        game_key=row["game_key"],
        league=row["league"],
        league_enabled=bool(row["trading_enabled"]),
        game_type=row["game_type"],
        game_status=row["game_status"],
        kickoff_at=row["kickoff_at"],
        home_team_id=row["home_team_id"],
        away_team_id=row["away_team_id"],
        yes_team_id=row["yes_team_id"],
    )


@lru_cache(maxsize=256)
def _grid(price_ranges: str) -> Grid:
    """Thousands of markets share a handful of grids."""
    import json

    return parse_grid(json.loads(price_ranges))


def _quote(row: Row) -> Quote:
    return Quote(
        market_id=row["market_id"],
        observed_at=row["observed_at"],
        known_at=row["known_at"],
        source=row["source"],
        yes_bid=row["yes_bid"],
        yes_ask=row["yes_ask"],
        yes_bid_size=row["yes_bid_size"],
        yes_ask_size=row["yes_ask_size"],
        volume_24h=row["volume_24h"],
        open_interest=row["open_interest"],
    )


def _portfolios(
    cash: Mapping[str, Decimal],
    positions: Iterable[Row],
    orders: Iterable[Row],
    entries: Iterable[Row],
    exits: Iterable[Row],
) -> dict[str, Portfolio]:
    """The accounts by platform, each with its own positions, orders, entries and exits."""
    held: dict[str, list[OpenPosition]] = defaultdict(list)
    for row in positions:
        platform_id = row.pop("platform_id")
        held[platform_id].append(OpenPosition(**{**row, "side": Side(row["side"])}))
    working: dict[str, list[OpenOrder]] = defaultdict(list)
    for row in orders:
        platform_id = row.pop("platform_id")
        row.update(
            side=Side(row["side"]), action=Action(row["action"]), purpose=Purpose(row["purpose"])
        )
        working[platform_id].append(OpenOrder(**row))
    entered: dict[str, list[Entry]] = defaultdict(list)
    for row in entries:
        platform_id = row.pop("platform_id")
        entered[platform_id].append(Entry(**row))
    left: dict[str, list[Exit]] = defaultdict(list)
    for row in exits:
        left[row["platform_id"]].append(Exit(row["exited_at"], row["game_id"]))
    return {
        platform_id: Portfolio(
            cash=balance,
            positions=tuple(held[platform_id]),
            orders=tuple(working[platform_id]),
            entries=tuple(entered[platform_id]),
            exits=tuple(left[platform_id]),
        )
        for platform_id, balance in cash.items()
    }


def _controls(
    commands: Iterable[Row],
) -> tuple[tuple[Control, ...], tuple[OpenBreaker, ...]]:
    controls: list[Control] = []
    breakers: list[OpenBreaker] = []
    for row in commands:
        if row["kind"] == "control":
            controls.append(Control(row["scope"], row["scope_key"], row["state"]))
            continue
        details = row["details"]
        breakers.append(
            OpenBreaker(
                breaker_type=row["scope"],
                action=row["state"],
                league=details.get("league"),
                strategies=tuple(details.get("strategies", ())),
            )
        )
    return tuple(controls), tuple(breakers)
