"""`precog bootstrap`: real stages, and repeating them rewrites nothing."""

import json

import pytest

from tests.end_to_end.conftest import Home
from tests.end_to_end.league import GAMES_A_SEASON, SEASONS
from tests.end_to_end.tables import untouched

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

GAMES = len(SEASONS) * GAMES_A_SEASON


@pytest.mark.requirement("UX-001")
def test_a_new_home_ends_with_games_models_and_settled_trades(filled: Home) -> None:
    summary = json.loads(filled.run("summary", "--json").stdout)
    assert summary["games"] == GAMES
    assert summary["quotes"] == 2 * GAMES
    families = {"elo", "logistic", "xgboost", "ensemble"}
    assert set(summary["brier"]) == families | {"market", "home_rate"}
    assert summary["brier"]["market"] < summary["brier"]["home_rate"]
    assert summary["ledger_balanced"] is True
    assert summary["decisions"] >= summary["orders"] >= summary["trades"] > 0
    assert summary["positions_by_status"] == {"settled": summary["positions"]}
    assert "ASSUMED FROM CLOSING LINES" in summary["data_source"]["quotes"][0]
    assert list(summary["stage_seconds"]) == ["history", "training", "predictions", "trading"]


def test_running_it_again_rewrites_nothing(filled: Home) -> None:
    with filled.database() as database:
        before = untouched(database)
    filled.run("bootstrap")
    with filled.database() as database:
        assert untouched(database) == before


@pytest.mark.requirement("ORCH-002")
def test_repeating_every_stage_rewrites_nothing(filled: Home) -> None:
    book = filled.folder / "bootstrap.json"
    content = json.loads(book.read_text())
    with filled.database() as database:
        before = untouched(database)
    book.write_text(json.dumps({"source": content["source"]}))
    filled.run("bootstrap")
    with filled.database() as database:
        after = untouched(database)
    assert [table for table in before if before[table] != after[table]] == []


def test_another_source_is_refused_and_changes_nothing(filled: Home) -> None:
    done = filled.run("bootstrap", "--source", "sample", check=False)
    assert done.returncode != 0
    assert "this home was filled from games.csv" in done.stderr
    assert "Traceback" not in done.stderr
