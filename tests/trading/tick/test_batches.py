"""Which batches wait is read from the tables: new, late, superseded, too early, not yet known."""

from datetime import datetime, timedelta

import psycopg
import pytest

from precog_core.database import Database
from precog_trading.config import TradingConfig
from precog_trading.tick.batches import batch_time, pending_batches, tick_id
from precog_trading.tick.runner import run_pending
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, MINUTE, Game, League

CONFIG = TradingConfig()


def one_game(conn: psycopg.Connection) -> tuple[League, Game]:
    league = season.create_league(conn)
    game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
    season.add_prediction(conn, league, game, "0.62")
    return league, game


def waiting(db: Database) -> list[tuple[datetime, tuple[int, ...]]]:
    with db.transaction() as conn:
        return [(batch.at, batch.market_ids) for batch in pending_batches(conn, CONFIG)]


def test_a_batch_is_all_markets_known_at_one_instant(db: Database) -> None:
    with db.transaction() as conn:
        _, game = one_game(conn)
        for market in (game.home, game.away):
            season.add_quote(conn, market, game.kickoff - 2 * HOUR, "0.49", "0.50")
        season.add_quote(conn, game.home, game.kickoff - HOUR, "0.49", "0.50")
    assert waiting(db) == [
        (game.kickoff - 2 * HOUR, (game.home, game.away)),
        (game.kickoff - HOUR, (game.home,)),
    ]


def test_only_the_trading_window_counts_and_its_ends_belong_to_it(db: Database) -> None:
    with db.transaction() as conn:
        _, game = one_game(conn)
        for minutes in (24 * 60 + 1, 24 * 60, 30, 29):
            season.add_quote(conn, game.home, game.kickoff - minutes * MINUTE, "0.49", "0.50")
    assert [at for at, _ in waiting(db)] == [game.kickoff - 24 * HOUR, game.kickoff - 30 * MINUTE]


def test_nothing_waits_before_a_champion_has_spoken(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", None)
        challenger = season.create_model(conn, "nfl-elo")
        run = season.create_training_run(conn, challenger)
        season.add_prediction(conn, league, game, "0.62", model_id=challenger, training_run_id=run)
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    assert waiting(db) == []
    with db.transaction() as conn:
        season.add_prediction(conn, league, game, "0.62", at=game.kickoff - HOUR)
    assert waiting(db) == [], "the prediction came an hour after the quote"


def test_a_league_that_does_not_trade_has_no_batches(db: Database) -> None:
    with db.transaction() as conn:
        _, game = one_game(conn)
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
        conn.execute("UPDATE leagues SET trading_enabled = false WHERE league = 'nfl'")
    assert waiting(db) == []


def test_trading_begins_with_the_latest_predicted_season(db: Database) -> None:
    with db.transaction() as conn:
        league = season.create_league(conn)
        for year, kickoff in ((2018, FIRST_SUNDAY - timedelta(days=364)), (2019, FIRST_SUNDAY)):
            game = season.add_game(conn, league, kickoff, "KC", "BUF", (24, 17), season=year)
            season.add_prediction(
                conn, league, game, "0.62", at=max(kickoff - 24 * HOUR, season.LONG_AGO)
            )
            season.add_quote(conn, game.home, kickoff - 2 * HOUR, "0.49", "0.50")
    assert [at for at, _ in waiting(db)] == [FIRST_SUNDAY - 2 * HOUR]


def test_a_fresh_quote_is_decided_on_again_when_a_prediction_arrives(db: Database) -> None:
    with db.transaction() as conn:
        league, game = one_game(conn)
        at = game.kickoff - 2 * HOUR
        season.add_quote(conn, game.home, at, "0.49", "0.50")
        season.add_quote(conn, game.away, at - 2 * MINUTE, "0.50", "0.51")
    run_pending(db)
    with db.transaction() as conn:
        told = season.add_prediction(conn, league, game, "0.60", at=at + 4 * MINUTE)
    assert waiting(db) == [(at + 4 * MINUTE, (game.home,))], "the other quote is over 300 s old"
    assert run_pending(db).decisions == 2
    with db.transaction() as conn:
        assert conn.execute(
            "SELECT DISTINCT prediction_id, quote_observed_at, decided_at FROM decisions "
            "WHERE tick_id = %s", (tick_id(at + 4 * MINUTE),)
        ).fetchall() == [(told, at, at + 4 * MINUTE)]  # fmt: skip
    assert waiting(db) == []


def test_a_quote_committed_late_is_decided_at_the_clock_never_before_it(db: Database) -> None:
    with db.transaction() as conn:
        _, game = one_game(conn)
        clock = game.kickoff - 2 * HOUR
        season.add_quote(conn, game.home, clock, "0.49", "0.50")
    run_pending(db)
    with db.transaction() as conn:
        late = clock - 3 * MINUTE
        season.add_quote(conn, game.away, late, "0.50", "0.51")
        season.add_quote(conn, game.home, late, "0.40", "0.41")  # older than the one decided on
        season.add_quote(conn, game.away, clock - 61 * MINUTE, "0.50", "0.51")  # too late
    assert waiting(db) == [(late, (game.away,))]
    run_pending(db)
    with db.transaction() as conn:
        assert conn.execute(
            "SELECT DISTINCT decided_at, quote_observed_at FROM decisions WHERE market_id = %s",
            (game.away,),
        ).fetchall() == [(clock, late)]
    assert waiting(db) == []


def test_two_quotes_of_a_market_in_one_batch_are_one_candidate_the_newest(db: Database) -> None:
    with db.transaction() as conn:
        _, game = one_game(conn)
        at = game.kickoff - 2 * HOUR
        season.add_quote(conn, game.home, at - 2 * MINUTE, "0.40", "0.41", known_at=at)
        season.add_quote(conn, game.home, at - MINUTE, "0.49", "0.50", known_at=at)
    run_pending(db)
    with db.transaction() as conn:
        assert conn.execute("SELECT DISTINCT quote_observed_at FROM decisions").fetchall() == [
            (at - MINUTE,)
        ]
    assert waiting(db) == []


def test_a_quote_not_known_yet_waits_for_the_wall_clock(db: Database) -> None:
    with db.transaction() as conn:
        _, game = one_game(conn)
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
        early = pending_batches(conn, CONFIG, now=game.kickoff - 3 * HOUR)
        later = pending_batches(conn, CONFIG, now=game.kickoff - 2 * HOUR)
    assert (len(early), len(later)) == (0, 1)


@pytest.mark.parametrize("text", ["t:2019-09-08T15:00:00Z", "t:2019-09-08T15:00:00.250000Z"])
def test_a_tick_id_and_its_instant_name_each_other(text: str) -> None:
    assert tick_id(batch_time(text)) == text


def test_something_else_is_no_tick_id() -> None:
    with pytest.raises(ValueError, match="expected t:"):
        batch_time("2019-09-08")


def test_the_number_of_statements_of_a_tick_does_not_grow_with_its_markets(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve markets take exactly as many statements as two, when nothing is bought."""
    counts: list[int] = []
    original = psycopg.Cursor.execute

    def counted(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        counts[-1] += 1
        return original(self, *args, **kwargs)

    with db.transaction() as conn:
        league = season.create_league(conn, season.EIGHT_TEAMS)
        pairs = [("KC", "BUF"), ("GB", "DAL"), ("SF", "NE"), ("CHI", "SEA")]
        for week, used in enumerate((1, 4, 1, 4)):
            kickoff = FIRST_SUNDAY + timedelta(days=7 * week)
            for home, away in pairs[:used]:
                game = season.add_game(conn, league, kickoff, home, away, None)
                season.add_prediction(conn, league, game, "0.50")
                for market in (game.home, game.away):
                    season.add_quote(conn, market, kickoff - 2 * HOUR, "0.49", "0.51")
    from precog_trading.tick.runner import tick_runner

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    counts.append(0)
    with tick_runner(db) as runner, db.connection() as conn:
        runner.resume()
        batches = pending_batches(conn, CONFIG)
        for batch in batches:
            counts.append(0)
            assert runner.run_tick(batch).decisions == 2 * len(batch.market_ids)
    assert [len(batch.market_ids) for batch in batches] == [2, 8, 2, 8]
    assert counts[2] == counts[3] == counts[4], "the first also opens the account"
    assert counts[2] <= 27
