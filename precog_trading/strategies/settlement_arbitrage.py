"""Buy what has already won: the result is known, the market is still open and not at a dollar.

A game counts as decided once its result is known to us as final (``game_states`` or ``games``);
until the venue determines the market, contracts on the winner sometimes still sell below what
they will pay. The probability is not the model's: it is the ``certainty`` that the venue settles
on the result we know. The gate's quarantine does the rest: a market that is far from our result
knows something we do not, and is left alone. Positions wait for the settlement.
"""

from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import ClassVar, Literal

from pydantic import Field

from precog_trading.rules.conditions import ExitCondition
from precog_trading.settings import Exact
from precog_trading.strategies.base import HOLD_EXITS, Strategy, hours


class SettlementArbitrage(Strategy):
    """``certainty``: probability that the market pays on the known winner. ``until_h``: hours
    after the result was known during which it looks.
    """

    certainty: Exact = Field(default=Decimal("0.99"), gt=Decimal("0.5"), le=Decimal("0.9999"))
    until_h: Exact = Field(default=Decimal("6"), gt=0, le=24)
    hold_to_settlement: Literal[True] = True

    phase: ClassVar[str] = "settlement"
    in_play: ClassVar[bool] = False
    exits: ClassVar[frozenset[ExitCondition]] = HOLD_EXITS

    @property
    def earliest(self) -> timedelta:
        return timedelta(0)

    @cached_property
    def latest(self) -> timedelta:
        return -hours(self.until_h)
