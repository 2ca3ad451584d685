"""The assets and schedules: off until enabled, and what they show when something is missing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from precog_core.config import set_override
from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.kalshi.client import KalshiClient
from precog_core.kalshi.config import KalshiConfig, kalshi_config
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.ingestion.kalshi import fee_schedules, kalshi_markets, kalshi_quotes
from precog_pipelines.defs.ingestion.kalshi_history import market_candles, market_trades, windows_of
from precog_pipelines.defs.ingestion.kalshi_resource import KalshiResource, kalshi_resources, shared
from precog_pipelines.defs.ingestion.kalshi_schedules import (
    kalshi_history_schedule,
    kalshi_listing_schedule,
    kalshi_quotes_schedule,
)
from precog_pipelines.sources.kalshi.markets import ingest_markets
from precog_pipelines.sources.manual import add_scheduled_game
from tests.kalshi import payloads
from tests.kalshi.payloads import EVENT
from tests.kalshi.server import FakeKalshi, Reply

SCHEDULES = [kalshi_quotes_schedule, kalshi_listing_schedule, kalshi_history_schedule]
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def game_day() -> datetime:
    """A day that is over and in the live tier, whenever the test runs."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)


@pytest.fixture
def listed(
    venue: FakeKalshi, game_day: datetime, monkeypatch: pytest.MonkeyPatch, db: Database
) -> FakeKalshi:
    """An enabled home at a venue with one open market of a stored game, and one without."""
    monkeypatch.setenv("PRECOG__KALSHI__REST_URL", venue.url)
    monkeypatch.setenv("PRECOG__KALSHI__ENABLED", "true")
    monkeypatch.setenv("PRECOG__KALSHI__RETRY__RETRIES", "0")
    venue.cutoff = dict.fromkeys(venue.cutoff, "2020-01-01T00:00:00Z")
    kickoff = datetime.now(UTC) + timedelta(days=3)
    ticker = f"KXNFLGAME-{kickoff:%y%b%d}".upper() + "KCDEN"
    life = {
        "open_time": (game_day - timedelta(days=5)).isoformat(),
        "close_time": (kickoff + timedelta(days=2)).isoformat(),
        "updated_time": (game_day - timedelta(days=5)).isoformat(),
    }
    venue.series["KXNFLGAME"] = payloads.series()
    for event in (ticker, EVENT.replace("26NOV29", "26NOV01")):
        venue.list_event(
            payloads.event(event),
            *[payloads.market(f"{event}-{team}", **life) for team in ("KC", "DEN")],
        )
    for market in venue.markets:
        venue.books[market["ticker"]] = payloads.order_book()
    with db.transaction() as conn:
        add_scheduled_game(conn, "nfl", "KC", "DEN", kickoff.replace(hour=20))
    return venue


def run(
    asset: dg.AssetsDefinition, *, days: tuple[str, str] | None = None
) -> dg.ExecuteInProcessResult:
    tags = {}
    if days:
        tags = {
            "dagster/asset_partition_range_start": days[0],
            "dagster/asset_partition_range_end": days[1],
        }
    resources = {"postgres": PostgresResource(), "kalshi": KalshiResource()}
    return dg.materialize([asset], resources=resources, tags=tags, raise_on_error=False)


def check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    return next(e for e in result.get_asset_check_evaluations() if e.check_name == name)


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    event = result.get_asset_materialization_events()[0]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_nothing_is_asked_while_kalshi_is_not_enabled(
    venue: FakeKalshi, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No network use unless a person turned it on, also by hand."""
    monkeypatch.setenv("PRECOG__KALSHI__REST_URL", venue.url)
    result = run(kalshi_quotes)
    assert not result.success
    failure = result.get_step_failure_events()[0].step_failure_data.error
    assert failure is not None
    assert "Kalshi is not enabled, so nothing was asked" in failure.to_string()
    for use in ("live", "history"):
        with db.connection() as conn, pytest.raises(PrecogError, match="is not enabled"):
            KalshiResource().open(conn, use)
    assert venue.seen == []


def ticks() -> list[dg.RunRequest | dg.SkipReason]:
    """What each schedule says at noon."""
    resources = {"postgres": PostgresResource()}
    said = []
    for schedule in SCHEDULES:
        with dg.build_schedule_context(
            scheduled_execution_time=NOON, resources=resources
        ) as context:
            said.append(schedule(context))
    return said


def test_the_schedules_start_stopped_and_skip_until_enabled(db: Database) -> None:
    """A tick asks again: an override in the database switches on and off."""
    assert {schedule.default_status for schedule in SCHEDULES} == {dg.DefaultScheduleStatus.STOPPED}
    for skipped in ticks():
        assert isinstance(skipped, dg.SkipReason)
        assert "precog kalshi check" in str(skipped.skip_message)
    with db.transaction() as conn:
        set_override(conn, "kalshi.enabled", True, reason="test", applied_by="test")
    asked = ticks()
    assert all(isinstance(request, dg.RunRequest) for request in asked)
    assert asked[-1].partition_key == "2026-11-23"


def test_listing_quotes_and_fees_materialize_and_show_what_is_unmatched(
    listed: FakeKalshi, db: Database
) -> None:
    """API-001: from HTTP to rows and metadata."""
    result = run(kalshi_markets)
    assert result.success
    assert check(result, "complete").passed
    assert not check(result, "matched").passed
    shown = metadata(result)
    assert (shown["matched_markets"], shown["dagster/row_count"]) == (2, 4)
    assert "no_game" in str(shown["unmatched_markets"])
    assert "KXNFLGAME-26NOV01KCDEN-KC" in str(shown["unmatched_markets"])
    quotes = run(kalshi_quotes)
    assert quotes.success
    assert metadata(quotes)["dagster/row_count"] == 4
    fees = run(fee_schedules)
    assert fees.success
    assert metadata(fees)["dagster/row_count"] == 1
    assert check(fees, "complete").passed


def test_an_incomplete_listing_fails_its_check_and_names_the_field(
    listed: FakeKalshi, db: Database
) -> None:
    """API-001: stored, marked, and not a proof of absence."""
    del listed.markets[0]["yes_bid_dollars"]
    result = run(kalshi_markets)
    assert result.success
    verdict = check(result, "complete")
    assert not verdict.passed
    assert verdict.severity is dg.AssetCheckSeverity.ERROR
    assert "field yes_bid_dollars is missing" in str(verdict.metadata["named"].value)
    assert metadata(result)["complete"] is False


def test_a_range_of_days_is_one_run_and_equal_to_single_days(
    listed: FakeKalshi, db: Database, game_day: datetime
) -> None:
    """API-001: bars and trades, the same rows in any chunking."""
    ticker = listed.markets[0]["ticker"]
    first = game_day - timedelta(days=1)
    listed.candles[ticker] = [
        payloads.candle(int((first + timedelta(hours=hour)).timestamp())) for hour in range(49)
    ]
    listed.trades = [
        payloads.trade(
            f"t-{hour}", ticker, created_time=(first + timedelta(hours=hour)).isoformat()
        )
        for hour in range(49)
    ]
    day = game_day.date().isoformat()
    both = (first.date().isoformat(), day)
    bars = run(market_candles, days=both)
    assert bars.success
    assert metadata(bars)["bars_new"] == 48
    assert metadata(bars)["dagster/row_count"] == 48
    trades = run(market_trades, days=both)
    assert metadata(trades)["dagster/row_count"] == 48
    single = run(market_candles, days=(day, day))
    assert (metadata(single)["bars"], metadata(single)["bars_new"]) == (24, 0)
    assert check(single, "complete").passed
    assert not [seen for seen in listed.seen if "historical/markets" in seen.path]


def test_two_listings_at_once_end_in_one_history(listed: FakeKalshi, db: Database) -> None:
    """Whoever asks also stores before the next one asks: an older answer never comes last."""
    statuses = ("active", "inactive", "active", "inactive")
    for status in statuses:
        nested = [market | {"status": status} for market in listed.markets[:2]]
        listed.script("/events", Reply(200, {"events": [listed.events[0] | {"markets": nested}]}))

    def ingest(_: int) -> bool:
        with KalshiClient.connect(kalshi_config()) as client:
            return ingest_markets(client, db, lambda: datetime.now(UTC)).report.complete

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ingest, range(4)))
    with db.connection() as conn:
        stored = conn.execute(
            "SELECT ticker, array_agg(status ORDER BY row_start_ts) FROM market_attributes "
            "JOIN markets USING (market_id) WHERE platform_id = 'kalshi' GROUP BY ticker"
        ).fetchall()
    assert [history for _, history in stored] == [["open", "paused", "open", "paused"]] * 2


def test_days_that_follow_each_other_are_one_window() -> None:
    windows = windows_of(["2026-11-03", "2026-11-01", "2026-11-02", "2026-11-05"])
    assert [(w.start_at.day, w.end_at.day) for w in windows] == [(1, 4), (5, 6)]


def test_the_code_location_binds_the_resource() -> None:
    assert isinstance(kalshi_resources().resources["kalshi"], KalshiResource)


def test_live_and_history_together_stay_within_the_rate() -> None:
    """API-005: two processes cannot see each other's requests, so they share the fraction."""
    config = KalshiConfig()
    rates = [shared(config, use).rate_fraction for use in ("live", "history")]
    assert sum(rates) == pytest.approx(config.rate_fraction)
