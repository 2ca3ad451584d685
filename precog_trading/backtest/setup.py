"""What a replay is given: the past, a method, the settings."""

from dataclasses import dataclass, field

from precog_core.progress import Progress, unseen
from precog_trading.backtest.history import History
from precog_trading.config import TradingConfig
from precog_trading.engine.state import Environment, Method


@dataclass(frozen=True)
class Setup:
    """What is replayed, and under which rules."""

    history: History
    method: Method
    config: TradingConfig
    run_key: str = ""
    environment: Environment = Environment.BACKTEST
    progress: Progress = field(default=unseen, compare=False)
    """Told how many microseconds of the period are replayed, of all."""
