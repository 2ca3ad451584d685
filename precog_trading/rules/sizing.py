"""From an edge to a number of contracts: Kelly, reductions, and the largest size under a cap.

Kelly is taken at the quoted cost, k = ask + φ(ask), so that the size never falls when the
probability rises; every cap counts the order as if it filled at its limit with fees, so that no
cap is exceeded whatever price the order gets (trading-rules §4, §6).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from precog_core.prices import ONE, ZERO, floor_to
from precog_trading.config import Reductions
from precog_trading.rules.confidence import LOW
from precog_trading.rules.fees import FeeSchedule, Role, fee
from precog_trading.rules.kelly import kelly_share


@dataclass(frozen=True, slots=True)
class SizingFacts:
    """What reduces a stake; None is unknown and reduces nothing."""

    volatility_ratio: Decimal | None
    volume_24h: Decimal | None
    spread: Decimal | None
    hours_to_start: Decimal | None
    confidence: str | None
    half_width: Decimal | None
    other_exposure_in_game: bool


def reductions(facts: SizingFacts, settings: Reductions) -> dict[str, Decimal]:
    """The factors below 1 by name, in the order of the table."""
    found: dict[str, Decimal] = {}
    if facts.volatility_ratio is not None and facts.volatility_ratio >= settings.volatility_ratio:
        found["volatility"] = settings.volatility
    if facts.volume_24h is not None and facts.volume_24h < settings.volume_below:
        found["volume"] = settings.volume
    if facts.spread is not None and facts.spread > settings.spread_above:
        found["spread"] = settings.spread
    if facts.hours_to_start is not None and facts.hours_to_start > settings.early_above_h:
        found["early"] = settings.early
    if facts.confidence == LOW:
        found["confidence_low"] = settings.confidence_low
    if facts.half_width is not None:
        found["interval"] = max(ZERO, ONE - settings.interval * facts.half_width)
    if facts.other_exposure_in_game:
        found["same_game"] = settings.same_game
    return found


def stake(
    bankroll: Decimal,
    probability: Decimal,
    cost: Decimal,
    fraction: Decimal,
    factors: Iterable[Decimal],
) -> Decimal:
    """B · f* · fraction · Π reductions, in dollars, before caps. A negative bankroll stakes 0."""
    amount = max(bankroll, ZERO) * kelly_share(probability, cost) * fraction
    for factor in factors:
        amount *= factor
    return amount


def contracts_for(amount: Decimal, cost: Decimal, step: Decimal) -> Decimal:
    """floor(stake / k) in steps of ``step`` contracts."""
    return floor_to(amount / cost, step)


@dataclass(slots=True)
class OrderCost:
    """What an order costs at most: the whole quantity at its limit, as one taker fill.

    One cap after the other asks about the same quantity: the last answer is kept.
    """

    schedule: FeeSchedule
    limit_price: Decimal
    account_precision: Decimal
    _asked: Decimal | None = field(default=None, init=False, repr=False, compare=False)
    _answer: Decimal = field(default=ZERO, init=False, repr=False, compare=False)

    def of(self, quantity: Decimal) -> Decimal:
        """Dollars for ``quantity`` contracts at the limit, fees and rounding included."""
        if quantity is not self._asked:
            self._asked, self._answer = quantity, self._of(quantity)
        return self._answer

    def _of(self, quantity: Decimal) -> Decimal:
        if quantity <= ZERO:
            return ZERO
        paid = fee(
            self.schedule,
            Role.TAKER,
            quantity,
            self.limit_price,
            account_precision=self.account_precision,
        )
        return quantity * self.limit_price + paid.trade_fee + paid.rounding_fee

    @property
    def least_per_contract(self) -> Decimal:
        """Price plus fee before rounding: no quantity costs less per contract."""
        rate = self.schedule.rate(Role.TAKER)
        return self.limit_price + rate * self.limit_price * (ONE - self.limit_price)


def largest_fitting(
    wanted: Decimal, upper_bound: Decimal, step: Decimal, fits: Callable[[Decimal], bool]
) -> Decimal:
    """The largest multiple of ``step`` up to both bounds that fits; 0 when none does.

    ``upper_bound`` comes from costs before rounding and ``fits`` decides on exact ones, so the
    walk down is one or two steps.
    """
    quantity = min(wanted, floor_to(max(upper_bound, ZERO), step))
    while quantity > ZERO and not fits(quantity):
        quantity -= step
    return max(quantity, ZERO)
