"""``precog elo verify`` and ``precog ratings`` as a user meets them."""

import csv
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_pipelines.ratings.commands import register
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.elo import Game, rate_games
from precog_pipelines.ratings.fivethirtyeight import reference_parameters
from precog_pipelines.ratings.history import write_ratings
from tests.synthetic_league import made_up_league, store


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    register(app)
    return app


def run(app: typer.Typer, *arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


@pytest.fixture
def published(tmp_path: Path) -> tuple[Path, Path]:
    """Two games in the published form, as our own Elo rates them."""
    games, initial = tmp_path / "games.csv", tmp_path / "initial.csv"
    ratings = {"AAA": 1500.0, "BBB": 1400.0}
    played = [Game(1950, "AAA", "BBB", 21, 7, False), Game(1951, "BBB", "AAA", 3, 3, True)]
    rated, _ = rate_games(played, reference_parameters(ratings))
    with games.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["date", "season", "neutral", "team1", "team2", "elo1", "elo2", "elo_prob1",
             "score1", "score2"]
        )  # fmt: skip
        for game, r in zip(played, rated, strict=True):
            writer.writerow(
                [f"{game.season}-10-01", game.season, int(game.neutral), game.home, game.away,
                 round(r.home_before, 3), round(r.away_before, 3), r.expected,
                 game.home_score, game.away_score]
            )  # fmt: skip
    initial.write_text("team,elo\nAAA,1500.0\nBBB,1400.0\n")
    return games, initial


def test_verify_reproduces_the_published_file(app: typer.Typer, data_dir: Path) -> None:
    nfl = data_dir / "nfl"
    result = run(
        app, "elo", "verify", "--games", nfl / "fivethirtyeight_nfl_games_1920_2020.csv",
        "--initial", nfl / "nfl_initial_elos.csv", "--json",
    )  # fmt: skip
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["games"] == 16_810
    assert report["max_abs_diff"] <= 2e-6
    assert report["passed"] is True


def test_verify_says_so_and_fails_when_a_probability_differs(app, published) -> None:
    games, initial = published
    result = run(app, "elo", "verify", "--games", games, "--initial", initial)
    assert result.exit_code == 0
    assert "2 games: probabilities equal" in result.stdout
    initial.write_text("team,elo\nAAA,1500.0\nBBB,1401.0\n")
    result = run(app, "elo", "verify", "--games", games, "--initial", initial)
    assert result.exit_code == 1
    assert "NOT equal" in result.stdout


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("elo_prob1", "probability", "has no column elo_prob1"),
        ("21,7", "21,seven", r"line 2, column score2: 'seven' is not a number"),
        ("1950,0,AAA", "1950,0,CCC", r"line 2, column team1: team 'CCC' has no rating in"),
    ],
)
def test_verify_refuses_a_damaged_file_by_line_and_column(
    app, published, old: str, new: str, message: str
) -> None:
    games, initial = published
    games.write_text(games.read_text().replace(old, new))
    with pytest.raises(PrecogError, match=message):
        run(app, "elo", "verify", "--games", games, "--initial", initial)


def test_verify_refuses_a_file_without_games_or_no_file(app, published, tmp_path) -> None:
    games, initial = published
    games.write_text(games.read_text().splitlines()[0] + "\n")
    with pytest.raises(PrecogError, match="holds no games"):
        run(app, "elo", "verify", "--games", games, "--initial", initial)
    with pytest.raises(PrecogError, match="cannot read"):
        run(app, "elo", "verify", "--games", tmp_path / "none.csv", "--initial", initial)


@pytest.fixture
def league(db: Database) -> Database:
    with db.transaction() as conn:
        store(conn, made_up_league())
        write_ratings(conn, "ncaaf", range(2009, 2014), elo_config().league("ncaaf"))
    return db


def test_ratings_prints_every_team_best_first(app: typer.Typer, league: Database) -> None:
    as_json = run(app, "ratings", "--league", "ncaaf", "--as-of", "2012-02-01", "--json")
    report = json.loads(as_json.stdout)
    assert report["model"] == "ncaaf-elo v1.0"
    assert [row["rank"] for row in report["ratings"]] == list(range(1, 9))
    assert {row["season"] for row in report["ratings"]} == {2011}
    shown = run(app, "ratings", "--league", "ncaaf", "--as-of", "2012-02-01").stdout
    assert "known on 2012-02-02" not in shown
    assert "known on 2012-02-01" in shown
    places = [shown.index(f"{row['rank']} │ {row['team']}") for row in report["ratings"]]
    assert places == sorted(places)
    assert f"{report['ratings'][0]['rating']:.1f}" in shown


def test_ratings_without_an_answer_say_why(app: typer.Typer, league: Database) -> None:
    with pytest.raises(PrecogError, match="neither a date"):
        run(app, "ratings", "--as-of", "yesterday")
    with pytest.raises(PrecogError, match="no Elo parameters for league 'curling'"):
        run(app, "ratings", "--league", "curling")
    with pytest.raises(PrecogError, match="no Elo ratings of league nfl"):
        run(app, "ratings", "--league", "nfl")
    with pytest.raises(PrecogError, match="choose a later date"):
        run(app, "ratings", "--league", "ncaaf", "--as-of", "2000-01-01T00:00:00+00:00")
