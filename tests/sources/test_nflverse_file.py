"""The published history, read from the development copy and compared with its known numbers."""

from collections import Counter
from pathlib import Path

import pytest

from precog_core.errors import PrecogError
from precog_pipelines.sources import open_game_source
from precog_pipelines.sources.nflverse_games import NflverseFile


@pytest.fixture(scope="module")
def history(data_dir: Path) -> NflverseFile:
    return NflverseFile(data_dir / "nfl" / "nflverse_games.csv")


def test_the_whole_history_is_read(history: NflverseFile) -> None:
    retrieval = history.games("nfl")
    assert len(retrieval.games) == retrieval.snapshot.row_count == 7276
    assert retrieval.snapshot.sha256.startswith("f0932c5ac399f684")
    assert history.seasons("nfl") == list(range(1999, 2026))
    assert Counter(game.game_type for game in retrieval.games) == {
        "regular": 6967,
        "postseason": 309,
    }
    assert sum(game.kickoff_at is None for game in retrieval.games) == 259
    assert sum(game.neutral_site for game in retrieval.games) == 94
    assert sum(game.home_moneyline is not None for game in retrieval.games) == 5295
    assert len({team for game in retrieval.games for team in (game.home, game.away)}) == 32
    assert sum(game.home_result == 0.5 for game in retrieval.games) == 15


def test_no_game_starts_at_an_hour_when_none_is_played(history: NflverseFile) -> None:
    from precog_pipelines.sources.config import league_config

    zone = league_config("nfl").zone
    starts = [g.kickoff_at.astimezone(zone) for g in history.games("nfl").games if g.kickoff_at]
    assert min(start.strftime("%H:%M") for start in starts) == "09:30"
    assert len(history.games("nfl").corrections) == 107


def test_an_absent_season_names_the_seasons_there_are(history: NflverseFile) -> None:
    with pytest.raises(PrecogError, match=r"no games of season 1998, 2031; it has 1999-2025;"):
        history.games("nfl", [1998, 2018, 2031])


def test_another_league_has_no_source(history: NflverseFile) -> None:
    with pytest.raises(PrecogError, match="no game source for league nba"):
        history.seasons("nba")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrecogError, match=r"cannot read .*absent\.csv: No such file"):
        open_game_source("nflverse_file", tmp_path / "absent.csv").seasons("nfl")


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(PrecogError, match="unknown provider of games 'espn'"):
        open_game_source("espn")
    with pytest.raises(PrecogError, match="needs a file"):
        open_game_source("nflverse_file")
