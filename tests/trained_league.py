"""A made-up league ready for training, and one fully trained: databases cloned per test.

Preparing costs seconds once per session, a clone a tenth of one. A conftest imports the
fixtures by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from precog_core.database import Database
from precog_core.database.migrations import migrate
from precog_pipelines.features.store import write_features
from precog_pipelines.predictions.issue import issue_predictions
from precog_pipelines.predictions.serving import serving_models
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import write_ratings
from precog_pipelines.tracking.runs import Tracking
from precog_pipelines.training.approval import approve
from precog_pipelines.training.boosted import train_boosted
from precog_pipelines.training.datasets import build_dataset, dataset_name
from precog_pipelines.training.elo_passes import train_elo
from precog_pipelines.training.ensemble import train_ensemble
from precog_pipelines.training.judging import judge_league, log_evaluations, write_evaluations
from precog_pipelines.training.regression import train_logistic
from tests.synthetic_league import made_up_league, store

LEAGUE = "ncaaf"
SEASONS = list(range(2009, 2015))
TESTED = [2012, 2013, 2014]
AHEAD = 2015
FAMILIES = ("elo", "ensemble", "logistic", "xgboost")
# A league in which Elo is a good and calibrated model: it then passes the gate by itself.
SEED = 4
NOW = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = count(1)


@dataclass(frozen=True)
class Home:
    """One installation: a database with its MLflow sister, and a folder for files."""

    name: str
    db: Database
    tracking: Tracking

    def rows(self, query: str, *params: object) -> list[tuple]:
        with self.db.connection() as conn:
            return conn.execute(query, params).fetchall()

    def value(self, query: str, *params: object) -> object:
        return self.rows(query, *params)[0][0]

    def train(self) -> None:
        train_elo(self.db, self.tracking, LEAGUE, "run-train")
        for fit in (train_boosted, train_logistic, train_ensemble):
            fit(self.db, self.tracking, LEAGUE, "run-train")


def _open(server, name: str, folder: Path) -> Home:
    db = server.database(name)
    uri = db.url("mlflow", driver="psycopg2")
    return Home(name, db, Tracking(uri, folder / "artifacts", "http://127.0.0.1:5000"))


def _clone(server, of: Home, folder: Path) -> Home:
    name = f"precog_models_{next(_numbers)}"
    of.db.close()
    server.disconnect(f"{of.name}_mlflow")  # MLflow's pool keeps what it has opened
    server.create(name, of.name)
    server.create(f"{name}_mlflow", f"{of.name}_mlflow")
    return _open(server, name, folder)


def _prepare(server, folder: Path) -> Home:
    """Games, ratings, features and a dataset; an empty tracking store."""
    server.create("precog_prepared")
    server.create("precog_prepared_mlflow")
    home = _open(server, "precog_prepared", folder)
    migrate(home.db)
    with home.db.transaction() as conn:
        store(conn, made_up_league(seed=SEED, seasons=SEASONS, teams=16, rounds=14))
        write_ratings(conn, LEAGUE, SEASONS, elo_config().league(LEAGUE))
        write_features(conn, LEAGUE, SEASONS, now=NOW, dagster_run_id="run-features")
        build_dataset(
            conn,
            LEAGUE,
            name=dataset_name(LEAGUE),
            artifact_dir=folder / "frozen",
            dagster_run_id="run-dataset",
            now=NOW,
        )
    home.tracking.client().search_experiments()
    home.db.close()
    return home


def _fit(server, prepared: Home, folder: Path) -> Home:
    home = _clone(server, prepared, folder)
    home.train()
    home.db.close()
    return home


def _approve(server, fitted: Home, folder: Path) -> Home:
    home = _clone(server, fitted, folder)
    judgement = judge_league(home.db, home.tracking, LEAGUE)
    write_evaluations(home.db, judgement)
    log_evaluations(home.tracking, judgement)
    approve(home.db, home.tracking, LEAGUE)
    served = serving_models(home.db, home.tracking, LEAGUE)
    with home.db.transaction() as conn:
        issue_predictions(
            conn, home.tracking, LEAGUE, SEASONS, served, dagster_run_id="run-predict"
        )
    home.db.close()
    return home


class _Leagues:
    """The templates of this process. Not fixtures of a session: two conftests share them."""

    prepared: Home | None = None
    fitted: Home | None = None
    trained: Home | None = None


@pytest.fixture
def _prepared(server, tmp_path_factory, monkeypatch) -> Home:
    if _Leagues.prepared is None:
        with monkeypatch.context() as patch:
            folder = tmp_path_factory.mktemp("prepared")
            patch.setenv("PRECOG_HOME", str(folder / "elsewhere"))
            _Leagues.prepared = _prepare(server, folder)
    return _Leagues.prepared


@pytest.fixture
def _fitted(server, _prepared, tmp_path_factory, monkeypatch) -> Home:
    if _Leagues.fitted is None:
        with monkeypatch.context() as patch:
            folder = tmp_path_factory.mktemp("fitted")
            patch.setenv("PRECOG_HOME", str(folder))
            _Leagues.fitted = _fit(server, _prepared, folder)
    return _Leagues.fitted


@pytest.fixture
def _trained(server, _fitted, tmp_path_factory, monkeypatch) -> Home:
    if _Leagues.trained is None:
        with monkeypatch.context() as patch:
            folder = tmp_path_factory.mktemp("trained")
            patch.setenv("PRECOG_HOME", str(folder))
            _Leagues.trained = _approve(server, _fitted, folder)
    return _Leagues.trained


@pytest.fixture
def league_home(server, _prepared, tmp_path, monkeypatch) -> Iterator[Home]:
    """A copy of the prepared league: ratings, features, dataset, nothing trained."""
    home = _clone(server, _prepared, tmp_path)
    monkeypatch.setenv("PRECOG_DATABASE_URL", home.db.base_url)
    yield home
    home.db.close()
    server.drop(home.name)


@pytest.fixture
def fitted_home(server, _fitted, tmp_path, monkeypatch) -> Iterator[Home]:
    """A copy of the fitted league: every model recorded, none judged or registered."""
    home = _clone(server, _fitted, tmp_path)
    monkeypatch.setenv("PRECOG_DATABASE_URL", home.db.base_url)
    yield home
    home.db.close()
    server.drop(home.name)


@pytest.fixture
def trained_home(server, _trained, tmp_path, monkeypatch) -> Iterator[Home]:
    """A copy of the trained league: evaluated, champion approved, predictions issued."""
    home = _clone(server, _trained, tmp_path)
    monkeypatch.setenv("PRECOG_DATABASE_URL", home.db.base_url)
    yield home
    home.db.close()
    server.drop(home.name)
