"""Every league trains in the same backfill, on seasons that say they are made up."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.training import datasets, models
from precog_pipelines.features.store import write_features
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import write_ratings
from precog_pipelines.resources import MlflowResource
from tests.synthetic_league import made_up_league, store
from tests.trained_league import LEAGUE, Home

LEAGUES = ("nba", "mlb", "nhl", LEAGUE)
SEASONS = list(range(2009, 2013))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.requirement("ML-003")
def test_one_run_trains_all_leagues_and_a_second_one_finds_everything(
    league_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", league_home.tracking.uri)
    with league_home.db.transaction() as conn:
        for league in LEAGUES[:-1]:
            store(conn, made_up_league(league=league, seasons=SEASONS, teams=6, rounds=8))
            write_ratings(conn, league, SEASONS, elo_config().league(league))
            write_features(conn, league, SEASONS, now=NOW, dagster_run_id="run")

    def train() -> dg.ExecuteInProcessResult:
        return dg.materialize(
            dg.load_assets_from_modules([datasets, models]),
            selection=dg.AssetSelection.assets("training_datasets", "logistic_model"),
            instance=dg.DagsterInstance.ephemeral(),
            resources={"postgres": PostgresResource(), "mlflow": MlflowResource()},
            tags={
                "dagster/asset_partition_range_start": LEAGUES[0],
                "dagster/asset_partition_range_end": LEAGUES[-1],
            },
        )

    result = train()
    assert result.success
    recorded = (
        "SELECT m.league, count(*), bool_and(r.status = 'completed') FROM model_training_runs r"
        " JOIN probability_models m USING (model_id) GROUP BY 1 ORDER BY 1"
    )
    rows = {league: (n, complete) for league, n, complete in league_home.rows(recorded)}
    assert set(rows) == set(LEAGUES)
    # One fit for the season that can be tested, one for the season ahead.
    assert rows["nba"] == rows["mlb"] == rows["nhl"] == (2, True)
    client = league_home.tracking.client()
    for league in LEAGUES:
        experiment = client.get_experiment_by_name(f"precog/{league}/logistic")
        run = client.search_runs([experiment.experiment_id])[0]
        assert run.data.tags["data_source"] == "synthetic"
    before = league_home.rows(recorded)
    assert train().success
    assert league_home.rows(recorded) == before
