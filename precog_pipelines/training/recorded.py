"""Recorded probabilities of models that never predict for trading, for comparisons."""

from typing import TYPE_CHECKING

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_pipelines.tracking.runs import Tracking
from precog_pipelines.training.records import latest_record, out_of_sample
from precog_pipelines.training.summary import ANCHORED

if TYPE_CHECKING:
    import pandas as pd

_FAMILY = "anchored"


def anchored_predictions(
    db: Database, tracking: Tracking, league: str
) -> "dict[str, pd.DataFrame]":
    """The newest walk-forward of the market-anchored model by its name; empty without one."""
    with db.connection() as conn:
        models = list(load_queries("training").select_league_models(conn, league=league))
    found = [m for m in models if m[1] == f"{league}-{_FAMILY}"]
    for model in reversed(found):
        record = latest_record(db, tracking, int(model[0]))
        if record is not None:
            return {ANCHORED: out_of_sample(tracking, record)}
    return {}
