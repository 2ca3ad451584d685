"""``precog backup`` and ``precog restore``: a home as one folder, and back into an empty home.

A backup is taken while everything runs: each database is dumped from one snapshot, then the files
that rows name are copied. Those files never change once written (datasets, models) and are copied
last, so every row of the dump finds its file. Dagster's run history and MLflow's records are part
of it, because partition status and the evidence behind a trade live there.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from precog_core.build_info import git_sha
from precog_core.database import DATABASES, Database, ensure_databases, migrations, open_database
from precog_core.database.server import EmbeddedServer, psql_path
from precog_core.errors import PrecogError
from precog_core.progress import Progress, unseen

FORMAT = "precog-backup/1"
_MANIFEST = "manifest.json"
_FILES = "files.tar"
# What rows name, and what a person wrote. Logs and Dagster's compute logs stay behind.
_KEPT = ("datasets", "mlflow/artifacts", "config", "dagster/dagster.yaml", "bootstrap.json",
         "summary.json", "reports")  # fmt: skip
# What pg_dump and pg_restore --verbose say when they begin with a table's rows or an index.
_BEGUN = re.compile(
    r'(?:contents of table|data for table|creating INDEX|creating CONSTRAINT) "(.+)"'
)
_WORTH_COUNTING = 1 << 20
"""Bytes: smaller tables and indexes take no time that anybody would notice."""
# Where MLflow stores absolute addresses of artifacts.
_ADDRESSES = (
    ("experiments", "artifact_location"), ("runs", "artifact_uri"), ("model_versions", "source"),
    ("model_versions", "storage_location"), ("logged_models", "artifact_location"),
)  # fmt: skip


def backup(
    database: Database, home: Path, target: Path, progress: Progress = unseen
) -> dict[str, Any]:
    """Write the backup folder ``target`` and return its manifest.

    It appears under its name only when it is complete. Raises PrecogError when ``target`` exists,
    the disk is full, or a dump fails.
    """
    if target.exists():
        raise PrecogError(f"{target} exists; name a folder that does not")
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        relations = {name: _relation_bytes(database, name) for name in DATABASES}
        kept = [home / name for name in _KEPT if (home / name).exists()]
        files = sum(path.stat().st_size for top in kept for path in _files_below(top))
        work = _Work(progress, files + sum(sum(each.values()) for each in relations.values()))
        for name in DATABASES:
            _run(
                "pg_dump", "--verbose", "--format=custom", f"--file={partial / name}.dump",
                database.url(name), begun=work.through(relations[name]),
            )  # fmt: skip
        with tarfile.open(partial / _FILES, "w") as archive:
            for path in kept:
                archive.add(path, path.relative_to(home), filter=work.archived)
        manifest = {
            "format": FORMAT,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "git_sha": git_sha(),
            "home": str(home),
            "migrations": [
                state.migration.path.name for state in migrations.status(database) if state.applied
            ],
            "rows": _row_counts(database),
            "relation_bytes": relations,
            "sha256": {path.name: _sha256(path) for path in sorted(partial.iterdir())},
            "bytes": sum(path.stat().st_size for path in partial.iterdir()),
        }
        (partial / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        partial.rename(target)
    except OSError as error:
        raise PrecogError(f"the backup could not be written to {target.parent}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def restore(source: Path, home: Path, progress: Progress = unseen) -> dict[str, Any]:
    """Fill the empty ``home`` from a backup, apply newer migrations, and return the manifest.

    Raises PrecogError when the backup is damaged or incomplete, the home or the database named by
    ``PRECOG_DATABASE_URL`` holds something, or the backup is newer than this code. A home that
    could not be filled is left as empty as it was.
    """
    manifest = verify(source)
    relations = manifest.get("relation_bytes", {})  # absent in backups of earlier versions
    work = _Work(progress, sum(sum(each.values()) for each in relations.values()))
    external = bool(os.environ.get("PRECOG_DATABASE_URL"))
    _require_empty(home, external)
    try:
        with open_database(home) as database:  # migrated: the roles the dump names exist then
            if external:
                _require_no_facts(database)
            for name in DATABASES:
                begun = work.through(relations.get(name, {}))
                _replace_database(database, source, name, external, begun)
            with tarfile.open(source / _FILES) as archive:
                archive.extractall(home, filter="data")
            _relocate(database, manifest["home"], str(home))
            migrations.migrate(database)
            found = _row_counts(database)
        if found != manifest["rows"]:
            differing = sorted(t for t in found if found[t] != manifest["rows"].get(t))
            raise PrecogError(
                f"the restored tables {', '.join(differing)} have other row counts than the backup"
            )
    except BaseException:
        if not external:
            _remove(home)
        raise
    return manifest


def verify(source: Path) -> dict[str, Any]:
    """The manifest, every file's hash recomputed. Raises PrecogError naming what is wrong."""
    try:
        manifest: dict[str, Any] = json.loads((source / _MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise PrecogError(f"{source} is no backup of `precog backup`: {error}") from error
    if manifest.get("format") != FORMAT:
        raise PrecogError(f"{source} is {manifest.get('format')!r}; expected {FORMAT!r}")
    for name, expected in manifest["sha256"].items():
        path = source / name
        if not path.is_file():
            raise PrecogError(f"{path} is missing; the backup is incomplete")
        if _sha256(path) != expected:
            raise PrecogError(f"{path} is damaged: its SHA-256 is not the one of the manifest")
    return manifest


def _require_empty(home: Path, external: bool) -> None:
    taken = [name for name in ("bootstrap.json", "datasets", "mlflow") if (home / name).exists()]
    if not external and EmbeddedServer(home).data.exists():
        taken.append("postgres")
    if taken:
        raise PrecogError(
            f"{home} is not empty (it has {', '.join(taken)}); restore into another folder with "
            "PRECOG_HOME"
        )


def _require_no_facts(database: Database) -> None:
    with database.connection() as conn:
        row = conn.execute(
            "SELECT EXISTS (SELECT FROM games) OR EXISTS (SELECT FROM decisions)"
        ).fetchone()
    if row == (True,):
        raise PrecogError("the database of PRECOG_DATABASE_URL holds games; name an empty one")


class _Work:
    """Bytes of tables, indexes and files that are dealt with, of ``total``."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0
        progress(0, total)

    def through(self, relations: Mapping[str, int]) -> Callable[[str], None]:
        """Hears what a client program begins with; what it began with before is then done."""
        before = 0

        def begun(name: str) -> None:
            nonlocal before
            self._add(before)
            before = relations.get(name, 0)

        return begun

    def archived(self, info: tarfile.TarInfo) -> tarfile.TarInfo:
        self._add(info.size)
        return info

    def _add(self, size: int) -> None:
        self._done += size
        self._progress(self._done, self._total)


def _files_below(path: Path) -> Iterable[Path]:
    return [path] if path.is_file() else (each for each in path.rglob("*") if each.is_file())


def _relation_bytes(database: Database, name: str) -> dict[str, int]:
    """Sizes of the tables and indexes of a database that are worth counting, by their names."""
    with database.connect(name) as conn:
        found = conn.execute(
            "SELECT relname, pg_relation_size(oid) FROM pg_class "
            "WHERE relnamespace = to_regnamespace('public') AND relkind IN ('r', 'i') "
            "AND pg_relation_size(oid) >= %s",
            (_WORTH_COUNTING,),
        )
        return dict(found.fetchall())


def _replace_database(
    database: Database, source: Path, name: str, external: bool, begun: Callable[[str], None]
) -> None:
    """Drop the freshly made database and fill it from its dump."""
    real_name = str(conninfo_to_dict(database.url(name))["dbname"])
    database.close()
    with psycopg.connect(_maintenance(database), autocommit=True) as conn:
        conn.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(real_name))
        )
    ensure_databases(database)
    owner = ["--no-owner"] if external else []
    _run(
        "pg_restore", "--verbose", "--exit-on-error", *owner, f"--dbname={database.url(name)}",
        str(source / f"{name}.dump"), begun=begun,
    )  # fmt: skip


def _maintenance(database: Database) -> str:
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(database.base_url)
    return urlunsplit((parts.scheme, parts.netloc, "/postgres", parts.query, ""))


def _relocate(database: Database, old_home: str, new_home: str) -> None:
    """Artifact addresses are absolute: point those of the old home to the new one."""
    old, new = Path(old_home).as_uri() + "/", Path(new_home).as_uri() + "/"
    if old == new:
        return
    with database.connect("mlflow") as conn:
        for table, column in _ADDRESSES:
            present = conn.execute(
                "SELECT count(*) FROM information_schema.columns "
                "WHERE table_schema = 'public' AND table_name = %s AND column_name = %s",
                (table, column),
            ).fetchone()
            if present == (0,):
                continue
            conn.execute(
                sql.SQL("UPDATE {} SET {} = %s || substr({}, %s) WHERE starts_with({}, %s)").format(
                    sql.Identifier(table), *(sql.Identifier(column),) * 3
                ),
                (new, len(old) + 1, old),
            )


def _row_counts(database: Database) -> dict[str, int]:
    """Rows of every table of ours; a partition counts with its table."""
    with database.transaction() as conn:
        tables = conn.execute(
            "SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = to_regnamespace('public') "
            "AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.relname"
        ).fetchall()
        counts = {}
        for (table,) in tables:
            row = conn.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
            ).fetchone()
            counts[table] = row[0] if row else 0
    return counts


def _run(program: str, *arguments: str, begun: Callable[[str], None]) -> None:
    """A client program of the embedded server's release, else one found on PATH.

    ``begun`` hears the name of every table and index it begins with. Raises PrecogError when it
    fails, with the first line that is no news.
    """
    own = psql_path().with_name(program)
    path = str(own) if own.exists() else shutil.which(program)
    if path is None:
        raise PrecogError(f"{program} is not installed; install PostgreSQL's client programs")
    wrong = []
    with subprocess.Popen(
        [path, *arguments], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "LC_ALL": "C"},
    ) as child:  # fmt: skip
        for line in child.stderr or ():
            if found := _BEGUN.search(line):
                begun(found[1].removeprefix("public.").rpartition(" ")[2])
            elif "error:" in line:
                wrong.append(line.strip())
    if child.returncode != 0:
        raise PrecogError(f"{program} failed: {wrong[0] if wrong else child.returncode}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(home: Path) -> None:
    for name in ("postgres", *(kept.split("/")[0] for kept in _KEPT)):
        with contextlib.suppress(FileNotFoundError):
            path = home / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
