"""Ratings, features and datasets follow their inputs by themselves, and only then."""

import dagster as dg
import pytest

from precog_dagster.partitions import league_season
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.features import assets as feature_assets
from precog_pipelines.defs.features import checks as feature_checks
from precog_pipelines.defs.ratings import assets as rating_assets
from precog_pipelines.defs.ratings import checks as rating_checks
from precog_pipelines.defs.training import datasets as dataset_assets


@dg.asset(partitions_def=league_season)
def games() -> None:
    """Stands for ingestion: only its events matter here."""


DEFINITIONS = dg.Definitions(
    assets=[
        games,
        *dg.load_assets_from_modules([rating_assets, feature_assets, dataset_assets]),
    ],
    asset_checks=dg.load_asset_checks_from_modules([rating_checks, feature_checks]),
    resources={"postgres": PostgresResource()},
)


class Watch:
    """Evaluates the conditions again and again, as the daemon does."""

    def __init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.cursor = None
        self.requested()

    def happened(self, asset: str, partition: str | None = None) -> None:
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(asset, partition=partition)
        )

    def checked(self, asset: str, check: str, passed: bool) -> None:
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(asset), check_name=check, passed=passed, metadata={},
                blocking=True,
            )
        )  # fmt: skip

    def passed(self, asset: str) -> None:
        """Every blocking check of the asset passed, whatever their names."""
        graph = DEFINITIONS.resolve_asset_graph()
        for key in graph.asset_check_keys:
            if key.asset_key == dg.AssetKey(asset) and graph.get(key).blocking:
                self.checked(asset, key.name, passed=True)

    def requested(self) -> set[tuple[str, str | None]]:
        result = dg.evaluate_automation_conditions(DEFINITIONS, self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        return {
            (key.to_user_string(), partition)
            for key in DEFINITIONS.resolve_asset_graph().get_all_asset_keys()
            for partition in result.get_requested_partitions(key)
        }


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_nothing_new_requests_nothing(watch: Watch) -> None:
    assert watch.requested() == set()
    assert watch.requested() == set()


def test_new_games_request_the_ratings_of_their_season_only(watch: Watch) -> None:
    watch.happened("games", "nfl|2010")
    assert watch.requested() == {("elo_ratings", "nfl|2010")}
    assert watch.requested() == set()


@pytest.mark.requirement("ORCH-006")
def test_new_ratings_request_features_once_the_chain_check_passed(watch: Watch) -> None:
    watch.happened("games", "nfl|2010")
    watch.requested()
    watch.happened("elo_ratings", "nfl|2010")
    watch.passed("elo_ratings")
    watch.checked("elo_ratings", "rating_chain", passed=False)
    assert watch.requested() == set()
    watch.checked("elo_ratings", "rating_chain", passed=True)
    assert watch.requested() == {("features_historical", "nfl|2010")}


def test_new_features_of_any_season_request_the_dataset(watch: Watch) -> None:
    watch.passed("features_historical")
    watch.happened("features_historical", "nfl|2010")
    assert watch.requested() == {("training_datasets", "nfl")}
    assert watch.requested() == set()
    # The seasons before 2010 are missing for ever and do not hold it up; a leak does.
    watch.checked("features_historical", "no_feature_from_the_future", passed=False)
    watch.happened("features_historical", "nfl|2011")
    assert watch.requested() == set()
