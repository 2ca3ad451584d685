"""``precog models compare``: the same games for everyone, and an honest sentence."""

import json

import pytest
import typer
from typer.testing import CliRunner

from precog_core.errors import PrecogError
from precog_pipelines.training.commands import register, verdict
from precog_pipelines.training.metrics import brier
from precog_pipelines.training.summary import brier_summary, issued_games
from tests.trained_league import FAMILIES, LEAGUE, TESTED, Home


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    register(app)
    return app


def run(app: typer.Typer, *arguments: str):
    return CliRunner().invoke(app, ["models", "compare", "--league", LEAGUE, *arguments])


def test_it_prints_one_object_with_a_row_per_model(trained_home: Home, app: typer.Typer) -> None:
    result = run(app, "--from", "2012", "--to", "2014", "--json")
    assert result.exit_code == 0, result.output
    content = json.loads(result.output)
    assert content["market_source"] == []
    assert content["verdict"] == "No market price is known for these games."
    rows = {row["model"]: row for row in content["models"]}
    assert set(rows) == {*FAMILIES, "home_rate"}
    for one in rows.values():
        assert one["brier_low"] < one["brier"] < one["brier_high"]
        assert one["log_loss_low"] < one["log_loss"] < one["log_loss_high"]
        assert [part["season"] for part in one["by_season"]] == TESTED
        weighted = sum(part["n"] * part["brier"] for part in one["by_season"])
        assert weighted / one["n"] == pytest.approx(one["brier"])
    assert len({row["n"] for row in rows.values()}) == 1
    assert [row["brier"] for row in content["models"]] == sorted(
        row["brier"] for row in content["models"]
    )
    with trained_home.db.connection() as conn:
        games = issued_games(conn, LEAGUE, 2012, 2014)
    assert rows["elo"]["n"] == len(games)
    assert rows["elo"]["brier"] == pytest.approx(brier(games["elo"], games["home_win"]))
    assert rows["elo"]["brier_vs_market"] is None


def test_the_table_names_every_model(trained_home: Home, app: typer.Typer) -> None:
    result = run(app, "--from", "2013", "--to", "2014")
    assert result.exit_code == 0
    assert "ncaaf 2013–2014" in result.output
    for name in ("elo", "xgboost", "home_rate", "No market price is known"):
        assert name in result.output


def test_seasons_without_predictions_and_reversed_seasons_are_explained(
    trained_home: Home, app: typer.Typer
) -> None:
    early = run(app, "--from", "2009", "--to", "2010")
    assert isinstance(early.exception, PrecogError)
    assert "has no predictions for finished games of 2009–2010" in str(early.exception)
    reversed_ = run(app, "--from", "2014", "--to", "2012")
    assert "--from 2014 is after --to 2012" in str(reversed_.exception)


def test_the_summary_scores_everyone_on_the_same_games(trained_home: Home) -> None:
    with trained_home.db.connection() as conn:
        summary = brier_summary(conn, LEAGUE, TESTED[0], TESTED[-1])
        assert brier_summary(conn, LEAGUE, 1999, 2001) == {}
    assert set(summary) == {*FAMILIES, "home_rate"}
    assert {values["n"] for values in summary.values()} == {
        trained_home.value(
            "SELECT count(*) FROM games WHERE season = ANY(%s) AND home_score <> away_score"
            " AND game_type <> 'preseason'", TESTED,
        )
    }  # fmt: skip
    assert summary["elo"]["brier"] < summary["home_rate"]["brier"]


def row(model: str, brier: float, gap: float | None = None, width: float = 0.004) -> dict:
    low, high = (None, None) if gap is None else (gap - width, gap + width)
    return {"model": model, "brier": brier, "brier_vs_market": gap, "low": low, "high": high}


def test_the_verdict_says_who_won() -> None:
    market = row("market", 0.2108)
    assert verdict([market, row("elo", 0.2220, 0.0112)]).startswith(
        "The market was better than every model: elo is 0.0112 behind"
    )
    assert "cannot be told apart" in verdict([market, row("elo", 0.2110, 0.0002)])
    assert "look for a leak" in verdict([row("elo", 0.19, -0.02), market])
    assert verdict([market]) == "No model has predictions for these games."
