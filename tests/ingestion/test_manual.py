"""`precog games add` and `precog quotes add`: the same command again changes nothing."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from precog_core.config import set_override
from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_pipelines import commands

SOON = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)


@pytest.fixture
def precog(all_databases: Database) -> Any:
    """Runs the command line in process and returns what it printed."""
    app = typer.Typer()
    commands.register(app)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def add_game(precog: Any, *more: str, home: str = "KC") -> str:
    return precog(
        "games", "add", "--away", "BUF", "--home", home, "--kickoff", SOON.isoformat(), *more
    )


def the_ticker(output: str, team: str) -> str:
    (ticker,) = [line.split()[1] for line in output.splitlines() if line.endswith(f"-{team}")]
    return ticker


def test_a_game_by_hand_is_scheduled_with_two_markets(precog: Any, db: Database) -> None:
    output = add_game(precog)
    assert "(added)" in output
    with db.transaction() as conn:
        assert conn.execute(
            "SELECT status, source, kickoff_at, source_game_id, known_at <= now(), "
            "result_known_at FROM games"
        ).fetchall() == [("scheduled", "manual", SOON, None, True, None)]
        assert conn.execute(
            "SELECT m.ticker, m.platform_id, a.status FROM markets AS m "
            "JOIN market_attributes AS a USING (market_id) ORDER BY m.market_id"
        ).fetchall() == [
            (the_ticker(output, "KC"), "simulated", "open"),
            (the_ticker(output, "BUF"), "simulated", "open"),
        ]


def test_the_same_game_again_changes_nothing(precog: Any, db: Database) -> None:
    first = add_game(precog)
    with db.transaction() as conn:
        before = conn.execute("SELECT * FROM games").fetchall()
    again = add_game(precog, home="kc")
    assert again == first.replace("(added)", "(unchanged, source manual)")
    with db.transaction() as conn:
        assert conn.execute("SELECT * FROM games").fetchall() == before
        assert conn.execute("SELECT count(*) FROM markets").fetchone() == (2,)


def test_markets_belong_to_the_platform_the_home_quotes(precog: Any, db: Database) -> None:
    with db.transaction() as conn:
        set_override(conn, "sources.games.provider", "nflverse", reason="t", applied_by="t")
    add_game(precog, home="LAR")
    with db.transaction() as conn:
        assert conn.execute("SELECT DISTINCT platform_id FROM markets").fetchall() == [
            ("closing_line",)
        ]
        assert conn.execute(
            "SELECT team_code FROM games JOIN teams ON team_id = home_team_id"
        ).fetchall() == [("LA",)]


def test_a_quote_is_stored_once_with_what_was_typed(precog: Any, db: Database) -> None:
    ticker = the_ticker(add_game(precog), "KC")
    at = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    arguments = (
        "quotes", "add", "--ticker", ticker, "--bid", "0.50", "--ask", "0.51", "--bid-size", "400",
        "--ask-size", "300", "--volume", "1000", "--open-interest", "900", "--at", at, "--mirror",
    )  # fmt: skip
    assert "2 of 2 quotes new" in precog(*arguments)
    assert "0 of 2 quotes new" in precog(*arguments)
    with db.transaction() as conn:
        rows = conn.execute(
            "SELECT m.ticker, q.yes_bid, q.yes_ask, q.yes_bid_size, q.yes_ask_size, q.volume, "
            "q.open_interest, q.source, q.observed_at, q.known_at > q.observed_at "
            "FROM market_snapshots AS q JOIN markets AS m USING (market_id) ORDER BY 1 DESC"
        ).fetchall()
        batches = conn.execute("SELECT count(DISTINCT known_at) FROM market_snapshots").fetchone()
    seen = datetime.fromisoformat(at)
    numbers = [Decimal(n) for n in ("0.50", "0.51", "400", "300", "1000", "900")]
    mirrored = [Decimal(n) for n in ("0.49", "0.50", "300", "400", "1000", "900")]
    assert rows == [
        (ticker, *numbers, "manual", seen, True),
        (ticker.replace("-KC", "-BUF"), *mirrored, "manual", seen, True),
    ]
    assert batches == (1,)


def test_another_quote_at_the_same_instant_is_refused(precog: Any) -> None:
    ticker = the_ticker(add_game(precog), "KC")
    at = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    quote = ("quotes", "add", "--ticker", ticker, "--at", at, "--ask", "0.60", "--bid")
    precog(*quote, "0.50")
    with pytest.raises(PrecogError, match="already has another quote at .* give a later --at"):
        precog(*quote, "0.51")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--bid": "0.505"}, "bid 0.505 is not a price of"),
        ({"--ask": "1.00"}, "ask 1.00 is not a price of"),
        ({"--bid": "0.51"}, "bid 0.51 is not below ask 0.51"),
        ({"--bid": "half"}, "--bid 'half' is not a number"),
        ({"--volume": "-1"}, "--volume '-1' is not a number from 0 on"),
        ({"--at": "2030-01-01T00:00:00Z"}, "is still to come"),
        ({"--at": "2020-01-01T00:00:00"}, "has no zone; end it with Z"),
        ({"--at": "now"}, "--at 'now' is not a time such as"),
        ({"--ticker": "NOPE"}, "no platform has a market 'NOPE'"),
    ],
)
def test_a_quote_that_cannot_be_is_refused(precog: Any, changes: Any, words: str) -> None:
    values = {
        "--ticker": the_ticker(add_game(precog), "KC"),
        "--bid": "0.50",
        "--ask": "0.51",
    } | changes
    with pytest.raises(PrecogError, match=words):
        precog("quotes", "add", *(text for pair in values.items() for text in pair))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--away", "XXX", "--home", "KC"), "no team 'XXX'; expected one of ARI"),
        (("--away", "KC", "--home", "KC"), "KC and KC are the same team"),
        (("--away", "BUF", "--home", "KC", "--league", "mlb"), "no game source for league mlb"),
    ],
)
def test_a_game_that_cannot_be_is_refused(precog: Any, arguments: Any, words: str) -> None:
    with pytest.raises(PrecogError, match=words):
        precog("games", "add", *arguments, "--kickoff", SOON.isoformat())


def test_a_game_that_a_source_delivered_is_left_alone(
    precog: Any, conn: Any, store: Any, game: Any
) -> None:
    store([game()])
    output = precog(
        "games", "add", "--away", "BUF", "--home", "KC", "--kickoff", "2018-09-09T20:00:00Z"
    )
    assert "nfl:2018:2018-09-09:BUF@KC (unchanged, source nflverse)" in output
    assert conn.execute("SELECT status, source, home_score FROM games").fetchall() == [
        ("final", "nflverse", 24)
    ]


def test_a_source_takes_over_a_game_entered_by_hand(
    precog: Any, conn: Any, store: Any, game: Any
) -> None:
    precog("games", "add", "--away", "BUF", "--home", "KC", "--kickoff", "2018-09-09T17:00:00Z")
    before = conn.execute("SELECT game_id FROM games").fetchall()
    assert store([game()]).updated == 1
    assert conn.execute(
        "SELECT source, source_game_id, week, status, home_score FROM games"
    ).fetchall() == [("nflverse", "2018_01_BUF_KC", 1, "final", 24)]
    assert conn.execute("SELECT game_id FROM games").fetchall() == before
