"""The audit passes an honest replay, and a reader that forgets ``known_at`` does not get by."""

from dataclasses import replace
from datetime import datetime, timedelta

import psycopg
import pytest

from precog_core.database import Database
from precog_trading.backtest.history import History, load_history
from precog_trading.backtest.look_ahead import audit_look_ahead
from precog_trading.backtest.runs import Request
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, MINUTE

REQUEST = Request(
    "nfl_pre_game", "nfl", FIRST_SUNDAY - timedelta(days=3), FIRST_SUNDAY + timedelta(days=30)
)


def reads_quotes_too_early(conn: psycopg.Connection, *arguments: object) -> History:
    """The leak people write: the time a quote was observed taken for the time it was known."""
    history = load_history(conn, *arguments)  # type: ignore[arg-type]
    return replace(history, quotes=replace(history.quotes, known_at=history.quotes.observed_at))


def reads_predictions_too_early(conn: psycopg.Connection, *arguments: object) -> History:
    """The same with predictions: as if each had been issued a day before it was."""
    history = load_history(conn, *arguments)  # type: ignore[arg-type]
    day = timedelta(days=1)
    early = {
        game: tuple(replace(p, known_at=p.known_at - day, event_ts=p.event_ts - day) for p in told)
        for game, told in history.predictions.items()
    }
    return replace(history, predictions=early)


def knows_the_winner(conn: psycopg.Connection, *arguments: object) -> History:
    """Predictions that lean towards what the results say."""
    history = load_history(conn, *arguments)  # type: ignore[arg-type]
    value = {s.market: s.value for s in history.settlements}
    lean = {}
    for place, row in enumerate(history.markets):
        told = history.predictions.get(row["game_id"], ())
        if row["yes_team_id"] == row["home_team_id"] and place in value:
            better = min(max(value[place], told[0].p_home - 1), told[0].p_home + 1)
            lean[row["game_id"]] = tuple(
                replace(p, p_home=(p.p_home * 9 + better).quantize(p.p_home) / 10) for p in told
            )
        else:
            lean.setdefault(row["game_id"], told)
    return replace(history, predictions=lean)


@pytest.mark.requirement("TEST-004", "UX-002")
def test_an_honest_replay_passes_and_planted_leaks_are_found(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn, season.EIGHT_TEAMS)
        games = season.add_season(conn, league, 8, hours=(24, 8, 1), week_of=4)
        # Quotes and a prediction that became known after they were true.
        for game in games:
            at = game.kickoff - 4 * HOUR
            season.add_quote(conn, game.home, at, "0.30", "0.31", known_at=at + MINUTE)
    late = games[4].kickoff - 4 * HOUR
    moments: list[datetime] = [late, games[2].kickoff - 8 * HOUR]
    told: list[float] = []
    honest = audit_look_ahead(db, REQUEST, moments, progress=lambda share, _: told.append(share))
    assert told == sorted(told) and told[0] < 0.2 and 0.8 < told[-1] <= 1
    assert honest.passed, honest.as_dict()
    assert honest.decisions > 100
    assert honest.shuffled.n == 8
    for leak in (reads_quotes_too_early, reads_predictions_too_early, knows_the_winner):
        caught = audit_look_ahead(db, REQUEST, moments, load=leak)
        assert not caught.passed, leak.__name__
        assert {d.how for d in caught.differences} <= {"truncated", "poisoned"}


def test_shuffled_results_leave_nothing_of_a_model_that_knows_them(db: Database) -> None:
    """A model that said what happened scores near 0; dealt other results, no better than a guess
    that knows nothing. If the scores were read past the shuffled table they would not move.
    """
    with db.transaction() as conn:
        league = season.create_league(conn, season.EIGHT_TEAMS)
        teams = season.EIGHT_TEAMS
        for number in range(40):
            kickoff = FIRST_SUNDAY + timedelta(hours=12 * number)
            home, away = teams[number % 8], teams[(number + 3) % 8]
            won = (number * 7) % 3 == 0
            game = season.add_game(conn, league, kickoff, home, away, (24, 17) if won else (3, 9))
            season.add_prediction(conn, league, game, "0.95" if won else "0.05")
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    found = audit_look_ahead(db, REQUEST).shuffled
    assert found.n == 40
    assert found.brier < 0.01
    assert found.passed
    assert abs(found.shuffled_brier - found.unknowing_brier) < 0.08
    assert found.shuffled_brier > found.base_rate_brier
