"""`precog quotes load`: a made-up recording through Dagster, from files to predictions."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from precog_core.config import get_override
from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.paths import home
from precog_platform.bootstrap import StageBook
from precog_platform.recorded import open_recording, run_load
from tests.sources.recording import a_market, write_recording

TEAMS = ("BOS", "MIA", "LAL", "DEN", "NYK", "DET")
ROUNDS = {datetime(2025, 5, 1, 23, 30, tzinfo=UTC): 6, datetime(2025, 11, 4, 0, 30, tzinfo=UTC): 16}


def made_up_season() -> list[tuple[dict[str, str], list[dict[str, str]]]]:
    """A spring and an autumn in which the earlier teams of the list win more often."""
    chance = random.Random(7)
    markets = []
    for start, rounds in ROUNDS.items():
        for n in range(rounds):
            teams = list(TEAMS)
            chance.shuffle(teams)
            for away, home_team in zip(teams[::2], teams[1::2], strict=True):
                lead = TEAMS.index(away) - TEAMS.index(home_team) + 2 + chance.gauss(0, 4)
                points = (100, 100 + (round(lead) or 1))
                markets.append(
                    a_market(away, home_team, home_team, points, start + timedelta(days=2 * n))
                )
    return markets


@pytest.fixture
def load(all_databases: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """Loads a folder and returns what was printed."""
    for name in ("DAGSTER_HOME", "PRECOG_DAGSTER_URL", "PRECOG_COMPUTE_LOGS"):
        monkeypatch.delenv(name, raising=False)

    def run(folder: Path) -> str:
        out = StringIO()
        run_load(Console(file=out, width=400), folder)
        return out.getvalue()

    return run


def rows(db: Database, query: str) -> list[tuple[Any, ...]]:
    with db.connection() as conn:
        return conn.execute(query).fetchall()


def test_a_recording_becomes_predictions_of_elo_alone(
    load: Callable[[Path], str], all_databases: Database, tmp_path: Path
) -> None:
    db, folder = all_databases, write_recording(tmp_path / "recording", made_up_season())
    printed = load(folder)
    assert "NBA: 66 games, 66 markets (66 matched with a game), 660 candles" in printed
    assert "66 settlements. Brier score of the last price before the start: 0." in printed

    # Too few games for the gate: Elo trades on paper by the stated exception, and its row says so.
    ((name, status, who, notes),) = rows(
        db, "SELECT model_name, status, approved_by, notes FROM probability_models"
    )
    assert (name, status, who) == ("nba-elo", "testing", "bootstrap")
    assert "nba-elo v1.0 is not admitted: no season before the last one is out of sample" in notes
    assert "for paper trading all the same" in notes
    assert "(models.elo_alone.nba)" in notes

    # Each probability rests on results known before it; so does its interval.
    assert rows(
        db,
        "SELECT count(*) FROM predictions AS p JOIN games AS g USING (game_id) "
        "WHERE p.trained_until > p.event_ts OR p.event_ts >= g.kickoff_at",
    ) == [(0,)]
    spoken, with_interval = rows(db, "SELECT count(*), count(p_low) FROM predictions")[0]
    assert spoken > 100
    assert 0 < with_interval <= spoken
    first, last = (
        rows(
            db,
            "SELECT p_high - p_low FROM predictions WHERE p_low IS NOT NULL "
            "ORDER BY event_ts, game_id LIMIT 1",
        ),
        rows(db, "SELECT min(p_high - p_low) FROM predictions"),
    )
    assert last[0][0] < first[0][0]

    # The same folder again starts no run and changes no row.
    before = rows(db, "SELECT (SELECT count(*) FROM market_candles), (SELECT count(*) FROM games)")
    assert "Recorded quotes NBA 2025-2026: " not in load(folder)
    assert before == rows(
        db, "SELECT (SELECT count(*) FROM market_candles), (SELECT count(*) FROM games)"
    )
    with db.transaction() as conn:
        assert get_override(conn, "sources.recorded_quotes.path") == str(folder)
    book = StageBook(home())
    assert (book.complete, book.source) == (False, {})
    assert set(book.seconds) == {
        "recorded_history", "recorded_training", "recorded_predictions"
    }  # fmt: skip


def test_a_damaged_recording_is_refused_before_anything_starts(
    load: Callable[[Path], str], tmp_path: Path
) -> None:
    folder = write_recording(tmp_path / "recording", [a_market(yes_won="0")])
    with pytest.raises(PrecogError, match="line 2, column yes_won"):
        load(folder)
    assert not StageBook(home()).seconds


def test_a_recording_knows_its_partitions(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "recording", made_up_season())
    recording = open_recording(folder)
    assert recording.partitions == ["nba|2025", "nba|2026"]
    assert recording.candles == 660
    other = write_recording(tmp_path / "other", made_up_season()[:-1])
    assert open_recording(other).sha256 != recording.sha256
