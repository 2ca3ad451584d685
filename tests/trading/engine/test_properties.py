"""Laws of the whole decision: mirror symmetry, no cap exceeded, nothing depends on order."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precog_core.prices import Action, Side
from precog_trading.engine.state import Decision, MarketFacts, Outcome
from precog_trading.rules.fees import Role, fee
from tests.trading.random_worlds import mirrored, worlds
from tests.trading.worlds import METHOD, MODEL, STRATEGY, World, d

LOOSE = {"cash_reserve_usd": "0", "min_usd": "10"}
TIGHT: list[dict[str, object]] = [
    {"position_usd": "90"},
    {"game_usd": "120"},
    {"team_usd": "150"},
    {"day_usd": "250"},
    {"league_pct": {"nfl": "0.04"}},
    {"total_usd": "300", "league_pct": {"nfl": "1"}},
    {"open": "2"},
    {"open_game": "1"},
    {"cash_reserve_usd": "9700"},
    {"entries_h": "2"},
]


def economics(decision: Decision) -> tuple[Any, ...]:
    """Everything a decision says about money, without ids and sides."""
    inputs = {key: value for key, value in decision.inputs.items() if key != "settings"}
    return (
        decision.outcome,
        decision.skip_reason,
        decision.probability,
        decision.price,
        decision.fee,
        decision.edge,
        decision.stake,
        decision.quantity,
        decision.confidence,
        None if decision.order is None else decision.order.limit_price,
        inputs,
    )


@pytest.mark.requirement("TEST-002")
@given(worlds())
@settings(max_examples=50)
def test_1_a_world_and_its_mirror_decide_alike(original: World) -> None:
    straight = {(x.market_id, x.side): economics(x) for x in original.decide()}
    turned = {(x.market_id, x.side.opposite): economics(x) for x in mirrored(original).decide()}
    assert straight == turned


@given(worlds(), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_decisions_do_not_depend_on_the_order_of_the_facts(original: World, random: Any) -> None:
    def shuffled(values: Any) -> tuple[Any, ...]:
        return tuple(random.sample(list(values), len(values)))

    other = replace(
        original,
        quotes=shuffled(original.quotes),
        predictions=shuffled(original.predictions),
        state=replace(
            original.state,
            markets=dict(shuffled(original.state.markets.items())),
            portfolio=replace(
                original.state.portfolio,
                positions=shuffled(original.state.portfolio.positions),
                orders=shuffled(original.state.portfolio.orders),
            ),
        ),
    )
    assert other.decide() == original.decide()


@given(worlds(), st.integers(min_value=1, max_value=50_000))
@settings(max_examples=30)
def test_decisions_do_not_depend_on_surrogate_ids(original: World, offset: int) -> None:
    """Another database with the same facts numbers them otherwise and decides the same keys."""
    state = original.state

    def moved(number: int | None) -> int | None:
        return None if number is None else number * 3 + offset

    def facts(m: MarketFacts) -> MarketFacts:
        return replace(
            m,
            market_id=moved(m.market_id),
            game_id=moved(m.game_id),
            home_team_id=moved(m.home_team_id),
            away_team_id=moved(m.away_team_id),
            yes_team_id=moved(m.yes_team_id),
        )

    other = replace(
        original,
        quotes=tuple(replace(q, market_id=moved(q.market_id)) for q in original.quotes),
        predictions=tuple(replace(p, game_id=moved(p.game_id)) for p in original.predictions),
        state=replace(
            state,
            markets={moved(i): facts(m) for i, m in state.markets.items()},
            portfolio=replace(
                state.portfolio,
                positions=tuple(
                    replace(p, market_id=moved(p.market_id)) for p in state.portfolio.positions
                ),
                orders=tuple(
                    replace(o, market_id=moved(o.market_id)) for o in state.portfolio.orders
                ),
            ),
            last_quotes={
                moved(i): replace(q, market_id=moved(i)) for i, q in state.last_quotes.items()
            },
        ),
    )
    assert [(x.decision_key, economics(x)) for x in other.decide()] == [
        (x.decision_key, economics(x)) for x in original.decide()
    ]


@pytest.mark.requirement("RISK-004")
@pytest.mark.parametrize("cap", TIGHT, ids=[next(iter(cap)) for cap in TIGHT])
@given(original=worlds())
@settings(max_examples=30)
def test_6_no_cap_is_exceeded_with_every_order_filled_at_its_limit(
    original: World, cap: dict[str, object]
) -> None:
    """Brute force over every ending of every game; what exceeded a cap before may not grow."""
    tight = original.with_config("caps", **{**LOOSE, **cap})
    taken = [x for x in tight.decide() if x.outcome is Outcome.TAKEN]
    before, after = exposures(tight, []), exposures(tight, taken)
    caps = tight.config.caps
    for scope, limit in (
        ("game", caps.game_usd.paper),
        ("team", caps.team_usd.paper),
        ("day", caps.day_usd.paper),
        ("league", caps.league_pct["nfl"] * caps.total_usd.paper),
        ("total", caps.total_usd.paper),
    ):
        for key, loss in after[scope].items():
            assert loss <= max(limit, before[scope][key]), (scope, key)
    spent = sum((worst_cost(x, tight) for x in taken), Decimal(0))
    for decision in taken:
        assert decision.stake is not None and decision.quantity is not None
        assert caps.min_usd <= decision.stake <= worst_cost(decision, tight)
        assert worst_cost(decision, tight) <= caps.position_usd.paper
        assert decision.quantity == int(decision.quantity)
    if taken:
        assert tight.state.portfolio.cash - spent >= caps.cash_reserve_usd.paper
        assert len(taken) <= caps.entries_h
        assert after["open"]["all"] <= max(caps.open.paper, before["open"]["all"])


@pytest.mark.requirement("TRACE-005")
@given(worlds())
@settings(max_examples=50)
def test_every_candidate_gets_exactly_one_decision(original: World) -> None:
    two = replace(METHOD, model=replace(MODEL, model_id=2, name="nfl-xgboost"))
    other_league = replace(METHOD, model=replace(MODEL, model_id=3, league="nba"))
    both = replace(original, methods=(METHOD, two, other_league))
    decisions = both.decide()
    expected = {
        (q.market_id, side, m.model.model_id)
        for q in both.quotes
        for side in Side
        for m in (METHOD, two)
    }
    assert sorted((x.market_id, x.side, x.model_id) for x in decisions) == sorted(expected)
    assert len({x.decision_key for x in decisions}) == len(decisions)
    for decision in decisions:
        assert (decision.outcome is Outcome.TAKEN) == (decision.skip_reason is None)
        assert (decision.order is not None) == (decision.skip_reason is None)
        if decision.edge_row is not None:
            row = decision.edge_row
            assert row.expected_value == row.true_win_probability - row.market_price - row.fee


@given(worlds(), st.integers(min_value=1, max_value=400))
@settings(max_examples=50)
def test_a_better_probability_never_buys_less(original: World, better: int) -> None:
    """With the market, the interval and the account as they are. The limit may move, not the size.

    Caps count the order at its limit, so a size that a cap has cut is compared before that cut.
    """
    first = {(x.market_id, x.side): x for x in original.decide()}
    raised = replace(
        original,
        predictions=tuple(
            replace(p, p_home=min(d(1), p.p_home + Decimal(better) / 10_000))
            for p in original.predictions
        ),
    )
    for decision in raised.decide():
        facts = original.state.markets[decision.market_id]
        if facts.outcome_team(decision.side) != facts.home_team_id:
            continue
        before, now = (
            x.inputs.get("quantity.kelly")
            for x in (first[decision.market_id, decision.side], decision)
        )
        if before is not None and now is not None:
            assert Decimal(now) >= Decimal(before)


def exposures(w: World, taken: list[Decision]) -> dict[str, dict[Any, Decimal]]:
    """Worst losses per scope, from the definition of trading-rules §6 and nothing of the engine."""
    legs: dict[int, list[tuple[int, Decimal, Decimal, Decimal]]] = defaultdict(list)
    held: set[tuple[Any, ...]] = set()
    markets = w.state.markets
    mids = {q.market_id: q for q in (*w.state.last_quotes.values(), *w.quotes)}

    def add(
        market_id: int, side: Side, quantity: Decimal, cost: Decimal, arm: tuple[Any, ...]
    ) -> None:
        facts, quoted = markets[market_id], mids[market_id]
        mid = (quoted.yes_bid + quoted.yes_ask) / 2  # type: ignore[operator]
        mid = mid if side is Side.YES else 1 - mid
        team = facts.outcome_team(side)
        assert team is not None and facts.game_id is not None
        legs[facts.game_id].append((team, quantity, cost, mid))
        held.add((facts.game_id, team, *arm))

    for p in w.state.portfolio.positions:
        arm = (p.strategy_id, p.model_id, p.method_id)
        add(p.market_id, p.side, p.quantity, p.quantity * p.entry_price + p.fees, arm)
    for o in w.state.portfolio.orders:
        if o.action is Action.BUY:
            arm = (o.strategy_id, o.model_id, o.method_id)
            add(
                o.market_id,
                o.side,
                o.remaining,
                order_cost(w, o.market_id, o.limit_price, o.remaining),
                arm,
            )
    for x in taken:
        assert x.quantity is not None
        arm = (STRATEGY.strategy_id, MODEL.model_id, METHOD.method_id)
        add(x.market_id, x.side, x.quantity, worst_cost(x, w), arm)

    games = {m.game_id: m for m in markets.values()}
    found: dict[str, dict[Any, Decimal]] = {
        scope: defaultdict(Decimal) for scope in ("game", "team", "day", "league", "total", "open")
    }
    for game_id, facts in games.items():
        assert game_id is not None and facts.kickoff_at is not None
        gains = []
        for ending in (facts.home_team_id, facts.away_team_id, "tie", "void"):
            gain = Decimal(0)
            for team, quantity, cost, mid in legs[game_id]:
                value = {"tie": d("0.5"), "void": mid}.get(ending, Decimal(ending == team))  # type: ignore[arg-type]
                gain += quantity * value - cost
            gains.append(gain)
        loss = max(Decimal(0), -min(gains))
        day = (facts.kickoff_at - timedelta(hours=4)).date()  # New York in September is UTC-4
        for scope, key in (
            ("game", game_id),
            ("team", facts.home_team_id),
            ("team", facts.away_team_id),
            ("day", day),
            ("league", "nfl"),
            ("total", "all"),
        ):
            found[scope][key] += loss
    found["open"]["all"] = Decimal(len(held))
    return found


def order_cost(w: World, market_id: int, price: Decimal, quantity: Decimal) -> Decimal:
    schedule = w.state.markets[market_id].fee_schedule
    assert schedule is not None
    return quantity * price + fee(schedule, Role.TAKER, quantity, price).trade_fee


def worst_cost(decision: Decision, w: World) -> Decimal:
    """Dollars of the whole order at its limit, fees included."""
    assert decision.order is not None
    return order_cost(w, decision.market_id, decision.order.limit_price, decision.order.quantity)
