"""`precog backup` and `precog restore`: every row and file comes back, or nothing stays behind."""

import json
import re
from pathlib import Path

import pytest

from precog_core.database import Database, open_database
from precog_core.database.audit import audit
from precog_core.errors import PrecogError
from precog_core.paths import home
from tests.end_to_end.tables import untouched
from tests.ops.command_line import invoke
from tests.trading import season


def precog(*arguments: str) -> str:
    result = invoke(arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def refused(*arguments: str) -> str:
    result = invoke(arguments)
    assert isinstance(result.exception, PrecogError), (result.output, result.exception)
    return str(result.exception)


def fill(database: Database, folder: Path) -> None:
    """A season, and what lies beside it: a dataset, a model, a setting, a record of MLflow."""
    with database.transaction() as conn:
        league = season.create_league(conn, season.EIGHT_TEAMS)
        season.add_season(conn, league, games=8, week_of=4, hours=(24, 2))
    for name, content in (
        ("datasets/nfl.parquet", "rows"), ("mlflow/artifacts/run/model.json", "weights"),
        ("config/trading.yaml", "edge:\n  shrink_to_market: 0.12\n"), ("logs/x.jsonl", "not kept"),
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    with database.connect("mlflow") as conn:
        conn.execute("CREATE TABLE runs (run_uuid TEXT, artifact_uri TEXT)")
        conn.execute(
            "INSERT INTO runs VALUES ('a', %s), ('b', 's3://bucket/x')",
            (f"{folder.as_uri()}/mlflow/artifacts/run",),
        )


@pytest.fixture
def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step of every table is told, as on a home where each takes its time."""
    monkeypatch.setattr("precog_core.progress.FIRST_LINE_S", 0)
    monkeypatch.setattr("precog_core.progress.EVERY_S", 0)
    monkeypatch.setattr("precog_platform.archive._WORTH_COUNTING", 1)


def shares(title: str, output: str) -> list[int]:
    """Per cent, as the lines with a time left say them."""
    return [int(n) for n in re.findall(rf"^{title}: (\d+) %, about 0:0\d:\d\d left$", output, re.M)]


@pytest.mark.requirement("UX-002")
@pytest.mark.usefixtures("talkative")
def test_a_backup_fills_an_empty_home_with_the_same_rows_and_files(
    all_databases: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, saved = home(), tmp_path / "new", tmp_path / "saved"
    fill(all_databases, old)
    before = untouched(all_databases)
    manifest = json.loads(precog("backup", "--to", str(saved), "--json"))
    assert manifest["rows"]["games"] == 8
    assert "exists; name a folder that does not" in refused("backup", "--to", str(saved))
    assert "is complete and undamaged" in precog("restore", "--verify", str(saved))

    # From the external database of this test into a home with an embedded server of its own.
    monkeypatch.delenv("PRECOG_DATABASE_URL")
    monkeypatch.setenv("PRECOG_HOME", str(new))
    told = precog("restore", str(saved))
    assert f"was restored into {new}" in told
    assert len(shares("Restore", told)) > 10
    assert shares("Restore", told) == sorted(shares("Restore", told))
    with open_database(new) as restored:
        assert untouched(restored) == before
        assert audit(restored) == []
        with restored.connect("mlflow") as conn:
            addresses = conn.execute("SELECT artifact_uri FROM runs ORDER BY run_uuid").fetchall()
    assert addresses == [(f"{new.as_uri()}/mlflow/artifacts/run",), ("s3://bucket/x",)]
    assert (new / "datasets/nfl.parquet").read_text() == "rows"
    assert (new / "mlflow/artifacts/run/model.json").read_text() == "weights"
    assert (new / "config/trading.yaml").read_text() == (old / "config/trading.yaml").read_text()
    assert not (new / "logs/x.jsonl").exists()
    assert f"{new} is not empty" in refused("restore", str(saved))


@pytest.mark.requirement("UX-002")
@pytest.mark.usefixtures("talkative")
def test_a_damaged_backup_is_refused_before_anything_is_touched(
    all_databases: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, new = tmp_path / "saved", tmp_path / "new"
    told = shares("Backup", precog("backup", "--to", str(saved)))
    assert len(told) > 5 and told == sorted(told)
    monkeypatch.delenv("PRECOG_DATABASE_URL")
    monkeypatch.setenv("PRECOG_HOME", str(new))
    dump = saved / "precog.dump"
    content = dump.read_bytes()
    dump.write_bytes(content[:-1] + b"x")
    assert "precog.dump is damaged" in refused("restore", str(saved))
    dump.unlink()
    assert "the backup is incomplete" in refused("restore", str(saved))
    assert "is no backup" in refused("restore", str(tmp_path))
    assert not new.exists()


def test_a_database_that_holds_games_is_not_overwritten(
    all_databases: Database, tmp_path: Path
) -> None:
    precog("backup", "--to", str(tmp_path / "saved"))
    with all_databases.transaction() as conn:
        league = season.create_league(conn)
        season.add_game(conn, league, season.FIRST_SUNDAY, "KC", "BUF", None)
    before = untouched(all_databases)
    assert "holds games; name an empty one" in refused("restore", str(tmp_path / "saved"))
    assert untouched(all_databases) == before
