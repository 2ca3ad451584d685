"""Trading rules §5: bounds, order of the rows, assumptions, approvals, hours."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from precog_core.prices import Grid, PriceRange, Side
from precog_trading.engine.state import (
    Approval,
    Control,
    Entry,
    Environment,
    Exit,
    OpenBreaker,
    Outcome,
)
from tests.trading.worlds import (
    AWAY,
    HOME,
    KICKOFF,
    NOW,
    World,
    d,
    elsewhere,
    live,
    market,
    order,
    position,
    prediction,
    quote,
    world,
)

Change = Callable[[World], World]


def test_5_the_world_of_these_tests_passes_the_gate() -> None:
    assert world().one().outcome is Outcome.TAKEN
    assert live(world()).one().outcome is Outcome.TAKEN


AT_THE_BOUND: list[tuple[str, Change]] = [
    ("24 h before", lambda w: w.with_market(kickoff_at=NOW + timedelta(hours=24))),
    ("30 min before", lambda w: w.with_market(kickoff_at=NOW + timedelta(minutes=30))),
    ("prediction 24 h old", lambda w: w.with_prediction(event_ts=NOW - timedelta(hours=24))),
    ("stored quote 300 s old", lambda w: w.with_quote(observed_at=NOW - timedelta(seconds=300))),
    (
        "live quote 120 s old",
        lambda w: live(w).with_quote(observed_at=NOW - timedelta(seconds=120)),
    ),
    ("spread 0.02", lambda w: w.with_quote(yes_bid=d("0.48"))),
    ("size 10", lambda w: w.with_quote(yes_bid_size=d(10), yes_ask_size=d(10))),
    ("volume and interest 100", lambda w: w.with_quote(volume_24h=d(100), open_interest=d(100))),
    ("gap 0.15", lambda w: w.with_prediction(p_home=d("0.645"))),
    ("half-width 0.12", lambda w: w.with_prediction(p_low=d("0.50"), p_high=d("0.74"))),
    (
        "an hour after an exit",
        lambda w: w.with_portfolio(exits=(Exit(NOW - timedelta(hours=1), 100),)),
    ),
    (
        "nine entries this hour",
        lambda w: w.with_portfolio(entries=tuple(Entry(NOW, 1, 200 + n) for n in range(9))),
    ),
    (
        "an entry of yesterday",
        lambda w: w.with_portfolio(
            entries=tuple(Entry(NOW - timedelta(hours=12), 1, 200 + n) for n in range(50))
        ),
    ),
    ("same side held by another strategy", lambda w: w.with_portfolio(positions=(position(),))),
    ("nineteen positions", elsewhere(19)),
    (
        "second quote 10 s old",
        lambda w: live(w).with_state(requotes={1: quote(observed_at=NOW - timedelta(seconds=10))}),
    ),
    (
        "breaker of another league",
        lambda w: w.with_state(breakers=(OpenBreaker("data_quality", "exits_only", "nba"),)),
    ),
    (
        "breaker of another strategy",
        lambda w: w.with_state(
            breakers=(OpenBreaker("model_stale", "exits_only", None, ("other",)),)
        ),
    ),
    (
        "control of another platform",
        lambda w: w.with_state(controls=(Control("platform", "simulated", "halted"),)),
    ),
    (
        "unknown order elsewhere",
        lambda w: w.with_state(markets={1: market(), 2: market(2, AWAY)}).with_portfolio(
            orders=(order(status="unknown", market_id=2, side=Side.NO, remaining=d(1)),)
        ),
    ),
]


@pytest.mark.parametrize("change", [c for _, c in AT_THE_BOUND], ids=[n for n, _ in AT_THE_BOUND])
def test_5_at_the_bound_the_candidate_passes(change: Change) -> None:
    assert change(world()).one().skip_reason is None


@pytest.mark.parametrize(
    ("hour", "minute", "reason"),
    [(8, 59, "outside_hours"), (9, 0, None), (22, 59, None), (23, 0, "outside_hours")],
)
def test_5_real_money_trades_in_new_york_hours(hour: int, minute: int, reason: str | None) -> None:
    """September in New York is UTC-4."""
    now = datetime(2019, 9, 9, (hour + 4) % 24, minute, tzinfo=UTC)
    w = live(world()).with_market(kickoff_at=now + timedelta(hours=2))
    fresh = {1: quote(observed_at=now, known_at=now)}
    w = w.with_quote(observed_at=now, known_at=now).with_state(requotes=fresh)
    w = w.with_prediction(event_ts=now - timedelta(hours=1), known_at=now - timedelta(hours=1))
    at_night = replace(w, tick=replace(w.tick, decided_at=now))
    assert at_night.one().skip_reason == reason
    paper = at_night.in_environment(Environment.PAPER).one()
    assert paper.skip_reason is None


@pytest.mark.parametrize(
    ("hour", "platform", "reason"),
    [
        (3, "kalshi", "maintenance_window"),
        (4, "kalshi", "maintenance_window"),
        (5, "kalshi", None),
        (2, "kalshi", None),
        (4, "simulated", None),
    ],
)
def test_5_thursday_morning_belongs_to_kalshis_maintenance(
    hour: int, platform: str, reason: str | None
) -> None:
    """Thursday 2019-09-12, 03:00-05:00 New York (UTC-4)."""
    now = datetime(2019, 9, 12, hour + 4, 0, tzinfo=UTC)
    w = world().with_market(kickoff_at=now + timedelta(hours=10), platform_id=platform)
    w = w.with_quote(observed_at=now, known_at=now)
    w = w.with_prediction(event_ts=now - timedelta(hours=1), known_at=now - timedelta(hours=1))
    assert replace(w, tick=replace(w.tick, decided_at=now)).one().skip_reason == reason


def test_5_the_first_failing_row_is_the_reason() -> None:
    """With everything wrong at once, repairing one row reveals the next in the printed order."""
    broken = (
        world()
        .with_state(is_writer=False)
        .with_market(platform_status="inactive", status="paused", game_type="preseason")
        .with_prediction(event_ts=NOW - timedelta(days=2))
        .with_quote(yes_bid=d("0.40"), volume_24h=d(1), observed_at=NOW - timedelta(hours=1))
    )
    repairs: list[tuple[str, Change]] = [
        ("not_writer", lambda w: w.with_state(is_writer=True)),
        ("exchange_paused", lambda w: w.with_market(platform_status="active")),
        ("market_not_active", lambda w: w.with_market(status="open")),
        ("competition_excluded", lambda w: w.with_market(game_type="regular")),
        ("prediction_stale", lambda w: w.with_prediction(event_ts=NOW)),
        ("quote_stale", lambda w: w.with_quote(observed_at=NOW)),
        ("spread_wide", lambda w: w.with_quote(yes_bid=d("0.49"))),
        ("volume_low", lambda w: w.with_quote(volume_24h=d(1000))),
    ]
    found = []
    for _, repair in repairs:
        found.append(broken.one().skip_reason)
        broken = repair(broken)
    assert found == [reason for reason, _ in repairs]
    assert broken.one().skip_reason is None


def test_5_an_approval_admits_the_alert_band_until_it_expires() -> None:
    alert = world().with_prediction(p_home=d("0.60"))
    yes = Approval(1, Side.YES, 1, 1, NOW + timedelta(seconds=1))
    taken = alert.with_state(approvals=(yes,)).one()
    assert taken.outcome is Outcome.TAKEN
    assert taken.edge is not None and d("0.05") <= taken.edge < d("0.08")
    expired = replace(yes, expires_at=NOW)
    assert alert.with_state(approvals=(expired,)).one().skip_reason == "needs_approval"
    other_leg = replace(yes, side=Side.NO)
    assert alert.with_state(approvals=(other_leg,)).one().skip_reason == "needs_approval"


def test_5_simulated_quotes_take_marked_assumptions_and_only_those_missing() -> None:
    bare = world([market(rules_hash=None, fee_schedule=None, platform_id="simulated")])
    bare = bare.with_quote(
        source="simulated",
        yes_bid_size=None,
        yes_ask_size=None,
        volume_24h=None,
        open_interest=d(300),
    )
    found = bare.one()
    assert found.outcome is Outcome.TAKEN
    assumed = {key for key in found.inputs if key.startswith("assumed.")}
    assert assumed == {
        "assumed.size",
        "assumed.volume_24h",
        "assumed.rules_recognised",
        "assumed.fee_schedule",
        "assumed.requote",
    }
    assert (found.inputs["ask_size"], found.inputs["open_interest"]) == ("500", "300")


def test_5_a_fee_type_without_formula_cannot_be_assumed() -> None:
    bare = world([market(fee_schedule=None)]).with_quote(source="simulated", open_interest=None)
    assert bare.one().inputs["open_interest"] == "1000"
    flat = {"assume": {"fee_type": "flat"}}
    assert bare.with_config("replay", **flat).one().skip_reason == "fee_unknown"


def test_5_real_money_assumes_nothing() -> None:
    bare = live(world()).with_quote(source="simulated", volume_24h=None)
    assert bare.one().skip_reason == "volume_low"


def test_5_an_unavailable_ask_is_not_assumed_a_size() -> None:
    one_sided = world().with_quote(source="simulated", yes_ask=None, yes_ask_size=None)
    assert one_sided.one().skip_reason == "no_quote"


def test_5_a_refused_candidate_keeps_its_edge_when_it_can_be_believed() -> None:
    """Halting does not make the market's price unknown, a leak makes the probability worthless."""
    halted = world().with_state(controls=(Control("global", "*", "halted"),)).one()
    assert halted.edge == Decimal("0.09")
    assert halted.edge_row is not None
    assert halted.edge_row.recommended_action == "auto_execute"
    leaking = world().with_prediction(trained_until=KICKOFF).one()
    assert (leaking.edge, leaking.edge_row) == (None, None)
    stale = world().with_quote(observed_at=NOW - timedelta(seconds=301)).one()
    assert stale.edge_row is None


def test_5_quarantine_is_stored_as_ignore() -> None:
    found = world().with_prediction(p_home=d("0.70")).one()
    assert found.skip_reason == "edge_quarantined"
    assert found.edge_row is not None
    assert found.edge_row.recommended_action == "ignore"
    assert found.edge_row.confidence_metrics["quarantined"] is True


def test_5_waived_fees_cost_nothing_until_the_waiver_ends() -> None:
    waived = world().with_market(fee_waived_until=NOW + timedelta(seconds=1)).one()
    assert (waived.fee, waived.edge) == (0, d("0.1075"))
    over = world().with_market(fee_waived_until=NOW).one()
    assert over.fee == d("0.0175")


def test_5_a_finer_grid_is_quoted_and_paid_on_its_own_points() -> None:
    fine = Grid((PriceRange(d(0), d(1), d("0.001")),))
    found = world().with_market(grid=fine).with_quote(yes_ask=d("0.505")).one()
    assert found.outcome is Outcome.TAKEN
    assert found.order is not None
    assert found.order.limit_price == d("0.510")  # p̂ 0.6078; 0.511 would leave 0.0793


def test_5_home_and_away_are_told_apart_by_the_yes_team() -> None:
    away = world([market(1, AWAY)], [quote(1, "0.29", "0.30")], [prediction("0.58")]).one()
    assert away.inputs["probability"] == "0.42"
    home = world([market(1, HOME)], [quote(1, "0.29", "0.30")], [prediction("0.42")]).one()
    assert (away.edge, away.quantity) == (home.edge, home.quantity)
