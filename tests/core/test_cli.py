"""The command line: errors are sentences (UX-003), commands work on any database."""

import importlib.metadata
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from precog_core import cli
from precog_core.build_info import git_sha
from precog_core.config import set_override
from precog_core.database import Database
from precog_core.database.migrations import read_migrations
from precog_core.errors import PrecogError

RUNNER = CliRunner()


def precog(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command as a user would, without coverage's help."""
    program = Path(sys.executable).with_name("precog")
    return subprocess.run(
        [program, *arguments],
        env={**os.environ, **environment},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run ``main`` in this process; returns the exit code."""
    monkeypatch.setattr(sys, "argv", ["precog", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    code = caught.value.code
    assert code is None or isinstance(code, int)
    return code or 0


def test_the_version_names_the_commit() -> None:
    done = precog("--version")
    assert done.returncode == 0
    version = importlib.metadata.version("precog")
    assert done.stdout.startswith(f"precog {version} ({git_sha()[:12]}")


def test_every_package_adds_its_commands() -> None:
    help_text = RUNNER.invoke(cli.build_app(), ["--help"]).output
    for command in ("db", "config", "up", "summary"):
        assert command in help_text
    names = {entry.name for entry in importlib.metadata.entry_points(group="precog.commands")}
    assert names == {"core", "pipelines", "trading", "platform"}


@pytest.mark.requirement("UX-003")
def test_an_unreachable_database_is_one_sentence_without_traceback_or_password() -> None:
    done = precog("db", "status", PRECOG_DATABASE_URL="postgresql://u:hunter22@127.0.0.1:9/x")
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("precog: cannot reach PostgreSQL database 'postgres' at 127.0.0.1")
    assert "Connection refused" in line
    assert "check that the server runs and that PRECOG_DATABASE_URL is right" in line
    assert "hunter22" not in line


@pytest.mark.requirement("SYS-002", "UX-003")
def test_a_wrong_setting_stops_the_start_and_names_file_and_key(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "config"
    folder.mkdir(parents=True)
    (folder / "system.yaml").write_text("logging: {level: loud}")
    done = precog("db", "status")
    assert done.returncode == 1
    assert done.stderr == (
        f"precog: {folder / 'system.yaml'}, line 1: system.logging.level is 'loud'; expected "
        "'debug', 'info', 'warning' or 'error'\n"
    )


@pytest.mark.requirement("UX-003")
def test_an_unexpected_error_is_named_and_its_traceback_logged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(cli, "build_app", lambda: broken)
    assert main(monkeypatch) == cli.UNEXPECTED_EXIT_CODE
    logs = tmp_path / "home" / "logs"
    error = capsys.readouterr().err
    assert error == (
        f"precog: unexpected ZeroDivisionError: by nought; the details are in {logs}\n"
    )
    (file,) = logs.glob("*.jsonl")
    event = json.loads(file.read_text())
    assert event["message"] == "unexpected error"
    assert "broken" in event["exception"]


def test_an_error_chooses_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Locked(PrecogError):
        exit_code = 3

    def locked() -> None:
        raise Locked("[red]home is in use[/red]")

    monkeypatch.setattr(cli, "build_app", lambda: locked)
    assert main(monkeypatch) == 3
    assert capsys.readouterr().err == "precog: [red]home is in use[/red]\n"


def test_migrate_applies_once_and_then_has_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    running = request.getfixturevalue("server")
    url = running.url("cli_migrate")
    monkeypatch.setenv("PRECOG_DATABASE_URL", url)
    app = cli.build_app()
    before = json.loads(RUNNER.invoke(app, ["db", "status", "--json"]).output)
    names = [migration.path.name for migration in read_migrations()]
    assert before["migrations_pending"] == names
    first = RUNNER.invoke(app, ["db", "migrate"]).output
    assert first.splitlines() == [*(f"applied {name}" for name in names), f"{len(names)} applied"]
    second = RUNNER.invoke(app, ["db", "migrate"]).output
    assert second == "the schema is current; nothing to do\n"
    after = json.loads(RUNNER.invoke(app, ["db", "status", "--json"]).output)
    assert (after["migrations_applied"], after["migrations_pending"]) == (len(names), [])
    assert after["server"] == "PRECOG_DATABASE_URL"
    assert set(after["database_bytes"]) == {"precog", "dagster", "mlflow"}
    assert min(after["database_bytes"].values()) > 1_000_000
    text = RUNNER.invoke(app, ["db", "status"]).output
    assert f"migrations  {len(names)} applied, none pending" in text
    running.drop("cli_migrate")


def test_the_audit_is_silent_until_somebody_changes_the_schema_by_hand(
    all_databases: Database,
) -> None:
    app = cli.build_app()
    clean = RUNNER.invoke(app, ["db", "audit", "--json"])
    assert (clean.exit_code, json.loads(clean.output)) == (0, {"differences": []})
    with all_databases.transaction() as conn:
        conn.execute("ALTER TABLE games ADD COLUMN mood TEXT")
    changed = RUNNER.invoke(app, ["db", "audit"])
    assert changed.exit_code == 1
    first, last = changed.output.splitlines()
    assert first.startswith("column games.mood is in no migration; found: text")
    assert last == "1 difference between the live schema and the migrations"


def test_psql_passes_on_arguments_and_exit_code(all_databases: Database) -> None:
    done = precog("db", "psql", "-At", "-c", "SELECT 6 * 7")
    assert (done.returncode, done.stdout) == (0, "42\n")
    assert precog("db", "psql", "-c", "SELECT nonsense").returncode == 1
    other = precog("db", "psql", "--database", "mlflow", "-Atc", "SELECT current_database()")
    assert other.stdout.strip().endswith("_mlflow")
    unknown = precog("db", "psql", "--database", "games")
    assert unknown.stderr == (
        "precog: there is no database 'games'; choose precog, dagster, mlflow\n"
    )


def test_config_show_names_the_layer_of_every_value(
    all_databases: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with all_databases.transaction() as conn:
        set_override(conn, "system.logging.retention_d", Decimal(9), "audit", "ann")
    monkeypatch.setenv("PRECOG__SYSTEM__LOGGING__LEVEL", "debug")
    app = cli.build_app()
    shown = json.loads(RUNNER.invoke(app, ["config", "show", "system", "--json"]).output)
    assert shown["system.logging.level"] == {
        "value": "debug", "from": "environment variable PRECOG__SYSTEM__LOGGING__LEVEL",
    }  # fmt: skip
    assert shown["system.logging.retention_d"] == {
        "value": "9", "from": "override system.logging.retention_d by ann",
    }  # fmt: skip
    lines = RUNNER.invoke(app, ["config", "show", "system"]).output.splitlines()
    assert lines[:3] == [
        "system.logging.level = debug  # environment variable PRECOG__SYSTEM__LOGGING__LEVEL",
        "system.logging.max_file_mb = 20  # config/system.yaml, line 5",
        "system.logging.retention_d = 9  # override system.logging.retention_d by ann",
    ]


def test_config_show_of_a_new_home_creates_nothing(tmp_path: Path) -> None:
    app = cli.build_app()
    result = RUNNER.invoke(app, ["config", "show"])
    assert result.exit_code == 0
    assert "system.logging.level = info  # config/system.yaml, line 4" in result.output
    assert not (tmp_path / "home").exists()
    wrong = RUNNER.invoke(app, ["config", "show", "sytem"])
    assert isinstance(wrong.exception, PrecogError)
    assert "there is no section 'sytem'" in str(wrong.exception)


def test_every_command_has_its_place_in_the_help() -> None:
    app = cli.build_app()
    registered = [*app.registered_commands, *app.registered_groups]
    assert [each.name for each in registered if each.rich_help_panel == "More"] == ["alert"]
