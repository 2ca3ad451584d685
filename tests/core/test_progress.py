"""Progress of long work: on stderr, with the time that is left, and never in an answer."""

import pytest
from rich.console import Console

from precog_core.progress import EVERY_S, FIRST_LINE_S, Lines, progress


@pytest.mark.requirement("UX-002")
def test_without_a_terminal_a_line_now_and_then_says_what_is_left() -> None:
    now, lines = 100.0, []
    report = Lines("Trials", lines.append, clock=lambda: now)
    report(1_000, 2_000)  # continued: the first thousand took none of this time
    now += FIRST_LINE_S - 0.1
    report(1_090, 2_000)
    assert lines == []
    now += 0.1
    report(1_100, 2_000)
    assert lines == ["Trials: 55 %, about 0:00:45 left"]
    now += EVERY_S - 1
    report(1_150, 2_000)
    assert len(lines) == 1
    now += 1
    report(1_200, 2_000)  # a hundred in fifteen seconds now, not in five
    assert lines[1:] == ["Trials: 60 %, about 0:02:00 left"]
    now += EVERY_S
    report(1_200, 2_000)
    assert lines[2:] == ["Trials: 60 %"]


@pytest.mark.requirement("UX-002")
def test_on_a_terminal_a_bar_with_the_time_left_that_vanishes_or_stays(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = Console(stderr=True, force_terminal=True, width=120)
    with progress("Trials [of] nfl", console=console) as report:
        report(3, 4)
        print("the answer")
    out, err = capsys.readouterr()
    assert out == "the answer\n"
    assert "Trials [of] nfl" in err and "75%" in err
    assert err.endswith("\x1b[2K"), "the line of the bar is erased"

    with progress("Trials", console=console, keep=True) as report:
        report(3, 4)
    _, err = capsys.readouterr()
    assert "100%" in err and "Trials" in err.rstrip().splitlines()[-2]


@pytest.mark.requirement("UX-002")
def test_machines_see_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Trials", quiet=True) as report:
        report(1, 2)
    with progress("Trials") as report:  # too short to be told
        report(1, 2)
    assert capsys.readouterr() == ("", "")
