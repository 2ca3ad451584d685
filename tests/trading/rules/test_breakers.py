"""Trading rules §12: thresholds at their bounds, and gains that never trip."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_trading.config_exits import BreakerSettings
from precog_trading.rules.breakers import (
    BreakerFacts,
    EdgeAnomaly,
    rearmed_at,
    run_probability,
    trips,
)
from tests.trading.worlds import d

NOW = datetime(2025, 11, 3, 18, 0, tzinfo=UTC)
SETTINGS = BreakerSettings()


def ago(*seconds: int) -> tuple[datetime, ...]:
    return tuple(NOW - timedelta(seconds=s) for s in seconds)


def tripped(environment: str = "paper", **facts: Any) -> list[str]:
    return [t.breaker_type for t in trips(BreakerFacts(NOW, environment, **facts), SETTINGS)]


def anomaly(game_id: int, gap: str = "0.31", seconds: int = 1) -> EdgeAnomaly:
    return EdgeAnomaly(*ago(seconds), game_id, "pre_game", d(gap))


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("daily_loss", {"day_pnl": d("-500")}, {"day_pnl": d("-499.99")}),
    ("weekly_loss", {"week_pnl": d("-1500")}, {"week_pnl": d("-1499.99")}),
    ("rapid_loss", {"rapid_pnl": d("-200")}, {"rapid_pnl": d("-199.99")}),
    (
        "drawdown",
        {"equity": d(8500), "peak_equity": d(10_000)},
        {"equity": d("8500.01"), "peak_equity": d(10_000)},
    ),
    ("consecutive_losses", {"losing_run": [d("0.50")] * 10}, {"losing_run": [d("0.50")] * 9}),
    (
        "venue_errors",
        {"venue_errors": ago(0, 1, 2, 3, 299)},
        {"venue_errors": ago(0, 1, 2, 3, 300)},
    ),
    ("rejects", {"rejects": ago(0, 1, 599)}, {"rejects": ago(0, 1, 600)}),
    ("auth_error", {"auth_errors": 1}, {}),
    ("db_errors", {"db_errors": ago(0, 1, 59)}, {"db_errors": ago(0, 1, 60)}),
    (
        "data_quality",
        {"bad_points": {"nfl": ago(0, 1, 599)}},
        {"bad_points": {"nfl": ago(0, 1), "nba": ago(0, 1)}},
    ),
    (
        "edge_anomaly",
        {"anomalies": [anomaly(1), anomaly(2), anomaly(3)]},
        {
            "anomalies": [
                anomaly(1),
                anomaly(2),
                anomaly(2),
                anomaly(3, "0.30"),
                anomaly(4, seconds=600),
            ]
        },
    ),
    (
        "model_stale",
        {"predicted_at": {"pre_game": NOW - timedelta(hours=24, seconds=1)}},
        {"predicted_at": {"pre_game": NOW - timedelta(hours=24)}},
    ),
    ("trade_burst", {"trades": ago(*range(20))}, {"trades": ago(*range(19))}),
    (
        "position_quote_stale",
        {"oldest_position_quote": NOW - timedelta(seconds=301)},
        {"oldest_position_quote": NOW - timedelta(seconds=300)},
    ),
    ("reconcile_mismatch", {"reconcile_mismatches": 1}, {}),
    ("unknown_order", {"unknown_since": ago(300)}, {"unknown_since": ago(299)}),
    ("fee_mismatch", {"fee_mismatches": ago(0, 1, 2)}, {"fee_mismatches": ago(0, 1, 86_400)}),
]


@pytest.mark.parametrize(("name", "over", "under"), CASES, ids=[c[0] for c in CASES])
def test_12_each_breaker_trips_at_its_threshold_and_not_below(
    name: str, over: dict[str, Any], under: dict[str, Any]
) -> None:
    assert tripped(**over) == [name]
    assert tripped(**under) == []


def test_12_real_money_stops_at_a_tenth() -> None:
    assert tripped("live", day_pnl=d(-50), week_pnl=d(-150), rapid_pnl=d(-20)) == [
        "daily_loss",
        "weekly_loss",
        "rapid_loss",
    ]
    assert tripped("backtest", day_pnl=d(-50)) == []


@pytest.mark.requirement("RISK-002")
@given(*[st.decimals(min_value=0, max_value=10**6, places=2) for _ in range(3)])
def test_12_gains_never_trip(day: Decimal, week: Decimal, rapid: Decimal) -> None:
    assert tripped(day_pnl=day, week_pnl=week, rapid_pnl=rapid, equity=day, peak_equity=day) == []


def test_12_a_daily_loss_closes_all_and_database_errors_halt() -> None:
    facts = BreakerFacts(NOW, "paper", day_pnl=d(-600), db_errors=ago(0, 1, 2), auth_errors=2)
    assert [(t.breaker_type, t.action) for t in trips(facts, SETTINGS)] == [
        ("daily_loss", "close_all"),
        ("auth_error", "exits_only"),
        ("db_errors", "halted"),
    ]
    assert trips(facts, SETTINGS)[0].trigger_value == {"loss": "600", "limit": "500"}


def test_12_data_and_model_breakers_stop_only_whom_they_concern() -> None:
    facts = BreakerFacts(
        NOW,
        "paper",
        bad_points={"nba": ago(0, 1), "nfl": ago(0, 1, 2)},
        predicted_at={"late": None, "pre_game": NOW},
    )
    assert [(t.breaker_type, t.league, t.strategies) for t in trips(facts, SETTINGS)] == [
        ("data_quality", "nfl", ()),
        ("model_stale", None, ("late",)),
    ]


@pytest.mark.requirement("RISK-001")
def test_12_a_run_of_losing_favourites_is_less_likely_than_of_long_shots() -> None:
    """Three losses at 0.90 happen once in a thousand, three at 0.20 every other time."""
    assert run_probability([d("0.90")] * 3) == d("0.001")
    assert run_probability([d("0.20")] * 3) == d("0.512")
    assert tripped(losing_run=[d("0.91")] * 3) == ["consecutive_losses"]
    assert tripped(losing_run=[d("0.90")] * 3) == []


@pytest.mark.parametrize(
    ("triggered", "rearmed"),
    [
        ("2025-11-03T13:59:00+00:00", "2025-11-03T14:00:00+00:00"),
        ("2025-11-03T14:00:00+00:00", "2025-11-04T14:00:00+00:00"),
        ("2025-11-02T03:00:00+00:00", "2025-11-02T14:00:00+00:00"),  # the clocks go back that night
    ],
)
def test_12_the_simulated_operator_rearms_at_nine_in_new_york(triggered: str, rearmed: str) -> None:
    found = rearmed_at(datetime.fromisoformat(triggered), time(9))
    assert found == datetime.fromisoformat(rearmed)
