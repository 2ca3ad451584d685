"""Feature set ``ratings``: Glicko-2 and strength in points, each with how sure it is."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from precog_pipelines.features.registry import Basis, feature
from precog_pipelines.features.situation import (
    Floats,
    GlickoPair,
    GlickoStates,
    Situation,
    StrengthPair,
    StrengthStates,
)
from precog_pipelines.ratings.glicko import SCALE


def _glicko(s: Situation) -> GlickoPair:
    if s.glicko is None:
        raise ValueError("the situation was built without Glicko-2 ratings")
    return s.glicko


def _strength(s: Situation) -> StrengthPair:
    if s.strength is None:
        raise ValueError("the situation was built without strengths")
    return s.strength


def _basis(what: str, pair: Callable[[Situation], Any]) -> Basis:
    return Basis(
        f"schedule ingest and the latest result in either team's chain of {what}",
        lambda s: np.maximum(
            s.scheduled_known_at, np.maximum(pair(s).home.known_at, pair(s).away.known_at)
        ),
    )


GLICKO = _basis("Glicko-2 ratings", _glicko)
STRENGTH = _basis("strengths", _strength)


def _of_each_side(
    name: str, pair: Callable[[Situation], Any], compute: Callable[[Any], Floats], **fields: Any
) -> None:
    """Register ``compute`` of either side's states as ``<name>_home`` and ``<name>_away``."""
    text = " ".join((compute.__doc__ or "").split())

    def home(s: Situation) -> Floats:
        return compute(pair(s).home)

    def away(s: Situation) -> Floats:
        return compute(pair(s).away)

    for side, of_side in (("home", home), ("away", away)):
        of_side.__doc__ = f"{side.capitalize()} team: {text}"
        feature(f"{name}_{side}", category="rating", feature_set="ratings", **fields)(of_side)


def _glicko_rating(team: GlickoStates) -> Floats:
    """Glicko-2 rating before the game, one game a period, reverted in a new season."""
    return team.rating


def _glicko_deviation(team: GlickoStates) -> Floats:
    """Glicko-2 rating deviation before the game, grown by the periods without a game."""
    return team.deviation


def _glicko_volatility(team: GlickoStates) -> Floats:
    """Glicko-2 volatility: how erratic the team's results have been."""
    return team.volatility


_of_each_side("glicko_rating", _glicko, _glicko_rating, unit="rating points", basis=GLICKO)
_of_each_side(
    "glicko_deviation", _glicko, _glicko_deviation, unit="rating points", basis=GLICKO, lowest=0
)
_of_each_side("glicko_volatility", _glicko, _glicko_volatility, unit="none", basis=GLICKO, lowest=0)


@feature(
    "glicko_prob", category="rating", unit="probability", basis=GLICKO, lowest=0, highest=1,
    feature_set="ratings",
)  # fmt: skip
def _glicko_prob(s: Situation) -> Floats:
    """Glicko-2 probability that the home team wins: 1 / (1 + e^(-g(phi) (mu_home - mu_away + h)))
    with phi from both deviations and home advantage h unless the site is neutral."""
    pair = _glicko(s)
    both = np.hypot(pair.home.deviation, pair.away.deviation) / SCALE
    lead = (pair.home.rating - pair.away.rating + pair.advantage) / SCALE
    weight = 1.0 / np.sqrt(1.0 + 3.0 * both * both / (math.pi * math.pi))
    return 1.0 / (1.0 + np.exp(-weight * lead))


def _strength_points(team: StrengthStates) -> Floats:
    """Expected margin against an average team on neutral ground, a Kalman filter of margins."""
    return team.points


def _strength_deviation(team: StrengthStates) -> Floats:
    """Standard deviation of the team's strength."""
    return team.deviation


_of_each_side(
    "strength", _strength, _strength_points, unit="points or goals", basis=STRENGTH
)  # fmt: skip
_of_each_side(
    "strength_deviation", _strength, _strength_deviation, unit="points or goals", basis=STRENGTH,
    lowest=0,
)  # fmt: skip


@feature(
    "strength_margin", category="rating", unit="points or goals", basis=STRENGTH,
    feature_set="ratings",
)  # fmt: skip
def _strength_margin(s: Situation) -> Floats:
    """strength_home - strength_away, plus home advantage unless the site is neutral."""
    pair = _strength(s)
    return pair.home.points - pair.away.points + pair.advantage


@feature(
    "strength_prob", category="rating", unit="probability", basis=STRENGTH, lowest=0, highest=1,
    feature_set="ratings",
)  # fmt: skip
def _strength_prob(s: Situation) -> Floats:
    """P(home margin > 0) where the margin is normal around strength_margin with the variances of
    both strengths and of a single game."""
    pair = _strength(s)
    variance = pair.home.deviation**2 + pair.away.deviation**2 + pair.noise**2
    ratio = _strength_margin(s) / np.sqrt(2.0 * variance)
    return np.array([0.5 * (1.0 + math.erf(x)) for x in ratio.tolist()], dtype=np.float64)
