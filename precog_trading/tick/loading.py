"""What is known at a tick, read in a constant number of statements and turned into frozen facts.

Everything is as of the decision time: quotes, predictions and attributes known later do not exist,
and a result not yet known leaves its game unfinished. One account per platform, so the facts come
in one bundle per platform that has something new.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

import psycopg

from precog_core.prices import Action, Grid, Side, parse_grid
from precog_trading.config import TradingConfig
from precog_trading.engine.state import (
    Approval,
    Control,
    Entry,
    Exit,
    ExitAttempt,
    ExitCondition,
    ExitPlan,
    ExitPriority,
    MarketFacts,
    MidBar,
    MissedEntry,
    OpenOrder,
    OpenPosition,
    Portfolio,
    Prediction,
    Purpose,
    Quote,
    TradingState,
    TrailingState,
)
from precog_trading.ledger.risk import TrippedBreaker
from precog_trading.ledger.statements import Row, as_json, rows, rows_of_all
from precog_trading.rules.fees import FeeSchedule, schedule_in_force

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """What ``decide`` gets for one platform: state, new quotes, predictions of their games.

    The state has no breakers yet: they are judged on these facts first.
    """

    platform_id: str
    state: TradingState
    quotes: tuple[Quote, ...]
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class TickFacts:
    """Everything read for one tick.

    ``accounts`` holds the portfolio of every platform with an account, ``unknown_since`` when its
    orders in doubt were sent; ``last_quotes`` the newest quote of every market described.
    """

    bundles: tuple[PlatformFacts, ...]
    cash: Mapping[str, Decimal]
    accounts: Mapping[str, Portfolio]
    unknown_since: Mapping[str, tuple[datetime, ...]]
    last_quotes: Mapping[int, Quote]
    breakers: tuple[TrippedBreaker, ...]
    rearmed: Mapping[str, datetime]
    spoken: Mapping[int, datetime | None]
    """when each model last issued a prediction"""


def load_fee_schedules(conn: psycopg.Connection) -> list[FeeSchedule]:
    """All schedules; they are append-only, and which is in force depends on market and time."""
    return [FeeSchedule(**row) for row in rows(conn, "trading", "fee_schedules")]


def load_facts(
    conn: psycopg.Connection,
    environment: str,
    market_ids: Sequence[int],
    held_ids: Sequence[int],
    now: datetime,
    schedules: Sequence[FeeSchedule],
    config: TradingConfig,
    model_ids: Sequence[int] = (),
    extra_controls: Sequence[Control] = (),
) -> TickFacts:
    """The facts of a tick by platform, for the markets with something new at ``now``.

    ``held_ids`` count as new only where a position is open. ``extra_controls`` are commands from
    outside the database. The number of statements is the same for any number of markets.
    """
    at: dict[str, Any] = {"environment": environment, "now": now}
    here = {"environment": environment}
    asked = {"market_ids": sorted({*market_ids, *held_ids})}
    (
        found, told, held, stages, attempts, orders, entries, exits, missed, recent, bars, commands,
        approved, balances, models,
    ) = rows_of_all(
        conn,
        ("trading", "market_facts", {**at, **asked}),
        ("trading", "champion_predictions", {"now": now, **asked}),
        ("trading", "open_positions", here),
        ("trading", "stages_sold", here),
        ("trading", "exit_attempts_running", here),
        ("trading", "working_orders", here),
        ("trading", "entries_made", {**at, **asked}),
        ("trading", "exits_made", at),
        ("trading", "entries_missed", {**at, "wait_s": config.gate.cooldown}),
        ("trading", "recent_quotes", {**at, **asked}),
        ("trading", "mid_bars", {**at, **asked}),
        ("trading", "controls_in_force", here),
        ("trading", "approvals_in_force", at),
        ("ledger", "balances", here),
        ("trading", "models_spoken", {"model_ids": list(model_ids), "now": now}),
    )  # fmt: skip
    new = {*market_ids, *({row["market_id"] for row in held} & {*held_ids})}
    markets = {row["market_id"]: market_facts(row, now, schedules) for row in found}
    quotes = {row["market_id"]: quote(row) for row in found if row["observed_at"] is not None}
    predictions = [Prediction(**row) for row in told]
    cash = {row["platform_id"]: row["balance"] for row in balances}
    unknown: dict[str, list[datetime]] = defaultdict(list)
    for row in orders:
        sent_at = row.pop("sent_at")
        if row["status"] == "unknown":
            unknown[row["platform_id"]].append(sent_at)
    portfolios = _portfolios(
        cash, open_positions(held, stages, attempts), orders, entries, exits, missed
    )
    earlier = _by_market(recent, quote)
    mid_bars = _by_market(bars, _mid_bar)
    controls, breakers, rearmed = _controls(commands)
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
            approvals=approvals,
            last_quotes={i: quotes[i] for i in ids if i in quotes and i not in new},
            recent_quotes={i: earlier[i] for i in ids if i in earlier},
            mid_bars={i: mid_bars[i] for i in ids if i in mid_bars},
        )
        spoken = tuple(p for p in predictions if p.game_id in playing)
        bundles.append(PlatformFacts(platform_id, state, fresh, spoken))
    return TickFacts(
        bundles=tuple(bundles),
        cash=cash,
        accounts=portfolios,
        unknown_since={platform: tuple(times) for platform, times in unknown.items()},
        last_quotes=quotes,
        breakers=breakers,
        rearmed=rearmed,
        spoken={row["model_id"]: row["known_at"] for row in models},
    )


def market_facts(row: Row, now: datetime, schedules: Iterable[FeeSchedule]) -> MarketFacts:
    """A row of the statement ``market_facts`` with the fee schedule in force at ``now``.

    A result that is not known by then does not exist.
    """
    known_at, winner = row["result_known_at"], None
    if known_at is not None and known_at > now:
        known_at = None
    if known_at is not None and row["home_score"] != row["away_score"]:
        home_won = row["home_score"] > row["away_score"]
        winner = row["home_team_id"] if home_won else row["away_team_id"]
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
        rules_hash=row["rules_hash"],
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
        winner_team_id=winner,
        result_known_at=known_at,
    )


@lru_cache(maxsize=256)
def _grid(price_ranges: str) -> Grid:
    """Thousands of markets share a handful of grids."""
    import json

    return parse_grid(json.loads(price_ranges))


def quote(row: Row) -> Quote:
    """A quote from a row of ``market_facts`` or ``recent_quotes``."""
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


def open_positions(
    held: Iterable[Row], stages: Iterable[Row], attempts: Iterable[Row]
) -> dict[str, list[OpenPosition]]:
    """Positions by platform, with what they sold so far and the attempts of the running episode."""
    sold: dict[int, dict[int, Decimal]] = defaultdict(dict)
    for row in stages:
        sold[row["position_id"]][row["stage"]] = row["quantity"]
    tried: dict[int, list[ExitAttempt]] = defaultdict(list)
    for row in attempts:
        content = {**row, "condition": ExitCondition(row["condition"])}
        content["priority"] = ExitPriority(row["priority"])
        tried[content.pop("position_id")].append(ExitAttempt(**content))
    positions: dict[str, list[OpenPosition]] = defaultdict(list)
    for row in held:
        positions[row["platform_id"]].append(
            open_position(row, sold[row["position_id"]], tried[row["position_id"]])
        )
    return positions


def open_position(
    row: Row, sold: Mapping[int, Decimal], attempts: Sequence[ExitAttempt]
) -> OpenPosition:
    """A position from a row of ``open_positions``."""
    metadata = row["position_metadata"]
    plan = None if metadata is None else exit_plan(as_json(metadata))
    return OpenPosition(
        position_id=row["position_id"],
        position_key=row["position_key"],
        market_id=row["market_id"],
        side=Side(row["side"]),
        quantity=row["quantity"],
        entry_price=row["entry_price"],
        fees=row["fees"],
        strategy_id=row["strategy_id"],
        model_id=row["model_id"],
        method_id=row["method_id"],
        strategy=row["strategy"],
        model=row["model"],
        method=row["method"],
        entry_time=row["entry_time"],
        original_quantity=row["original_quantity"],
        confidence=row["confidence"],
        plan=plan,
        trailing=TrailingState(
            active=row["trailing_stop_active"],
            type=row["trailing_stop_type"],
            distance=row["trailing_stop_distance"],
            price=row["trailing_stop_price"],
            peak=row["peak_price"],
        ),
        last_mark=row["current_price"],
        stages=dict(sold),
        attempts=tuple(attempts),
    )


@lru_cache(maxsize=64)
def exit_plan(metadata: str) -> ExitPlan:
    """The plan in ``position_metadata`` (JSON text): many positions share a handful of plans."""
    return ExitPlan.model_validate_json(metadata)


def _mid_bar(row: Row) -> MidBar:
    return MidBar(row["end_at"], row["high"], row["low"], row["close"])


def _by_market(found: Iterable[Row], make: Callable[[Row], T]) -> dict[int, tuple[T, ...]]:
    grouped: dict[int, list[T]] = defaultdict(list)
    for row in found:
        grouped[row["market_id"]].append(make(row))
    return {market_id: tuple(items) for market_id, items in grouped.items()}


def _portfolios(
    cash: Mapping[str, Decimal],
    held: Mapping[str, Sequence[OpenPosition]],
    orders: Iterable[Row],
    entries: Iterable[Row],
    exits: Iterable[Row],
    missed: Iterable[Row],
) -> dict[str, Portfolio]:
    """The accounts by platform, each with its own positions, orders, entries and exits."""
    working: dict[str, list[OpenOrder]] = defaultdict(list)
    for row in orders:
        content = {
            **row,
            "side": Side(row["side"]),
            "action": Action(row["action"]),
            "purpose": Purpose(row["purpose"]),
            "exit_priority": row["exit_priority"] and ExitPriority(row["exit_priority"]),
        }
        working[content.pop("platform_id")].append(OpenOrder(**content))
    entered: dict[str, list[Entry]] = defaultdict(list)
    for row in entries:
        platform_id = row.pop("platform_id")
        entered[platform_id].append(Entry(**row))
    left: dict[str, list[Exit]] = defaultdict(list)
    for row in exits:
        left[row["platform_id"]].append(Exit(row["exited_at"], row["game_id"]))
    without: dict[str, list[MissedEntry]] = defaultdict(list)
    for row in missed:
        platform_id = row.pop("platform_id")
        without[platform_id].append(MissedEntry(**{**row, "side": Side(row["side"])}))
    return {
        platform_id: Portfolio(
            cash=balance,
            positions=tuple(held.get(platform_id, ())),
            orders=tuple(working[platform_id]),
            entries=tuple(entered[platform_id]),
            exits=tuple(left[platform_id]),
            missed=tuple(without[platform_id]),
        )
        for platform_id, balance in cash.items()
    }


def _controls(
    commands: Iterable[Row],
) -> tuple[tuple[Control, ...], tuple[TrippedBreaker, ...], dict[str, datetime]]:
    controls: list[Control] = []
    breakers: list[TrippedBreaker] = []
    rearmed: dict[str, datetime] = {}
    for row in commands:
        if row["kind"] == "control":
            controls.append(Control(row["scope"], row["scope_key"], row["state"]))
        elif row["kind"] == "breaker":
            breakers.append(
                TrippedBreaker(row["scope"], row["state"], row["at"], row["details"] or {})
            )
        else:
            rearmed[row["scope"]] = row["at"]
    return tuple(controls), tuple(breakers), rearmed
