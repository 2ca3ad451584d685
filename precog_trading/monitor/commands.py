"""``precog monitor``, ``halt``, ``resume``, ``breakers``, ``close``."""

import getpass
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from precog_core.database import Database
    from precog_trading.engine.state import Environment
    from precog_trading.monitor.polling import HeldQuotes

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
By = Annotated[str | None, typer.Option("--by", help="Who; default: the user of this session.")]
Where = Annotated[str, typer.Option("--environment", help="paper, demo or live.")]

breakers = typer.Typer(
    invoke_without_command=True, help="Circuit breakers: what tripped, and arming it again."
)


def register(app: typer.Typer) -> None:
    """Add these commands to the `precog` command line."""
    app.command("monitor")(monitor)
    app.command("halt")(halt)
    app.command("resume")(resume)
    app.command("close")(close)
    app.add_typer(breakers, name="breakers")


def monitor(
    once: Annotated[bool, typer.Option("--once", help="One cycle, then end.")] = False,
    environment: Where = "paper",
) -> None:
    """Watch open positions: decide, look and sell every 30 s, every 5 s near a stop or target."""
    from precog_core.database import open_database
    from precog_trading.monitor.loop import Monitor

    say = Console(highlight=False, soft_wrap=True).print
    where = _environment(environment)
    with (
        open_database() as database,
        _held_quotes(database, where, say) as quotes,
        Monitor(database, where, log=say, quotes=quotes) as loop,
    ):
        if once:
            done = loop.cycle()
            say(
                f"{done.report.ticks} ticks, {done.report.taken} orders, {done.report.fills} fills"
                + (", looked at what is held" if done.looked else "")
            )
            return
        source = "Kalshi, asked by the monitor" if quotes else "those stored by the pipelines"
        say(f"monitor: watching; quotes: {source}; end it with Ctrl-C")
        try:
            loop.run()
        except KeyboardInterrupt:
            say("monitor: ended; whatever was begun is finished by the next run")


def halt(
    reason: Annotated[str, typer.Option("--reason", help="Why; stored with the command.")],
    state: Annotated[
        str, typer.Option(help="exits_only goes on selling; halted only cancels.")
    ] = "halted",
    environment: Where = "paper",
    by: By = None,
) -> None:
    """Stop entries at once and cancel every working order, until `precog resume`."""
    from precog_core.database import open_database
    from precog_trading.monitor.controls import halt as stop

    with open_database() as database:
        canceled = stop(database, state, _who(by), reason, _environment(environment))
    typer.echo(f"{environment} is {state}; {canceled} orders canceled. `precog resume` ends it")


def resume(
    reason: Annotated[str, typer.Option("--reason", help="Why it is safe; stored.")],
    environment: Where = "paper",
    by: By = None,
) -> None:
    """Let trading run again after `precog halt`. Open breakers stay open."""
    from precog_core.database import open_database
    from precog_trading.monitor.controls import breakers as listed
    from precog_trading.monitor.controls import resume as go_on

    where = _environment(environment)
    with open_database() as database:
        go_on(database, _who(by), reason, where)
        with database.transaction() as conn:
            open_ = [row["breaker_type"] for row in listed(conn, where) if not row["resolved_at"]]
    typer.echo(f"{environment} runs")
    if open_:
        typer.echo(f"still open: {', '.join(open_)}; `precog breakers rearm NAME --note ...`")


@breakers.callback()
def _breakers(context: typer.Context) -> None:
    """Circuit breakers: what tripped, and arming it again."""
    if context.invoked_subcommand is None:
        show()


@breakers.command("list")
def show(
    environment: Where = "paper",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows at most.")] = 30,
    as_json: AsJson = False,
) -> None:
    """Show the newest trips, open ones first."""
    from precog_trading.commands import connection, print_json, print_table
    from precog_trading.monitor.controls import breakers as listed

    with connection() as conn:
        found = listed(conn, _environment(environment), limit)
    if as_json:
        return print_json({"breakers": found})
    told = [
        {
            **row,
            "state": "open" if row["resolved_at"] is None else "re-armed",
            "values": ", ".join(f"{k} {v}" for k, v in row["trigger_value"].items()),
            "resolved_at": row["resolved_at"] or "",
            "resolved_by": row["resolved_by"] or "",
        }
        for row in found
    ]
    return print_table(
        told, "breaker_type state action triggered_at values resolved_at resolved_by"
    )


@breakers.command("rearm")
def rearm(
    breaker: Annotated[str, typer.Argument(help="The breaker, such as drawdown.")],
    note: Annotated[str, typer.Option("--note", help="What was done about the cause; stored.")],
    environment: Where = "paper",
    by: By = None,
) -> None:
    """Arm a breaker again; what tripped it is not counted any more."""
    from precog_core.database import open_database
    from precog_trading.monitor.controls import rearm as arm

    with open_database() as database:
        arm(database, breaker, _who(by), note, _environment(environment))
    typer.echo(f"{breaker} is armed again in {environment}")


def close(
    position_id: Annotated[int, typer.Argument(help="An open position, see `precog positions`.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; stored with the order.")],
    environment: Where = "paper",
    by: By = None,
) -> None:
    """Sell all of a position now, at most a few cents below its bid."""
    from precog_core.database import open_database
    from precog_core.prices import decimal_text
    from precog_trading.monitor.closing import close_position

    where = _environment(environment)
    with open_database() as database, _held_quotes(database, where, typer.echo) as quotes:
        if quotes is not None:
            quotes.poll(fresh=True)
        done = close_position(database, position_id, _who(by), reason, where)
    sold, ordered = (format(q.normalize(), "f") for q in (done.sold, done.ordered))
    limit = f"{decimal_text(done.limit_price)} or better"
    if done.waits:
        typer.echo(
            f"{done.ticker}: the order to sell {ordered} at {limit} waits for the next recorded "
            "quote"
        )
    else:
        typer.echo(f"{done.ticker}: sold {sold} of {ordered} at {limit}")


@contextmanager
def _held_quotes(
    database: "Database", environment: "Environment", say: "Callable[[str], None]"
) -> "Iterator[HeldQuotes | None]":
    """The venue's quotes of what is held, where Kalshi is enabled; else None."""
    from datetime import UTC, datetime

    from precog_core.kalshi.config import kalshi_config
    from precog_trading.monitor.polling import HeldQuotes, monitors_share

    with database.connection() as conn:
        config = kalshi_config(conn)
    if not config.enabled:
        yield None
        return
    from precog_core.kalshi.client import KalshiClient

    with KalshiClient.connect(monitors_share(config)) as client:
        yield HeldQuotes(database, client, lambda: datetime.now(UTC), environment, say)


def _environment(name: str) -> "Environment":
    from precog_core.errors import PrecogError
    from precog_trading.engine.state import Environment

    allowed = (Environment.PAPER, Environment.DEMO, Environment.LIVE)
    if name not in allowed:
        raise PrecogError(f"--environment is {name!r}; expected {', '.join(allowed)}")
    return Environment(name)


def _who(by: str | None) -> str:
    return by or getpass.getuser()
