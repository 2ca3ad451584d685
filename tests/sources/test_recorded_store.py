"""A recording in the tables: written once by key, every bar known at its end, nothing by halves."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.kalshi.config import QuotesSection
from precog_pipelines.sources.config import RecordedQuotesSection, SourcesConfig, league_config
from precog_pipelines.sources.feeds import LeagueFeed, league_feed
from precog_pipelines.sources.games_table import store_games
from precog_pipelines.sources.kalshi_recorded.accuracy import price_accuracy
from precog_pipelines.sources.kalshi_recorded.bars import QuoteRule, store_recorded_bars
from precog_pipelines.sources.kalshi_recorded.candles_file import read_candles_file
from precog_pipelines.sources.kalshi_recorded.files import RecordedFolder
from precog_pipelines.sources.kalshi_recorded.games import RecordedGames
from precog_pipelines.sources.quotes_table import closing_probabilities
from precog_pipelines.sources.reference import store_league
from tests.sources.recording import BARS, TIP_OFF, a_market, write_recording

SPRING = datetime(2025, 5, 2, 23, 0, tzinfo=UTC)
AWAY_BARS = [(-700, 41, 20), (-20, 40, 30), (45, 1, 10), (200, 1, 700)]
TABLES = ("games", "events", "markets", "market_attributes", "settlements", "market_candles",
          "market_snapshots")  # fmt: skip

Feed = Callable[..., LeagueFeed]


@pytest.fixture
def conn(db: Database) -> Iterator[psycopg.Connection]:
    with db.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture
def feed(conn: psycopg.Connection, tmp_path: Path) -> Feed:
    """The feed of a recording of these markets; its games and teams stored."""

    def build(*markets: Any) -> LeagueFeed:
        folder = write_recording(tmp_path / "recording", markets)
        return stored_feed(conn, folder)

    return build


def stored_feed(conn: psycopg.Connection, folder: Path) -> LeagueFeed:
    settings = SourcesConfig(recorded_quotes=RecordedQuotesSection(path=folder))
    config = league_config("nba")
    with conn.transaction():
        found = league_feed("nba", settings, store_league(conn, "nba", config))
        store_games(conn, "nba", found.source.games("nba"), config, settings.backfill)
    return found


def load(conn: psycopg.Connection, feed: LeagueFeed, *seasons: int) -> dict[str, int]:
    """All counts of one load, in one transaction."""
    shown: list[tuple[int, int]] = []
    with conn.transaction():
        counts, unmatched = feed.store_markets(conn, seasons)
        counts |= feed.store_settlements(conn, seasons)
        counts |= feed.store_quotes(conn, seasons, lambda *at: shown.append(at))
    assert shown[-1][0] == shown[-1][1]
    return counts | {"unmatched": len(unmatched)}


def sizes(conn: psycopg.Connection) -> dict[str, int]:
    return {name: conn.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}


@pytest.mark.requirement("PIT-005", "ORCH-002")
def test_a_recording_is_stored_once_and_known_bar_by_bar(
    conn: psycopg.Connection, feed: Feed
) -> None:
    game, bars = a_market()
    found = feed((game, bars), a_market("LAL", "DEN", "LAL", (80, 120), SPRING, AWAY_BARS))
    assert load(conn, found, 2025, 2026) == {
        "new_events": 2, "new_markets": 2, "new_attributes": 4, "matched": 2, "unmatched": 0,
        "settlements_new": 2, "settlements_differing": 0, "offered": 12, "inserted": 12,
        "differing": 0, "candles": 14, "candles_new": 14, "candles_differing": 0,
    }  # fmt: skip
    before = sizes(conn)

    candles = conn.execute(
        "SELECT bar_end_ts, period_s, open_price, close_price, yes_bid, volume, known_at, "
        "source_snapshot_id IS NOT NULL FROM market_candles JOIN markets USING (market_id) "
        "WHERE ticker = %s ORDER BY bar_end_ts",
        (game["ticker"],),
    ).fetchall()
    assert len(candles) == len(BARS)
    end = TIP_OFF + timedelta(minutes=-1500)
    cents = Decimal("0.55")
    assert candles[0] == (end, 60, cents, cents, None, Decimal(5), end, True)
    assert all(known_at == ended for ended, *_, known_at, _ in candles)

    quotes = conn.execute(
        "SELECT yes_bid, yes_ask, last_price, volume, write_reason, yes_bid_size, open_interest, "
        "known_at = observed_at, source FROM market_snapshots JOIN markets USING (market_id) "
        "WHERE ticker = %s ORDER BY observed_at",
        (game["ticker"],),
    ).fetchall()
    assert quotes[2][:5] == (*map(Decimal, ("0.59", "0.61", "0.60", "21")), "price")
    assert quotes[-1][:3] == (Decimal("0.98"), None, Decimal("0.99"))
    assert {row[5:] for row in quotes} == {(None, None, True, "recorded_candle")}

    # The spring game ended after its usual three hours: its market is settled after its last bar.
    spring_end = SPRING + timedelta(minutes=200)
    assert conn.execute(
        "SELECT ticker, outcome, settlement_value, stage, s.known_at, "
        "(s.raw ->> 'yes_won')::BOOLEAN FROM settlements AS s JOIN markets USING (market_id) "
        "ORDER BY s.known_at"
    ).fetchall() == [
        ("KXNBAGAME-25MAY02LALDEN-LAL", "no", 0, "finalized", spring_end, False),
        (game["ticker"], "yes", 1, "finalized", TIP_OFF + timedelta(hours=3), True),
    ]
    # Nor was its result known before: overtime may take longer than the rule allows for.
    assert conn.execute("SELECT result_known_at FROM games ORDER BY kickoff_at").fetchall() == [
        (spring_end,),
        (TIP_OFF + timedelta(hours=3),),
    ]
    opened = TIP_OFF - timedelta(minutes=1501)
    settled = TIP_OFF + timedelta(hours=3)
    assert conn.execute(
        "SELECT status, a.known_at, row_start_ts, row_end_ts, row_current_ind "
        "FROM market_attributes AS a JOIN markets USING (market_id) WHERE ticker = %s "
        "ORDER BY row_start_ts",
        (game["ticker"],),
    ).fetchall() == [
        ("open", opened, opened, settled, False),
        ("settled", settled, settled, None, True),
    ]

    assert load(conn, found, 2026)["inserted"] == 0
    again = load(conn, found, 2025, 2026)
    assert {again[name] for name in again if "new" in name or "differing" in name} == {0}
    assert again["inserted"] == 0
    assert sizes(conn) == before


@pytest.mark.requirement("ORCH-002")
def test_seasons_one_by_one_are_seasons_together(conn: psycopg.Connection, feed: Feed) -> None:
    found = feed(a_market(), a_market("LAL", "DEN", "LAL", (80, 120), SPRING, AWAY_BARS))
    assert load(conn, found, 2026)["candles"] == 10
    assert load(conn, found, 2025)["candles"] == 4
    assert sizes(conn) == {
        "games": 2, "events": 2, "markets": 2, "market_attributes": 4, "settlements": 2,
        "market_candles": 14, "market_snapshots": 12,
    }  # fmt: skip


def test_other_values_for_a_stored_minute_are_counted_and_not_stored(
    conn: psycopg.Connection, feed: Feed
) -> None:
    load(conn, feed(a_market()), 2026)
    changed = [*BARS[:3], (-200, 58, 12), *BARS[4:]]
    counts = load(conn, feed(a_market(bars=changed)), 2026)
    assert (counts["candles_new"], counts["candles_differing"]) == (0, 1)
    assert (counts["inserted"], counts["differing"]) == (0, 1)
    assert conn.execute(
        "SELECT count(*) FROM market_candles WHERE close_price = 0.58"
    ).fetchone() == (0,)


def test_a_market_that_fits_no_game_is_listed_with_the_reason(
    conn: psycopg.Connection, feed: Feed
) -> None:
    wrong = {"event_ticker": "KXNBAGAME-25NOV02BOSMIA", "ticker": "KXNBAGAME-25NOV02BOSMIA-MIA"}
    game, bars = a_market()
    bars = [bar | {"ticker": wrong["ticker"]} for bar in bars]
    found = feed((game | wrong, bars), a_market("LAL", "DEN", "LAL", (80, 120), SPRING, AWAY_BARS))
    with conn.transaction():
        counts, unmatched = found.store_markets(conn, [2025, 2026])
        found.store_settlements(conn, [2025, 2026])
    assert counts["matched"] == 1
    assert [(one.ticker, one.reason, one.detail) for one in unmatched] == [
        ("KXNBAGAME-25NOV02BOSMIA-MIA", "no_game", "BOS at MIA on 2025-11-02")
    ]
    # Its settlement is a fact all the same, known when it stopped trading.
    assert conn.execute(
        "SELECT s.known_at FROM settlements AS s JOIN markets USING (market_id) WHERE ticker = %s",
        (wrong["ticker"],),
    ).fetchone() == (TIP_OFF + timedelta(minutes=151),)


def test_a_damaged_recording_leaves_nothing_behind(
    conn: psycopg.Connection, feed: Feed, tmp_path: Path
) -> None:
    game, bars = a_market()
    bars[-1]["high"] = "98"
    found = feed((game, bars))
    before = sizes(conn)
    with pytest.raises(PrecogError, match="line 11, column high"):
        load(conn, found, 2026)
    assert sizes(conn) == before
    fresh = feed(a_market("LAL", "DEN", "LAL"))
    missing = "are not stored, such as .*materialize `markets`"
    with pytest.raises(PrecogError, match=missing), conn.transaction():
        fresh.store_quotes(conn, [2026], lambda done, total: None)


def test_the_last_trade_before_the_start_is_the_markets_word(
    conn: psycopg.Connection, feed: Feed
) -> None:
    load(
        conn,
        feed(a_market(), a_market("LAL", "DEN", "LAL", (80, 120), SPRING, AWAY_BARS)),
        2025,
        2026,
    )
    closes = closing_probabilities(conn, "nba", [2025, 2026]).sort_values("game_id")
    # 0.61 of the home team at tip-off; 0.40 of the away team twenty minutes before.
    assert sorted(closes["p_home"]) == pytest.approx([0.60, 0.61])
    assert set(closes["source"]) == {"recorded_candle"}
    at_start, hour_before, long_before = price_accuracy(conn, "nba", (0, 60, 24 * 60))
    assert at_start.n == 2
    assert at_start.brier == pytest.approx((0.39**2 + 0.40**2) / 2)
    assert (at_start.oldest_s, at_start.median_age_s) == (1200, 600)
    assert hour_before.brier == pytest.approx((0.38**2 + 0.41**2) / 2)
    assert (long_before.n, long_before.brier) == (1, pytest.approx(0.45**2))
    with pytest.raises(PrecogError, match="no candles of kalshi_demo .*precog quotes load"):
        price_accuracy(conn, "nba", (0,), "kalshi_demo")


def test_the_real_recording_is_read_whole_and_its_prices_score_as_published(
    data_dir: Path, conn: psycopg.Connection
) -> None:
    folder = RecordedFolder.open(data_dir / "kalshi")
    candles = read_candles_file(folder.candles)
    found = stored_feed(conn, data_dir / "kalshi")
    source = found.source
    assert isinstance(source, RecordedGames)
    markets = source.file().markets
    assert (len(markets), len(candles.bars), candles.rows) == (550, 550, 427_796)
    assert [len(source.markets("nba", [season])) for season in (2025, 2026)] == [80, 470]

    errors = []
    for market in markets:
        tip_off = int(market.game.kickoff_at.timestamp())  # type: ignore[union-attr]
        last = [bar for bar in candles.bars[market.ticker] if bar[0] <= tip_off][-1][4] / 100
        errors.append((last - market.yes_won) ** 2)
    assert sum(errors) / len(errors) == pytest.approx(0.2180, abs=0.0005)

    with conn.transaction():
        counts, unmatched = found.store_markets(conn, [2025, 2026])
        assert (counts["matched"], unmatched) == (550, [])
        written = store_recorded_bars(
            conn,
            markets[:12],
            candles,
            QuoteRule(QuotesSection(), Decimal("0.01")),
            _snapshot_id(conn),
        )
    assert written.bars == written.bars_new == sum(market.candles for market in markets[:12])
    assert price_accuracy(conn, "nba", (0,))[0].n == 12


def _snapshot_id(conn: psycopg.Connection) -> int:
    row = conn.execute("SELECT source_snapshot_id FROM source_snapshots LIMIT 1").fetchone()
    assert row is not None
    return int(row[0])


def test_checks_find_a_settlement_before_its_result_or_against_it(
    conn: psycopg.Connection, feed: Feed
) -> None:
    from precog_pipelines.defs.ingestion.checks import quote_problems, settlement_problems

    found = feed(a_market(), a_market("LAL", "DEN", "LAL", (80, 120), SPRING, AWAY_BARS))
    load(conn, found, 2025, 2026)
    assert settlement_problems(conn) == []
    assert not any(quote_problems(conn).values())
    conn.execute("UPDATE games SET home_score = 70 WHERE home_score = 120")
    conn.execute(
        "INSERT INTO market_candles (market_id, period_s, bar_end_ts, close_price, volume, "
        "known_at) SELECT market_id, 60, known_at + INTERVAL '1 minute', 0.99, 1, "
        "known_at + INTERVAL '1 minute' FROM settlements WHERE outcome = 'yes'"
    )
    assert len(settlement_problems(conn)) == 2
    conn.execute(
        "INSERT INTO market_snapshots (market_id, observed_at, yes_bid, last_price, write_reason, "
        "source, known_at) SELECT market_id, now(), 0.60, 0.60, 'price', 'recorded_candle', now() "
        "FROM markets LIMIT 1"
    )
    assert len(quote_problems(conn)["quotes_valid"]) == 1
