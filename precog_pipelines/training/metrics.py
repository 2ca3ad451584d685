"""How good a set of win probabilities is: pure functions over two arrays, nothing else.

Every report of the platform (MLflow, the database, the terminal, the promotion gate) takes its
numbers from here, so that a Brier score means the same thing everywhere. ``p`` is always the
probability that the home team wins, in [0, 1]; ``y`` the outcome, 0 or 1; both of shape (n,).
Ties never reach this module: they have no binary outcome.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

BINS = 10
LOG_LOSS_CLIP = 1e-6
BOOTSTRAP_RESAMPLES = 2_000
BOOTSTRAP_SEED = 0
# Resampling index matrices of this many cells at a time keep memory under 50 MB.
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True)
class Scores:
    """The metrics of one set of predictions; ``auc`` is None when only one outcome occurred."""

    n: int
    brier: float
    log_loss: float
    ece: float
    accuracy: float
    auc: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and MLflow."""
        return asdict(self)


@dataclass(frozen=True)
class Bin:
    """One bar of a reliability diagram: ``low <= p < high`` (the last bin includes 1)."""

    low: float
    high: float
    n: int
    mean_p: float | None
    mean_y: float | None
    wilson_low: float | None
    wilson_high: float | None


@dataclass(frozen=True)
class Interval:
    """A paired difference over games: its mean, a percentile interval, and P(difference < 0)."""

    mean: float
    low: float
    high: float
    share_negative: float


def brier(p: "ArrayLike", y: "ArrayLike") -> float:
    """Mean of (p - y) squared; 0 is perfect, 0.25 a coin."""
    return float(squared_errors(p, y).mean())


def squared_errors(p: "ArrayLike", y: "ArrayLike") -> "np.ndarray":
    """(p - y) squared for each game."""
    p, y = _checked(p, y)
    return (p - y) ** 2


def log_losses(p: "ArrayLike", y: "ArrayLike") -> "np.ndarray":
    """-ln of the probability given to what happened, for each game; p clipped to 1e-6 from 0, 1."""
    import numpy as np

    p, y = _checked(p, y)
    clipped = np.clip(p, LOG_LOSS_CLIP, 1 - LOG_LOSS_CLIP)
    return -(y * np.log(clipped) + (1 - y) * np.log1p(-clipped))


def log_loss(p: "ArrayLike", y: "ArrayLike") -> float:
    """Mean log loss in nats; ln 2 = 0.693 is a coin."""
    return float(log_losses(p, y).mean())


def accuracy(p: "ArrayLike", y: "ArrayLike") -> float:
    """Share of games whose outcome agrees with p > 0.5; exactly 0.5 counts as the away team."""
    p, y = _checked(p, y)
    return float(((p > 0.5) == (y == 1)).mean())


def auc(p: "ArrayLike", y: "ArrayLike") -> float | None:
    """Rank AUC (Mann-Whitney U over n1*n0, ties count one half); None with a single outcome."""
    # Not scipy.stats.rankdata: that import alone takes longer than all our metrics.
    import pandas as pd

    p, y = _checked(p, y)
    wins = int(y.sum())
    losses = len(y) - wins
    if wins == 0 or losses == 0:
        return None
    rank_sum = float(pd.Series(p).rank()[y == 1].sum())
    return (rank_sum - wins * (wins + 1) / 2) / (wins * losses)


def ece(p: "ArrayLike", y: "ArrayLike", bins: int = BINS) -> float:
    """Expected calibration error over equal-width bins: sum of n_b/n * |mean p - mean y|."""
    import numpy as np

    p, y = _checked(p, y)
    index = bin_index(p, bins)
    gap = np.bincount(index, weights=p - y, minlength=bins)
    return float(np.abs(gap).sum() / len(p))


def bin_index(p: "ArrayLike", bins: int = BINS) -> "np.ndarray":
    """The equal-width bin of each probability, 0 … bins-1; the last bin is closed at 1."""
    import numpy as np

    return np.minimum((np.asarray(p, dtype=float) * bins).astype(int), bins - 1)


def wilson(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a frequency (Wilson 1927); raises ValueError for n = 0."""
    if not 0 <= successes <= n or n == 0:
        raise ValueError(f"{successes} successes of {n} trials is not a frequency")
    return wilson_of_share(successes / n, n, confidence)


def wilson_of_share(share: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The same interval around a share of ``n`` trials that need not be a whole number of them."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    # The bounds at a share of 0 and 1 are exactly 0 and 1; rounding would miss them by 1e-17.
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return low, high


def reliability(
    p: "ArrayLike", y: "ArrayLike", bins: int = BINS, confidence: float = 0.95
) -> list[Bin]:
    """Predicted against observed frequency per bin, with Wilson intervals; empty bins have n 0."""
    p, y = _checked(p, y)
    index = bin_index(p, bins)
    diagram = []
    for number in range(bins):
        inside = index == number
        n, edges = int(inside.sum()), (number / bins, (number + 1) / bins)
        if n == 0:
            diagram.append(Bin(*edges, 0, None, None, None, None))
            continue
        low, high = wilson(int(y[inside].sum()), n, confidence)
        diagram.append(Bin(*edges, n, float(p[inside].mean()), float(y[inside].mean()), low, high))
    return diagram


def scores(p: "ArrayLike", y: "ArrayLike") -> Scores:
    """All metrics of one set of predictions."""
    p, y = _checked(p, y)
    return Scores(len(p), brier(p, y), log_loss(p, y), ece(p, y), accuracy(p, y), auc(p, y))


def paired_bootstrap(
    difference: "ArrayLike",
    resamples: int = BOOTSTRAP_RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
    confidence: float = 0.95,
) -> Interval:
    """Percentile interval of the mean of a per-game difference, games drawn with replacement.

    Pass loss(model) - loss(baseline) of the same games: negative means the model is better. The
    same input gives the same interval.
    """
    return paired_bootstraps([difference], resamples, seed, confidence)[0]


def paired_bootstraps(
    differences: "Sequence[ArrayLike]",
    resamples: int = BOOTSTRAP_RESAMPLES,
    seed: int = BOOTSTRAP_SEED,
    confidence: float = 0.95,
) -> list[Interval]:
    """``paired_bootstrap`` of several differences over the same games, with the same resamples.

    A resample is a vector of weights (how often each game was drawn), so that any number of
    differences costs one drawing and one matrix product.
    """
    import numpy as np

    values = np.column_stack([np.asarray(one, dtype=float) for one in differences])
    if len(values) == 0:
        raise ValueError("a bootstrap needs at least one game")
    n, chunk = len(values), max(1, _CHUNK_CELLS // len(values))
    means = np.empty((resamples, values.shape[1]))
    start = 0
    for weights in _resamples(n, resamples, seed, chunk):
        means[start : start + len(weights)] = weights.astype(float) @ values / n
        start += len(weights)
    tail = (1 - confidence) / 2 * 100
    low, high = np.percentile(means, [tail, 100 - tail], axis=0)
    return [
        Interval(
            float(values[:, k].mean()),
            float(low[k]),
            float(high[k]),
            float((means[:, k] < 0).mean()),
        )
        for k in range(values.shape[1])
    ]


@lru_cache(maxsize=4)
def _resamples(n: int, resamples: int, seed: int, chunk: int) -> "tuple[np.ndarray, ...]":
    """How often each game was drawn, by chunks of resamples.

    Kept, because every comparison over the same number of games draws the same; 13 MB for 6,500.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    chunks = []
    for start in range(0, resamples, chunk):
        rows = min(start + chunk, resamples) - start
        drawn = generator.integers(0, n, size=(rows, n), dtype=np.int64)
        drawn += np.arange(rows)[:, np.newaxis] * n
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        # A game is drawn n times in n draws at most; 255 times never happens beyond toy sizes.
        chunks.append(counts.astype(np.uint8 if n > 255 else np.uint16))
    return tuple(chunks)


def ece_noise(
    p: "ArrayLike", draws: int = 1_000, seed: int = BOOTSTRAP_SEED, bins: int = BINS
) -> tuple[float, float]:
    """Mean and 95th percentile of the ECE that perfectly calibrated ``p`` would still show.

    Outcomes are drawn from ``p`` itself; a measured ECE below this is noise, not miscalibration.
    """
    import numpy as np

    p = np.sort(np.asarray(p, dtype=float))
    if len(p) == 0:
        raise ValueError("the ECE of no games is undefined")
    generator = np.random.default_rng(seed)
    starts = np.unique(bin_index(p, bins), return_index=True)[1]
    expected = np.add.reduceat(p, starts)
    values = np.empty(draws)
    chunk = max(1, _CHUNK_CELLS // len(p))
    for start in range(0, draws, chunk):
        stop = min(start + chunk, draws)
        won = generator.random((stop - start, len(p)), dtype=np.float32) < p
        observed = np.add.reduceat(won, starts, axis=1, dtype=float)
        values[start:stop] = np.abs(expected - observed).sum(axis=1) / len(p)
    return float(values.mean()), float(np.percentile(values, 95))


def _checked(p: "ArrayLike", y: "ArrayLike") -> "tuple[np.ndarray, np.ndarray]":
    import numpy as np

    probability, outcome = np.asarray(p, dtype=float), np.asarray(y, dtype=float)
    if probability.shape != outcome.shape or probability.ndim != 1:
        raise ValueError(
            f"probabilities of shape {probability.shape} do not match outcomes of {outcome.shape}"
        )
    if len(probability) == 0:
        raise ValueError("no games to score")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise ValueError("a probability is missing or outside [0, 1]")
    if not ((outcome == 0) | (outcome == 1)).all():
        raise ValueError("an outcome is neither 0 nor 1; ties must be excluded before")
    return probability, outcome
