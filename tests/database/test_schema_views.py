"""The views of what holds now: current rows, open positions, active versions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.database.conftest import World

DECIDED = datetime(2019, 12, 29, 16, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

TRAILING = {
    "trailing_stop_active": True,
    "trailing_stop_price": "0.50",
    "trailing_stop_distance": "0.05",
    "trailing_stop_type": "percentage",
    "peak_price": "0.53",
}


@pytest.mark.requirement("MON-003")
@pytest.mark.parametrize(
    ("values", "urgent"),
    [
        ({}, False),
        ({"current_price": "0.50"}, False),
        ({"current_price": "0.42", "stop_loss_price": "0.40"}, True),
        ({"current_price": "0.420001", "stop_loss_price": "0.40"}, False),
        ({"current_price": "0.30", "stop_loss_price": "0.40"}, True),
        ({"stop_loss_price": "0.40"}, False),
        ({"current_price": "0.58", "target_price": "0.60"}, True),
        ({"current_price": "0.579999", "target_price": "0.60"}, False),
        ({"current_price": "0.51", **TRAILING}, True),
        ({"current_price": "0.510001", **TRAILING}, False),
        ({"current_price": "0.51", **TRAILING, "trailing_stop_active": False}, False),
    ],
)
def test_a_position_close_to_its_stop_or_target_is_urgent(
    world: "World", values: dict[str, Any], urgent: bool
) -> None:
    world.position(**values)
    assert world.all("SELECT is_urgent FROM positions_urgent_monitoring") == [(urgent,)]


@pytest.mark.requirement("MON-002")
def test_an_unwatched_position_is_listed_after_sixty_seconds(world: "World") -> None:
    now = datetime.now(UTC)
    for ticker, entered, checked in (
        ("FRESH", now - 10 * MINUTE, now - timedelta(seconds=30)),
        ("STALE", now - 10 * MINUTE, now - timedelta(seconds=90)),
        ("NEW", now - timedelta(seconds=30), None),
        ("NEVER", now - timedelta(seconds=90), None),
    ):
        world.position(market_id=world.market(ticker), entry_time=entered, last_check_time=checked)
    stale = world.all(
        "SELECT ticker FROM stale_position_alerts JOIN markets USING (market_id) ORDER BY 1"
    )
    assert stale == [("NEVER",), ("STALE",)]


def test_the_current_market_has_its_latest_quote_and_attributes(world: "World") -> None:
    market = world.market("QUOTED")
    world.market("SILENT")
    for minutes, bid, ask in ((0, "0.50", "0.52"), (10, "0.55", None), (5, "0.53", "0.54")):
        at = DECIDED + minutes * MINUTE
        world.insert(
            "market_snapshots", market_id=market, observed_at=at, yes_bid=bid, yes_ask=ask,
            write_reason="price", source="simulated", known_at=at,
        )  # fmt: skip
    world.insert(
        "market_attributes", market_id=market, title="A at H", status="open", price_ranges=[],
        count_step=1, raw={}, event_ts=DECIDED, known_at=DECIDED, row_start_ts=DECIDED,
    )  # fmt: skip
    assert world.all(
        "SELECT ticker, title, status, observed_at, yes_bid, yes_ask FROM current_markets"
        " ORDER BY ticker"
    ) == [
        ("QUOTED", "A at H", "open", DECIDED + 10 * MINUTE, Decimal("0.55"), None),
        ("SILENT", None, None, None, None, None),
    ]


@pytest.mark.requirement("METH-009")
def test_only_active_versions_are_listed_as_active(world: "World") -> None:
    strategy, model = world.strategy(), world.model()
    world.method("m", strategy, model)
    assert world.all("SELECT 1 FROM active_strategies UNION ALL SELECT 1 FROM active_models") == []
    for table in ("strategies", "probability_models", "methods"):
        for status in ("testing", "active"):
            world.conn.execute(f"UPDATE {table} SET status = '{status}'")
    assert world.all("SELECT strategy_name FROM active_strategies") == [("pre_game",)]
    assert world.all("SELECT model_name FROM active_models") == [("nfl-elo",)]
    assert world.all("SELECT method_name, strategy_name, model_name FROM active_methods") == [
        ("m", "pre_game", "nfl-elo")
    ]


def test_the_current_state_of_a_game_names_its_teams(world: "World") -> None:
    world.market("LIVE")
    game = world.one("SELECT game_id FROM games")
    world.insert(
        "game_states", game_id=game, status="live", period=2, clock_seconds=600, home_score=7,
        away_score=3, source="sample", event_ts=DECIDED, known_at=DECIDED, row_start_ts=DECIDED,
    )  # fmt: skip
    assert world.all("SELECT game_key, league, season, home_score FROM current_game_states") == [
        ("nfl:2019:LIVE", "nfl", 2019, 7)
    ]


@pytest.mark.requirement("UX-005")
def test_every_view_and_view_column_is_explained(world: "World") -> None:
    views = world.all(
        "SELECT c.relname, obj_description(c.oid, 'pg_class') IS NOT NULL,"
        " count(*) FILTER (WHERE coalesce(col_description(c.oid, a.attnum), '') = '')"
        " FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE c.relkind = 'v' AND c.relnamespace = 'public'::REGNAMESPACE"
        " GROUP BY c.oid ORDER BY c.relname"
    )
    assert [name for name, _, _ in views] == [
        "active_methods", "active_models", "active_strategies", "current_balances",
        "current_edges", "current_game_states", "current_markets", "current_trading_controls",
        "exit_performance_summary", "method_comparison", "method_performance", "open_positions",
        "pnl_by_strategy_model", "positions_urgent_monitoring", "stale_position_alerts",
        "trade_attribution",
    ]  # fmt: skip
    assert {(explained, silent) for _, explained, silent in views} == {(True, 0)}
