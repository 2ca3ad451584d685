"""The core's own commands: ``precog db``, ``precog config`` and ``precog kalshi``."""

import json
import os
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.console import Console

from precog_core.alerts.commands import alerts
from precog_core.config_commands import config
from precog_core.database import DATABASES, Database, migrations, open_database
from precog_core.database.server import psql_path
from precog_core.errors import PrecogError
from precog_core.kalshi.commands import kalshi
from precog_core.secrets import masked
from precog_core.sections import declare_section

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

_database = typer.Typer(no_args_is_help=True, help="The PostgreSQL databases of this home.")


def register(app: typer.Typer) -> None:
    """Add ``precog db …``, ``precog config …`` and ``precog kalshi …``."""
    app.add_typer(_database, name="db")
    app.add_typer(config, name="config")
    app.add_typer(kalshi, name="kalshi")
    app.add_typer(alerts, name="alerts")
    app.add_typer(alerts, name="alert", hidden=True)  # as ALERT-003 writes it
    declare_section("system", "precog_core.system:SystemConfig")
    declare_section("alerts", "precog_core.alerts.config:AlertsConfig")
    declare_section("kalshi", "precog_core.kalshi.config:KalshiConfig")


@_database.command("migrate")
def migrate() -> None:
    """Create the databases where absent and bring the schema to this version's."""
    with open_database(migrate=False) as database:
        applied = migrations.migrate(database)
    for migration in applied:
        typer.echo(f"applied {migration.path.name}")
    typer.echo(f"{len(applied)} applied" if applied else "the schema is current; nothing to do")


@_database.command("status")
def status(as_json: AsJson = False) -> None:
    """Show the server, the size of each database, and which migrations are pending."""
    with open_database(migrate=False) as database:
        report = _status(database)
    if as_json:
        typer.echo(json.dumps(report))
        return
    console = Console(highlight=False)
    console.print(f"server      PostgreSQL {report['server_version']} ({report['server']})")
    for name, size in report["database_bytes"].items():
        console.print(f"{name:<11} {size / 1e6:.1f} MB")
    pending = report["migrations_pending"]
    words = f"{len(pending)} pending: {', '.join(pending)}" if pending else "none pending"
    console.print(f"migrations  {report['migrations_applied']} applied, {words}")


def _status(database: Database) -> dict[str, Any]:
    states = migrations.status(database)
    sizes = {}
    with database.connection() as conn:
        for name in DATABASES:
            real_name = psycopg.conninfo.conninfo_to_dict(database.url(name))["dbname"]
            row = conn.execute("SELECT pg_database_size(%s)", (real_name,)).fetchone()
            sizes[name] = row[0] if row else 0
        version = conn.info.parameter_status("server_version")
    return {
        "server": "PRECOG_DATABASE_URL" if os.environ.get("PRECOG_DATABASE_URL") else "embedded",
        "server_version": version,
        "url": masked(database.url()),
        "database_bytes": sizes,
        "migrations_applied": sum(state.applied for state in states),
        "migrations_pending": [s.migration.path.name for s in states if not s.applied],
    }


@_database.command("audit")
def audit(as_json: AsJson = False) -> None:
    """Compare the live schema with the migrations; exit 1 and name what differs, if anything."""
    from precog_core.database.audit import audit as find_differences

    with open_database(migrate=False) as database:
        differences = find_differences(database)
    if as_json:
        typer.echo(json.dumps({"differences": [asdict(item) for item in differences]}))
    else:
        for item in differences:
            typer.echo(str(item))
        plural = "" if len(differences) == 1 else "s"
        words = f"{len(differences)} difference{plural}" if differences else "no difference"
        typer.echo(f"{words} between the live schema and the migrations")
    if differences:
        raise typer.Exit(1)


@_database.command("docs")
def docs(
    write: Annotated[
        bool, typer.Option("--write", help="Write docs/reference/schema.md of this checkout.")
    ] = False,
) -> None:
    """Print the schema page: every table, view, column and key with its comment."""
    from precog_core.database.docs import PAGE, schema_page

    with open_database() as database, database.connection() as conn:
        page = schema_page(conn)
    if not write:
        typer.echo(page)
        return
    top = Path(__file__).resolve().parents[1]
    if not (top / PAGE.parent).is_dir():
        raise PrecogError(f"{top} is no checkout: it has no {PAGE.parent}; print the page instead")
    (top / PAGE).write_text(page, encoding="utf-8")
    typer.echo(f"wrote {top / PAGE}")


@_database.command(
    "psql", context_settings={"allow_extra_args": True, "ignore_unknown_options": True}
)
def psql(
    context: typer.Context,
    name: Annotated[str, typer.Option("--database", help="precog, dagster or mlflow.")] = "precog",
) -> None:
    """Open psql on a database; what follows is passed on, such as: precog db psql -c 'SELECT 1'."""
    if name not in DATABASES:
        raise PrecogError(f"there is no database {name!r}; choose {', '.join(DATABASES)}")
    with open_database() as database:
        own = psql_path()
        program = str(own) if own.exists() else shutil.which("psql")
        if program is None:
            raise PrecogError("psql is not installed; install PostgreSQL's client programs")
        done = subprocess.run([program, database.url(name), *context.args], check=False)
    raise typer.Exit(done.returncode)
