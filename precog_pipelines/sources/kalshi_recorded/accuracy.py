"""How well a market's prices foretold: Brier score and log loss of the last trade before a moment.

Computed from stored candles, each read only from its end on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_core.progress import Progress, unseen
from precog_pipelines.sources.kalshi_recorded.markets import PLATFORM


@dataclass(frozen=True, slots=True)
class PriceAccuracy:
    """Scores of the last trade at or before ``lead_min`` minutes before the start.

    ``ece`` over ten bins; ``median_age_s`` and ``oldest_s``: seconds since that trade.
    """

    lead_min: int
    n: int
    brier: float
    log_loss: float
    ece: float
    median_age_s: float
    oldest_s: float


def price_accuracy(
    conn: psycopg.Connection,
    league: str,
    leads_min: Sequence[int] = (0, 60, 360),
    platform_id: str = PLATFORM,
    progress: Progress = unseen,
) -> list[PriceAccuracy]:
    """One row per lead that any game has a price for. PrecogError without any price at all."""
    import numpy as np

    from precog_pipelines.training.metrics import scores

    found: list[PriceAccuracy] = []
    for number, lead in enumerate(leads_min):
        progress(number, len(leads_min))
        rows = list(
            load_queries("recorded").prices_before_start(
                conn, league=league, platform_id=platform_id, lead_s=lead * 60
            )
        )
        if not rows:
            continue
        ages = np.array([float(row[4]) for row in rows])
        scored = scores(
            np.array([float(row[2]) for row in rows]), np.array([row[3] for row in rows])
        )
        found.append(
            PriceAccuracy(
                lead_min=lead,
                n=len(rows),
                brier=scored.brier,
                log_loss=scored.log_loss,
                ece=scored.ece,
                median_age_s=float(np.median(ages)),
                oldest_s=float(ages.max()),
            )
        )
    if not found:
        raise PrecogError(
            f"no candles of {platform_id} before any finished game of {league}; load them with "
            "`precog quotes load FOLDER`, or materialize market_candles"
        )
    return found
