"""Buy before the start what the model thinks is cheap, and manage it: all ten exits are active.

The counterpart of :mod:`.pre_game` for the question whether stops and targets earn their fees;
both may run as arms of one comparison.
"""

from functools import cached_property
from typing import Literal, Self

from pydantic import model_validator

from precog_trading.rules.conditions import ExitCondition
from precog_trading.strategies.base import MANAGED_EXITS, BeforeTheStart

_NEVER_OFF = frozenset({ExitCondition.STOP_LOSS, ExitCondition.CIRCUIT_BREAKER})


class PreGameManaged(BeforeTheStart):
    """``without``: exit conditions it does not use; stop_loss and circuit_breaker stay."""

    hold_to_settlement: Literal[False] = False
    without: tuple[ExitCondition, ...] = ()

    @model_validator(mode="after")
    def _some_stay(self) -> Self:
        refused = sorted(_NEVER_OFF.intersection(self.without))
        if refused:
            raise ValueError(f"without names {', '.join(refused)}, which a managed position keeps")
        return self

    @cached_property
    def exits(self) -> frozenset[ExitCondition]:
        return MANAGED_EXITS - set(self.without)
