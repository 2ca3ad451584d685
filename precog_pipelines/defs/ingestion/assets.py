"""Assets ``games``, ``markets``, their quotes and settlements: facts from a source, by key.

Each is one transaction for all partitions of a run, so a file is stored whole or not at all, and
any chunking of seasons ends in the same rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import psycopg

from precog_core.database.queries import load_queries
from precog_dagster.metadata import markdown_table, table_metadata
from precog_dagster.partitions import league_season, seasons_by_league
from precog_dagster.resources import PostgresResource
from precog_pipelines.sources.config import SourcesConfig, league_config, sources_config
from precog_pipelines.sources.feeds import LeagueFeed, league_feed
from precog_pipelines.sources.games_table import store_games
from precog_pipelines.sources.kalshi.matching import REASONS, Unmatched, unmatched_rows
from precog_pipelines.sources.reference import store_league
from precog_pipelines.sources.teams import TeamDirectory


@dg.asset(
    partitions_def=league_season,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="ingestion",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    tags={"table": "games"},
    description=(
        "Fixtures and final results (table games), with the time from which each could be known. "
        "Source: the packaged sample, an nflverse file, nflverse itself, or recorded quotes. The "
        "same input again "
        "changes no row; a corrected score is known from now."
    ),
)
def games(context: dg.AssetExecutionContext, postgres: PostgresResource) -> dg.MaterializeResult:
    by_league = seasons_by_league(list(context.partition_keys))
    totals: dict[str, Any] = {"inserted": 0, "updated": 0, "unchanged": 0, "absent_from_source": 0}
    with postgres.database().transaction() as conn:
        settings = sources_config(conn)
        for league, seasons in by_league.items():
            config = league_config(league)
            teams = store_league(conn, league, config)
            source = league_feed(league, settings, teams).source
            retrieval = source.games(league, seasons)
            written = store_games(conn, league, retrieval, config, settings.backfill)
            totals["inserted"] += written.inserted
            totals["updated"] += written.updated
            totals["unchanged"] += written.unchanged
            totals["absent_from_source"] += written.absent
            totals |= {
                "data_source": source.label,
                "file": retrieval.snapshot.uri,
                "sha256": retrieval.snapshot.sha256,
                "licence": retrieval.snapshot.licence,
                "kickoffs_corrected": len(retrieval.corrections),
            }
            context.log.info(
                f"{league} {seasons[0]}-{seasons[-1]} from {retrieval.snapshot.uri}: "
                f"{written.inserted} new, {written.updated} changed, {written.unchanged} as before"
            )
        return dg.MaterializeResult(
            metadata=_metadata(
                conn, "games", "games", "stored_seasons", "games_preview", by_league, **totals
            )
        )


@dg.asset(
    partitions_def=league_season,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="ingestion",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    deps=[games],
    tags={"table": "markets"},
    description=(
        "Events and markets of games (tables series, events, markets, market_attributes) on the "
        "platform that this league is quoted on: two mirror markets a game on simulated (the "
        "sample) or closing_line (nflverse), the recorded ones on kalshi. YES pays for the team "
        "the ticker ends with. Recorded markets that fit no game are listed with the reason."
    ),
)
def markets(context: dg.AssetExecutionContext, postgres: PostgresResource) -> dg.MaterializeResult:
    by_league = seasons_by_league(list(context.partition_keys))
    totals: dict[str, Any] = {}
    unmatched: list[Unmatched] = []
    with postgres.database().transaction() as conn:
        settings = sources_config(conn)
        feeds = _feeds(conn, settings, by_league)
        for league, seasons in by_league.items():
            written, without_game = feeds[league].store_markets(conn, seasons)
            _add(totals, written)
            unmatched += without_game
        for one in unmatched:
            context.log.warning(f"{one.ticker}: {REASONS[one.reason]}: {one.detail}")
        platforms = {league: feed.platform_id for league, feed in feeds.items()}
        return dg.MaterializeResult(
            metadata=_metadata(
                conn,
                "markets",
                "markets",
                "markets_summary",
                "markets_preview",
                by_league,
                platforms,
                data_source=", ".join(
                    f"platform {name}" for name in sorted(set(platforms.values()))
                ),
                unmatched_markets=dg.MetadataValue.md(
                    markdown_table(unmatched_rows(unmatched), limit=500)
                ),
                **totals,
            )
        )


@dg.asset(
    partitions_def=league_season,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="ingestion",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    deps=[games, markets],
    tags={"table": "market_snapshots"},
    description=(
        "Quotes of the markets of each game (table market_snapshots) and bars (table "
        "market_candles). SIMULATED for the sample: generated from the results, hourly over "
        "the last day. ASSUMED FROM CLOSING LINES for nflverse: no-vig price, configured spread "
        "and size, taken as seen 31 minutes before kickoff; its exact price is a bar. RECORDED "
        "CANDLES: last trades of each minute, bid and ask assumed around them, known at the end "
        "of the minute. Never a feature."
    ),
)
def market_snapshots(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> dg.MaterializeResult:
    by_league = seasons_by_league(list(context.partition_keys))
    totals: dict[str, Any] = {"offered": 0, "inserted": 0, "differing": 0}

    def show(done: float, total: float) -> None:
        context.log.info(f"quotes of {done} of {total} markets written")

    with postgres.database().transaction() as conn:
        feeds = _feeds(conn, sources_config(conn), by_league)
        for league, seasons in by_league.items():
            written = feeds[league].store_quotes(conn, seasons, show)
            _add(totals, written)
            if written["differing"] or written.get("candles_differing"):
                context.log.warning(
                    f"{league}: {written['differing']} quotes and "
                    f"{written.get('candles_differing', 0)} candles differ from those stored for "
                    "the same instant; they never change, the first ones stay"
                )
        return dg.MaterializeResult(
            metadata=_metadata(
                conn,
                "market_snapshots",
                "quotes",
                "quotes_summary",
                "quotes_preview",
                by_league,
                {league: feed.platform_id for league, feed in feeds.items()},
                data_source="; ".join(feed.quotes_label for feed in feeds.values()),
                **totals,
            )
        )


@dg.asset(
    partitions_def=league_season,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="ingestion",
    kinds={"python", "postgres"},
    owners=["team:precog"],
    deps=[games, markets],
    tags={"part_of": "settlements"},
    description=(
        "What the venue paid for recorded markets (table settlements): final, and known once the "
        "result was and trading had ended. Nothing for simulated and assumed quotes, whose markets "
        "trading settles by the result of the game."
    ),
)
def market_settlements(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> dg.MaterializeResult:
    by_league = seasons_by_league(list(context.partition_keys))
    totals: dict[str, Any] = {}
    with postgres.database().transaction() as conn:
        feeds = _feeds(conn, sources_config(conn), by_league)
        for league, seasons in by_league.items():
            written = feeds[league].store_settlements(conn, seasons)
            _add(totals, written)
            if written["settlements_differing"]:
                context.log.warning(
                    f"{league}: {written['settlements_differing']} markets were settled otherwise "
                    "before; settlements never change, the stored ones stay"
                )
        return dg.MaterializeResult(
            metadata=_metadata(
                conn,
                "settlements",
                "recorded",
                "settlements_summary",
                "settlements_preview",
                by_league,
                {league: feed.platform_id for league, feed in feeds.items()},
                **totals,
            )
        )


def _feeds(
    conn: psycopg.Connection, settings: SourcesConfig, by_league: Mapping[str, Sequence[int]]
) -> dict[str, LeagueFeed]:
    return {
        league: league_feed(league, settings, TeamDirectory.stored(conn, league))
        for league in by_league
    }


def _add(totals: dict[str, Any], counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        totals[name] = totals.get(name, 0) + count


def _metadata(
    conn: psycopg.Connection,
    table: str,
    subject: str,
    summary: str,
    preview: str,
    by_league: dict[str, list[int]],
    platforms: Mapping[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Standard metadata of the partitions at hand; named statements give counts and a preview."""
    rows, first, last = 0, None, None
    shown: list[dict[str, Any]] = []
    if platforms is not None:
        more["platform"] = ", ".join(sorted(set(platforms.values())))
    for league, seasons in by_league.items():
        values: dict[str, Any] = {"league": league, "seasons": seasons}
        if platforms is not None:
            values["platform_id"] = platforms[league]
        count, begins, ends = getattr(load_queries(subject), summary)(conn, **values)
        rows += count
        first = min(filter(None, (first, begins)), default=None)
        last = max(filter(None, (last, ends)), default=None)
        shown += _as_dicts(conn, getattr(load_queries(subject), preview).sql, values)
    return table_metadata(conn, table, rows=rows, preview=shown, first=first, last=last, **more)


def _as_dicts(
    conn: psycopg.Connection, query: str, values: dict[str, Any]
) -> Sequence[dict[str, Any]]:
    with conn.cursor() as cursor:
        cursor.execute(query, values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
