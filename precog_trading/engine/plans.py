"""The exit plan a position starts with: settings, method and strategy as they are at its entry."""

from precog_trading.config import TradingConfig
from precog_trading.engine.state import ExitPlan, Method
from precog_trading.strategies.base import HOLD_EXITS, MANAGED_EXITS

_REMEMBERED = 64
_made: dict[tuple[int, int], tuple[Method, TradingConfig, ExitPlan]] = {}
"""The plans of late, by the identity of what they are made of; both are immutable."""


def plan_for(method: Method, config: TradingConfig) -> ExitPlan:
    """What ``position_metadata`` of a position bought by ``method`` says."""
    key = id(method), id(config)
    made = _made.get(key)
    if made is None:
        if len(_made) >= _REMEMBERED:
            _made.clear()
        # Holding both keeps their identities from being given to others.
        made = _made[key] = method, config, _plan_for(method, config)
    return made[2]


def _plan_for(method: Method, config: TradingConfig) -> ExitPlan:
    rules, own = method.strategy.rules, method.exits
    return ExitPlan(
        exit=config.exit if own is None else own.exit_settings(config.exit),
        trailing=config.trailing if own is None else own.trailing_settings(config.trailing),
        profit_target=method.profit_target,
        hold_to_settlement=rules.hold_to_settlement,
        conditions=rules.exits,
    )


def plan_of_today(config: TradingConfig, *, hold_to_settlement: bool) -> ExitPlan:
    """The plan of a position that was bought without one."""
    conditions = HOLD_EXITS if hold_to_settlement else MANAGED_EXITS
    return ExitPlan(
        exit=config.exit,
        trailing=config.trailing,
        hold_to_settlement=hold_to_settlement,
        conditions=conditions,
    )
