"""The fast replay says what the plain one says: every decision, every fill, every cent."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from precog_trading.backtest.fast import FastReplay, is_usable, replay_fast
from precog_trading.backtest.lazy import LazyDecisions
from precog_trading.backtest.replay import Replay, Setup, replay
from precog_trading.backtest.rows import run_rows
from precog_trading.backtest.templates import inputs_text
from precog_trading.engine.state import Purpose
from precog_trading.ledger.statements import as_json
from tests.trading.backtest.made_up import made_up_season, setup

_KEYS = ("decisions", "positions", "orders", "fills", "trades", "exits", "attempts", "entries",
         "balances", "equity", "breakers")  # fmt: skip

_BREAKERS: list[dict[str, Any]] = [
    {},
    {"drawdown": "0.005", "weekly_loss": {"paper": 60, "live": 5}},
    {"rapid_loss": {"paper": 10, "live": 5}, "consecutive_losses": "0.6"},
    {"daily_loss": {"paper": 20, "live": 5}, "trade_burst": {"count": 2, "window_s": 3600}},
    {"edge_anomaly_gap": "0.08", "edge_anomaly": {"count": 2, "window_s": 3600}},
    {"data_quality": {"count": 2, "window_s": 7200}},
]
"""Limits so near that they are reached."""


def everything(run: Replay) -> dict[str, Any]:
    rows = run_rows(run)
    return {name: list(getattr(rows, name)) for name in _KEYS}


def same(world: Setup) -> dict[str, Any]:
    """Both replays of a world, compared; returns what they found."""
    assert is_usable(world)
    plain, fast = everything(replay(world)), everything(replay_fast(world))
    for name in _KEYS:
        for ours, theirs in zip(fast[name], plain[name], strict=False):
            assert ours == theirs, name
        assert len(fast[name]) == len(plain[name]), name
    # The text of the inputs is stored: the same values in the same order.
    for ours, theirs in zip(fast["decisions"], plain["decisions"], strict=True):
        assert list(ours.inputs.items()) == list(theirs.inputs.items())
        assert inputs_text(ours.inputs) == as_json(theirs.inputs)
    return plain


@pytest.mark.parametrize("strategy", ["pre_game", "pre_game_managed"])
def test_a_season_comes_out_the_same(strategy: str) -> None:
    found = same(setup(made_up_season(5, games=4), strategy))
    assert found["positions"]
    if strategy == "pre_game_managed":
        assert found["exits"] and found["attempts"]


def test_a_drawdown_that_was_accepted_wakes_no_later_look() -> None:
    """Once re-armed, the fall is counted from the worth of that moment, not from the old peak: a
    season after it costs what a season before it did."""
    world = setup(
        made_up_season(16, games=4, step=30), "pre_game",
        breaker={"drawdown": "0.005", "edge_anomaly_gap": "0.9"},
    )  # fmt: skip
    same(world)
    fast = replay_fast(world)
    assert [trip.breaker_type for trip in fast.tripped] == ["drawdown"]
    assert fast.rearmed
    assert fast.ticks < fast.events / 4


def test_looks_and_candidates_that_lead_to_nothing_are_not_lived() -> None:
    """Targets that the worth of a position holds back, candidates that wait after orders that
    found nothing to buy, and the other side of one that is bought: decided when they are read."""
    world = setup(made_up_season(11, games=4, trend=0.02), "pre_game_managed")
    plain = same(world)
    fast = FastReplay(world)
    fast.run()
    held_back = [look for looks in fast.watch.held_back.values() for look in looks]
    assert len(held_back) > 10 and {look.reached for look in held_back} == {1, 2}
    assert len(fast.agenda.cooling) > 5
    assert any(len(sides) == 1 for sides in fast.decided.values())
    assert fast.result.ticks < fast.result.events / 10
    reasons = Counter(
        d.skip_reason or "taken" for d in plain["decisions"] if d.purpose is Purpose.ENTRY
    )
    assert reasons["cooldown"] >= len(fast.agenda.cooling)
    assert LazyDecisions(fast).counts() == reasons


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    seed=st.integers(0, 10_000),
    strategy=st.sampled_from(["pre_game", "pre_game_managed"]),
    source=st.sampled_from(["recorded_candle", "simulated"]),
    trend=st.sampled_from([0.004, 0.012, 0.03]),
    kind=st.sampled_from(["percentage", "fixed"]),
    breaker=st.sampled_from(_BREAKERS),
)
def test_any_season_comes_out_the_same(
    seed: int, strategy: str, source: str, trend: float, kind: str, breaker: dict[str, Any]
) -> None:
    history = made_up_season(seed, games=3, source=source, step=30, trend=trend)
    same(setup(history, strategy, trailing={"type": kind}, breaker=breaker))
