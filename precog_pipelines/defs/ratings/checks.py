"""Checks of ``elo_ratings``: what must hold for every history, whatever the games were."""

import dagster as dg

from precog_core.database.queries import load_queries
from precog_dagster.resources import PostgresResource
from precog_pipelines.models import find_model
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import model_name


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "rating_chain",
            asset="elo_ratings",
            blocking=True,
            description=(
                "Two rows a game that move by equal and opposite amounts, and every team enters a "
                "game with the rating it left the last one with (reverted in a new season). A "
                "broken link means that seasons after a correction were not materialised again."
            ),
        ),
        dg.AssetCheckSpec(
            "rating_after_result",
            asset="elo_ratings",
            blocking=True,
            description=(
                "No rating may be used before the result it rests on is known: with a same-day "
                "rating a game would be predicted from its own score."
            ),
        ),
        dg.AssetCheckSpec(
            "ratings_in_range",
            asset="elo_ratings",
            description="Ratings outside the configured range mean wrong parameters or wrong data.",
        ),
    ]
)
def elo_ratings_checks(postgres: PostgresResource):  # type: ignore[no-untyped-def]
    config = elo_config()
    problems: dict[str, dict[str, object]] = {}
    lowest: dict[str, float] = {}
    highest: dict[str, float] = {}
    rows = early = 0
    example = None
    with postgres.database().transaction() as conn:
        for league, elo in config.leagues.items():
            model_id = find_model(conn, model_name(league), elo.version)
            if model_id is None:
                continue
            count, unpaired, drifting, broken, season, low, high = load_queries(
                "ratings"
            ).rating_problems(
                conn, model_id=model_id, league=league, mean=elo.mean, reversion=elo.reversion
            )
            too_early, first = load_queries("ratings").ratings_before_their_result(
                conn, model_id=model_id, league=league
            )
            early += too_early
            example = example or first
            rows += count
            if count:
                lowest[league], highest[league] = low, high
            if unpaired or drifting or broken:
                problems[league] = {
                    "games without two rows": unpaired,
                    "games that do not conserve the sum": drifting,
                    "broken links": broken,
                    "materialise again from season": season,
                }
    yield dg.AssetCheckResult(
        asset_key="elo_ratings",
        check_name="rating_chain",
        passed=not problems,
        metadata={"rows": rows, "problems": dg.MetadataValue.json(problems)},
    )
    yield dg.AssetCheckResult(
        asset_key="elo_ratings",
        check_name="rating_after_result",
        passed=early == 0,
        metadata={"known_too_early": early, "example": example or "none"},
    )
    outside = [
        league
        for league in lowest
        if lowest[league] < config.alert_below or highest[league] > config.alert_above
    ]
    yield dg.AssetCheckResult(
        asset_key="elo_ratings",
        check_name="ratings_in_range",
        passed=not outside,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "lowest": dg.MetadataValue.json(lowest),
            "highest": dg.MetadataValue.json(highest),
            "allowed": f"{config.alert_below:g} to {config.alert_above:g}",
        },
    )
