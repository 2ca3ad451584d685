"""Two mirror markets a game, quotes appended once, and the closing price they leave."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from precog_core.errors import PrecogError
from precog_pipelines.sources.closing_line_quotes import ClosingLineQuotes
from precog_pipelines.sources.config import ClosingLineSection, League
from precog_pipelines.sources.games_table import GamesWritten
from precog_pipelines.sources.markets_table import (
    MarketsWritten,
    market_ids,
    store_markets,
    tradable_games,
)
from precog_pipelines.sources.protocols import Quote, SourceGame
from precog_pipelines.sources.quotes_table import (
    QuotesWritten,
    closing_probabilities,
    store_closing_prices,
    store_quotes,
)

Game = Callable[..., SourceGame]
Store = Callable[..., GamesWritten]
KICKOFF = datetime(2018, 9, 9, 17, 0, tzinfo=UTC)


@pytest.fixture
def markets(
    conn: psycopg.Connection, league: League, store: Store, game: Game
) -> Callable[..., MarketsWritten]:
    """Stores the games and then their markets."""

    def write(games: list[SourceGame], platform: str = "closing_line") -> MarketsWritten:
        store(games)
        with conn.transaction():
            seasons = sorted({g.season for g in games})
            ids = tradable_games(conn, "nfl", seasons)
            return store_markets(conn, platform, "nfl", league, ids)

    return write


def quote(team: str = "home", bid: str = "0.60", ask: str = "0.62", **changes: Any) -> Quote:
    values = {
        "game_key": "nfl:2018:2018-09-09:BUF@KC",
        "team": team,
        "observed_at": datetime(2018, 9, 9, 16, 0, tzinfo=UTC),
        "yes_bid": Decimal(bid),
        "yes_ask": Decimal(ask),
        "yes_bid_size": Decimal(500),
        "yes_ask_size": Decimal(500),
        "volume": None,
        "open_interest": None,
        "write_reason": "price",
    }
    return Quote(**values | changes)  # type: ignore[arg-type]


def test_a_game_gets_one_event_and_a_market_for_each_team(
    conn: psycopg.Connection, markets: Any, game: Game
) -> None:
    assert markets([game()]) == MarketsWritten(events=1, markets=2, attributes=2, events_updated=0)
    assert conn.execute(
        "SELECT e.event_ticker, e.title, e.status, e.start_at, s.series_ticker "
        "FROM events AS e JOIN series AS s USING (series_id)"
    ).fetchall() == [
        ("NFLGAME-18SEP09BUFKC", "Buffalo Bills at Kansas City Chiefs", "final", KICKOFF, "NFLGAME")
    ]
    assert conn.execute(
        "SELECT m.ticker, m.market_type, t.team_code FROM markets AS m "
        "JOIN teams AS t ON t.team_id = m.yes_team_id ORDER BY m.market_id"
    ).fetchall() == [
        ("NFLGAME-18SEP09BUFKC-KC", "binary", "KC"),
        ("NFLGAME-18SEP09BUFKC-BUF", "binary", "BUF"),
    ]
    attributes = conn.execute(
        "SELECT title, status, price_ranges, count_step, known_at, row_current_ind, raw->>'origin' "
        "FROM market_attributes ORDER BY market_id"
    ).fetchall()
    assert attributes[1] == (
        "Buffalo Bills to win (BUF at KC)",
        "open",
        [{"start": "0.00", "end": "1.00", "step": "0.01"}],
        Decimal("1.00"),
        datetime(2018, 9, 7, 17, 0, tzinfo=UTC),
        True,
        "Quotes assumed from closing lines",
    )


def test_markets_again_change_nothing_and_events_follow_their_game(
    conn: psycopg.Connection, markets: Any, game: Game
) -> None:
    fixture = game(away_score=None, home_score=None)
    markets([fixture])
    before = conn.execute("SELECT * FROM markets ORDER BY 1").fetchall()
    assert markets([fixture]) == MarketsWritten(0, 0, 0, 0)
    assert markets([game()]) == MarketsWritten(0, 0, 0, events_updated=1)
    assert conn.execute("SELECT status FROM events").fetchall() == [("final",)]
    assert conn.execute("SELECT * FROM markets ORDER BY 1").fetchall() == before


def test_preseason_games_get_no_markets(markets: Any, game: Game) -> None:
    assert markets([game(game_type="preseason")]) == MarketsWritten(0, 0, 0, 0)


def test_quotes_are_appended_once_and_land_in_their_months_partition(
    conn: psycopg.Connection, markets: Any, game: Game
) -> None:
    markets([game()])
    ids = market_ids(conn, "closing_line", "nfl", [2018])
    quotes = [quote(), quote("away", "0.38", "0.40")]
    for expected in (QuotesWritten(2, 2, 0), QuotesWritten(2, 0, 0)):
        with conn.transaction():
            assert store_quotes(conn, ids, quotes, "assumed_closing_line") == expected
    stored = conn.execute(
        "SELECT tableoid::REGCLASS::TEXT, market_id, yes_bid, yes_ask, volume, source, known_at "
        "FROM market_snapshots ORDER BY market_id"
    ).fetchall()
    at = datetime(2018, 9, 9, 16, 0, tzinfo=UTC)
    key = "nfl:2018:2018-09-09:BUF@KC"
    assert stored == [
        ("market_snapshots_2018_09", ids[key, "home"], Decimal("0.60"), Decimal("0.62"), None,
         "assumed_closing_line", at),
        ("market_snapshots_2018_09", ids[key, "away"], Decimal("0.38"), Decimal("0.40"), None,
         "assumed_closing_line", at),
    ]  # fmt: skip


def test_another_quote_for_the_same_instant_is_counted_and_the_first_one_stays(
    conn: psycopg.Connection, markets: Any, game: Game
) -> None:
    markets([game()])
    ids = market_ids(conn, "closing_line", "nfl", [2018])
    with conn.transaction():
        store_quotes(conn, ids, [quote()], "assumed_closing_line")
    with conn.transaction():
        written = store_quotes(conn, ids, [quote(bid="0.61", ask="0.63")], "assumed_closing_line")
    assert written == QuotesWritten(offered=1, inserted=0, differing=1)
    assert conn.execute("SELECT yes_bid FROM market_snapshots").fetchall() == [(Decimal("0.60"),)]


def test_a_quote_received_later_is_known_later(
    conn: psycopg.Connection, markets: Any, game: Game
) -> None:
    markets([game()])
    ids = market_ids(conn, "closing_line", "nfl", [2018])
    received = datetime(2018, 9, 9, 16, 5, tzinfo=UTC)
    with conn.transaction():
        store_quotes(conn, ids, [quote()], "manual", received_at=received)
    assert conn.execute("SELECT known_at FROM market_snapshots").fetchall() == [(received,)]


def test_a_quote_without_a_market_is_refused(conn: psycopg.Connection) -> None:
    with (
        pytest.raises(PrecogError, match="nfl:2018:2018-09-09:BUF@KC has no market for its home"),
        conn.transaction(),
    ):
        store_quotes(conn, {}, [quote()], "simulated")


def test_the_closing_price_is_known_at_kickoff_and_comes_back_unrounded(
    conn: psycopg.Connection, markets: Any, game: Game
) -> None:
    games = [game(), game(away="GB", home="CHI", source_game_id="b", home_moneyline=None)]
    markets(games)
    ids = market_ids(conn, "closing_line", "nfl", [2018])
    source = ClosingLineQuotes(ClosingLineSection())
    for new in (2, 0):
        with conn.transaction():
            store_quotes(conn, ids, source.quotes(games), source.source)
            assert store_closing_prices(conn, ids, source.closing_prices(games), None) == new
    assert conn.execute("SELECT DISTINCT known_at, period_s FROM market_candles").fetchall() == [
        (KICKOFF, 86400)
    ]
    frame = closing_probabilities(conn, "nfl", [2018])
    assert list(frame.columns) == ["game_id", "p_home", "source"]
    assert frame.p_home.tolist() == [0.611511]
    assert frame.source.tolist() == ["assumed_closing_line"]


def test_a_simulated_market_closes_at_the_mid_of_its_last_quote_by_kickoff(
    conn: psycopg.Connection, markets: Any, game: Game
) -> None:
    markets([game(), game(game_date=date(2018, 9, 16), source_game_id="b")], "simulated")
    ids = market_ids(conn, "simulated", "nfl", [2018])
    quotes = [
        quote(observed_at=datetime(2018, 9, 9, 16, 0, tzinfo=UTC)),
        quote(bid="0.70", ask="0.71", observed_at=KICKOFF),
        quote("away", "0.29", "0.30", observed_at=KICKOFF),
        quote(bid="0.90", ask="0.91", observed_at=datetime(2018, 9, 9, 18, 0, tzinfo=UTC)),
    ]
    with conn.transaction():
        store_quotes(conn, ids, quotes, "simulated")
        later = quote(bid="0.10", ask="0.11", observed_at=datetime(2018, 9, 9, 16, 59, tzinfo=UTC))
        store_quotes(conn, ids, [later], "manual")
    frame = closing_probabilities(conn, "nfl", [2018])
    assert frame.p_home.tolist() == [0.705]
    assert frame.source.tolist() == ["simulated"]
    assert closing_probabilities(conn, "nfl", [2017]).empty
