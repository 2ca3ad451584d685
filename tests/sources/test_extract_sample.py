"""The rules by which the sample was extracted, on the quirks they are for."""

import importlib.util
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "extract_sample.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("extract_sample", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("eid", "time", "meridiem", "wday", "expected"),
    [
        ("2009091300", "1:00", "PM", "Sun", datetime(2009, 9, 13, 17, 0, tzinfo=UTC)),
        ("2009112600", "12:30", "AM", "Thu", datetime(2009, 11, 26, 17, 30, tzinfo=UTC)),
        ("2010010900", "8:00", "AM", "Sat", datetime(2010, 1, 10, 1, 0, tzinfo=UTC)),
        ("2016091500", "8:25", None, "Thu", datetime(2016, 9, 16, 0, 25, tzinfo=UTC)),
        ("2017092400", "9:30", "AM", "Sun", datetime(2017, 9, 24, 13, 30, tzinfo=UTC)),
        ("2014112301", "7:00", "PM", "Mon", datetime(2014, 11, 25, 0, 0, tzinfo=UTC)),
    ],
)
def test_kickoffs_are_read_through_the_quirks_of_the_schedule(
    script: ModuleType, eid: str, time: str, meridiem: str | None, wday: str, expected: datetime
) -> None:
    entry = {"eid": eid, "time": time, "meridiem": meridiem, "wday": wday}
    assert script.kickoff(entry) == expected


def test_the_missing_safety_is_added_and_a_wrong_total_refused(script: ModuleType) -> None:
    def box(total: int) -> dict[str, Any]:
        away = {"1": 0, "2": 3, "3": 6, "4": 3, "5": 0, "T": total}
        home = {"1": 10, "2": 6, "3": 0, "4": 3, "5": 0, "T": 19}
        return {"away": {"score": away}, "home": {"score": home}}

    assert script.scores("2016112701", box(12)) == {
        "away": [0, 3, 6, 5, 0, 14],
        "home": [10, 6, 0, 3, 0, 19],
    }
    assert script.scores("2016112700", box(12))["away"][-1] == 12
    with pytest.raises(SystemExit, match="away quarters do not sum to the total"):
        script.scores("2016112700", box(13))
