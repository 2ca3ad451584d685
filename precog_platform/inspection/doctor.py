"""``precog doctor``: can this machine run Precog, and if not, what to do. Changes nothing."""

import importlib.metadata
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from precog_core.database import DATABASES, MINIMUM_SERVER_VERSION, Database, migrations
from precog_core.database.server import EmbeddedServer
from precog_core.errors import PrecogError

_PYTHON = (3, 11)
_LIBRARIES = ("dagster", "dagster-postgres", "mlflow", "psycopg", "pandas", "xgboost-cpu")
_DISK_NEEDED_GB = 2
_MEMORY_NEEDED_GB = 2
_CLOCK_TOLERANCE_S = 5
_CREDENTIALS = {
    "Kalshi": ("KALSHI_KEY_ID",),
    "Kalshi demo": ("KALSHI_DEMO_KEY_ID",),
}


@dataclass(frozen=True)
class Finding:
    """One examination. ``state``: ok, warning (works, but look) or failure (does not work)."""

    check: str
    state: str
    said: str


def examine(home: Path, ports: dict[str, int]) -> list[Finding]:
    """Every finding about this machine and home; nothing is started or created."""
    return [
        *_software(),
        *_machine(home),
        *(_port(name, port, home) for name, port in ports.items()),
        *_settings(),
        *_database(home),
        *_credentials(),
    ]


def _software() -> Iterator[Finding]:
    found = sys.version_info[:3]
    version = ".".join(map(str, found))
    if found >= _PYTHON:
        yield Finding("python", "ok", version)
    else:
        yield Finding("python", "failure", f"{version}; install Python 3.11 or newer")
    missing, present = [], []
    for library in _LIBRARIES:
        try:
            present.append(f"{library} {importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(library)
    if missing:
        yield Finding("libraries", "failure", f"{', '.join(missing)} missing; run `make run` again")
    else:
        yield Finding("libraries", "ok", ", ".join(present))


def _machine(home: Path) -> Iterator[Finding]:
    import psutil

    place = next(folder for folder in (home, *home.parents) if folder.exists())
    if os.access(place, os.W_OK):
        yield Finding("home", "ok", f"{home} can be written")
    else:
        yield Finding(
            "home", "failure", f"{place} cannot be written; choose another with PRECOG_HOME"
        )
    free = shutil.disk_usage(place).free / 1e9
    state = "ok" if free >= _DISK_NEEDED_GB else "failure"
    advice = "" if state == "ok" else f"; at least {_DISK_NEEDED_GB} GB are needed"
    yield Finding("disk", state, f"{free:.1f} GB free{advice}")
    memory = psutil.virtual_memory().available / 1e9
    state = "ok" if memory >= _MEMORY_NEEDED_GB else "warning"
    advice = "" if state == "ok" else "; training may be killed for want of memory"
    yield Finding("memory", state, f"{memory:.1f} GB available{advice}")
    if sys.platform not in ("linux", "darwin"):
        yield Finding(
            "system", "failure", f"{sys.platform}: the embedded PostgreSQL runs on Linux and macOS"
        )


def _port(name: str, port: int, home: Path) -> Finding:
    from precog_platform.inspection.status import running

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            if running(home)["up"]:
                return Finding(f"port {port}", "ok", f"in use, Precog is up ({name})")
            return Finding(
                f"port {port}",
                "failure",
                f"in use by another program; {name} needs it: stop that, or choose another port",
            )
    return Finding(f"port {port}", "ok", f"free for {name}")


def _settings() -> Iterator[Finding]:
    from precog_core.config import load_section, section_names
    from precog_core.sections import section_model

    problems = []
    for section in section_names():
        model = section_model(section)
        if model is None:
            continue
        try:
            load_section(section, model)
        except PrecogError as error:
            problems += str(error).splitlines()
    if problems:
        yield Finding("settings", "failure", "; ".join(problems))
    else:
        yield Finding("settings", "ok", f"{len(section_names())} sections valid")


def _database(home: Path) -> Iterator[Finding]:
    external = bool(os.environ.get("PRECOG_DATABASE_URL"))
    if not external:
        server = EmbeddedServer(home)
        if not server.data.exists():
            yield Finding("database", "ok", "none yet; the first start creates it")
            return
        if server.address() is None:
            yield Finding("database", "ok", "embedded, stopped; it starts with the first command")
            return
    database = Database.from_environment(home)
    try:
        yield from _examine_database(database, "PRECOG_DATABASE_URL" if external else "embedded")
    except (psycopg.OperationalError, PrecogError) as error:
        yield Finding("database", "failure", str(error).splitlines()[0])
    finally:
        database.close()


def _examine_database(database: Database, what: str) -> Iterator[Finding]:
    started = time.perf_counter()
    with database.connection() as conn:
        version = conn.info.server_version
        row = conn.execute("SELECT now()").fetchone()
        asked_ms = 1000 * (time.perf_counter() - started)
        number = f"{version // 10_000}.{version % 10_000}"
        said = f"{what}, PostgreSQL {number}, answers in {asked_ms:.0f} ms"
        if version >= MINIMUM_SERVER_VERSION:
            yield Finding("database", "ok", said)
        else:
            yield Finding("database", "failure", f"{said}; 15 or newer is needed")
        if row is not None:
            gap = abs((datetime.now(UTC) - row[0]).total_seconds())
            late = gap > _CLOCK_TOLERANCE_S
            yield Finding(
                "clock",
                "warning" if late else "ok",
                f"{gap:.1f} s from the database's" + ("; synchronise the clocks" if late else ""),
            )
    pending = [state for state in migrations.status(database) if not state.applied]
    yield Finding(
        "migrations",
        "warning" if pending else "ok",
        f"{len(pending)} pending; the next start applies them" if pending else "all applied",
    )
    for name in DATABASES[1:]:
        try:
            database.connect(name).close()
            yield Finding(f"database {name}", "ok", "there")
        except (psycopg.OperationalError, PrecogError):
            yield Finding(f"database {name}", "warning", "absent; the next start creates it")


def _credentials() -> Iterator[Finding]:
    for name, variables in _CREDENTIALS.items():
        present = all(os.environ.get(variable) for variable in variables)
        said = "present" if present else "absent; only needed for its private endpoints"
        yield Finding(f"credentials {name}", "ok", said)
