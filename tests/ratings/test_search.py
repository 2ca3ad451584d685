"""The search for Elo's parameters: resumed, never worse than what is configured, honest."""

import dataclasses
import random

import pytest

from precog_core.errors import PrecogError
from precog_pipelines.ratings.config import LeagueElo, elo_config
from precog_pipelines.ratings.elo import Era, Game, MarginForm
from precog_pipelines.ratings.kernel import GameColumns, score_columns
from precog_pipelines.ratings.search import plot_png, search, yaml_of


def league(seasons: range = range(2014, 2023)) -> GameColumns:
    """Eight teams whose strengths differ by season; home advantage is worth three points."""
    rng = random.Random(3)
    games = []
    for season in seasons:
        strength = [rng.gauss(0, 7) for _ in range(8)]
        for _ in range(60):
            home, away = rng.sample(range(8), 2)
            margin = round(rng.gauss(strength[home] - strength[away] + 3, 12))
            games.append(Game(season, home, away, max(margin, 0), max(-margin, 0), False))
    return GameColumns.of(games)


@pytest.fixture(scope="module")
def elo() -> LeagueElo:
    return elo_config().league("nfl")


@pytest.mark.requirement("UX-002")
def test_a_stopped_search_goes_on_and_never_ends_worse_than_it_began(tmp_path, elo) -> None:
    games = league()
    first = search(games, elo, trials=12, folder=tmp_path, name="elo")
    assert first.window == (2017, 2021)
    assert first.held_out == (2022, 2022)
    assert first.table["log_loss"][0] == first.configured.log_loss
    assert first.found.log_loss <= first.configured.log_loss
    told = []
    more = search(
        games, elo, trials=20, folder=tmp_path, name="elo", progress=lambda *how: told.append(how)
    )
    assert told == [(done, 20) for done in range(12, 21)]
    assert more.trials == 20
    assert more.identity == first.identity
    assert list(more.table["log_loss"][:12]) == list(first.table["log_loss"])
    assert more.found.log_loss <= first.found.log_loss
    # Enough trials are enough, and other games are another search.
    assert search(games, elo, trials=5, folder=tmp_path, name="elo").trials == 20
    other = search(league(range(2014, 2022)), elo, trials=2, folder=tmp_path, name="elo")
    assert (other.trials, other.window) == (2, (2017, 2020))
    assert other.identity != first.identity
    assert plot_png(more)[:8] == b"\x89PNG\r\n\x1a\n"


def test_what_was_found_scores_as_said_and_reads_as_configuration(tmp_path, elo) -> None:
    import yaml

    games = league()
    found = search(games, elo, trials=6, folder=tmp_path, name="elo", last=2019)
    assert found.found.log_loss == score_columns(games, found.best).over(2017, 2019)[1]
    assert found.held_out_found.n == score_columns(games, found.best).over(2020, 2022)[0]
    # From 2020 on the window has no season: that era keeps its number.
    assert found.best.eras[1] == Era(2020, 30.0)
    best = dataclasses.replace(found.best, margin=MarginForm.HOCKEY, margin_power=0.75)
    read = LeagueElo(**yaml.safe_load(yaml_of(dataclasses.replace(found, best=best))))
    assert (read.margin, read.margin_power) == ("hockey", 0.75)
    assert read.parameters().eras[0].home_advantage == pytest.approx(
        found.best.eras[0].home_advantage, rel=1e-3
    )
    assert read.parameters().k == pytest.approx(found.best.k, rel=1e-3)


def test_a_window_without_games_is_refused(tmp_path, elo) -> None:
    with pytest.raises(PrecogError, match="no decided game in seasons 1990 to 1995"):
        search(league(), elo, trials=1, folder=tmp_path, name="elo", first=1990, last=1995)
    with pytest.raises(PrecogError, match="more than 3 seasons"):
        search(league(range(2014, 2016)), elo, trials=1, folder=tmp_path, name="elo")


def test_the_published_form_leaves_stored_versions_as_they_are(elo) -> None:
    assert "margin_power" not in elo.definition()
    assert elo.model_copy(update={"margin_power": 0.8}).definition()["margin_power"] == 0.8
