"""The ten reasons to leave a position, by name, class and rank (trading-rules §7)."""

from collections.abc import Iterable
from enum import StrEnum


class ExitCondition(StrEnum):
    """The conditions in the order of the table; stored as ``exit_condition``."""

    STOP_LOSS = "stop_loss"
    CIRCUIT_BREAKER = "circuit_breaker"
    TRAILING_STOP = "trailing_stop"
    TIME_BASED_URGENT = "time_based_urgent"
    LIQUIDITY_DRIED_UP = "liquidity_dried_up"
    PROFIT_TARGET = "profit_target"
    PARTIAL_EXIT_TARGET = "partial_exit_target"
    EARLY_EXIT = "early_exit"
    EDGE_DISAPPEARED = "edge_disappeared"
    REBALANCE = "rebalance"


class ExitPriority(StrEnum):
    """How urgent a condition is; it selects the execution ladder (trading-rules §8)."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


PRIORITY: dict[ExitCondition, ExitPriority] = {
    ExitCondition.STOP_LOSS: ExitPriority.CRITICAL,
    ExitCondition.CIRCUIT_BREAKER: ExitPriority.CRITICAL,
    ExitCondition.TRAILING_STOP: ExitPriority.HIGH,
    ExitCondition.TIME_BASED_URGENT: ExitPriority.HIGH,
    ExitCondition.LIQUIDITY_DRIED_UP: ExitPriority.HIGH,
    ExitCondition.PROFIT_TARGET: ExitPriority.MEDIUM,
    ExitCondition.PARTIAL_EXIT_TARGET: ExitPriority.MEDIUM,
    ExitCondition.EARLY_EXIT: ExitPriority.LOW,
    ExitCondition.EDGE_DISAPPEARED: ExitPriority.LOW,
    ExitCondition.REBALANCE: ExitPriority.LOW,
}

ALL_CONDITIONS = frozenset(ExitCondition)

_RANK = {
    condition: rank
    for rank, condition in enumerate(
        (
            ExitCondition.STOP_LOSS,
            ExitCondition.CIRCUIT_BREAKER,
            ExitCondition.TRAILING_STOP,
            ExitCondition.TIME_BASED_URGENT,
            ExitCondition.LIQUIDITY_DRIED_UP,
            ExitCondition.PROFIT_TARGET,
            ExitCondition.PARTIAL_EXIT_TARGET,
            # Gone is worse than small, so it comes before its place in the table.
            ExitCondition.EDGE_DISAPPEARED,
            ExitCondition.EARLY_EXIT,
            ExitCondition.REBALANCE,
        )
    )
}


def by_rank(conditions: Iterable[ExitCondition]) -> list[ExitCondition]:
    """The conditions, the one that runs first: class, then the table's order, except that
    edge_disappeared beats early_exit.
    """
    return sorted(conditions, key=_RANK.__getitem__)
