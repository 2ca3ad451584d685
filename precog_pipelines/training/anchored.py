"""The market-anchored model of a league: the price before the start, corrected by what we know.

It measures how much our numbers add to the market, on games with a price. That price is the last
one before the start. Closing lines of files carry no time of their own; they are assumed known
31 minutes before the start, after the moment at which predictions are issued, so this model is
recorded and compared and never predicts for trading.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from precog_core.database import Database
from precog_pipelines.sources.quotes_table import closing_probabilities
from precog_pipelines.tracking import anchored_model
from precog_pipelines.tracking.runs import Tracking
from precog_pipelines.training.config import AnchoredConfig, ModelsConfig, load_models_config
from precog_pipelines.training.datasets import Dataset
from precog_pipelines.training.fitting import Family, example_of, logged, train_family
from precog_pipelines.training.leagues import NotTrainable
from precog_pipelines.training.logistic import MARKET_COLUMN, Anchored, fit_anchored
from precog_pipelines.training.records import Record
from precog_pipelines.training.walk_forward import Estimator, Fit, Fold

if TYPE_CHECKING:
    import pandas as pd
    import psycopg

    from precog_pipelines.training.recording import LoggedModel

FAMILY = "anchored"


class NoPrices(NotTrainable):
    """The league has no market prices that a model may learn from."""


def train_anchored(
    db: Database, tracking: Tracking, league: str, dagster_run_id: str | None
) -> Record:
    """Walk forward over the priced games of the newest dataset; nothing if it is recorded.

    Raises NoPrices where every price is simulated (such prices are made from results) or there is
    none, or in too few seasons.
    """
    found: list[pd.DataFrame] = []

    def priced(conn: "psycopg.Connection", dataset: Dataset) -> "pd.DataFrame":
        seasons = sorted({int(season) for season in dataset.frame["season"]})
        prices = closing_probabilities(conn, league, seasons)
        prices = prices[prices["source"] != "simulated"]
        frame = dataset.frame.merge(
            prices[["game_id", "p_home", "source"]].rename(
                columns={"p_home": MARKET_COLUMN, "source": "market_source"}
            ),
            on="game_id",
        )
        if frame.empty:
            raise NoPrices(
                f"league {league} has no recorded or assumed price before a start: simulated ones "
                "are made from results and teach nothing; ingest market data first"
            )
        needed = load_models_config(conn).walk_forward.min_train_seasons + 1
        if frame["season"].nunique() < needed:
            raise NoPrices(
                f"league {league} has market prices in {frame['season'].nunique()} seasons; "
                f"{needed} are needed to learn a correction and test it"
            )
        found.append(frame)
        return frame

    def family_of(config: ModelsConfig, dataset: Dataset) -> Family:
        frame = found[-1].sort_values("game_key")
        digest = hashlib.sha256()
        digest.update("\n".join(frame["game_key"]).encode())
        digest.update(frame[MARKET_COLUMN].to_numpy(dtype="<f8").tobytes())
        sources = ", ".join(sorted(set(frame["market_source"])))
        inputs = [name for name in dataset.feature_names if name in config.anchored.features]
        return anchored_family(config, inputs, digest.hexdigest(), sources)

    return train_family(db, tracking, league, family_of, dagster_run_id, rows_of=priced)


def anchored_family(
    config: ModelsConfig, inputs: Sequence[str], prices_sha256: str, sources: str
) -> Family:
    """The corrected price; ``prices_sha256`` identifies the prices, ``sources`` their origin."""
    return Family(
        name=FAMILY,
        model_type="regression",
        version=config.anchored.version,
        definition=config.anchored.definition(),
        inputs=(*inputs, MARKET_COLUMN),
        fit=correction(config.anchored),
        store=_store,
        what="The market's last price before the start (no-vig), moved in logits by a correction "
        "learned from earlier seasons and shrunk towards none: "
        f"ridge penalty {config.anchored.shrinkage:g} on every weight. Inputs of the correction: "
        f"{', '.join(inputs)}. Prices: {sources}.",
        limits="needs a price that is known only shortly before the start; closing lines of files "
        "are assumed known 31 minutes before it. It cannot be traded against the price it is made "
        "from, and never predicts for trading.",
        # The price is calibrated better than a few seasons could teach.
        calibrate=False,
        extra={"prices_sha256": prices_sha256, "market_source": sources},
    )


def correction(config: AnchoredConfig) -> Fit:
    """The corrected price as walk_forward calls it."""

    def fit(train: "pd.DataFrame", feature_names: Sequence[str]) -> Estimator:
        return fit_anchored(train[list(feature_names)], train["home_win"], config)

    return fit


def _store(number: int, folds: Sequence[Fold], frame: "pd.DataFrame") -> "LoggedModel | None":
    if number < len(folds) - 1:
        return None
    fold = folds[number]
    anchored = cast(Anchored, fold.model.estimator)
    example = example_of(frame, fold, anchored.feature_names)

    def save(folder: Path) -> None:
        anchored_model.save(anchored, fold.model.calibration, folder)

    return logged(anchored_model.__name__, save, example, fold.model.predict(example))
