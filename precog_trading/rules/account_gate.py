"""The entry gate's rows 12 to 15: may *this account* take the candidate, and how much of it.

Caps shrink the size one after the other, in the printed order; a cap that leaves less than
``caps.min_usd`` is the reason not to trade (trading-rules §4, §5, §6).
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from precog_core.prices import ZERO
from precog_trading.config_exits import ExecutionSettings
from precog_trading.engine.account import Account, GameExposure
from precog_trading.engine.candidate import Candidate, known
from precog_trading.engine.state import Environment
from precog_trading.rules.entry_gate import Situation
from precog_trading.rules.exposure import most_contracts, outcome_values, with_order, worst_loss
from precog_trading.rules.sizing import (
    OrderCost,
    SizingFacts,
    contracts_for,
    largest_fitting,
    reductions,
    stake,
)
from precog_trading.rules.value_gate import ROWS as VALUE_ROWS
from precog_trading.rules.value_gate import order_limit, recheck
from precog_trading.settings import for_league

_HOUR = Decimal(3600)


def relation(candidate: Candidate, at: Situation, account: Account) -> str | None:
    """Row 12, after the choice among equivalent legs: what the account already did in the game."""
    gate, notes = at.config.gate, candidate.notes
    notes["entries_in_game"] = made = account.entries_in_game(candidate)
    if made >= gate.already_entered:
        return "already_entered"
    last_exit = account.last_exit(candidate)
    if last_exit is not None:
        notes["last_exit_at"] = last_exit
        if at.now - last_exit < timedelta(seconds=gate.cooldown):
            return "cooldown"
    if not _may_try_again(candidate, at):
        return "cooldown"
    return "opposes_position" if account.holds_opposite(candidate) else None


def _may_try_again(candidate: Candidate, at: Situation) -> bool:
    """Whether the leg's order may be sent (again); gives the candidate its attempt number.

    An order that found nothing to buy is tried again after the wait of its number, at most
    ``exec.entry_attempts`` times within ``gate.cooldown`` seconds, each through the whole gate.
    """
    method = candidate.method
    leg = (
        candidate.market.market_id,
        candidate.side,
        method.strategy.strategy_id,
        method.model.model_id,
        method.method_id,
    )
    since = at.now - timedelta(seconds=at.config.gate.cooldown)
    missed = [
        one.decided_at
        for one in at.state.portfolio.missed
        if (one.market_id, one.side, one.strategy_id, one.model_id, one.method_id) == leg
        and one.decided_at > since
    ]
    if not missed:
        return True
    candidate.attempt = len(missed) + 1
    candidate.notes["missed_attempts"] = len(missed)
    candidate.notes["last_attempt_at"] = max(missed)
    return may_try_again(missed, at.now, at.config.exec)


def may_try_again(missed: Sequence[datetime], now: datetime, settings: ExecutionSettings) -> bool:
    """Whether a leg's next order may be sent after those that found nothing to buy.

    ``missed``: when they were decided, at least one, none longer ago than ``gate.cooldown``.
    """
    if len(missed) >= settings.entry_attempts:
        return False
    return now - max(missed) >= timedelta(seconds=settings.entry_wait_s[len(missed) - 1])


def size(candidate: Candidate, at: Situation, account: Account) -> str | None:
    """Row 13: entry rates, then Kelly's size at the quoted cost."""
    caps, sizing, notes = at.config.caps, at.config.sizing, candidate.notes
    edge, method, market = known(candidate.edge), candidate.method, candidate.market
    notes["entries_this_hour"] = account.entries_this_hour
    if account.entries_this_hour >= caps.entries_h:
        return "rate_hour"
    notes["entries_today"] = account.entries_today
    if account.entries_today >= caps.entries_d:
        return "rate_day"
    to_start = known(market.kickoff_at) - at.now
    factors = reductions(
        SizingFacts(
            volatility_ratio=candidate.quote.mid_volatility_ratio,
            volume_24h=candidate.volume_24h,
            spread=edge.ask - (candidate.bid or ZERO),
            hours_to_start=Decimal(int(to_start.total_seconds())) / _HOUR,
            confidence=candidate.confidence,
            half_width=candidate.half_width,
            other_exposure_in_game=account.holds_in_game(candidate),
        ),
        sizing.reduce,
    )
    fraction = method.kelly_fraction or for_league(sizing.kelly, market.league)
    amount = stake(account.bankroll, edge.shrunk, edge.cost, fraction, factors.values())
    candidate.quantity = contracts_for(amount, edge.cost, sizing.qty_step)
    notes.update({f"reduce.{name}": factor for name, factor in factors.items()})
    notes.update(
        {
            "bankroll": account.bankroll,
            "kelly_fraction": fraction,
            "kelly_stake": amount.quantize(Decimal("0.000001")),
            "quantity.kelly": candidate.quantity,
        }
    )
    if candidate.quantity <= ZERO:
        return "size_zero"
    return "size_below_min" if _below_minimum(candidate, at) else None


def exposure(candidate: Candidate, at: Situation, account: Account) -> str | None:
    """Row 14: shrink the size under every cap, counted with the order filled at its limit."""
    candidate.limit = order_limit(candidate, at, at.config.fees.probe_qty)
    if candidate.limit is None:
        return "edge_below_min"
    candidate.notes["limit.probe"] = candidate.limit
    reason = _position_cap(candidate, at, account)
    if reason is not None:
        return reason
    group = account.group_of(candidate.market)
    values = outcome_values(
        group.winners, known(candidate.market.outcome_team(candidate.side)), candidate.mid
    )
    cost = account.order_cost(candidate)

    def loss(contracts: Decimal) -> Decimal:
        """The worst of the game with that many more."""
        return worst_loss(with_order(group.gains, values, contracts, cost.of(contracts)))

    worst = loss(known(candidate.quantity))
    for name, room in _rooms(candidate, at, account, group):
        candidate.notes[f"room.{name}"] = room
        if worst > room:
            bound = most_contracts(
                group.gains, values, cost.least_per_contract, room, known(candidate.quantity)
            )
            _shrink(candidate, at, bound, lambda contracts: loss(contracts) <= room)  # noqa: B023
            if _below_minimum(candidate, at):
                return f"cap_{name}"
            worst = loss(known(candidate.quantity))
        candidate.notes[f"quantity.{name}"] = candidate.quantity
    caps = at.config.caps
    everywhere, in_game = account.open_holdings(candidate)
    candidate.notes.update(open_positions=everywhere, open_in_game=in_game)
    full = everywhere >= caps.open.of(at.environment)
    return "cap_open" if full or in_game >= caps.open_game.of(at.environment) else None


def cash(candidate: Candidate, at: Situation, account: Account) -> str | None:
    """Row 15, first half: the order and the reserve fit into the cash that is not committed."""
    reserve = at.config.caps.cash_reserve_usd.of(at.environment)
    candidate.notes.update(cash=account.cash, cash_reserve=reserve)
    _shrink_to_cost(candidate, at, account.order_cost(candidate), account.cash - reserve)
    if _below_minimum(candidate, at):
        return "cash"
    candidate.notes["quantity.cash"] = candidate.quantity
    return None


def final_check(candidate: Candidate, at: Situation, account: Account) -> str | None:
    """Row 11 for the final quantity, then row 15's second quote; fixes stake and limit."""
    quantity = known(candidate.quantity)
    reason = recheck(candidate, at, quantity) or requote(candidate, at)
    if reason is None:
        precision = at.config.fees.account_precision
        quoted = OrderCost(known(candidate.schedule), known(candidate.edge).ask, precision)
        candidate.stake = quoted.of(quantity)
        candidate.notes["limit"] = candidate.limit
        candidate.notes["cost_at_limit"] = account.order_cost(candidate).of(quantity)
    return reason


def requote(candidate: Candidate, at: Situation) -> str | None:
    """Row 15, second half: a quote at most ``gate.quote_moved`` seconds old passes rows 9 to 11.

    In paper and backtest without one, the stored quote of the decision stands in, and is marked:
    the paper exchange then fills on the book it decided on, or on the next recorded one.
    """
    second = at.state.requotes.get(candidate.market.market_id)
    if second is None:
        if at.environment in (Environment.LIVE, Environment.DEMO):
            return "quote_moved"
        candidate.notes["assumed.requote"] = True
        return None
    oldest = timedelta(seconds=at.config.gate.quote_moved)
    candidate.notes["requote_observed_at"] = second.observed_at
    if at.now - second.observed_at > oldest:
        return "quote_moved"
    again = Candidate(
        candidate.market,
        second,
        candidate.side,
        candidate.method,
        candidate.prediction,
        candidate.assumes,
        {},
    )
    again.read_book(second, at.config.replay.assume)
    failed = next((reason for row in VALUE_ROWS if (reason := row(again, at))), None)
    if failed is not None:
        candidate.notes["requote_reason"] = failed
        return "quote_moved"
    return None


def _position_cap(candidate: Candidate, at: Situation, account: Account) -> str | None:
    caps, method = at.config.caps, candidate.method
    room = min(
        caps.position_usd.of(at.environment), caps.position_pct * max(account.bankroll, ZERO)
    )
    if method.position_usd is not None:
        room = min(room, method.position_usd)
    room -= account.invested(candidate)
    candidate.notes["room.position"] = room
    _shrink_to_cost(candidate, at, account.order_cost(candidate), room)
    if _below_minimum(candidate, at):
        return "cap_position"
    candidate.notes["quantity.position"] = candidate.quantity
    return None


def _rooms(
    candidate: Candidate, at: Situation, account: Account, group: GameExposure
) -> list[tuple[str, Decimal]]:
    """How much the candidate's game may lose at worst under each cap, in the printed order."""
    caps, environment = at.config.caps, at.environment
    other = account.other_losses(group)
    total = caps.total_usd.of(environment)
    league = for_league(caps.league_pct, candidate.market.league) * total
    return [
        ("game", caps.game_usd.of(environment) - other.game),
        ("team", caps.team_usd.of(environment) - max(other.teams)),
        ("day", caps.day_usd.of(environment) - other.day),
        ("league", league - other.league),
        ("total", total - other.total),
    ]


def _shrink_to_cost(candidate: Candidate, at: Situation, cost: OrderCost, dollars: Decimal) -> None:
    """Shrink to the most contracts whose order costs at most ``dollars``."""
    if cost.of(known(candidate.quantity)) > dollars:
        bound = dollars / cost.least_per_contract
        _shrink(candidate, at, bound, lambda contracts: cost.of(contracts) <= dollars)


def _shrink(
    candidate: Candidate, at: Situation, bound: Decimal, fits: Callable[[Decimal], bool]
) -> None:
    """Shrink to the most contracts, at most ``bound``, that fit."""
    step = at.config.sizing.qty_step
    candidate.quantity = largest_fitting(known(candidate.quantity), bound, step, fits)


def _below_minimum(candidate: Candidate, at: Situation) -> bool:
    """Whether what is left of the order is nothing, or not worth ``caps.min_usd`` dollars."""
    quantity = known(candidate.quantity)
    worth = quantity * known(candidate.edge).cost
    return quantity <= ZERO or worth < at.config.caps.min_usd
