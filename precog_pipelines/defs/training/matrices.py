"""Asset ``probability_matrices``: how often a side in a given state of the game went on to win."""

from typing import Any

import dagster as dg

from precog_core.database.queries import load_queries
from precog_dagster.metadata import inline_png, markdown_table, table_metadata
from precog_dagster.partitions import league as by_league
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.training.models import ANY_SEASON

TABLE = "probability_matrices"


@dg.asset(
    key=TABLE,
    deps=[
        dg.AssetDep("games", partition_mapping=ANY_SEASON),
        dg.AssetDep("elo_ratings", partition_mapping=ANY_SEASON),
    ],
    partitions_def=by_league,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="training",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    tags={"table": TABLE},
    check_specs=[
        dg.AssetCheckSpec(
            "matrix_cells",
            asset=TABLE,
            description=(
                "No probability falls as the lead grows, each lies inside its interval, and every "
                "cell counts games."
            ),
        )
    ],
    description=(
        "How often the favourite won, by period and lead (where the source has points by period; "
        "favourites by Elo) and by closing spread (where it has spreads): share, Wilson's 95 % "
        "interval, number of games, seasons counted. Smoothed so that a larger lead is never "
        "worse; fewer than 30 games give no estimate. The same games keep their version, other "
        "counts become the next one. Nothing predicts with them yet."
    ),
)
def probability_matrices(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> dg.MaterializeResult:
    from precog_pipelines.matrices.config import matrices_config
    from precog_pipelines.matrices.plots import matrix_plot
    from precog_pipelines.matrices.tables import store_matrices
    from precog_pipelines.tracking.plots import png

    metadata: dict[str, Any] = {}
    unsound: list[tuple[Any, ...]] = []
    preview: list[dict[str, Any]] = []
    rows = 0
    with postgres.database().transaction() as conn:
        config = matrices_config(conn)
        for league in context.partition_keys:
            matrices = store_matrices(conn, league, config)
            unsound += load_queries("matrices").unsound_cells(conn, league=league)
            if not matrices:
                metadata[f"{league}_left_out"] = (
                    "the source of this league has neither points by period nor closing spreads"
                )
            for matrix in matrices:
                context.log.info(
                    f"{matrix.name} {matrix.version}: {len(matrix.estimates)} cells of "
                    f"{matrix.games} games, {'new' if matrix.created else 'as before'}"
                )
                rows += len(matrix.estimates)
                shown = [
                    {
                        "state": cell.state,
                        "favourite": cell.favourite or "any",
                        "ahead by": cell.bucket.name,
                        "games": cell.n,
                        "won": cell.wins,
                        "share": cell.share,
                        "P(win)": cell.p if cell.enough else None,
                        "low": cell.low if cell.enough else None,
                        "high": cell.high if cell.enough else None,
                    }
                    for cell in matrix.cells
                ]
                metadata |= {
                    f"{matrix.name}": dg.MetadataValue.md(markdown_table(shown, len(shown))),
                    f"{matrix.name}_picture": inline_png(matrix.name, png(matrix_plot(matrix))),
                    f"{matrix.name}_version": matrix.version,
                    f"{matrix.name}_games": matrix.games,
                    f"{matrix.name}_ties_left_out": matrix.ties,
                    f"{matrix.name}_without_favourite": matrix.without_favourite,
                    f"{matrix.name}_seasons": f"{matrix.seasons[0]}–{matrix.seasons[1]}",
                    f"{matrix.name}_too_few_games": len(matrix.cells) - len(matrix.estimates),
                }
                preview.append(
                    {
                        "matrix": matrix.name,
                        "version": matrix.version,
                        "cells": len(matrix.estimates),
                        "games": matrix.games,
                        "new": matrix.created,
                    }
                )
        return dg.MaterializeResult(
            metadata=table_metadata(conn, TABLE, rows=rows, preview=preview, **metadata),
            check_results=[
                dg.AssetCheckResult(
                    check_name="matrix_cells",
                    passed=not unsound,
                    metadata={
                        "problems": dg.MetadataValue.json([list(one) for one in unsound]),
                    },
                )
            ],
        )
