"""How a position means to leave, fixed at its entry: ``positions.position_metadata``, typed.

A change of the settings, of a method or of a strategy must not move the stop of a position that
is already held, so the plan is a copy of what was in force when it was bought.
"""

from functools import cached_property
from typing import Any, Self

from pydantic import field_serializer, model_validator

from precog_trading.config_exits import ExitSettings, TrailingSettings
from precog_trading.rules.conditions import ALL_CONDITIONS, ExitCondition, by_rank
from precog_trading.settings import Section, Share


class ExitPlan(Section):
    """``model_dump(mode="json")`` is what is stored, ``model_validate`` reads it back.

    ``profit_target`` is a method's own target gain and replaces those by confidence. Of the ten
    conditions only ``conditions`` may sell: circuit_breaker always, stop_loss always unless the
    position is held to settlement, time_based_urgent never if it is (trading-rules §7).
    """

    exit: ExitSettings = ExitSettings()
    trailing: TrailingSettings = TrailingSettings()
    profit_target: Share | None = None
    hold_to_settlement: bool = False
    conditions: frozenset[ExitCondition] = ALL_CONDITIONS

    @cached_property
    def stored(self) -> dict[str, Any]:
        """``model_dump(mode="json")``, made once; nobody changes it."""
        return self.model_dump(mode="json")

    @field_serializer("conditions")
    def _in_a_fixed_order(self, conditions: frozenset[ExitCondition]) -> list[str]:
        return [condition.value for condition in by_rank(conditions)]

    @model_validator(mode="after")
    def _some_cannot_be_switched_off(self) -> Self:
        if ExitCondition.CIRCUIT_BREAKER not in self.conditions:
            raise ValueError("expected circuit_breaker among the conditions: it is never off")
        if self.hold_to_settlement:
            if ExitCondition.TIME_BASED_URGENT in self.conditions:
                raise ValueError("a position held to settlement has no time_based_urgent exit")
        elif ExitCondition.STOP_LOSS not in self.conditions:
            raise ValueError("expected stop_loss: only hold_to_settlement switches it off")
        return self
