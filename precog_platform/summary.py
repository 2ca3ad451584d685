"""What a person sees when the work is done: the models beside the market, and the money.

The summary is computed from the database alone and kept as ``summary.json`` in the home, so that
`precog summary` answers without any server.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_platform.bootstrap import LEAGUE, StageBook

_FILE = "summary.json"
_EVALUATED_SEASONS = 8
_FIRST_TEST_OFFSET = 3
_OUTCOMES_SHOWN = 8

_COUNTS = """
SELECT (SELECT count(*) FROM games) AS games,
       (SELECT count(*) FROM games WHERE home_score = away_score) AS ties,
       (SELECT count(*) FROM elo_rating_history) AS rating_rows,
       (SELECT count(*) FROM features_historical) AS feature_rows,
       (SELECT count(*) FROM training_datasets WHERE feature_count > 0) AS datasets,
       (SELECT count(*) FROM predictions) AS predictions,
       (SELECT count(*) FROM market_snapshots) AS quotes
"""
_SOURCES = """
SELECT ARRAY(SELECT DISTINCT source FROM games ORDER BY source),
       ARRAY(SELECT DISTINCT source FROM market_snapshots ORDER BY source)
"""
_LABELS = {
    "sample": "real NFL results 2009-2019 that ship with Precog",
    "nflverse": "real NFL results from nflverse",
    "manual": "entered by hand",
    "simulated": "SIMULATED quotes (generated from the results; not market prices)",
    "assumed_closing_line": "quotes ASSUMED FROM CLOSING LINES (declared 31-minute look-ahead)",
    "recorded": "recorded market quotes",
    "recorded_candle": "recorded Kalshi trades, bid and ask assumed around them",
    "kalshi_recorded": "real NBA results recorded beside Kalshi's candles",
}


def build_summary(database: Database, seasons: list[int], book: StageBook) -> dict[str, Any]:
    """The summary as plain JSON values; money as strings, scores as numbers."""
    from precog_pipelines.training.summary import brier_summary
    from precog_trading.reports.summary import trading_summary

    last = seasons[-1]
    first = max(seasons[0] + _FIRST_TEST_OFFSET, last - _EVALUATED_SEASONS + 1)
    with database.transaction() as conn:
        cursor = conn.execute(_COUNTS)
        names = [column.name for column in cursor.description or ()]
        counts = dict(zip(names, cursor.fetchone() or (), strict=True))
        games_sources, quote_sources = conn.execute(_SOURCES).fetchone() or ([], [])
        scores = brier_summary(conn, LEAGUE, first, last)
        trading = trading_summary(conn)
    return {
        "generated_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "league": LEAGUE,
        "seasons": [seasons[0], last],
        "data_source": {
            "games": [_label(name) for name in games_sources],
            "quotes": [_label(name) for name in quote_sources],
            "trades": trading.pop("data_source"),
        },
        **counts,
        "evaluated_seasons": [first, last],
        "evaluated_games": {name: row["n"] for name, row in scores.items()},
        "brier": {name: round(row["brier"], 4) for name, row in scores.items()},
        "log_loss": {name: round(row["log_loss"], 4) for name, row in scores.items()},
        "verdict": _verdict(scores),
        **_plain(trading),
        "stage_seconds": book.seconds,
    }


def save_summary(home: Path, content: dict[str, Any]) -> None:
    """Keep the summary of this home, replacing the last one in one step."""
    partial = home / (_FILE + ".new")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    partial.rename(home / _FILE)


def load_summary(home: Path) -> dict[str, Any]:
    """The last summary of this home; PrecogError when there is none yet."""
    path = home / _FILE
    if not path.exists():
        raise PrecogError(f"{home} has no summary yet; run `precog up` or `precog bootstrap` first")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def render_summary(console: Console, content: dict[str, Any]) -> None:
    """Print the summary as tables."""
    console.rule("Precog summary")
    source = content["data_source"]
    console.print(f"Games:  {'; '.join(source['games'])}")
    console.print(f"Quotes: {'; '.join(source['quotes'])}")
    console.print(
        f"{content['games']:,} games, {content['quotes']:,} quotes, "
        f"{content['rating_rows']:,} rating rows, {content['feature_rows']:,} feature rows, "
        f"{content['datasets']} training datasets, {content['predictions']:,} predictions"
    )
    console.print(_score_table(content))
    console.print(content["verdict"])
    console.print(_trading_table(content))
    console.print(_pnl_table(content))
    seconds = content["stage_seconds"]
    console.print(
        "Time: "
        + ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
        + f"; total {sum(seconds.values()):.1f} s"
    )


def _score_table(content: dict[str, Any]) -> Table:
    first, last = content["evaluated_seasons"]
    table = Table(title=f"Out of sample, seasons {first}-{last}, same games (lower is better)")
    for heading in ("", "Games", "Brier", "Log loss"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, brier in sorted(content["brier"].items(), key=lambda item: item[1]):
        table.add_row(
            name.replace("_", " "),
            f"{content['evaluated_games'][name]:,}",
            f"{brier:.4f}",
            f"{content['log_loss'][name]:.4f}",
        )
    return table


def _trading_table(content: dict[str, Any]) -> Table:
    table = Table(title="Paper trading", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("ticks (batches of quotes)", f"{content['ticks']:,}")
    table.add_row("decisions", f"{content['decisions']:,}")
    for outcome, count in list(content["decisions_by_outcome"].items())[:_OUTCOMES_SHOWN]:
        table.add_row(f"  {outcome}", f"{count:,}")
    for name in ("orders", "fills", "trades", "positions"):
        table.add_row(name, f"{content[name]:,}")
    for status, count in content["positions_by_status"].items():
        table.add_row(f"  {status}", f"{count:,}")
    table.add_row("deposits", _dollars(content["deposits"]))
    table.add_row("cash now", _dollars(content["cash"]))
    table.add_row("open positions at cost", _dollars(content["open_cost"]))
    table.add_row("net P&L", _dollars(content["net"]))
    table.add_row("largest drawdown", f"{100 * float(content['max_drawdown']):.1f} %")
    table.add_row("ledger balances", "yes" if content["ledger_balanced"] else "NO")
    return table


def _pnl_table(content: dict[str, Any]) -> Table:
    table = Table(title="P&L by strategy × model")
    for heading in ("Strategy", "Model", "Positions", "Fees", "Net P&L"):
        table.add_column(heading, justify="left" if heading in ("Strategy", "Model") else "right")
    for row in content["pnl"]:
        table.add_row(
            f"{row['strategy_name'] or 'unattributed'} {row['strategy_version'] or ''}",
            f"{row['model_name'] or ''} {row['model_version'] or ''}",
            f"{row['positions']:,}",
            _dollars(row["fees"]),
            _dollars(row["net"]),
        )
    return table


def _plain(value: Any) -> Any:
    """The same content in JSON's own types: money as exact strings, times as ISO text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _dollars(amount: str) -> str:
    value = Decimal(amount)
    return f"{'-' if value < 0 else ''}${abs(value):,.2f}"


def _verdict(scores: dict[str, Any]) -> str:
    market = scores.get("market")
    models = {k: v for k, v in scores.items() if k not in ("market", "home_rate")}
    if market is None or not models:
        return "No market prices on these games: the models cannot be compared with a market."
    best = min(models, key=lambda name: models[name]["brier"])
    gap = models[best]["brier"] - market["brier"]
    if gap > 0:
        return (
            f"The market wins: its Brier score is {gap:.4f} below that of the best model ({best}). "
            "Expect a results-only model to lose money against it."
        )
    return (
        f"The best model ({best}) is {-gap:.4f} below the market's Brier score. That is rare: "
        "suspect a leak before you trust it."
    )


def _label(source: str) -> str:
    return _LABELS.get(source, source)
