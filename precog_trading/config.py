"""The settings of trading: every figure of trading-rules.md under the key printed there.

``load_section("trading", TradingConfig)`` reads them. The defaults below *are* the rule book; the
YAML repeats them for the reader who edits. Rules receive this object as an argument and never look
a setting up themselves, so a decision depends on nothing that was not handed to it.
"""

import hashlib
import json
from datetime import time
from decimal import Decimal
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from precog_trading.config_exits import (
    BreakerSettings,
    ExecutionSettings,
    ExitSettings,
    LeagueSettings,
    LiveSettings,
    MonitorSettings,
    PromotionSettings,
    ReconcileSettings,
    TrailingSettings,
)
from precog_trading.settings import (
    Contracts,
    Count,
    Exact,
    Hours,
    KellyByLeague,
    Profiled,
    Seconds,
    Section,
    Share,
    ShareByLeague,
    ShrinkByLeague,
    Usd,
    require_default,
)

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


def _d(text: str) -> Decimal:
    return Decimal(text)


def _table(**values: str) -> dict[str, Decimal]:
    return {name: Decimal(text) for name, text in values.items()}


class FeeSettings(Section):
    """``fees.*``, trading-rules §2."""

    probe_qty: Contracts = Field(default=_d("100"), gt=0)
    account_precision: Exact = Field(default=_d("0.0001"), gt=0, le=_d("0.01"))


class EdgeSettings(Section):
    """``edge.*``, trading-rules §3."""

    shrink_to_market: Share = _d("0.10")
    shrink_live: ShrinkByLeague = _table()
    min: ShareByLeague = _table(
        nfl="0.05", nba="0.05", ncaaf="0.06", mlb="0.06", nhl="0.06", tennis="0.07", default="0.07"
    )
    auto: dict[str, Share] = _table(
        pre_game="0.08", halftime="0.06", in_play="0.10", settlement="0.02"
    )
    quarantine_gap: Share = _d("0.15")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        require_default("min", self.min)
        if set(self.auto) != {"pre_game", "halftime", "in_play", "settlement"}:
            raise ValueError(
                f"auto has {', '.join(self.auto)}; expected exactly pre_game, halftime, in_play, "
                "settlement"
            )
        return self


class ConfidenceBounds(Section):
    """Largest half-width of the 90 % interval for each level."""

    high: Share = _d("0.04")
    medium: Share = _d("0.08")
    low: Share = _d("0.12")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not self.high < self.medium < self.low:
            raise ValueError("expected high < medium < low")
        return self


class ConfidenceSettings(Section):
    bounds: ConfidenceBounds = ConfidenceBounds()


class Reductions(Section):
    """``sizing.reduce.*``: factors, and the values from which they apply (trading-rules §4)."""

    volatility: Share = _d("0.70")
    volatility_ratio: Exact = Field(default=_d("2"), gt=0)
    volume: Share = _d("0.50")
    volume_below: Contracts = _d("200")
    spread: Share = _d("0.75")
    spread_above: Share = _d("0.01")
    early: Share = _d("0.80")
    early_above_h: Hours = _d("3")
    confidence_low: Share = _d("0.60")
    interval: Exact = Field(default=_d("4"), ge=0)
    same_game: Share = _d("0.50")


class SizingSettings(Section):
    """``sizing.*``, trading-rules §4."""

    qty_step: Exact = Field(default=_d("1"), gt=0)
    kelly: KellyByLeague = _table(nfl="0.25", nba="0.22", tennis="0.18", default="0.20")
    reduce: Reductions = Reductions()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        require_default("kelly", self.kelly)
        return self


class CapSettings(Section):
    """``caps.*``, trading-rules §4: dollars at risk and counts, paper and live."""

    position_usd: Profiled[Usd] = Profiled(paper=_d("500"), live=_d("100"))
    position_pct: Share = _d("0.05")
    min_usd: Usd = _d("10")
    game_usd: Profiled[Usd] = Profiled(paper=_d("1500"), live=_d("200"))
    team_usd: Profiled[Usd] = Profiled(paper=_d("2000"), live=_d("300"))
    day_usd: Profiled[Usd] = Profiled(paper=_d("3000"), live=_d("300"))
    league_pct: ShareByLeague = _table(nfl="0.60", nba="0.40", mlb="0.30", default="0.20")
    total_usd: Profiled[Usd] = Profiled(paper=_d("10000"), live=_d("1000"))
    open: Profiled[Count] = Profiled(paper=20, live=10)
    open_game: Profiled[Count] = Profiled(paper=3, live=1)
    cash_reserve_usd: Profiled[Usd] = Profiled(paper=_d("1000"), live=_d("100"))
    entries_h: Count = 10
    entries_d: Count = 50

    @model_validator(mode="after")
    def _complete(self) -> Self:
        require_default("league_pct", self.league_pct)
        return self


class QuoteAge(Section):
    """Oldest quote in seconds: ``stored`` for quotes read from the table in paper and backtest."""

    live: Seconds = 120
    stored: Seconds = 300


class Window(Section):
    """Hours before the start between which entries are made."""

    from_h: Hours = _d("24")
    until_h: Hours = _d("0.5")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.until_h >= self.from_h:
            raise ValueError("expected until_h below from_h")
        return self


class PriceBand(Section):
    low: Share = _d("0.10")
    high: Share = _d("0.90")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError("expected low below high")
        return self


class ClockRange(Section):
    """Local times of day in America/New_York; ``until`` is not part of the range."""

    start: time
    until: time

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start >= self.until:
            raise ValueError("expected start before until on the same day")
        return self


class MaintenanceWindow(ClockRange):
    weekday: Weekday


def _venue_pauses() -> dict[str, tuple[MaintenanceWindow, ...]]:
    thursday = MaintenanceWindow(weekday="thursday", start=time(3), until=time(5))
    return {"kalshi": (thursday,), "kalshi_demo": (thursday,)}


def _wordings() -> dict[str, str]:
    return {
        "45250f63fe7e48fcaa0b01ccb99df729dcc17c7354107cc7f6b515612b7b12b6": "NFL 2026",
        "80bae826261cab3bd9d33c8b03d34921c7e069fc0860962a149a625dde5cddbc": "NFL 2026, short",
    }


class GateSettings(Section):
    """``gate.*``, trading-rules §5, named by the skip reason they cause."""

    outside_hours: ClockRange = ClockRange(start=time(9), until=time(23))
    maintenance_window: dict[str, tuple[MaintenanceWindow, ...]] = _venue_pauses()
    blacklisted: tuple[str, ...] = ()
    rules_recognised: dict[str, str] = _wordings()
    competition_excluded: tuple[str, ...] = ("preseason",)
    outside_window: Window = Window()
    prediction_stale: Seconds = 86_400
    quote_stale: QuoteAge = QuoteAge()
    game_state_stale: Seconds = 60
    book_thin: Contracts = _d("10")
    spread_wide: Share = _d("0.02")
    volume_low: Contracts = _d("100")
    oi_low: Contracts = _d("100")
    price_range: PriceBand = PriceBand()
    already_entered: int = Field(default=1, ge=1)
    cooldown: Seconds = 3_600
    quote_moved: Seconds = 10


class AssumeSettings(Section):
    """``replay.assume.*``: what quotes that are no book observations take for granted.

    They apply to the named quote sources and to every market of the named platforms, and only in
    paper and backtest.
    """

    sources: tuple[str, ...] = ("simulated", "assumed_closing_line", "recorded_candle")
    platforms: tuple[str, ...] = ("simulated", "closing_line")
    candle_half_spread: Share = _d("0.01")
    size: Contracts = _d("500")
    volume_24h: Contracts = _d("1000")
    open_interest: Contracts = _d("1000")
    rules_recognised: bool = True
    fee_type: str = "quadratic"
    fee_multiplier: Exact = Field(default=_d("1"), ge=0)


class ReplaySettings(Section):
    """``replay.*``: assumptions, and when the simulated operator re-arms breakers (New York)."""

    assume: AssumeSettings = AssumeSettings()
    rearm_at: time = time(9)


class PaperSettings(Section):
    """``paper.*``, trading-rules §4 and §10."""

    starting_cash_usd: Usd = _d("10000")
    participation: Share = _d("0.10")
    next_quote_s: Seconds = 300


class TradingConfig(Section):
    """All settings of trading. Raises at the start when two of them contradict each other."""

    fees: FeeSettings = FeeSettings()
    edge: EdgeSettings = EdgeSettings()
    confidence: ConfidenceSettings = ConfidenceSettings()
    sizing: SizingSettings = SizingSettings()
    caps: CapSettings = CapSettings()
    gate: GateSettings = GateSettings()
    exit: ExitSettings = ExitSettings()
    trailing: TrailingSettings = TrailingSettings()
    exec: ExecutionSettings = ExecutionSettings()
    league: LeagueSettings = LeagueSettings()
    monitor: MonitorSettings = MonitorSettings()
    breaker: BreakerSettings = BreakerSettings()
    paper: PaperSettings = PaperSettings()
    replay: ReplaySettings = ReplaySettings()
    reconcile: ReconcileSettings = ReconcileSettings()
    live: LiveSettings = LiveSettings()
    promotion: PromotionSettings = PromotionSettings()

    @model_validator(mode="after")
    def _an_entry_is_not_an_exit(self) -> Self:
        self.require_wider(self.exit)
        return self

    def require_wider(self, exits: ExitSettings) -> None:
        """A position must not be sold for the very values it was allowed to be bought at.

        ``exits``: the settings' own, or those of a method. Raises ValueError.
        """
        dried, gate = exits.liquidity_dried_up, self.gate
        if dried.spread < gate.spread_wide:
            raise ValueError(
                f"exit.liquidity_dried_up.spread {dried.spread} is tighter than gate.spread_wide "
                f"{gate.spread_wide}: entries would be sold at once"
            )
        if dried.volume > gate.volume_low:
            raise ValueError(
                f"exit.liquidity_dried_up.volume {dried.volume} is tighter than gate.volume_low "
                f"{gate.volume_low}: entries would be sold at once"
            )
        lowest = min(self.edge.min.values())
        if exits.early_exit > lowest:
            raise ValueError(
                f"exit.early_exit {exits.early_exit} is tighter than the lowest edge.min "
                f"{lowest}: entries would be sold at once"
            )

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits that name these settings; stored with every decision made under them."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]
