"""Trading rules §5: every printed skip reason is reached."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from precog_core.prices import Grid, Side
from precog_trading.engine.state import (
    Control,
    Entry,
    Exit,
    OpenBreaker,
    Outcome,
)
from precog_trading.strategies import PreGame
from tests.trading.worlds import (
    AWAY,
    KICKOFF,
    METHOD,
    MODEL,
    NOW,
    STRATEGY,
    World,
    d,
    elsewhere,
    live,
    market,
    order,
    position,
    quote,
    schedule,
    world,
)

Change = Callable[[World], World]


class InPlay(PreGame):
    """A strategy that may enter after the start, as a later one will."""

    in_play = True


def strategy_status(status: str) -> Change:
    return lambda w: replace(
        w, methods=(replace(METHOD, strategy=replace(STRATEGY, status=status)),)
    )


REASONS: list[tuple[str, str, Change]] = [
    ("1", "halted", lambda w: w.with_state(controls=(Control("global", "*", "halted"),))),
    (
        "1 exits only",
        "halted",
        lambda w: w.with_state(controls=(Control("league", "nfl", "exits_only"),)),
    ),
    (
        "1 strictest",
        "halted",
        lambda w: w.with_state(
            controls=(Control("global", "*", "running"), Control("market", "G100-HOME", "halted"))
        ),
    ),
    ("1 live by default", "halted", lambda w: live(w).with_state(controls=())),
    (
        "1 breaker",
        "breaker_open",
        lambda w: w.with_state(breakers=(OpenBreaker("daily_loss", "close_all"),)),
    ),
    (
        "1 breaker of the league",
        "breaker_open",
        lambda w: w.with_state(breakers=(OpenBreaker("data_quality", "exits_only", "nfl"),)),
    ),
    (
        "1 breaker of the strategy",
        "breaker_open",
        lambda w: w.with_state(
            breakers=(OpenBreaker("edge_anomaly", "exits_only", None, ("pre_game",)),)
        ),
    ),
    ("1 live", "live_not_enabled", lambda w: live(w).with_state(live_enabled=False)),
    ("1 lease", "not_writer", lambda w: w.with_state(is_writer=False)),
    ("2", "exchange_paused", lambda w: w.with_market(platform_status="inactive")),
    ("2 unknown", "exchange_paused", lambda w: w.with_market(platform_status=None)),
    ("2 maintenance", "maintenance_window", lambda w: w.with_market(platform_status="maintenance")),
    ("3", "market_frozen", lambda w: w.with_portfolio(orders=(order(status="unknown"),))),
    ("3 status", "market_not_active", lambda w: w.with_market(status="paused")),
    ("3 unknown", "market_not_active", lambda w: w.with_market(status=None)),
    ("3 type", "market_type", lambda w: w.with_market(market_type="scalar")),
    ("3 list", "blacklisted", lambda w: w.with_config("gate", blacklisted=["G100-HOME"])),
    ("4", "unmapped", lambda w: w.with_market(game_id=None)),
    ("4 team", "unmapped", lambda w: w.with_market(yes_team_id=77)),
    (
        "4 twice",
        "unmapped",
        lambda w: w.with_state(markets={1: market(), 2: market(2, ticker="OTHER")}),
    ),
    ("4 rules", "rules_unknown", lambda w: w.with_market(rules_hash="0" * 64)),
    ("4 no rules", "rules_unknown", lambda w: w.with_market(rules_hash=None)),
    ("4 preseason", "competition_excluded", lambda w: w.with_market(game_type="preseason")),
    ("4 no type", "competition_excluded", lambda w: w.with_market(game_type=None)),
    ("4 league", "competition_excluded", lambda w: w.with_market(league_enabled=False)),
    (
        "5 early",
        "outside_window",
        lambda w: w.with_market(kickoff_at=NOW + timedelta(hours=24, seconds=1)),
    ),
    (
        "5 late",
        "outside_window",
        lambda w: w.with_market(kickoff_at=NOW + timedelta(minutes=29, seconds=59)),
    ),
    ("5 no start", "outside_window", lambda w: w.with_market(kickoff_at=None)),
    ("5 postponed", "outside_window", lambda w: w.with_market(game_status="postponed")),
    ("5 started", "game_started", lambda w: w.with_market(game_status="live")),
    ("6 draft", "strategy_state", strategy_status("draft")),
    ("6 inactive", "strategy_state", strategy_status("inactive")),
    ("6 live wants active", "strategy_state", lambda w: replace(live(w), methods=(METHOD,))),
    (
        "6 method",
        "strategy_state",
        lambda w: replace(w, methods=(replace(METHOD, status="draft"),)),
    ),
    (
        "6 model",
        "model_state",
        lambda w: replace(w, methods=(replace(METHOD, model=replace(MODEL, status="deprecated")),)),
    ),
    ("6 leak", "model_leak", lambda w: w.with_prediction(trained_until=KICKOFF)),
    ("7", "prediction_missing", lambda w: replace(w, predictions=())),
    (
        "7 unknown yet",
        "prediction_missing",
        lambda w: w.with_prediction(known_at=NOW + timedelta(seconds=1)),
    ),
    ("7 other model", "prediction_missing", lambda w: w.with_prediction(model_id=2)),
    (
        "7 old",
        "prediction_stale",
        lambda w: w.with_prediction(event_ts=NOW - timedelta(hours=24, seconds=1)),
    ),
    (
        "7 features",
        "feature_leak",
        lambda w: w.with_prediction(features_known_at=NOW + timedelta(seconds=1)),
    ),
    ("8 stored", "quote_stale", lambda w: w.with_quote(observed_at=NOW - timedelta(seconds=301))),
    (
        "8 live",
        "quote_stale",
        lambda w: live(w).with_quote(observed_at=NOW - timedelta(seconds=121)),
    ),
    (
        "8 in play",
        "game_state_stale",
        lambda w: replace(
            w.with_market(game_status="live", game_state_at=NOW - timedelta(seconds=61)),
            methods=(replace(METHOD, strategy=replace(STRATEGY, rules=InPlay())),),
        ),
    ),
    ("9", "no_quote", lambda w: w.with_quote(yes_bid=None)),
    ("9 ask", "no_quote", lambda w: w.with_quote(yes_ask=None)),
    ("9 crossed", "book_invalid", lambda w: w.with_quote(yes_bid=d("0.50"))),
    ("9 grid", "book_invalid", lambda w: w.with_quote(yes_ask=d("0.505"))),
    ("9 no grid", "book_invalid", lambda w: w.with_market(grid=Grid(()))),
    ("9 one", "book_invalid", lambda w: w.with_quote(yes_ask=d(1))),
    ("9 thin", "book_thin", lambda w: w.with_quote(yes_ask_size=d("9.99"))),
    ("9 thin bid", "book_thin", lambda w: w.with_quote(yes_bid_size=d("9.99"))),
    ("9 no size", "book_thin", lambda w: w.with_quote(yes_ask_size=None)),
    ("10", "spread_wide", lambda w: w.with_quote(yes_bid=d("0.47"))),
    ("10 volume", "volume_low", lambda w: w.with_quote(volume_24h=d(99))),
    ("10 no volume", "volume_low", lambda w: w.with_quote(volume_24h=None)),
    ("10 interest", "oi_low", lambda w: w.with_quote(open_interest=d(99))),
    ("10 no interest", "oi_low", lambda w: w.with_quote(open_interest=None)),
    ("10 dear", "price_range", lambda w: w.with_quote(yes_bid=d("0.90"), yes_ask=d("0.91"))),
    ("10 cheap", "price_range", lambda w: w.with_quote(yes_bid=d("0.08"), yes_ask=d("0.09"))),
    ("11", "fee_unknown", lambda w: w.with_market(fee_schedule=None)),
    ("11 flat", "fee_unknown", lambda w: w.with_market(fee_schedule=schedule(fee_type="flat"))),
    ("11 quarantine", "edge_quarantined", lambda w: w.with_prediction(p_home=d("0.6451"))),
    ("11 wide", "confidence_low", lambda w: w.with_prediction(p_low=d("0.4999"), p_high=d("0.74"))),
    ("11 no interval", "confidence_low", lambda w: w.with_prediction(p_low=None)),
    ("11 edge", "edge_below_min", lambda w: w.with_prediction(p_home=d("0.57"))),
    ("11 approval", "needs_approval", lambda w: w.with_prediction(p_home=d("0.60"))),
    (
        "11 live approval",
        "needs_approval",
        lambda w: live(w).with_config("live", manual_approval=True),
    ),
    (
        "12 entered",
        "already_entered",
        lambda w: w.with_portfolio(entries=(Entry(NOW - timedelta(hours=9), 1, 100),)),
    ),
    (
        "12 held",
        "already_entered",
        lambda w: w.with_portfolio(positions=(position(strategy_id=1),)),
    ),
    (
        "12 ordered",
        "already_entered",
        lambda w: w.with_portfolio(orders=(order(strategy_id=1, status="intent"),)),
    ),
    (
        "12 exit",
        "cooldown",
        lambda w: w.with_portfolio(exits=(Exit(NOW - timedelta(minutes=59), 100),)),
    ),
    (
        "12 opposite",
        "opposes_position",
        lambda w: w.with_portfolio(positions=(position(side=Side.NO),)),
    ),
    (
        "12 opposite order",
        "opposes_position",
        lambda w: w.with_portfolio(orders=(order(side=Side.NO),)),
    ),
    (
        "13 hour",
        "rate_hour",
        lambda w: w.with_portfolio(
            entries=tuple(Entry(NOW - timedelta(minutes=59), 1, 200 + n) for n in range(10))
        ),
    ),
    (
        "13 day",
        "rate_day",
        lambda w: w.with_portfolio(
            entries=tuple(Entry(NOW - timedelta(hours=2), 1, 200 + n) for n in range(50))
        ),
    ),
    ("13 zero", "size_zero", lambda w: w.with_portfolio(cash=d(0))),
    ("13 small", "size_below_min", lambda w: w.with_portfolio(cash=d(200))),
    ("14 position", "cap_position", lambda w: w.with_config("caps", position_usd="9.99")),
    ("14 game", "cap_game", lambda w: w.with_config("caps", game_usd="9.99")),
    (
        "14 team",
        "cap_team",
        lambda w: elsewhere(1, home_team_id=AWAY)(w).with_config("caps", team_usd="61"),
    ),
    (
        "14 day",
        "cap_day",
        lambda w: elsewhere(1, kickoff_at=KICKOFF + timedelta(hours=3))(w).with_config(
            "caps", day_usd="61"
        ),
    ),
    (
        "14 league",
        "cap_league",
        lambda w: elsewhere(1)(w).with_config("caps", total_usd="61", league_pct={"nfl": "1"}),
    ),
    (
        "14 total",
        "cap_total",
        lambda w: elsewhere(1, league="nba")(w).with_config(
            "caps", total_usd="61", league_pct={"nfl": "1"}
        ),
    ),
    ("14 open", "cap_open", elsewhere(20)),
    (
        "14 open in the game",
        "cap_open",
        lambda w: w.with_portfolio(
            positions=tuple(position(strategy_id=5 + n, quantity=d(10)) for n in range(3))
        ),
    ),
    ("15 cash", "cash", lambda w: w.with_config("caps", cash_reserve_usd="9991")),
    (
        "15 committed",
        "cash",
        lambda w: (
            w.with_market()
            .with_portfolio(cash=d(1500), orders=(order(remaining=d(970), market_id=2),))
            .with_state(
                markets={
                    1: market(),
                    2: market(
                        2,
                        30,
                        300,
                        home_team_id=30,
                        away_team_id=31,
                        kickoff_at=KICKOFF + timedelta(days=7),
                    ),
                }
            )
        ),
    ),
    ("15 no second quote", "quote_moved", lambda w: live(w).with_state(requotes={})),
    (
        "15 old second quote",
        "quote_moved",
        lambda w: live(w).with_state(requotes={1: quote(observed_at=NOW - timedelta(seconds=11))}),
    ),
    (
        "15 moved",
        "quote_moved",
        lambda w: live(w).with_state(requotes={1: quote(bid="0.52", ask="0.53")}),
    ),
]


@pytest.mark.requirement("TRACE-005")
@pytest.mark.parametrize(("row", "reason", "change"), REASONS, ids=[r[0] for r in REASONS])
def test_5_each_reason_is_given(row: str, reason: str, change: Change) -> None:
    found = change(world()).one()
    assert found.skip_reason == reason
    assert found.outcome is Outcome.SKIPPED
    assert (found.order, found.stake, found.quantity) == (None, None, None)


@pytest.mark.requirement("TRACE-005")
def test_5_every_printed_reason_has_a_case_here_or_below() -> None:
    printed = (
        "halted breaker_open live_not_enabled not_writer exchange_paused maintenance_window "
        "outside_hours market_frozen market_not_active market_type blacklisted unmapped "
        "rules_unknown competition_excluded outside_window game_started strategy_state "
        "model_state model_leak prediction_missing prediction_stale feature_leak quote_stale "
        "game_state_stale no_quote book_invalid book_thin spread_wide volume_low oi_low "
        "price_range fee_unknown edge_quarantined confidence_low edge_below_min "
        "needs_approval equivalent_leg already_entered cooldown opposes_position rate_hour "
        "rate_day size_zero size_below_min cap_position cap_game cap_team cap_day cap_league "
        "cap_total cap_open cash quote_moved"
    )
    below = {"outside_hours", "equivalent_leg"}
    assert {reason for _, reason, _ in REASONS} | below == set(printed.split())
