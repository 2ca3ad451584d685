"""The monitor asks the venue for what is held: in one call, and from a short cache."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from precog_core.database import Database
from precog_core.kalshi.config import KalshiConfig
from precog_core.kalshi.limits import HostLimits
from precog_core.kalshi.quote_cache import BATCH, QuoteCache
from precog_trading.engine.state import Environment
from precog_trading.monitor.loop import Cycle, Monitor
from precog_trading.monitor.polling import HeldQuotes, monitors_share
from precog_trading.tick.runner import run_pending
from tests.kalshi import payloads
from tests.kalshi.conftest import Clock, Connect
from tests.kalshi.server import FakeKalshi, Reply
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR, MINUTE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TEN_TEAMS = (*season.EIGHT_TEAMS, "PHI", "DEN")


class Wall:
    """The monitor's clock: passes only by sleeping."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


@pytest.mark.requirement("MON-004")
def test_an_answer_serves_for_ten_seconds_unless_a_fresh_one_is_wanted(
    venue: FakeKalshi, connect: Connect
) -> None:
    wall = Wall(NOW)
    venue.markets = [payloads.market(f"KXNFLGAME-26NOV29KCDEN-{n}") for n in range(BATCH + 1)]
    tickers = [market["ticker"] for market in venue.markets]
    cache = QuoteCache(connect(), wall.now)
    assert cache.quotes(tickers[:3]).asked == 1
    wall.sleep(9)
    venue.markets[0]["yes_bid_dollars"] = "0.1200"
    kept = cache.quotes(tickers[:3])
    assert (kept.asked, kept.quotes[tickers[0]].at) == (0, NOW)
    assert kept.quotes[tickers[0]].market.yes_bid == Decimal("0.56")
    assert cache.quotes(tickers[:4]).asked == 1, "only the one that is not kept"
    assert venue.seen[-1].query["tickers"] == tickers[3]
    fresh = cache.quotes(tickers[:1], fresh=True)
    assert (fresh.asked, fresh.quotes[tickers[0]].market.yes_bid) == (1, Decimal("0.12"))
    wall.sleep(1)
    assert cache.quotes(tickers[:1]).asked == 0, "the fresh answer is kept too"
    assert cache.quotes(tickers[1:3]).asked == 1, "ten seconds are over"
    wall.sleep(11)
    assert cache.quotes(tickers).asked == 2, "in batches"
    # What the venue does not list, or lists without having been asked, is no quote.
    venue.script("/markets", Reply(200, {"markets": venue.markets[:2], "cursor": ""}))
    strange = cache.quotes(tickers[1:3], fresh=True)
    assert [problem for problem in strange.problems if tickers[0] in problem]


@pytest.mark.parametrize("tier", ["basic", "advanced", "premier", "paragon", "prime"])
def test_the_monitors_client_has_a_call_a_second_and_does_not_wait_long(tier: str) -> None:
    config = monitors_share(KalshiConfig.model_validate({"tier": tier}))
    bucket = HostLimits("x", config, clock := Clock(), clock.sleep).read
    waited = [bucket.take(config.request_cost) for _ in range(3)]
    assert waited == pytest.approx([0, 1, 1], abs=0.01)
    assert (config.retry.retries, config.deadline_s) == (0, 6)


def held(db: Database, venue: FakeKalshi, games: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """``games`` positions of 0.50 in markets that the venue quotes at 0.47 to 0.49."""
    monkeypatch.setenv("PRECOG__METHODS__METHODS__NFL_PRE_GAME__STRATEGY", "pre_game_managed")
    with db.transaction() as conn:
        league = season.create_league(conn, TEN_TEAMS, platform_id="kalshi")
        conn.execute(
            "INSERT INTO fee_schedules (platform_id, fee_type, taker_rate, maker_rate, multiplier, "
            "rounding_increment, effective_from, source, known_at) "
            "VALUES ('kalshi', 'quadratic', 0.07, 0, 1, 0.0001, '2019-01-01Z', 'x', '2019-01-01Z')"
        )
        for number in range(games):
            kickoff = FIRST_SUNDAY + (number % 2) * 12 * HOUR  # two days: the caps are by day
            home, away = TEN_TEAMS[number], TEN_TEAMS[(number + 1) % len(TEN_TEAMS)]
            game = season.add_game(conn, league, kickoff, home, away, None)
            season.add_prediction(conn, league, game, "0.62", "0.0200")
            season.add_quote(conn, game.home, FIRST_SUNDAY - 10 * HOUR, "0.49", "0.50")
        tickers = [
            ticker
            for (ticker,) in conn.execute(
                "SELECT ticker FROM markets JOIN market_snapshots USING (market_id) ORDER BY ticker"
            )
        ]
    assert run_pending(db).fills == games
    venue.markets = [quoted(ticker, "0.4700", "0.4900") for ticker in tickers]


def quoted(ticker: str, bid: str, ask: str) -> dict[str, Any]:
    return payloads.market(ticker, yes_bid_dollars=bid, yes_ask_dollars=ask)


def turn(monitor: Monitor, wall: Wall) -> Cycle:
    """A cycle and the pause after it."""
    cycle = monitor.turn()
    wall.sleep(cycle.next_in_s)
    return cycle


@pytest.mark.requirement("MON-005", "MON-001", "MON-004")
def test_ten_urgent_positions_cost_one_call_each_five_seconds(
    db: Database, venue: FakeKalshi, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    held(db, venue, 10, monkeypatch)
    wall = Wall(FIRST_SUNDAY - 10 * HOUR + 10 * MINUTE)
    quotes = HeldQuotes(db, connect(), wall.now, Environment.PAPER, lambda text: None)
    with Monitor(db, clock=wall, log=lambda text: None, quotes=quotes) as monitor:
        first = turn(monitor, wall)
        assert (first.polled.asked, first.polled.heard, first.polled.stored) == (1, 10, 10)
        assert first.next_in_s == 30
        for market in venue.markets:
            market["yes_bid_dollars"] = "0.4400"
        began, before = wall.now(), len(venue.seen)
        cycles = []
        while wall.now() < began + MINUTE:
            cycles.append(turn(monitor, wall))
        assert [cycle.next_in_s for cycle in cycles] == [5] * 12
        assert len(venue.seen) - before == 12 <= 60
        assert cycles[0].polled.stored == 10 and cycles[1].polled.stored == 0
        with db.transaction() as conn:
            assert conn.execute(
                "SELECT DISTINCT current_price, last_check_time FROM positions"
            ).fetchall() == [(Decimal("0.44"), began + 55 * timedelta(seconds=1))]
            assert conn.execute(
                "SELECT count(*) FROM market_snapshots WHERE source = 'recorded'"
            ).fetchone() == (20,)
        # One falls through its stop: sold at the next answer, although that says the same.
        venue.markets[0] |= {"yes_bid_dollars": "0.4200", "yes_ask_dollars": "0.4400"}
        turn(monitor, wall)
        turn(monitor, wall)
    with db.transaction() as conn:
        assert conn.execute(
            "SELECT exit_reason, exit_price FROM positions WHERE status = 'closed'"
        ).fetchall() == [("stop_loss", Decimal("0.42"))]


def test_a_venue_that_does_not_answer_is_an_alert_and_then_a_breaker(
    db: Database, venue: FakeKalshi, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    held(db, venue, 1, monkeypatch)
    wall = Wall(FIRST_SUNDAY - 10 * HOUR + 10 * MINUTE)
    client = connect(retry={"retries": 0})
    said: list[str] = []
    with Monitor(
        db, clock=wall, log=said.append,
        quotes=HeldQuotes(db, client, wall.now, Environment.PAPER, said.append),
    ) as monitor:  # fmt: skip
        venue.script("/markets", *[Reply(503, {})] * 5)
        failed = [turn(monitor, wall).polled.failed for _ in range(5)]
        assert failed == [True] * 5
        assert turn(monitor, wall).polled.heard == 1
    assert "GET /markets" in said[0]
    with db.transaction() as conn:
        assert conn.execute(
            "SELECT breaker_type, action FROM circuit_breaker_events"
        ).fetchall() == [("venue_errors", "exits_only")]
        assert conn.execute(
            "SELECT alert_type, occurrence_count FROM alerts WHERE alert_type = 'venue_outage'"
        ).fetchall() == [("venue_outage", 5)]
