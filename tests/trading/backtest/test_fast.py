"""The fast replay says what the plain one says: every decision, every fill, every cent."""

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from precog_trading.backtest.fast import is_usable, replay_fast
from precog_trading.backtest.replay import Replay, Setup, replay
from precog_trading.backtest.rows import run_rows
from tests.trading.backtest.made_up import made_up_season, setup

_KEYS = ("decisions", "positions", "orders", "fills", "trades", "exits", "attempts", "entries",
         "balances", "equity", "breakers")  # fmt: skip


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
    return plain


@pytest.mark.parametrize("strategy", ["pre_game", "pre_game_managed"])
def test_a_season_comes_out_the_same(strategy: str) -> None:
    found = same(setup(made_up_season(5, games=4), strategy))
    assert found["positions"]
    if strategy == "pre_game_managed":
        assert found["exits"] and found["attempts"]


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    seed=st.integers(0, 10_000),
    strategy=st.sampled_from(["pre_game", "pre_game_managed"]),
    source=st.sampled_from(["recorded_candle", "simulated"]),
    trend=st.sampled_from([0.004, 0.012, 0.03]),
    kind=st.sampled_from(["percentage", "fixed"]),
)
def test_any_season_comes_out_the_same(
    seed: int, strategy: str, source: str, trend: float, kind: str
) -> None:
    history = made_up_season(seed, games=3, source=source, step=30, trend=trend)
    same(setup(history, strategy, trailing={"type": kind}))
