"""Hypothesis worlds: several games with mirror markets, quotes, predictions and an account."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st

from precog_core.prices import Action, Side
from precog_trading.engine.state import MarketFacts, OpenOrder, OpenPosition, Quote
from tests.trading.worlds import (
    KICKOFF,
    World,
    d,
    market,
    order,
    position,
    prediction,
    quote,
    world,
)

CENTS = st.integers(min_value=12, max_value=88)
SIZES = st.sampled_from([d(500), d(500), d(500), d(40), d(500), d(500), d(30), d(5)])
SIDES = st.sampled_from([Side.YES, Side.NO])


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """One to four games of eight teams, each with one or both of its markets.

    Most predictions lie close enough to the quotes to trade and far enough to be worth it.
    """
    markets: list[MarketFacts] = []
    quotes: list[Quote] = []
    predictions = []
    for game_id in range(100, 100 + draw(st.sampled_from([4, 3, 2, 1]))):
        home = 2 * draw(st.sampled_from([5, 6, 7, 5 + game_id % 4, 20 + game_id % 7]))
        teams = {"home_team_id": home, "away_team_id": home + 1}
        kickoff = KICKOFF + timedelta(hours=draw(st.sampled_from([0, 3, 7, 20])))
        bid = draw(CENTS)
        for yes_team in draw(st.sampled_from([(home, home + 1), (home,), (home + 1,)])):
            ids = 2 * game_id + (yes_team != home)
            markets.append(market(ids, yes_team, game_id, kickoff_at=kickoff, **teams))
            quotes.append(draw(_quotes(ids, bid if yes_team == home else 99 - bid)))
        gap = draw(st.sampled_from([14, 13, -12, 12, -13, 15, 10, -10, 3]))
        p = Decimal(max(3, min(97, bid + gap))) / 100
        half = Decimal(draw(st.sampled_from([2, 1, 3, 5, 9, 13]))) / 100
        predictions.append(prediction(str(p), game_id, p_low=p - half, p_high=p + half))
    found = world(markets, quotes, predictions)
    if draw(st.booleans()):
        return found
    positions, orders = draw(_holdings(markets))
    last = {q.market_id: q for q in quotes}
    return found.with_portfolio(positions=positions, orders=orders).with_state(last_quotes=last)


@st.composite
def _quotes(draw: st.DrawFn, market_id: int, bid: int) -> Quote:
    spread = draw(st.sampled_from([1, 1, 1, 2, 3]))
    base = quote(market_id, str(Decimal(bid) / 100), str(Decimal(bid + spread) / 100))
    return replace(
        base,
        yes_bid_size=draw(SIZES),
        yes_ask_size=draw(SIZES),
        volume_24h=draw(st.sampled_from([d(1000), d(900), d(800), d(150), None])),
    )


@st.composite
def _holdings(
    draw: st.DrawFn, markets: list[MarketFacts]
) -> tuple[tuple[OpenPosition, ...], tuple[OpenOrder, ...]]:
    positions = []
    orders = []
    for facts in draw(st.lists(st.sampled_from(markets), max_size=2, unique=True)):
        price = Decimal(draw(CENTS)) / 100
        quantity = Decimal(draw(st.integers(min_value=1, max_value=300)))
        arm = {"strategy_id": draw(st.sampled_from([1, 9])), "model_id": 9}
        if draw(st.booleans()):
            positions.append(
                position(
                    facts.market_id,
                    draw(SIDES),
                    quantity=quantity,
                    entry_price=price,
                    fees=d("1.23"),
                    **arm,
                )
            )
        else:
            orders.append(
                order(
                    client_order_id=f"{facts.market_id:032d}",
                    market_id=facts.market_id,
                    side=draw(SIDES),
                    action=draw(st.sampled_from([Action.BUY, Action.SELL])),
                    limit_price=price,
                    remaining=quantity,
                    **arm,
                )
            )
    return tuple(positions), tuple(orders)


def mirrored(original: World) -> World:
    """The same world with YES and NO exchanged in every market, quote, position and order.

    Own-side prices stay: a NO at 0.40 becomes a YES at 0.40 of the market turned over.
    """
    state = original.state

    def turned(facts: MarketFacts) -> MarketFacts:
        return replace(
            facts, yes_team_id=facts.outcome_team(Side.NO), grid=facts.grid.for_side(Side.NO)
        )

    portfolio = replace(
        state.portfolio,
        positions=tuple(replace(p, side=p.side.opposite) for p in state.portfolio.positions),
        orders=tuple(replace(o, side=o.side.opposite) for o in state.portfolio.orders),
    )
    return replace(
        original,
        quotes=tuple(turned_quote(q) for q in original.quotes),
        state=replace(
            state,
            markets={i: turned(m) for i, m in state.markets.items()},
            portfolio=portfolio,
            approvals=tuple(replace(a, side=a.side.opposite) for a in state.approvals),
            last_quotes={i: turned_quote(q) for i, q in state.last_quotes.items()},
            requotes={i: turned_quote(q) for i, q in state.requotes.items()},
        ),
    )


def turned_quote(quoted: Quote) -> Quote:
    """The book of the other contract."""
    return replace(
        quoted,
        yes_bid=None if quoted.yes_ask is None else 1 - quoted.yes_ask,
        yes_ask=None if quoted.yes_bid is None else 1 - quoted.yes_bid,
        yes_bid_size=quoted.yes_ask_size,
        yes_ask_size=quoted.yes_bid_size,
    )
