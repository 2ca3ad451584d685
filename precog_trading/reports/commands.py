"""``precog report``: the daily page, and the figures that only operation can show."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from precog_core.errors import PrecogError
from precog_core.options import Environment

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
In = Annotated[Environment, typer.Option("--environment", help="Which account.")]

report = typer.Typer(no_args_is_help=True, help="Reports: the daily page, edges, exits, uptime.")


@report.callback()
def _report() -> None:
    """Reports: the daily page, edges, exits, uptime."""


@report.command("performance")
def performance(
    league: Annotated[str, typer.Option(help="League code.")] = "nfl",
    day: Annotated[
        str | None, typer.Option(help="A UTC day such as 2019-12-29; default today.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A folder; default: reports/ in the home.")
    ] = None,
    environment: In = "paper",
    as_json: AsJson = False,
) -> None:
    """Write the HTML page of a league and day: profit, P&L, calibration, edges, exits, alerts."""
    from precog_core.paths import home
    from precog_trading.commands import connection, print_json
    from precog_trading.reports import pages
    from precog_trading.reports.daily import report_of

    with connection() as conn:
        made = report_of(conn, league, _day(day), environment)
    path = pages.write(made, out or home() / "reports")
    if as_json:
        tables = {title: [dict(row) for row in found] for title, found, _ in pages.sections(made)}
        return print_json(
            {"file": str(path), "net": made.net, "net_today": made.net_today, **tables}
        )
    typer.echo(f"{made.league} {made.day}: net {made.net} dollars, {made.net_today} on the day")
    typer.echo(f"wrote {path}")
    return None


@report.command("edges")
def edges(environment: In = "paper", as_json: AsJson = False) -> None:
    """Win rate against mean cost and P&L against prediction, over finished entries (PERF-003)."""
    from precog_trading.ledger.statements import one

    found = _one(one, "settled_entries", environment=environment)
    if found["mean_cost"] is not None:
        found["mean_cost"] = found["mean_cost"].quantize(Decimal("0.0001"))
    found["win_rate"] = found["won"] / found["entries"] if found["entries"] else None
    predicted = found["predicted_pnl"]
    found["realized_share"] = float(found["realized_pnl"] / predicted) if predicted else None
    enough = found["entries"] >= 100
    found["holds"] = (
        bool(found["win_rate"] > found["mean_cost"] and found["realized_pnl"] >= predicted / 2)
        if enough
        else None
    )
    _print(found, as_json, "too few entries to judge (100 are needed)" if not enough else "")


@report.command("execution")
def execution(
    days: Annotated[int, typer.Option(min=1, help="Days back.")] = 30,
    environment: In = "paper",
    as_json: AsJson = False,
) -> None:
    """How fast urgent exits fill: critical in 10 s, high in 30 s, at least 95 % (EXEC-005)."""
    from precog_trading.commands import connection, print_json, print_table
    from precog_trading.ledger.statements import rows

    since = datetime.now(UTC) - timedelta(days=days)
    with connection() as conn:
        found = rows(conn, "reports", "exit_latencies", environment=environment, since=since)
    for row in found:
        row["share_in_time"] = row["in_time"] / row["exits"]
        row["holds"] = row["share_in_time"] > 0.95
    if as_json:
        return print_json({"days": days, "exits": found})
    return print_table(found, "exit_priority exits in_time share_in_time p95_s holds")


@report.command("uptime")
def uptime(
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days back.")] = 30,
    environment: In = "paper",
    as_json: AsJson = False,
) -> None:
    """Minutes in which trading looked for work, of those it ought to have: 99 % (SYS-004).

    Counted from its first look on; pauses of the venues are left out, hours in which Precog was
    switched off are not.
    """
    from precog_trading.commands import connection, print_json, print_table
    from precog_trading.reports.uptime import measured

    with connection() as conn:
        found = measured(conn, environment, days, datetime.now(UTC))
    if found is None:
        if as_json:
            return print_json({"days": days, "expected_minutes": 0, "share": None, "holds": None})
        typer.echo(f"trading of {environment} has never looked for work; `precog up` starts it")
        return None
    content = {
        "days": days,
        "since": found.begin,
        "expected_minutes": found.expected,
        "looked_minutes": found.looked,
        "paused_minutes": found.paused,
        "share": found.share,
        "holds": None if found.share is None else found.share >= 0.99,
        "gaps": len(found.gaps),
    }
    longest = [
        {"from": gap.begin, "to": gap.end, "minutes": gap.minutes} for gap in found.gaps[:10]
    ]
    if as_json:
        return print_json(content | {"longest_gaps": longest})
    _print(content, False, "")
    return print_table(longest, "from to minutes")


def _day(text: str | None) -> date:
    if text is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PrecogError(f"--day {text!r} is no day such as 2019-12-29") from None


def _one(read: Any, name: str, **params: Any) -> dict[str, Any]:
    from precog_trading.commands import connection

    with connection() as conn:
        return dict(read(conn, "reports", name, **params) or {})


def _print(found: dict[str, Any], as_json: bool, note: str) -> None:
    from precog_core.text import cell
    from precog_trading.commands import print_json

    if as_json:
        return print_json(found)
    for name, value in found.items():
        shown = f"{value:.4f}" if isinstance(value, float) else cell(value)
        typer.echo(f"{name.replace('_', ' '):<18}{shown}")
    if note:
        typer.echo(note)
    return None
