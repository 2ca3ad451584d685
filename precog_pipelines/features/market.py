"""Feature set ``market``: prices, only from quotes known at the moment.

Not in v1.0: a model that takes a price says so by its feature set. The last price known at the
decision is the closing price minus one hour. Simulated quotes never count, because they were made
from results, nor do quotes entered by hand. A closing line without a time of its own is assumed
known half an hour before the start, after the decision, and therefore never seen here.
"""

import numpy as np

from precog_pipelines.features.registry import Basis, feature
from precog_pipelines.features.situation import Floats, MarketStates, Situation


def _market(s: Situation) -> MarketStates:
    if s.market is None:
        raise ValueError("the situation was built without quotes")
    return s.market


QUOTES = Basis(
    "schedule ingest and the last quote used",
    lambda s: np.maximum(s.scheduled_known_at, _market(s).known_at),
)


@feature(
    "market_opening", category="market", unit="probability", basis=QUOTES, lowest=0, highest=1,
    feature_set="market",
)  # fmt: skip
def _market_opening(s: Situation) -> Floats:
    """Middle of bid and ask of the first known quote that the home team wins; undefined without
    one. From the away team's market, turned around, where the home team has none."""
    return _market(s).opening


@feature(
    "market_latest", category="market", unit="probability", basis=QUOTES, lowest=0, highest=1,
    feature_set="market",
)  # fmt: skip
def _market_latest(s: Situation) -> Floats:
    """As market_opening, of the last known quote: at the decision, the closing price minus an
    hour."""
    return _market(s).latest


@feature(
    "market_movement", category="market", unit="probability", basis=QUOTES, lowest=-1, highest=1,
    feature_set="market",
)  # fmt: skip
def _market_movement(s: Situation) -> Floats:
    """market_latest - market_opening."""
    return _market(s).latest - _market(s).opening
