"""The asset ``backtest``: a season of stored quotes through the rules of paper trading."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from precog_dagster.partitions import league_season, seasons_by_league
from precog_dagster.resources import PostgresResource
from precog_trading.defs.trading.assets import GROUP, OWNERS

_LEAD = timedelta(days=2)
_LAG = timedelta(days=2)
_MOST_PICTURES = 3
# Stored as JSON, which keeps no order of its own.
_REASON = ("purpose", "exit_condition", "reason", "candidates")
_ENDED = ("exit_reason", "positions", "won", "net")
_PROFIT = (
    "strategy_name", "model_name", "method_name", "positions", "realised", "settlement", "fees",
    "net",
)  # fmt: skip


class BacktestConfig(dg.Config):
    """What to replay; without a method every one that may trade the league in paper."""

    method: str | None = Field(default=None, description="Method name; drafts are allowed.")
    version: str | None = Field(default=None, description="Its version; default: the newest.")
    seed: int = Field(default=0, description="Part of the run's identity.")


@dg.asset(
    deps=["predictions", "market_snapshots", "games"],
    partitions_def=league_season,
    # One replay at a time and one run for a range: a season's account starts afresh anyway.
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="training",
    group_name=GROUP,
    kinds={"python", "postgres", "mlflow"},
    owners=OWNERS,
    tags={"table": "backtest_runs"},
    description=(
        "A season's stored quotes replayed through the same decisions, paper exchange and ledger "
        "rules as paper trading, written into the same tables under a run id and logged to MLflow. "
        "The same method, rules, code and data find the run that is there."
    ),
)
def backtest(
    context: dg.AssetExecutionContext, config: BacktestConfig, postgres: PostgresResource
) -> dg.MaterializeResult:
    from precog_dagster.metadata import column_schema, inline_png, markdown_table
    from precog_trading.backtest.report import calibration, caveats, entries_of, run_equity
    from precog_trading.backtest.runs import Request, run_backtest
    from precog_trading.backtest.tracking import BacktestTracking, log_run
    from precog_trading.ledger.statements import one, rows
    from precog_trading.registry import register_configured

    database = postgres.database()
    tracking = BacktestTracking.of(database)
    with database.transaction() as conn:
        register_configured(conn)
    made: list[dict[str, Any]] = []
    pictures: dict[str, Any] = {}
    told: list[str] = []
    missing: list[str] = []
    cut = seasons_by_league(list(context.partition_keys))
    for league, season in sorted((code, year) for code, years in cut.items() for year in years):
        with database.transaction() as conn:
            period = one(
                conn, "backtest", "season_period", league=league, season=season,
                lead_s=_LEAD.total_seconds(), lag_s=_LAG.total_seconds(),
            )  # fmt: skip
            names = (
                [(config.method, config.version)]
                if config.method
                else [
                    (row["method_name"], row["method_version"])
                    for row in rows(conn, "backtest", "methods_of_league", league=league)
                ]
            )
        if period is None or not period["games"] or not names:
            missing.append(f"{league} {season}")
            continue
        for name, version in names:
            request = Request(
                name, league, period["first"], period["last"], version, config.seed,
                context.run.run_id,
            )  # fmt: skip
            done = run_backtest(
                database, request, track=tracking.run_for(league), log=context.log.info
            )
            url = log_run(tracking, database, done.backtest_run_id)
            metrics = done.metrics
            made.append(
                {
                    "run": done.run_name, "league": league, "season": season,
                    "net": metrics["net"], "max_drawdown": f"{metrics['max_drawdown']:.4f}",
                    "entries": metrics["entries"], "turnover": metrics["turnover"],
                    "fees": metrics["fees"], "clv": _figure(metrics["clv_mean"]),
                    "brier of entries": _figure(metrics["entry_brier"]),
                    "decisions": metrics["decisions"], "was there": done.was_there,
                    "plots": f"[MLflow]({url})" if url else "-",
                }
            )  # fmt: skip
            told += [sentence for sentence in caveats(metrics) if sentence not in told]
            if len(pictures) < 2 * _MOST_PICTURES:
                from precog_trading.backtest import plots

                with database.transaction() as conn:
                    curve = run_equity(conn, done.backtest_run_id)
                    entries = entries_of(conn, done.backtest_run_id)
                label = f"{name} {league} {season}"
                pictures[f"equity {label}"] = inline_png(label, plots.equity(curve, label))
                pictures[f"calibration {label}"] = inline_png(
                    label, plots.calibration(calibration(entries), label)
                )
            pictures[f"reasons {name} {league} {season}"] = dg.MetadataValue.md(
                markdown_table(_columns(metrics["reasons"], _REASON))
            )
            pictures[f"exits {name} {league} {season}"] = dg.MetadataValue.md(
                markdown_table(_columns(metrics["positions"], _ENDED))
            )
            pictures[f"P&L {name} {league} {season}"] = dg.MetadataValue.md(
                markdown_table(_columns(metrics["pnl"], _PROFIT))
            )
    if not made:
        raise dg.Failure(
            f"nothing to replay in {', '.join(missing)}: no games of that season, or no method in "
            "testing or active state for that league; name a draft in the run's configuration"
        )
    with database.transaction() as conn:
        schema = column_schema(conn, "backtest_runs")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(made),
            "dagster/table_name": "precog.public.backtest_runs",
            "dagster/column_schema": schema,
            "net": sum(float(row["net"]) for row in made),
            "runs": dg.MetadataValue.md(markdown_table(_figures_down(made))),
            "what the fill model cannot know": dg.MetadataValue.md(
                "\n".join(f"- {sentence}" for sentence in told)
            ),
            "without games or method": ", ".join(missing) or "none",
            **pictures,
        }
    )


@dg.asset_check(
    asset="backtest",
    name="no_look_ahead_in_replay",
    description=(
        "The last week of the newest backtest, replayed over a past that is cut and corrupted at "
        "three moments: no decision before may change, and with shuffled results the model must "
        "score no better than knowing nothing."
    ),
)
def no_look_ahead_in_replay(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    from precog_trading.backtest.look_ahead import audit_look_ahead
    from precog_trading.backtest.runs import Request
    from precog_trading.ledger.statements import one

    database = postgres.database()
    with database.transaction() as conn:
        run = one(conn, "backtest", "run_to_audit")
    if run is None:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description="there is no completed backtest with decisions; materialise one first",
        )
    request = Request(
        run["method_name"], run["league"], run["first"], run["last"], run["method_version"]
    )
    found = audit_look_ahead(database, request, log=context.log.info)
    content = found.as_dict()
    return dg.AssetCheckResult(
        passed=found.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "run": run["run_name"],
            "first": run["first"].isoformat(),
            "last": run["last"].isoformat(),
            "decisions_compared": found.decisions,
            "differences": dg.MetadataValue.json(content["differences"][:20]),
            "shuffled": dg.MetadataValue.json(content["shuffled"]),
        },
    )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _columns(found: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in found]


def _figures_down(made: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One column a run: the page cuts what is wider than itself."""
    return [
        {"figure": name, **{str(n): row[name] for n, row in enumerate(made, start=1)}}
        for name in made[0]
    ]
