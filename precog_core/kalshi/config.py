"""``config/kalshi.yaml``: hosts and environments, limits, what is read and how it is stored."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Literal
from urllib.parse import urlsplit

import psycopg
from pydantic import BaseModel, ConfigDict, Field, model_validator

from precog_core.config import load_section

Env = Literal["prod", "demo"]
Tier = Literal["basic", "advanced", "premier", "paragon", "prime"]

REST_URLS: Mapping[Env, str] = {
    "prod": "https://external-api.kalshi.com/trade-api/v2",
    "demo": "https://external-api.demo.kalshi.co/trade-api/v2",
}
WS_URLS: Mapping[Env, str] = {
    "prod": "wss://external-api-ws.kalshi.com/trade-api/ws/v2",
    "demo": "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2",
}
HOST_ENVS: Mapping[str, Env] = {
    "external-api.kalshi.com": "prod",
    "external-api-ws.kalshi.com": "prod",
    "api.elections.kalshi.com": "prod",
    "external-api.demo.kalshi.co": "demo",
    "external-api-ws.demo.kalshi.co": "demo",
    "demo-api.kalshi.co": "demo",
}
"""Hosts whose environment is known, the older ones included."""
TIER_TOKENS: Mapping[Tier, tuple[int, int]] = {
    "basic": (200, 100),
    "advanced": (300, 300),
    "premier": (1000, 1000),
    "paragon": (2000, 2000),
    "prime": (4000, 4000),
}
"""(read, write) tokens per second by account tier, May 2026."""
REST_PATH = "/trade-api/v2"
WS_PATH = "/trade-api/ws/v2"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class RetrySection(_Strict):
    """Pauses between attempts of a read: random(0, min(base_s * 2^n, max_s)) seconds."""

    retries: int = Field(default=3, ge=0, le=10)
    base_s: float = Field(default=0.5, ge=0, le=30)
    max_s: float = Field(default=30, ge=0, le=300)
    longest_retry_after_s: float = Field(default=60, ge=0, le=600)


class SeriesEntry(_Strict):
    """A series that is read, and the league whose games its events are."""

    ticker: str = Field(pattern=r"^[A-Z0-9]+$")
    league: str


class MarketsSection(_Strict):
    """How far back closed events are read again."""

    lookback_d: int = Field(default=3, ge=0, le=400)


class QuotesSection(_Strict):
    """Which change of a quote is worth a row: dollars, fraction, contracts, seconds.

    ``held_heartbeat_s``: the same for markets with an open position, which the monitor polls.
    ``cache_s``: how long an answer serves readers that need no fresh one.
    """

    origin: Literal["orderbook", "listing"] = Field(default="orderbook", alias="from")
    min_move: Decimal = Field(default=Decimal("0.01"), gt=0, le=1)
    min_move_fraction: Decimal = Field(default=Decimal("0.02"), gt=0, le=1)
    min_volume: Decimal = Field(default=Decimal(10), gt=0)
    heartbeat_s: int = Field(default=300, ge=1, le=86400)
    held_heartbeat_s: int = Field(default=60, ge=1, le=86400)
    cache_s: float = Field(default=10, ge=0, le=60)
    cron: str = "* * * * *"


class HistorySection(_Strict):
    """Bars and trades of the past. ``rate_share`` of our rate is theirs while they are read.

    ``recent_h``: how far the minute's look at the tape of open markets reaches back at most.
    """

    recent_h: float = Field(default=2, gt=0, le=48)
    first_day: date = date(2025, 8, 1)
    rate_share: float = Field(default=0.5, gt=0, lt=1)
    candle_period_s: Literal[60, 3600, 86400] = 60

    @model_validator(mode="before")
    @classmethod
    def _period_from_text(cls, values: object) -> object:
        # Settings arrive as text; a literal of numbers does not read text.
        if isinstance(values, Mapping) and isinstance(values.get("candle_period_s"), str):
            text = values["candle_period_s"]
            if text.isascii() and text.isdigit():
                return {**values, "candle_period_s": int(text)}
        return values


class FeeRates(_Strict):
    """Dollars per contract at C * P * (1 - P) = 1."""

    taker: Decimal = Field(ge=0, le=1)
    maker: Decimal = Field(ge=0, le=1)


class FeesSection(_Strict):
    """Rates by fee_type; the API gives type and multiplier only."""

    assumed_since: date = date(2025, 7, 1)
    rounding_increment: Decimal = Field(default=Decimal("0.0001"), gt=0, le=1)
    rates: dict[str, FeeRates] = {
        "quadratic": FeeRates(taker=Decimal("0.07"), maker=Decimal(0)),
        "quadratic_with_maker_fees": FeeRates(taker=Decimal("0.07"), maker=Decimal("0.0175")),
        "quadratic_with_combo_maker_fees": FeeRates(taker=Decimal("0.07"), maker=Decimal("0.0175")),
    }


class KalshiConfig(_Strict):
    """The whole file. Refuses addresses that belong to another environment than ``env``."""

    enabled: bool = False
    env: Env = "prod"
    rest_url: str | None = None
    ws_url: str | None = None
    timeout_s: float = Field(default=10, gt=0, le=120)
    deadline_s: float = Field(default=60, gt=0, le=600)
    page_budget: int = Field(default=100, ge=1, le=10_000)
    tier: Tier = "basic"
    rate_fraction: float = Field(default=0.8, gt=0, le=1)
    request_cost: int = Field(default=10, ge=1, le=1000)
    retry: RetrySection = RetrySection()
    series: tuple[SeriesEntry, ...] = (SeriesEntry(ticker="KXNFLGAME", league="nfl"),)
    markets: MarketsSection = MarketsSection()
    quotes: QuotesSection = QuotesSection()
    history: HistorySection = HistorySection()
    fees: FeesSection = FeesSection()

    @model_validator(mode="after")
    def _addresses_fit_the_environment(self) -> "KalshiConfig":
        _check_url("rest_url", self.rest_base, ("https", "http"), REST_PATH, self.env)
        _check_url("ws_url", self.ws_base, ("wss", "ws"), WS_PATH, self.env)
        return self

    @property
    def rest_base(self) -> str:
        """Address of the REST interface, without a slash at the end."""
        return (self.rest_url or REST_URLS[self.env]).rstrip("/")

    @property
    def ws_base(self) -> str:
        """Address of the WebSocket."""
        return (self.ws_url or WS_URLS[self.env]).rstrip("/")

    @property
    def platform_id(self) -> str:
        """The row of ``platforms`` this environment writes under."""
        return "kalshi" if self.env == "prod" else "kalshi_demo"


def kalshi_config(conn: psycopg.Connection | None = None) -> KalshiConfig:
    """The settings in force. Raises PrecogError naming file and key."""
    return load_section("kalshi", KalshiConfig, conn)


def _check_url(name: str, url: str, schemes: tuple[str, str], path: str, env: Env) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure, plain = schemes
    # An unsigned answer over plain HTTP could be anybody's; only a test server is that near.
    if parts.scheme != secure and not (parts.scheme == plain and host in LOOPBACK):
        raise ValueError(f"{name} {url!r} must start with {secure}://")
    if parts.path != path:
        raise ValueError(f"{name} {url!r} must end with {path}, which is part of what is signed")
    if HOST_ENVS.get(host, env) != env:
        raise ValueError(
            f"{name} {url!r} is a host of {HOST_ENVS[host]}, but env is {env}; data and orders of "
            "two environments must not mix"
        )
