"""The feature store's reading side: one row a game, one column a feature.

Everything that fits or predicts reads features here and nowhere else, so training and serving
cannot differ.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import psycopg

from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.features.config import Moment, features_config
from precog_pipelines.features.registry import registered
from precog_pipelines.features.store import find_definitions

if TYPE_CHECKING:
    import pandas as pd

KEY_COLUMNS = ("game_id", "game_key", "season", "kickoff_at", "event_ts", "known_at")


def feature_names(league: str, sets: Collection[str] = ("v1.0",)) -> list[str]:
    """The registered features of ``league`` in ``sets``, in column order."""
    return [feature.name for feature in registered(league, features_config(), sets)]


def feature_matrix(
    conn: psycopg.Connection,
    league: str,
    seasons: Sequence[int],
    moment: Moment,
    *,
    include_unknown_start: bool = False,
    sets: Collection[str] = ("v1.0",),
) -> "pd.DataFrame":
    """The stored features of ``seasons`` at ``moment``, sorted by ``game_key``.

    Columns: ``game_id``, ``game_key``, ``season``, ``kickoff_at``, ``event_ts`` (the moment),
    ``known_at`` (latest input of any feature; never after ``event_ts``), then one ``float64``
    column per registered feature of ``sets``, NaN where undefined. Instants are UTC. Games whose
    start is unknown have only a decision moment and come only with ``include_unknown_start``.

    The day-before moment of a game that was announced later than that is its announcement.
    A game without stored features (its moment lies ahead, or it was announced later) has no row.
    Raises PrecogError when a game has only some of the registered features.
    """
    import numpy as np
    import pandas as pd

    config = features_config()
    features = registered(league, config, sets)
    feature_ids = find_definitions(conn, features)
    rows = list(
        load_queries("features").feature_matrix(
            conn,
            league=league,
            seasons=list(seasons),
            feature_ids=feature_ids,
            lead_s=config.lead(moment).total_seconds(),
            is_decision=moment == "decision",
            include_unknown_start=include_unknown_start,
        )
    )
    for *key, values in rows:
        if len(values) != len(features):
            raise PrecogError(
                f"game {key[1]} has {len(values)} of {len(features)} features at its {moment} "
                f"moment; materialise features_historical for {league}|{key[2]} again"
            )
    frame = pd.DataFrame([row[:-1] for row in rows], columns=list(KEY_COLUMNS))
    for column in ("game_id", "season"):
        frame[column] = frame[column].astype("int64")
    for column in ("kickoff_at", "event_ts", "known_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True).astype("datetime64[us, UTC]")
    values = np.array([row[-1] for row in rows], dtype="float64").reshape(len(rows), len(features))
    return pd.concat(
        [frame, pd.DataFrame(values, columns=[feature.name for feature in features])], axis=1
    )
