"""The packaged sample: what it holds, what it lacks, and its agreement with another source."""

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from precog_core.errors import PrecogError
from precog_pipelines.sources.nflverse_games import NflverseFile
from precog_pipelines.sources.sample_games import FILE, SampleGames, points_by_period

# Kickoffs more than 15 minutes apart, and why.
KICKOFFS_APART = {
    "2010020700": "Super Bowl: the package has the start of the broadcast",
    "2010101100": "started 45 minutes late after a storm",
    "2014090801": "second Monday game: 22:20, nflverse has 21:20",
    "2016091808": "16:05, nflverse has 13:00",
}
# Buffalo at home in Toronto: nflverse marks only some of these games as neutral.
TORONTO = {"2009120300", "2010110704", "2011103007", "2012121610"}


def test_the_sample_has_the_promised_games_and_the_one_hole() -> None:
    source = SampleGames()
    games = source.games("nfl").games
    assert len(games) == 2926
    assert all(game.is_final and game.kickoff_at is not None for game in games)
    per_season = Counter(game.season for game in games)
    assert per_season == {**dict.fromkeys(range(2009, 2020), 267), 2018: 256}
    assert {game.game_type for game in games if game.season == 2018} == {"regular"}
    assert source.known_holes("nfl", 2018) == 11
    assert source.known_holes("nfl", 2017) == 0
    assert sum(game.home_result == 0.5 for game in games) == 8
    assert len({game.game_key for game in games}) == 2926


def test_the_file_is_the_one_its_provenance_describes() -> None:
    digest = hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert digest in (FILE.parent / "PROVENANCE.md").read_text()
    assert SampleGames().games("nfl", [2009]).snapshot.sha256 == digest


def test_the_game_the_package_has_wrong_ends_nineteen_to_fourteen() -> None:
    (game,) = [
        g for g in SampleGames().games("nfl", [2016]).games if g.source_game_id == "2016112701"
    ]
    assert (game.away, game.away_score, game.home, game.home_score) == ("CIN", 14, "BAL", 19)
    assert points_by_period()["2016112701"] == {
        "away": (0, 3, 6, 5, 0),
        "home": (10, 6, 0, 3, 0),
    }


def test_a_night_game_given_as_morning_is_at_night() -> None:
    (game,) = [
        g for g in SampleGames().games("nfl", [2010]).games if g.source_game_id == "2011010800"
    ]
    assert game.kickoff_at == datetime(2011, 1, 9, 1, 0, tzinfo=UTC)
    assert (game.week, game.game_type) == (18, "postseason")


def test_points_by_period_sum_to_the_score() -> None:
    points = points_by_period()
    for game in SampleGames().games("nfl").games:
        periods = points[str(game.source_game_id)]
        assert sum(periods["away"]) == game.away_score
        assert sum(periods["home"]) == game.home_score


def test_seasons_and_leagues_it_does_not_have_are_refused() -> None:
    with pytest.raises(PrecogError, match="has no games of season 2020; it has 2009-2019"):
        SampleGames().games("nfl", [2019, 2020])
    with pytest.raises(PrecogError, match="no game source for league nba"):
        SampleGames().seasons("nba")


def test_every_game_agrees_with_nflverse(data_dir: Path) -> None:
    other = NflverseFile(data_dir / "nfl" / "nflverse_games.csv").games("nfl", range(2009, 2020))
    theirs = {game.game_key: game for game in other.games}
    apart, neutral = set(), set()
    for game in SampleGames().games("nfl").games:
        match = theirs.pop(game.game_key)
        assert (game.away_score, game.home_score) == (match.away_score, match.home_score)
        assert (game.week, game.game_type) == (match.week, match.game_type)
        assert game.kickoff_at is not None
        assert match.kickoff_at is not None
        if abs(game.kickoff_at - match.kickoff_at) > timedelta(minutes=15):
            apart.add(game.source_game_id)
        if game.neutral_site != match.neutral_site:
            neutral.add(game.source_game_id)
    assert apart == set(KICKOFFS_APART)
    assert neutral == TORONTO
    assert {(g.season, g.game_type) for g in theirs.values()} == {(2018, "postseason")}
    assert len(theirs) == 11
