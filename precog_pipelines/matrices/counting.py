"""Counting states and outcomes into cells: pure functions.

A cell's probability is the share of its games that were won, smoothed over the cells of the same
state so that it never falls as the lead grows (isotonic regression weighted by games; Barlow 1972).
All games take part in the smoothing; a cell with too few of them then gives no estimate. The 95 %
interval is Wilson's for the smoothed share at the cell's own number of games, so it contains the
estimate and is as wide as the cell is thin.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from precog_pipelines.training.metrics import wilson_of_share

# "All favourites together": the cell has no further condition.
ANY = None


class Observation(NamedTuple):
    """One state of one decided game, seen from the favourite.

    ``lead`` is what the favourite is ahead by (points, negative: behind), or, before the game, what
    it is expected to win by. ``favourite`` names its bucket, None where there is only one.
    """

    state: str
    lead: float
    favourite: str | None
    won: bool
    season: int


@dataclass(frozen=True)
class Bucket:
    """A stretch of leads, both ends included."""

    low: float
    high: float

    @property
    def name(self) -> str:
        """As a person reads it: ``+4..+7``, ``-21 or less``, ``0``."""
        if self.low == self.high:
            return _signed(self.low)
        if self.low == float("-inf"):
            return f"{_signed(self.high)} or less"
        if self.high == float("inf"):
            return f"{_signed(self.low)} or more"
        return f"{_signed(self.low)}..{_signed(self.high)}"


@dataclass(frozen=True)
class Cell:
    """What is known of one state: ``wins`` of ``n`` games, and the smoothed probability.

    ``low`` and ``high`` bound 95 %. ``enough`` False: fewer games than an estimate needs; the
    smoothed value is then no estimate.
    """

    state: str
    bucket: Bucket
    favourite: str | None
    n: int
    wins: int
    p: float
    low: float
    high: float
    enough: bool

    @property
    def share(self) -> float:
        """The share of games won, before smoothing."""
        return self.wins / self.n


def lead_buckets(edges: Sequence[int]) -> list[Bucket]:
    """Buckets of whole points on both sides of a level score, the deepest deficit first.

    ``edges``: ascending lower bounds of the leads, from 1.
    """
    uppers = [edge - 1 for edge in edges[1:]] + [float("inf")]
    ahead = [Bucket(low, high) for low, high in zip(edges, uppers, strict=True)]
    behind = [Bucket(-bucket.high, -bucket.low) for bucket in reversed(ahead)]
    level = [Bucket(-(edges[0] - 1), edges[0] - 1)] if edges[0] > 0 else []
    return [*behind, *level, *ahead]


def favourite_bucket(p: float, edges: Mapping[str, float]) -> str:
    """The name of the bucket of a favourite's probability, at least 0.5."""
    names = list(edges)
    return names[bisect_right([edges[name] for name in names], p) - 1]


def count_cells(
    observations: Sequence[Observation],
    buckets: Sequence[Bucket] | None,
    min_games: int,
    order: Sequence[str] = (),
) -> list[Cell]:
    """Cells by state, favourite and lead, each state's for all favourites first.

    ``buckets`` ascend and cover every lead; None gives each lead a bucket of its own. ``order``
    sorts the names of favourites. Empty cells are left out.
    """
    chosen = buckets or [
        Bucket(lead, lead) for lead in sorted({seen.lead for seen in observations})
    ]
    lows = [bucket.low for bucket in chosen]
    counts: dict[tuple[str, str | None], dict[int, list[int]]] = {}
    for seen in observations:
        place = bisect_right(lows, seen.lead) - 1
        for favourite in dict.fromkeys((ANY, seen.favourite)):
            tally = counts.setdefault((seen.state, favourite), {}).setdefault(place, [0, 0])
            tally[0] += seen.won
            tally[1] += 1
    states = list(dict.fromkeys(seen.state for seen in observations))
    keys = sorted(
        counts,
        key=lambda key: (
            states.index(key[0]), -1 if key[1] is None else list(order).index(key[1]),
        ),
    )  # fmt: skip
    cells: list[Cell] = []
    for state, favourite in keys:
        tallies = counts[state, favourite]
        places = sorted(tallies)
        smoothed = never_falling([tallies[p][0] / tallies[p][1] for p in places],
                                 [tallies[p][1] for p in places])  # fmt: skip
        for place, p in zip(places, smoothed, strict=True):
            wins, n = tallies[place]
            low, high = wilson_of_share(p, n)
            cells.append(
                Cell(state, chosen[place], favourite, n, wins, p, low, high, n >= min_games)
            )
    return cells


def never_falling(shares: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The nearest sequence that never falls, by weighted least squares; its mean is kept."""
    from scipy.optimize import isotonic_regression

    fitted = isotonic_regression(list(shares), weights=list(weights)).x
    return [float(value) for value in fitted]


def _signed(value: float) -> str:
    return f"{value:+g}" if value else "0"
