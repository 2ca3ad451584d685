"""Games and quotes by hand: work that goes on while something is broken, decided exactly once."""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from precog_core.database import Database
from precog_pipelines.sources.manual import GameAdded, add_scheduled_game
from scripts.drill.rig import Rig

_PAIRS = (("BUF", "KC"), ("NYJ", "DEN"), ("CHI", "GB"), ("DAL", "PHI"), ("SEA", "SF"),
          ("CLE", "PIT"), ("ATL", "NO"), ("MIN", "DET"), ("MIA", "NE"), ("CIN", "BAL"))  # fmt: skip
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Fixture:
    """A game of today with the champion's probability that its home team wins."""

    away: str
    home: str
    kickoff: datetime
    ticker: str
    probability: Decimal


def add_fixtures(rig: Rig, number: int) -> list[Fixture]:
    """Games that start in five hours, once each has its prediction."""
    kickoff = (datetime.now(UTC) + timedelta(hours=5)).replace(microsecond=0)
    database = Database.from_environment(rig.home)
    # In one transaction, so that one run predicts them all.
    with contextlib.closing(database), database.transaction() as conn:
        tickers = {
            (away, home): _home_ticker(add_scheduled_game(conn, "nfl", away, home, kickoff), home)
            for away, home in _PAIRS[:number]
        }
    found: dict[str, Decimal] = {}

    def predicted() -> bool:
        rows = rig.query(
            "SELECT DISTINCT ON (m.ticker) m.ticker, p.p_home FROM predictions AS p"
            " JOIN probability_models AS v USING (model_id) JOIN games AS g USING (game_id)"
            " JOIN events AS e USING (game_id) JOIN markets AS m USING (event_id)"
            " WHERE g.source = 'manual' AND v.status = 'testing'"
            " ORDER BY m.ticker, p.event_ts DESC"
        )
        found.update(dict(rows))
        return all(ticker in found for ticker in tickers.values())

    rig.wait(f"predictions of {number} games by hand", predicted, 240)
    return [
        Fixture(away, home, kickoff, ticker, found[ticker])
        for (away, home), ticker in tickers.items()
    ]


def _home_ticker(added: GameAdded, home: str) -> str:
    return next(ticker for ticker in added.tickers if ticker.endswith(f"-{home}"))


def quote(rig: Rig, fixture: Fixture, below: str = "0.12", check: bool = True) -> str:
    """Offer the home team's market so far below the model's probability; what was printed."""
    ask = max(Decimal("0.12"), (fixture.probability - Decimal(below)).quantize(_CENT))
    done = rig.precog(
        "quotes", "add", "--ticker", fixture.ticker, "--bid", str(ask - _CENT), "--ask", str(ask),
        "--volume", "5000", "--open-interest", "5000", check=check,
    )  # fmt: skip
    return done.stdout + done.stderr


def decisions(rig: Rig, fixture: Fixture) -> list[tuple[object, ...]]:
    """(method and side, outcome, reason) of every decision to enter on the fixture's market."""
    return rig.query(
        "SELECT (d.method_id, d.side), d.outcome, d.skip_reason FROM decisions AS d"
        " JOIN markets AS m USING (market_id)"
        " WHERE m.ticker = %(ticker)s AND d.backtest_run_id IS NULL AND d.purpose = 'entry'",
        ticker=fixture.ticker,
    )


def decided_once(rig: Rig, fixture: Fixture, within_s: float = 180) -> bool:
    """Wait for the decisions on the fixture's one quote; each method made one for each side."""
    made = rig.wait(f"a decision on {fixture.ticker}", lambda: decisions(rig, fixture), within_s)
    if not made:
        return False
    made = decisions(rig, fixture)
    methods = [row[0] for row in made]
    once = rig.check(
        f"each method decided once a side on {fixture.ticker} ({len(made)} decisions)",
        len(methods) == len(set(methods)),
    )
    orders = rig.number(
        "SELECT count(*) FROM orders JOIN markets USING (market_id)"
        " WHERE ticker = %(ticker)s AND backtest_run_id IS NULL", ticker=fixture.ticker,
    )  # fmt: skip
    positions = rig.number(
        "SELECT count(*) FROM positions JOIN markets USING (market_id)"
        " WHERE ticker = %(ticker)s AND backtest_run_id IS NULL", ticker=fixture.ticker,
    )  # fmt: skip
    taken = sum(row[1] == "taken" for row in made)
    return once and rig.check(
        f"{taken} taken, {orders} orders, {positions} positions",
        orders == taken and positions <= taken,
    )
