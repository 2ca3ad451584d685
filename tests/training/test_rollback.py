"""One command takes a champion back, and the gate remembers why."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from precog_core.errors import PrecogError
from precog_pipelines.predictions.serving import serving_models
from precog_pipelines.tracking.models import CHAMPION, tag_version, version_by_alias
from precog_pipelines.training.approval import approve
from precog_pipelines.training.commands import register
from precog_pipelines.training.rollback import CHAMPION_SINCE
from tests.trained_league import LEAGUE, Home


def command(home: Home, monkeypatch: pytest.MonkeyPatch, *arguments: str):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home.tracking.uri)
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, ["models", *arguments, "--league", LEAGUE])


def test_rolling_back_moves_the_alias_and_keeps_the_reason(
    trained_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracking = trained_home.tracking
    first = approve(trained_home.db, tracking, LEAGUE)
    nothing = command(trained_home, monkeypatch, "rollback", "--reason", "a test")
    assert isinstance(nothing.exception, PrecogError)
    assert "is the only champion ncaaf ever had" in str(nothing.exception)
    assert "say why" in str(command(trained_home, monkeypatch, "rollback").exception)

    # Another model held the place before.
    earlier = next(iter(first.challengers.values()))
    since = datetime.now(UTC) - timedelta(days=90)
    tag_version(tracking, earlier, CHAMPION_SINCE, since.isoformat())
    done = command(trained_home, monkeypatch, "rollback", "--reason", "lost its mind", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == {
        "league": LEAGUE,
        "left": f"{first.version.name} version 1",
        "champion": f"{earlier.name} version 1",
        "reason": "lost its mind",
    }
    assert version_by_alias(tracking, first.version.name, CHAMPION) is None
    served = serving_models(trained_home.db, tracking, LEAGUE)
    assert (served[0].role, served[0].version.name) == ("champion", earlier.name)
    noted = trained_home.value(
        "SELECT count(*) FROM probability_models WHERE notes = 'rolled back: lost its mind'"
    )
    assert noted == 2

    # The next training does not put the same fit back.
    again = approve(trained_home.db, tracking, LEAGUE)
    assert again.version.name != first.version.name
    assert "this fit was rolled back: lost its mind" in again.reasons[first.champion.name]
