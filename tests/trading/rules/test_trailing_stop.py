"""Trading-rules §7, the trailing stop: printed table, three types, and that it never falls."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_trading.config_exits import TrailingSettings
from precog_trading.engine.state import NEVER_TRAILED, MidBar, TrailingState
from precog_trading.rules.trailing import average_true_range, follow, has_fired
from tests.trading.worlds import d

PERCENTAGE = TrailingSettings()
START = datetime(2019, 9, 8, 17, tzinfo=UTC)


def after(marks: list[str], settings: TrailingSettings, entry: str = "0.40") -> TrailingState:
    state = NEVER_TRAILED
    for mark in marks:
        state = follow(state, settings, d(entry), d(mark))
    return state


@pytest.mark.requirement("TRAIL-001", "TRAIL-004")
@pytest.mark.parametrize(
    ("mark", "distance", "stop"),
    [
        # entry 0.40: a gain of 10, 14, 15, 20, 25, 50 %
        ("0.44", "0.05", "0.418"),
        ("0.456", "0.05", "0.4332"),
        ("0.46", "0.04", "0.4416"),
        ("0.48", "0.03", "0.4656"),
        ("0.50", "0.02", "0.49"),
        ("0.60", "0.02", "0.588"),
    ],
)
def test_s7_trailing_stop_table(mark: str, distance: str, stop: str) -> None:
    """Gain 10 % → 5 %, 15 % → 4 %, 20 % → 3 %, ≥ 25 % → 2 %."""
    found = after([mark], PERCENTAGE)
    assert found == TrailingState(True, "percentage", d(distance), d(stop), d(mark))


@pytest.mark.requirement("TRAIL-001")
def test_s7_it_activates_at_ten_percent_and_not_a_tick_before() -> None:
    assert after(["0.39", "0.4399"], PERCENTAGE) == NEVER_TRAILED
    assert after(["0.44"], PERCENTAGE).active


@pytest.mark.requirement("TRAIL-001", "TRAIL-003", "TRAIL-004")
def test_s7_it_fires_at_the_stop_and_stays_where_the_peak_put_it() -> None:
    state = after(["0.50", "0.495", "0.491"], PERCENTAGE)
    assert (state.peak, state.price) == (d("0.50"), d("0.49"))
    assert not has_fired(state, d("0.4901"))
    assert has_fired(state, d("0.49"))
    assert has_fired(follow(state, PERCENTAGE, d("0.40"), d("0.30")), d("0.30"))
    assert not has_fired(NEVER_TRAILED, d("0.01"))


@pytest.mark.requirement("TRAIL-001")
def test_s7_fixed_counts_dollars() -> None:
    fixed = TrailingSettings(type="fixed")
    assert after(["0.4499"], fixed) == NEVER_TRAILED
    assert after(["0.45"], fixed) == TrailingState(True, "fixed", d("0.05"), d("0.40"), d("0.45"))
    assert after(["0.50"], fixed) == TrailingState(True, "fixed", d("0.04"), d("0.46"), d("0.50"))
    assert after(["0.70"], fixed).distance == d("0.02")


def bars(*ranges: tuple[str, str, str]) -> list[MidBar]:
    return [
        MidBar(START + timedelta(minutes=5 * n), d(high), d(low), d(close))
        for n, (high, low, close) in enumerate(ranges)
    ]


def test_s7_wilders_average_true_range_by_hand() -> None:
    """Period 2: true ranges 0.04 (gap up), 0.02, then (0.03·1 + 0.06)/2."""
    found = bars(
        ("0.50", "0.50", "0.50"),
        ("0.54", "0.53", "0.53"),
        ("0.54", "0.52", "0.52"),
        ("0.52", "0.46", "0.46"),
    )
    assert average_true_range(found[:2], 2) is None
    assert average_true_range(found[:3], 2) == d("0.03")
    assert average_true_range(found, 2) == d("0.045")
    mirrored = [MidBar(b.end_at, 1 - b.low, 1 - b.high, 1 - b.close) for b in found]
    assert average_true_range(mirrored, 2) == d("0.045")


@pytest.mark.requirement("TRAIL-001")
@pytest.mark.parametrize(
    ("true_range", "distance"), [("0.001", "0.02"), ("0.02", "0.06"), ("0.20", "0.15")]
)
def test_s7_atr_is_three_ranges_clamped(true_range: str, distance: str) -> None:
    low = d("0.45") - d(true_range)
    found = bars(*[("0.45", str(low), "0.45")] * 15)
    state = follow(NEVER_TRAILED, TrailingSettings(type="atr"), d("0.40"), d("0.50"), found)
    assert state == TrailingState(True, "atr", d(distance), d("0.50") - d(distance), d("0.50"))
    fewer = follow(NEVER_TRAILED, TrailingSettings(type="atr"), d("0.40"), d("0.50"), found[1:])
    assert (fewer.type, fewer.price) == ("percentage", d("0.49"))


@pytest.mark.requirement("TRAIL-003", "TRAIL-004")
@given(
    entry=st.integers(5, 90),
    marks=st.lists(st.integers(1, 99), min_size=1, max_size=30),
    kind=st.sampled_from(["percentage", "fixed", "atr"]),
    ranges=st.lists(st.integers(0, 20), min_size=15, max_size=30),
)
def test_s7_the_stop_never_falls_and_the_peak_is_the_highest_mark_since_activation(
    entry: int, marks: list[int], kind: str, ranges: list[int]
) -> None:
    settings = TrailingSettings(type=kind)  # type: ignore[arg-type]
    state, active_marks = NEVER_TRAILED, []
    for number, cents in enumerate(marks):
        seen = bars(*[("0.50", str(d("0.50") - Decimal(r) / 100), "0.50") for r in ranges])
        mark = Decimal(cents) / 100
        now = follow(state, settings, Decimal(entry) / 100, mark, seen[: 10 + number])
        if now.active:
            active_marks.append(mark)
            assert now.peak == max(active_marks)
            assert now.price is not None
            assert now.peak is not None
            assert now.price <= now.peak
            assert state.price is None or now.price >= state.price
        assert now.active >= state.active
        state = now


def test_a_floor_above_the_distance_is_refused() -> None:
    with pytest.raises(ValueError, match="floor at most distance"):
        TrailingSettings.model_validate({"fixed": {"floor": "0.06"}})
