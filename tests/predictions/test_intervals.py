"""Intervals from a league's own games so far: only results known at the moment count."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from precog_pipelines.predictions.intervals import CONFIDENCE, GamesSoFar
from precog_pipelines.training.metrics import bin_index, wilson

START = datetime(2025, 11, 1, tzinfo=UTC)


def test_a_result_counts_from_the_moment_it_is_known() -> None:
    so_far = GamesSoFar([(START, 0.62, 1), (START + timedelta(hours=1), 0.68, 0)])
    assert so_far.interval_of(0.65, START - timedelta(seconds=1)) is None
    assert so_far.interval_of(0.65, START) == wilson(1, 1, CONFIDENCE)
    assert so_far.interval_of(0.65, START + timedelta(hours=1)) == wilson(1, 2, CONFIDENCE)
    assert so_far.interval_of(0.45, START + timedelta(days=9)) is None


def test_enough_games_make_an_interval_narrow_enough_to_trade() -> None:
    games = [(START + timedelta(hours=n), 0.55, n % 2) for n in range(60)]
    so_far = GamesSoFar(games)

    def half_width(hours: int) -> float:
        low, high = so_far.interval_of(0.55, START + timedelta(hours=hours)) or (0.0, 1.0)
        return (high - low) / 2

    assert half_width(9) > 0.12 > half_width(59)


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.floats(0, 1), st.integers(0, 1)), min_size=1, max_size=40
    ),
    st.floats(0, 1),
    st.integers(-1, 51),
)
@settings(max_examples=60, deadline=None)
def test_it_is_the_interval_of_the_games_known_by_then(
    games: list[tuple[int, float, int]], p: float, hour: int
) -> None:
    dated = [(START + timedelta(hours=h), chance, win) for h, chance, win in games]
    same = [win for h, chance, win in games if h <= hour and _bin(chance) == _bin(p)]
    expected = wilson(sum(same), len(same), CONFIDENCE) if same else None
    assert GamesSoFar(dated).interval_of(p, START + timedelta(hours=hour)) == expected


def _bin(p: float) -> int:
    return int(bin_index([p], 10)[0])
