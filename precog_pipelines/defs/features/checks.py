"""Checks of ``features_historical``.

The first is the one that everything else rests on: no value may depend on something that became
known after its own time.
"""

from datetime import UTC, datetime
from typing import get_args

import dagster as dg

from precog_core.database.queries import load_queries
from precog_dagster.partitions import LEAGUES
from precog_dagster.resources import PostgresResource
from precog_pipelines.features.config import FeatureSet, features_config
from precog_pipelines.features.registry import registered
from precog_pipelines.features.store import stored_feature_ids
from precog_pipelines.ratings.config import elo_config

ASSET = "features_historical"
SAMPLED_MOMENTS = 4


@dg.asset_check(
    asset=ASSET,
    blocking=True,
    description="No value was known after its own time or stands where its game was already over.",
)
def no_feature_from_the_future(postgres: PostgresResource) -> dg.AssetCheckResult:
    queries = load_queries("features")
    with postgres.database().transaction() as conn:
        late, late_example = queries.feature_leaks(conn)
        over, over_example = queries.result_leaks(conn)
    return dg.AssetCheckResult(
        passed=late == 0 and over == 0,
        metadata={
            "known_too_late": late,
            "after_the_result": over,
            "example": late_example or over_example or "none",
        },
    )


@dg.asset_check(
    asset=ASSET,
    blocking=True,
    description=(
        "One value per feature, game and time; every value belongs to a stored game, definition "
        "and retrieval. The table has no foreign keys, because they cost more than its rows."
    ),
)
def feature_keys(postgres: PostgresResource) -> dg.AssetCheckResult:
    queries = load_queries("features")
    with postgres.database().transaction() as conn:
        repeated = queries.feature_duplicates(conn)
        without_game, without_definition, without_snapshot = queries.orphan_values(conn)
    return dg.AssetCheckResult(
        passed=repeated == without_game == without_definition == without_snapshot == 0,
        metadata={
            "repeated_keys": repeated,
            "values_without_game": without_game,
            "values_without_definition": without_definition,
            "values_without_snapshot": without_snapshot,
        },
    )


@dg.asset_check(
    asset=ASSET,
    description="Values are finite and inside the range that their definition allows.",
)
def feature_ranges(postgres: PostgresResource) -> dg.AssetCheckResult:
    config = features_config()
    allowed = {
        f.key: (f.lowest, f.highest)
        for code in LEAGUES
        for f in registered(code, config, get_args(FeatureSet))
    }
    with postgres.database().transaction() as conn:
        found = list(load_queries("features").feature_ranges(conn))
    outside = {}
    for name, version, _, defined, lowest, highest, not_finite in found:
        low, high = allowed.get((name, version), (None, None))
        if defined and (
            not_finite
            or (low is not None and lowest < low)
            or (high is not None and highest > high)
        ):
            outside[name] = f"{lowest} to {highest}, allowed {low} to {high}"
    return dg.AssetCheckResult(
        passed=not outside,
        metadata={
            "features": len(found),
            "outside": dg.MetadataValue.json(outside),
        },
    )


@dg.asset_check(
    asset=ASSET,
    blocking=True,
    description="A game has all registered features of its league at a moment, or none.",
)
def feature_completeness(postgres: PostgresResource) -> dg.AssetCheckResult:
    config = features_config()
    examples = []
    with postgres.database().transaction() as conn:
        for league in LEAGUES:
            feature_ids = stored_feature_ids(conn, registered(league, config, config.stored_sets))
            if not feature_ids:
                continue
            examples += [
                f"{key} at {at:%Y-%m-%d %H:%M}: {count} of {len(feature_ids)}"
                for key, at, count in load_queries("features").incomplete_games(
                    conn, feature_ids=feature_ids, league=league
                )
            ]
    return dg.AssetCheckResult(
        passed=not examples,
        metadata={"incomplete": dg.MetadataValue.json(examples)},
    )


@dg.asset_check(
    asset=ASSET,
    description=(
        "Every value stands at a moment of its game: dates that were moved or mixed up after the "
        "features were computed show here. Materialise the season again."
    ),
)
def feature_moments(postgres: PostgresResource) -> dg.AssetCheckResult:
    config = features_config()
    with postgres.database().transaction() as conn:
        misplaced, example = load_queries("features").values_at_no_moment(
            conn,
            decision_s=config.lead("decision").total_seconds(),
            day_before_s=config.lead("day_before").total_seconds(),
        )
    return dg.AssetCheckResult(
        passed=misplaced == 0,
        metadata={"values_at_no_moment": misplaced, "example": example or "none"},
    )


@dg.asset_check(
    asset=ASSET,
    blocking=True,
    description=(
        "Sampled moments, built again from what was known then (truncation) and with everything "
        "known later replaced by nonsense (poison), give the stored values of every feature."
    ),
)
def leak_proofs(postgres: PostgresResource) -> dg.AssetCheckResult:
    from precog_pipelines.features.proofs import leaks

    config = features_config()
    proven, found = 0, []
    with postgres.database().transaction() as conn:
        for league in LEAGUES:
            features = registered(league, config, config.stored_sets)
            feature_ids = stored_feature_ids(conn, features)
            if len(feature_ids) != len(features):
                continue
            stored = list(
                load_queries("features").seasons_with_values(
                    conn, league=league, feature_ids=feature_ids
                )
            )
            if not stored:
                continue
            # New rows draw another sample, the same rows the same one.
            seed = max(newest for _, newest in stored)
            season = stored[seed % len(stored)][0]
            moments, failed = leaks(
                conn,
                league,
                season,
                features,
                feature_ids,
                samples=SAMPLED_MOMENTS,
                seed=seed,
                now=datetime.now(UTC),
                elo=elo_config().league(league),
                config=config,
            )
            proven += moments
            found += failed
    return dg.AssetCheckResult(
        passed=not found,
        metadata={
            "moments": proven,
            "leaks": len(found),
            "examples": dg.MetadataValue.json(found[:10]),
        },
    )
