"""The account while one tick is decided: what is held, what is committed, what is left.

Positions count at their cost, open buy orders as if filled at their limit with fees, and an entry
taken a moment ago exactly like such an order, so the second candidate of a tick sees the first.
The bankroll B is that of the tick's start for all its candidates: whether a game is looked at
first or last must not change its stake.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from precog_core.errors import PrecogError
from precog_core.prices import ZERO, Action, Side, best_bid_ask
from precog_trading.engine.candidate import Candidate, known
from precog_trading.engine.state import MarketFacts, Quote
from precog_trading.rules.assumptions import assumed_fee_schedule
from precog_trading.rules.controls import trading_day
from precog_trading.rules.entry_gate import Situation
from precog_trading.rules.exposure import (
    Gains,
    OutcomeKey,
    outcome_values,
    with_order,
    worst_loss,
)
from precog_trading.rules.fees import FeeSchedule
from precog_trading.rules.sizing import OrderCost

GroupKey = tuple[str, int | str]
"""(platform, game); for a market without a game (platform, "market:<id>")."""
HoldingKey = tuple[OutcomeKey, int | None, int | None, int | None]
"""(outcome, strategy, model, method): mirror markets of one arm are one holding."""


@dataclass(slots=True)
class GameExposure:
    """What is at risk in one game on one platform."""

    key: GroupKey
    game_id: int | None
    winners: tuple[OutcomeKey, ...]
    day: str | None
    league: str | None
    gains: Gains
    holdings: dict[HoldingKey, Decimal] = field(default_factory=dict)
    """cost of each in dollars, fees included"""

    @property
    def worst(self) -> Decimal:
        """Worst loss over the game's outcomes, dollars."""
        return worst_loss(self.gains)

    def add(self, holding: HoldingKey, quantity: Decimal, cost: Decimal, void: Decimal) -> None:
        values = outcome_values(self.winners, holding[0], void)
        self.gains = with_order(self.gains, values, quantity, cost)
        self.holdings[holding] = self.holdings.get(holding, ZERO) + cost


@dataclass(frozen=True, slots=True)
class OtherLosses:
    """Worst losses outside a candidate's own game and platform, dollars, by the caps' scopes."""

    game: Decimal
    teams: tuple[Decimal, ...]
    day: Decimal
    league: Decimal
    total: Decimal


class Account:
    """Mutable for the length of one call of ``decide``; nothing outside sees it."""

    def __init__(self, at: Situation, quotes: Mapping[int, Quote]) -> None:
        """``quotes``: the latest known quote of each market, new ones of this tick included.

        Raises PrecogError when a position or order is in a market the state does not describe.
        """
        self._at = at
        self._quotes = quotes
        self._groups: dict[GroupKey, GameExposure] = {}
        self._entries: dict[tuple[int, int], int] = defaultdict(int)
        portfolio = at.state.portfolio
        self.cash = portfolio.cash
        self.bankroll = portfolio.cash
        for position in portfolio.positions:
            market = self._market(position.market_id, f"position {position.position_key}")
            bid, _ = self._own_quote(position.market_id, position.side)
            self.bankroll += position.quantity * (bid or ZERO)
            self._hold(
                market,
                position.side,
                (position.strategy_id, position.model_id, position.method_id),
                position.quantity,
                position.quantity * position.entry_price + position.fees,
            )
        for order in portfolio.orders:
            market = self._market(order.market_id, f"order {order.client_order_id}")
            if order.action is Action.BUY:
                cost = self._cost(market, order.limit_price).of(order.remaining)
                arm = (order.strategy_id, order.model_id, order.method_id)
                self._hold(market, order.side, arm, order.remaining, cost)
                self.cash -= cost
        self._count_entries()

    def _count_entries(self) -> None:
        now, day = self._at.now, trading_day(self._at.now)
        hour_ago = now - timedelta(hours=1)
        self.entries_this_hour = self.entries_today = 0
        for entry in self._at.state.portfolio.entries:
            self._entries[entry.strategy_id, entry.game_id] += 1
            self.entries_this_hour += entry.decided_at > hour_ago
            self.entries_today += trading_day(entry.decided_at) == day
        for group in self._groups.values():
            for _, strategy_id, _, _ in group.holdings:
                if strategy_id is not None and group.game_id is not None:
                    made = self._entries[strategy_id, group.game_id]
                    self._entries[strategy_id, group.game_id] = max(made, 1)

    def entries_in_game(self, candidate: Candidate) -> int:
        """Entries the candidate's strategy has made in its game, this tick's included."""
        game_id = known(candidate.market.game_id)
        return self._entries[candidate.method.strategy.strategy_id, game_id]

    def last_exit(self, candidate: Candidate) -> datetime | None:
        """When a position in the candidate's game was last sold."""
        game_id = candidate.market.game_id
        times = [e.exited_at for e in self._at.state.portfolio.exits if e.game_id == game_id]
        return max(times, default=None)

    def holds_in_game(self, candidate: Candidate) -> bool:
        """Whether anything is held or ordered in the candidate's game."""
        return any(group.holdings for group in self._of_game(candidate.market))

    def holds_opposite(self, candidate: Candidate) -> bool:
        """Whether another outcome of the candidate's game is held, on any platform."""
        outcome = candidate.market.outcome_team(candidate.side)
        return any(
            holding[0] != outcome
            for group in self._of_game(candidate.market)
            for holding in group.holdings
        )

    def open_holdings(self, candidate: Candidate) -> tuple[int, int]:
        """(in the account, in the candidate's game), counting mirror markets of an arm once."""
        everywhere = sum(len(group.holdings) for group in self._groups.values())
        return everywhere, sum(len(group.holdings) for group in self._of_game(candidate.market))

    def invested(self, candidate: Candidate) -> Decimal:
        """Dollars already in the holding that the candidate's order would add to."""
        market, method = candidate.market, candidate.method
        holding = (
            _outcome(market, candidate.side),
            method.strategy.strategy_id,
            method.model.model_id,
            method.method_id,
        )
        return self.group_of(market).holdings.get(holding, ZERO)

    def group_of(self, market: MarketFacts) -> GameExposure:
        """The exposure the market belongs to, empty if nothing is held there."""
        key = _group_key(market)
        return self._groups.get(key) or _empty_group(key, market)

    def other_losses(self, group: GameExposure) -> OtherLosses:
        """Worst losses of all other exposures, added up by what a cap of ``group`` shares."""
        game = day = league = total = ZERO
        teams = [ZERO for _ in group.winners]
        for other in self._groups.values():
            if other.key == group.key:
                continue
            worst = other.worst
            total += worst
            league += worst if other.league == group.league else ZERO
            day += worst if other.day == group.day else ZERO
            if group.game_id is not None and other.game_id == group.game_id:
                game += worst
            for index, team in enumerate(group.winners):
                teams[index] += worst if team in other.winners else ZERO
        return OtherLosses(game, tuple(teams), day, league, total)

    def order_cost(self, candidate: Candidate) -> OrderCost:
        """What the candidate's order costs at its limit."""
        limit, cost = known(candidate.limit), candidate.cost
        if cost is None or cost.limit_price is not limit:
            precision = self._at.config.fees.account_precision
            cost = candidate.cost = OrderCost(known(candidate.schedule), limit, precision)
        return cost

    def take(self, candidate: Candidate) -> None:
        """Commit the candidate's order: cash, exposure, entries and rates count it from now on."""
        market, method = candidate.market, candidate.method
        quantity = known(candidate.quantity)
        cost = self.order_cost(candidate).of(quantity)
        arm = (method.strategy.strategy_id, method.model.model_id, method.method_id)
        self._hold(market, candidate.side, arm, quantity, cost)
        self.cash -= cost
        self._entries[method.strategy.strategy_id, known(market.game_id)] += 1
        self.entries_this_hour += 1
        self.entries_today += 1

    def _hold(
        self,
        market: MarketFacts,
        side: Side,
        arm: tuple[int | None, int | None, int | None],
        quantity: Decimal,
        cost: Decimal,
    ) -> None:
        key = _group_key(market)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _empty_group(key, market)
        bid, ask = self._own_quote(market.market_id, side)
        void = ZERO if bid is None or ask is None else (bid + ask) / 2
        group.add((_outcome(market, side), *arm), quantity, cost, void)

    def _of_game(self, market: MarketFacts) -> Iterable[GameExposure]:
        return [g for g in self._groups.values() if g.game_id == market.game_id]

    def _own_quote(self, market_id: int, side: Side) -> tuple[Decimal | None, Decimal | None]:
        quote = self._quotes.get(market_id)
        return (None, None) if quote is None else best_bid_ask(side, quote.yes_bid, quote.yes_ask)

    def _cost(self, market: MarketFacts, limit_price: Decimal) -> OrderCost:
        schedule = market.fee_schedule
        if schedule is None or not schedule.is_known:
            schedule = self._fallback_schedule(market)
        return OrderCost(schedule, limit_price, self._at.config.fees.account_precision)

    def _fallback_schedule(self, market: MarketFacts) -> FeeSchedule:
        """An order is open although its schedule is unknown now: count the usual fee, not none."""
        assume = self._at.config.replay.assume
        usual = assumed_fee_schedule(market.platform_id, assume)
        if usual is None:
            raise PrecogError(
                f"replay.assume.fee_type is {assume.fee_type!r}, which has no formula; "
                "expected quadratic or one of its forms with maker fees"
            )
        return usual

    def _market(self, market_id: int, what: str) -> MarketFacts:
        market = self._at.state.markets.get(market_id)
        if market is None:
            raise PrecogError(
                f"{what} is in market {market_id}, which is not among the markets of the trading "
                "state; every market with a position or an open order must be"
            )
        return market


def _group_key(market: MarketFacts) -> GroupKey:
    game = market.game_id
    return market.platform_id, f"market:{market.market_id}" if game is None else game


def _empty_group(key: GroupKey, market: MarketFacts) -> GameExposure:
    home, away = market.home_team_id, market.away_team_id
    winners: tuple[OutcomeKey, ...]
    if market.game_id is None or home is None or away is None:
        winners = (_outcome(market, Side.YES), _outcome(market, Side.NO))
    else:
        winners = (home, away)
    kickoff = market.kickoff_at
    return GameExposure(
        key=key,
        game_id=market.game_id,
        winners=winners,
        day=None if kickoff is None else trading_day(kickoff),
        league=market.league,
        gains=(ZERO,) * (len(winners) + 2),
    )


def _outcome(market: MarketFacts, side: Side) -> OutcomeKey:
    team = None if market.game_id is None else market.outcome_team(side)
    return f"{side}:{market.market_id}" if team is None else team
