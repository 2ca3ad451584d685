"""Settings that act after the entry: exits, execution, monitoring, breakers, promotion.

Separate from ``config.py`` only for length. Every default is the figure printed in trading-rules
§7 to §13, under the key printed there.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from precog_trading.settings import (
    DEFAULT,
    Contracts,
    Count,
    Profiled,
    Seconds,
    SecondsByLeague,
    Section,
    Share,
    Usd,
)

Settings = TypeVar("Settings", bound=Section)


def _d(text: str) -> Decimal:
    return Decimal(text)


class ByConfidence(Section):
    """A fraction of the entry price for each confidence level."""

    high: Share
    medium: Share
    low: Share


class StopLoss(ByConfidence):
    """mark <= min(entry·(1 - L), entry - min_ticks ticks)."""

    high: Share = _d("0.15")
    medium: Share = _d("0.12")
    low: Share = _d("0.08")
    min_ticks: Count = 3


class LiquidityDriedUp(Section):
    spread: Share = _d("0.03")
    volume: Contracts = _d("50")
    observations: Count = 3


class PartialExitTarget(Section):
    """Gains that trigger each stage and the shares of the original quantity they sell."""

    stage_1_gain: Share = _d("0.15")
    stage_2_gain: Share = _d("0.25")
    stage_1_share: Share = _d("0.50")
    stage_2_share: Share = _d("0.25")

    @model_validator(mode="after")
    def _stages_are_ordered(self) -> Self:
        if self.stage_1_gain >= self.stage_2_gain:
            raise ValueError("expected stage_1_gain below stage_2_gain")
        if self.stage_1_share + self.stage_2_share > 1:
            raise ValueError("expected stage_1_share + stage_2_share at most 1")
        return self


class ExitSettings(Section):
    """``exit.*``, trading-rules §7."""

    stop_loss: StopLoss = StopLoss()
    time_based_urgent: Seconds = 300
    liquidity_dried_up: LiquidityDriedUp = LiquidityDriedUp()
    profit_target: ByConfidence = ByConfidence(high=_d("0.35"), medium=_d("0.30"), low=_d("0.28"))
    partial_exit_target: PartialExitTarget = PartialExitTarget()
    early_exit: Share = _d("0.02")
    edge_disappeared: Share = _d("0")
    rebalance: Share = _d("0.05")
    ev_check: bool = True

    @model_validator(mode="after")
    def _early_is_before_gone(self) -> Self:
        if self.edge_disappeared > self.early_exit:
            raise ValueError("expected edge_disappeared at most early_exit")
        return self


class FixedTrail(Section):
    """A trailing stop in dollars instead of percent."""

    activation: Share = _d("0.05")
    distance: Share = _d("0.05")
    step_gain: Share = Field(default=_d("0.05"), gt=0)
    step: Share = _d("0.01")
    floor: Share = _d("0.02")

    @model_validator(mode="after")
    def _floor_is_a_floor(self) -> Self:
        if self.floor > self.distance:
            raise ValueError("expected floor at most distance: the stop only ever tightens")
        return self


class AtrTrail(Section):
    """stop = peak - clamp(multiple·ATR, low, high); fewer bars than needed fall back to percent."""

    multiple: Contracts = _d("3")
    low: Share = _d("0.02")
    high: Share = _d("0.15")
    period: Count = 14
    bar_s: Seconds = 300


class TrailingSettings(Section):
    """``trailing.*``, trading-rules §7."""

    type: Literal["percentage", "fixed", "atr"] = "percentage"
    activation: Share = _d("0.10")
    distance: Share = _d("0.05")
    step_gain: Share = Field(default=_d("0.05"), gt=0)
    step: Share = _d("0.01")
    floor: Share = _d("0.02")
    fixed: FixedTrail = FixedTrail()
    atr: AtrTrail = AtrTrail()

    @model_validator(mode="after")
    def _floor_is_a_floor(self) -> Self:
        if self.floor > self.distance:
            raise ValueError("expected floor at most distance: the stop only ever tightens")
        return self


class PositionManagementConfig(Section):
    """``position_mgmt_config`` of a method: what it replaces of ``exit.*`` and ``trailing.*``.

    ``exit`` and ``trailing`` have the keys of ``config/trading.yaml`` and hold only the values that
    differ from there. ``profit_target`` is one target gain in place of those by confidence.
    """

    profit_target: Share | None = None
    exit: dict[str, Any] | None = None
    trailing: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _replaces_what_exists(self) -> Self:
        self.exit_settings(ExitSettings())
        self.trailing_settings(TrailingSettings())
        return self

    def exit_settings(self, settings: ExitSettings) -> ExitSettings:
        """``settings`` with the method's own values. Raises ValueError when they contradict."""
        return _replaced("exit", settings, self.exit)

    def trailing_settings(self, settings: TrailingSettings) -> TrailingSettings:
        """``settings`` with the method's own values. Raises ValueError when they contradict."""
        return _replaced("trailing", settings, self.trailing)


class CriticalLadder(Section):
    """``exec.critical``: ticks below the bid of the first, second, … order; the last repeats."""

    ticks: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(1, 3, 5), min_length=1)
    wait_s: Seconds = 5


class Ladder(Section):
    """Seconds the first order and each walk of one tick are given, and how many walks follow."""

    wait_s: Seconds
    walk_s: Seconds
    walks: Count


class ExecutionSettings(Section):
    """``exec.*``: how far from the decision's price an order may go, and how often it tries.

    The ladders of trading-rules §8 by priority; liquidity_dried_up has its own of the high ones.
    """

    entry_slippage: Share = _d("0.02")
    exit_slippage: Share = _d("0.03")
    critical_floor: Share = _d("0.50")
    entry_attempts: int = Field(default=3, ge=1, le=10)
    entry_wait_s: tuple[Seconds, ...] = (5, 10, 20)
    critical: CriticalLadder = CriticalLadder()
    high: Ladder = Ladder(wait_s=10, walk_s=10, walks=2)
    liquidity_dried_up: Ladder = Ladder(wait_s=15, walk_s=15, walks=3)
    medium: Ladder = Ladder(wait_s=30, walk_s=15, walks=5)
    low: Ladder = Ladder(wait_s=60, walk_s=30, walks=10)

    @model_validator(mode="after")
    def _a_wait_for_each_attempt(self) -> Self:
        if len(self.entry_wait_s) < self.entry_attempts - 1:
            raise ValueError(
                f"entry_wait_s has {len(self.entry_wait_s)} values; expected one after each "
                f"attempt that another may follow, at least {self.entry_attempts - 1}"
            )
        return self


def _durations() -> dict[str, int]:
    minutes = {
        "nfl": 190,
        "ncaaf": 205,
        "nba": 150,
        "wnba": 130,
        "ncaab": 130,
        "nhl": 160,
        "mlb": 165,
        "tennis": 120,
        "default": 180,
    }
    return {league: 60 * length for league, length in minutes.items()}


class LeagueSettings(Section):
    """``league.duration``: seconds from the scheduled start to the expected end of a game."""

    duration: SecondsByLeague = _durations()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if DEFAULT not in self.duration:
            raise ValueError("duration has no default; expected one for the leagues not named")
        return self


class MonitorSettings(Section):
    """``monitor.*``: seconds between looks, and how near a stop or target is urgent."""

    normal_s: Seconds = 30
    urgent_s: Seconds = 5
    urgent_distance: Share = _d("0.02")
    urgent_trailing: Share = _d("0.02")


class BreakerCount(Section):
    """``count`` events within ``window_s`` seconds."""

    count: int = Field(ge=1)
    window_s: Seconds


class BreakerSettings(Section):
    """``breaker.*``, trading-rules §12. Losses in dollars, windows in seconds."""

    daily_loss: Profiled[Usd] = Profiled(paper=_d("500"), live=_d("50"))
    weekly_loss: Profiled[Usd] = Profiled(paper=_d("1500"), live=_d("150"))
    rapid_loss: Profiled[Usd] = Profiled(paper=_d("200"), live=_d("20"))
    rapid_loss_window_s: Seconds = 900
    drawdown: Share = _d("0.15")
    consecutive_losses: Share = _d("0.001")
    venue_errors: BreakerCount = BreakerCount(count=5, window_s=300)
    rejects: BreakerCount = BreakerCount(count=3, window_s=600)
    auth_error: int = Field(default=1, ge=1)
    db_errors: BreakerCount = BreakerCount(count=3, window_s=60)
    data_quality: BreakerCount = BreakerCount(count=3, window_s=600)
    edge_anomaly: BreakerCount = BreakerCount(count=3, window_s=600)
    edge_anomaly_gap: Share = _d("0.30")
    model_stale: Seconds = 86_400
    trade_burst: BreakerCount = BreakerCount(count=20, window_s=300)
    position_quote_stale: Seconds = 300
    reconcile_mismatch: int = Field(default=1, ge=1)
    unknown_order: Seconds = 300
    fee_mismatch: BreakerCount = BreakerCount(count=3, window_s=86_400)


class ReconcileSettings(Section):
    absence_s: Seconds = 60


class LiveSettings(Section):
    manual_approval: bool = True


class PromotionSettings(Section):
    """``promotion.*``, trading-rules §13: what a version must show before it may trade live."""

    model_predictions: Count = 100
    model_days: Count = 30
    model_bootstrap: Share = _d("0.90")
    model_ece: Share = _d("0.05")
    strategy_trades: Count = 50
    strategy_days: Count = 60
    strategy_drawdown: Share = _d("0.15")
    method_trades: Count = 10
    deprecate_trades: Count = 20
    deprecate_days: Count = 30
    deprecate_roi: Share = _d("0.10")


def _replaced(name: str, settings: Settings, values: Mapping[str, Any] | None) -> Settings:
    """``settings`` with some values replaced, checked as a whole again."""
    if not values:
        return settings
    try:
        return type(settings).model_validate(_merged(settings.model_dump(), values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join((name, *map(str, first["loc"])))
        raise ValueError(f"{key} is {first['input']!r}; {first['msg']}") from error


def _merged(base: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, replacement in values.items():
        before = merged.get(key)
        if isinstance(before, Mapping) and isinstance(replacement, Mapping):
            replacement = _merged(before, replacement)
        merged[key] = replacement
    return merged
