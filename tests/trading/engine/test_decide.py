"""The decision function as a whole: golden decisions, legs, allocation inside a tick, refusals."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from precog_core.errors import PrecogError
from precog_core.prices import Action, Side
from precog_trading.engine.state import (
    Environment,
    Method,
    ModelVersion,
    OpenPosition,
    Outcome,
    Purpose,
    Quote,
)
from tests.trading.worlds import (
    AWAY,
    KICKOFF,
    METHOD,
    MODEL,
    NOW,
    STRATEGY,
    World,
    d,
    live,
    market,
    order,
    position,
    prediction,
    quote,
    schedule,
    world,
)


def two_markets(home: Quote, away: Quote, p_home: str = "0.62") -> World:
    """Both mirror markets of the game: 1 pays on the home team, 2 on the away team."""
    return world([market(1), market(2, AWAY)], [home, away], [prediction(p_home)])


def games(*p_home: str) -> World:
    """One home market at 0.49/0.50 per probability, each in its own game of its own teams."""
    markets, quotes, predictions = [], [], []
    for number, p in enumerate(p_home, start=1):
        teams = {"home_team_id": 100 * number, "away_team_id": 100 * number + 1}
        markets.append(market(number, 100 * number, number, **teams))
        quotes.append(quote(number))
        predictions.append(prediction(p, number))
    return world(markets, quotes, predictions)


def test_only_the_legs_that_are_asked_about_are_candidates() -> None:
    w = two_markets(quote(1), quote(2, "0.50", "0.51"))
    asked = replace(w, tick=replace(w.tick, legs=frozenset({(1, Side.YES), (2, Side.NO)})))
    everything = {(x.market_id, x.side): x for x in w.decide()}
    assert len(everything) == 4
    assert [everything[x.market_id, x.side] for x in asked.decide()] == asked.decide()
    assert [(x.market_id, x.side) for x in asked.decide()] == [(2, Side.NO), (1, Side.YES)]


def test_a_decision_worked_out_by_hand() -> None:
    """p 0.62, book 0.49/0.50, bankroll 10,000, interval ± 0.02, two hours before the start.

    p̂ = 0.9·0.62 + 0.1·0.495 = 0.6075; φ(0.50) = 0.0175; edge 0.09; f* = 0.09/0.4825;
    stake = 10,000·f*·0.25·(1 - 4·0.02) = 429.02; q = floor(429.02/0.5175) = 829;
    limit: 0.6075 - 0.51 - φ(0.51) = 0.080007 >= 0.08, at 0.52 it would be 0.070028.
    """
    found = world().one()
    assert found.outcome is Outcome.TAKEN
    assert (found.probability, found.price, found.fee, found.edge) == (
        d("0.6075"),
        d("0.50"),
        d("0.0175"),
        d("0.09"),
    )
    assert found.quantity == 829
    assert found.stake == d("429.0075")  # 414.50 + fee 14.5075
    assert found.inputs["kelly_stake"] == "429.015544"
    assert found.order is not None
    assert (found.order.limit_price, found.order.quantity) == (d("0.51"), 829)
    assert (found.order.time_in_force, found.order.attempt_number) == ("ioc", 1)
    assert found.inputs["cost_at_limit"] == "437.2917"  # 422.79 + fee 14.5017
    assert found.confidence == "high"
    assert found.purpose is Purpose.ENTRY


def test_the_other_side_is_decided_too() -> None:
    """NO: p 0.38, p̂ 0.3925, ask 0.51: edge -0.135, next to nothing left to explain."""
    found = world().one(Side.NO)
    assert (found.skip_reason, found.probability, found.price) == (
        "edge_below_min",
        d("0.3925"),
        d("0.51"),
    )
    assert found.edge == d("0.3925") - d("0.51") - d("0.017493")


def test_3_of_equivalent_legs_the_higher_edge_is_taken() -> None:
    """NO on the away team costs 1 - 0.51 = 0.49, a cent less than YES on the home team."""
    w = two_markets(quote(1, "0.49", "0.50"), quote(2, "0.51", "0.52"))
    assert w.one(Side.YES, 1).skip_reason == "equivalent_leg"
    assert w.one(Side.NO, 2).outcome is Outcome.TAKEN


def test_3_of_equal_legs_the_one_with_more_size_at_the_ask_is_taken() -> None:
    """A NO buyer takes the YES bids, so it is the bid size of market 2 that counts."""
    deep = quote(2, "0.50", "0.51", yes_bid_size=d(501))
    w = two_markets(quote(1, "0.49", "0.50"), deep)
    assert w.one(Side.YES, 1).skip_reason == "equivalent_leg"
    assert w.one(Side.NO, 2).outcome is Outcome.TAKEN
    shallow = two_markets(quote(1, "0.49", "0.50"), replace(deep, yes_bid_size=d(499)))
    assert shallow.one(Side.YES, 1).outcome is Outcome.TAKEN
    assert shallow.one(Side.NO, 2).skip_reason == "equivalent_leg"


def test_3_a_leg_that_fails_an_earlier_row_does_not_displace_the_other() -> None:
    cheap_but_thin = quote(2, "0.52", "0.53", yes_bid_size=d(1))
    w = two_markets(quote(1, "0.49", "0.50"), cheap_but_thin)
    assert w.one(Side.NO, 2).skip_reason == "book_thin"
    assert w.one(Side.YES, 1).outcome is Outcome.TAKEN


def test_a_strategy_enters_a_game_once_whatever_the_model() -> None:
    other = Method(STRATEGY, ModelVersion(2, "nfl-xgboost", "v1.0", "testing", "nfl"))
    w = replace(world(), methods=(METHOD, other))
    w = replace(w, predictions=(prediction("0.62"), prediction("0.63", model_id=2)))
    by_model = {x.model_id: x.skip_reason for x in w.decide() if x.side is Side.YES}
    assert by_model == {1: "already_entered", 2: None}


def test_two_strategies_may_enter_one_game_and_the_second_takes_half() -> None:
    second = Method(
        replace(STRATEGY, strategy_id=2, name="second"), MODEL, 2, "second", "v1.0", "testing"
    )
    taken = {x.strategy_id: x for x in replace(world(), methods=(METHOD, second)).decide()[:2]}
    assert {x.skip_reason for x in taken.values()} == {None}
    assert taken[1].inputs.get("reduce.same_game") is None
    assert taken[2].inputs["reduce.same_game"] == "0.50"
    assert taken[2].quantity == 414  # half of 829.03


def test_inside_a_tick_the_best_edge_is_served_first() -> None:
    """Three games, cash for about one: the account goes to the highest edge, not the first id."""
    w = games("0.61", "0.63", "0.62").with_config("caps", cash_reserve_usd="9600")
    found = {x.market_id: x for x in w.decide() if x.side is Side.YES}
    assert found[2].outcome is Outcome.TAKEN
    assert found[2].inputs["cash"] == "10000"
    assert found[3].skip_reason == "cash"
    assert found[1].skip_reason == "cash"


def test_inside_a_tick_every_entry_counts_against_cash_and_rates() -> None:
    """The bankroll stays that of the tick's start: place in the queue must not change a stake."""
    w = games("0.62", "0.62", "0.62").with_config("caps", entries_h="2")
    found = [x for x in w.decide() if x.side is Side.YES]
    assert [x.skip_reason for x in found] == [None, None, "rate_hour"]
    first, second = found[0], found[1]
    assert first.quantity == second.quantity == 829
    assert Decimal(second.inputs["cash"]) == d(10_000) - Decimal(first.inputs["cost_at_limit"])
    assert (first.inputs["bankroll"], second.inputs["bankroll"]) == ("10000", "10000")


def test_6_a_second_game_of_the_team_shares_its_cap() -> None:
    """828 contracts at 0.51 risk 436.76; a team cap of 500 leaves 63.24 for the other game."""
    w = games("0.62", "0.62")
    markets = dict(w.state.markets)
    markets[2] = replace(markets[2], home_team_id=200, away_team_id=100, yes_team_id=200)
    w = w.with_state(markets=markets).with_config("caps", team_usd="500")
    first, second = (x for x in w.decide() if x.side is Side.YES)
    risked = Decimal(first.inputs["cost_at_limit"])
    assert second.inputs["room.team"] == str(d(500) - risked)
    assert second.quantity is not None and second.quantity < 829
    assert Decimal(second.inputs["cost_at_limit"]) <= d(500) - risked
    one_more = second.quantity + 1
    assert one_more * d("0.51") + d("0.017493") * one_more > d(500) - risked


def test_6_the_same_game_on_another_platform_counts_against_the_same_cap() -> None:
    """500 contracts at 0.50 with 8.75 of fees elsewhere leave 241.25 of 500 here."""
    there = market(2, AWAY, platform_id="other", ticker="THERE")
    w = world().with_state(markets={1: market(), 2: there}, last_quotes={2: quote(2)})
    mine = position(2, Side.NO, quantity=d(500), fees=d("8.75"))
    w = w.with_portfolio(positions=(mine,)).with_config("caps", game_usd="500")
    found = w.one()
    assert found.outcome is Outcome.TAKEN
    assert found.inputs["room.game"] == "241.25"
    assert Decimal(found.inputs["cost_at_limit"]) <= d("241.25")


def test_4_the_bankroll_counts_positions_at_their_own_bid_and_no_bid_as_nothing() -> None:
    """9,000 cash; 100 NO whose bid is 1 - 0.50; 100 YES in a market without a bid."""
    other = market(7, 70, 700, home_team_id=70, away_team_id=71)
    third = market(8, 80, 800, home_team_id=80, away_team_id=81)
    w = world(cash="9000").with_state(
        markets={1: market(), 7: other, 8: third},
        last_quotes={7: quote(7), 8: quote(8, None, "0.60")},
    )
    w = w.with_portfolio(positions=(position(7, Side.NO), position(8)))
    assert w.one().inputs["bankroll"] == "9050.00"


def test_4_a_new_quote_of_the_tick_values_the_position_it_is_for() -> None:
    w = world().with_state(last_quotes={1: quote(1, "0.10", "0.11")})
    held: tuple[OpenPosition, ...] = (position(1),)
    assert w.with_portfolio(positions=held).one().inputs["bankroll"] == "10049.00"


def test_4_open_buys_are_spent_cash_and_open_sells_are_not() -> None:
    """100 at 0.50 with fee 1.75 is 51.75."""
    buying = world().with_portfolio(orders=(order(),)).one()
    assert buying.inputs["cash"] == "9948.2500"
    selling = world().with_portfolio(orders=(order(action=Action.SELL),)).one()
    assert selling.inputs["cash"] == "10000"


def test_5_a_position_the_order_would_add_to_counts_against_the_position_cap() -> None:
    """A second entry of the arm is allowed here: 100 held at 51.75 leave 448.25 of 500."""
    w = world().with_config("gate", already_entered="2")
    mine = position(strategy_id=1, model_id=1, method_id=1)
    found = w.with_portfolio(positions=(mine,)).one()
    assert found.outcome is Outcome.TAKEN
    assert found.inputs["room.position"] == "448.25"


def test_13_a_method_may_stake_less_and_never_more_than_the_caps() -> None:
    careful = replace(METHOD, kelly_fraction=d("0.15"), position_usd=d(750))
    found = replace(world(), methods=(careful,)).one()
    assert found.quantity == 497  # 829.03 · 0.15/0.25
    assert found.inputs["room.position"] == "500"
    tight = replace(METHOD, position_usd=d(100))
    assert replace(world(), methods=(tight,)).one().quantity == 189  # 100 / 0.527493


def test_3_the_limit_is_found_again_for_the_contracts_really_bought() -> None:
    """In whole-cent rounding few contracts pay more each: 19 at 0.51 pay 0.34, 0.017895 each.

    0.6075 - 0.51 - 0.017895 is below 0.08, so the limit falls back to the ask; a hundred would
    have paid 0.0175 and kept it at 0.51.
    """
    coarse = schedule(rounding_increment=d("0.01"))
    w = world().with_market(fee_schedule=coarse).with_config("caps", position_usd="10.4", min_usd=5)
    found = w.one()
    assert (found.outcome, found.quantity) == (Outcome.TAKEN, 19)
    assert (found.inputs["limit.probe"], found.inputs["limit"]) == ("0.51", "0.50")
    assert found.order is not None
    assert found.order.limit_price == d("0.50")
    assert found.stake == d("9.84")  # 9.50 + 0.34


def test_3_few_contracts_can_lose_the_edge_a_hundred_have() -> None:
    """p̂ 0.5975: 100 pay 0.0175 each and leave 0.08, 19 pay 0.34/19 = 0.017895 and do not."""
    coarse = schedule(rounding_increment=d("0.01"))
    w = world().with_market(fee_schedule=coarse).with_prediction(p_home=d("0.6089"))
    assert w.one().edge == d("0.08")
    capped = w.with_config("caps", position_usd="10.3", min_usd="5").one()
    assert capped.inputs["quantity.position"] == "19"
    assert capped.skip_reason == "needs_approval"
    assert capped.edge == d("0.5975") - d("0.50") - d("0.017895")
    assert capped.edge_row is not None
    assert capped.edge_row.recommended_action == "alert"


def test_3_real_money_trusts_the_market_as_fitted() -> None:
    found = live(world()).with_config("edge", shrink_live={"nfl": "0.30"}).one()
    assert found.inputs["shrink"] == "0.30"
    assert found.probability == d("0.5825")  # 0.7·0.62 + 0.3·0.495


def test_the_latest_known_prediction_counts() -> None:
    newest = prediction(
        "0.55",
        prediction_id=3,
        event_ts=NOW + timedelta(hours=1),
        known_at=NOW + timedelta(hours=1),
    )
    newer = prediction("0.63", prediction_id=2)
    older = prediction("0.58", prediction_id=1, event_ts=NOW - timedelta(hours=20))
    found = replace(world(), predictions=(older, newest, newer)).one()
    assert (found.prediction_id, found.inputs["probability"]) == (2, "0.63")


def test_what_becomes_known_after_the_decision_changes_nothing() -> None:
    later = prediction("0.99", prediction_id=9, known_at=NOW + timedelta(microseconds=1))
    w = world()
    assert replace(w, predictions=(*w.predictions, later)).decide() == w.decide()


def test_the_same_facts_give_the_same_decisions() -> None:
    assert world().decide() == world().decide()


def test_another_environment_run_or_tick_is_another_decision() -> None:
    w = world()
    ticks = [
        w.tick,
        replace(w.tick, environment=Environment.BACKTEST, backtest_run_id=1, run_key="a"),
        replace(w.tick, environment=Environment.BACKTEST, backtest_run_id=2, run_key="b"),
        replace(w.tick, tick_id="t:other"),
    ]
    found = [replace(w, tick=tick).one() for tick in ticks]
    assert len({x.decision_key for x in found}) == 4
    assert len({x.order.client_order_id for x in found if x.order is not None}) == 4
    assert {x.quantity for x in found} == {829}


def test_a_rerun_under_another_dagster_run_keeps_its_keys() -> None:
    again = replace(world(), tick=replace(world().tick, dagster_run_id="another"))
    assert again.one().decision_key == world().one().decision_key
    assert again.one().order == world().one().order


def test_decisions_come_sorted_by_name() -> None:
    w = two_markets(quote(1), quote(2, "0.50", "0.51"))
    listed = [(w.state.markets[x.market_id].ticker, x.side) for x in w.decide()]
    assert listed == [
        ("G100-AWAY", Side.YES),
        ("G100-AWAY", Side.NO),
        ("G100-HOME", Side.YES),
        ("G100-HOME", Side.NO),
    ]


def test_nothing_new_decides_nothing() -> None:
    assert replace(world(), quotes=()).decide() == []


def test_a_quote_from_the_future_is_refused() -> None:
    with pytest.raises(PrecogError, match="looking ahead"):
        world().with_quote(known_at=NOW + timedelta(microseconds=1)).decide()


def test_a_market_quoted_twice_is_refused() -> None:
    w = world()
    with pytest.raises(PrecogError, match="two new quotes"):
        replace(w, quotes=(*w.quotes, *w.quotes)).decide()


def test_a_quote_or_holding_of_an_undescribed_market_is_refused() -> None:
    with pytest.raises(PrecogError, match="market 5"):
        replace(world(), quotes=(quote(5),)).decide()
    with pytest.raises(PrecogError, match="position p6 is in market 6"):
        world().with_portfolio(positions=(position(6),)).decide()


def test_a_position_outside_any_game_still_counts_in_full() -> None:
    """100 contracts of an unmapped market: 51.75 at risk, in no team's and no day's cap."""
    stray = replace(market(7, 70, 700), game_id=None, league=None, kickoff_at=None)
    w = world().with_state(markets={1: market(), 7: stray}, last_quotes={7: quote(7)})
    found = w.with_portfolio(positions=(position(7),)).one()
    assert found.inputs["room.total"] == "9948.25"
    assert found.inputs["room.day"] == "3000"
    assert found.inputs["open_positions"] == "1"


def test_an_open_order_under_an_unknown_schedule_counts_with_the_usual_fee() -> None:
    other = market(2, 30, 300, home_team_id=30, away_team_id=31, fee_schedule=None)
    other = replace(other, kickoff_at=KICKOFF + timedelta(days=7))
    w = world().with_state(markets={1: market(), 2: other})
    assert w.with_portfolio(orders=(order(market_id=2),)).one().inputs["cash"] == "9948.2500"


def test_inputs_are_text_and_booleans_without_exponents() -> None:
    tiny = world().with_quote(yes_ask_size=d("1E+3"))
    assert tiny.one().inputs["ask_size"] == "1000"
    for decision in two_markets(quote(1), quote(2, None, "0.51")).decide():
        for key, value in decision.inputs.items():
            assert value is None or isinstance(value, str | bool), (key, value)
