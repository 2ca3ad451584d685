"""``config/alerts.yaml``: routes, limits, retries. Addresses of channels come from the environment.

An address carries its password or token, so it is read from ``PRECOG_ALERT_<CHANNEL>_URL`` when a
message is sent and is neither stored nor shown.
"""

import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

import psycopg
from pydantic import BaseModel, ConfigDict, Field, model_validator

from precog_core.alerts.rules import SEVERITIES, Severity
from precog_core.config import load_section

Routed = Literal["console", "email", "sms", "slack", "webhook"]
Remote = Literal["email", "sms", "slack", "webhook"]
REMOTE: tuple[Remote, ...] = ("email", "sms", "slack", "webhook")
Dollars = Annotated[Decimal, Field(gt=0, le=1_000_000)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limit(_Settings):
    """The most a channel sends, over all alerts."""

    per_hour: Annotated[int, Field(ge=1, le=10_000)]
    per_day: Annotated[int, Field(ge=1, le=100_000)]
    apart_s: Annotated[int, Field(ge=0, le=86_400)] = 0

    @model_validator(mode="after")
    def _day_holds_an_hour(self) -> "Limit":
        if self.per_day < self.per_hour:
            raise ValueError(f"per_day {self.per_day} is below per_hour {self.per_hour}")
        return self


class Limits(_Settings):
    """By channel."""

    email: Limit = Limit(per_hour=60, per_day=500)
    sms: Limit = Limit(per_hour=5, per_day=20, apart_s=300)
    slack: Limit = Limit(per_hour=120, per_day=1000)
    webhook: Limit = Limit(per_hour=600, per_day=5000)

    def of(self, channel: str) -> Limit | None:
        """The limit of a channel; None for those of this machine, which have none."""
        limit: Limit | None = getattr(self, channel, None)
        return limit


class Retry(_Settings):
    """How a failed delivery is repeated: after base_s, 2 base_s, 4 base_s …, at most max_s."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    base_s: Annotated[int, Field(ge=1, le=3600)] = 15
    max_s: Annotated[int, Field(ge=1, le=86_400)] = 600


class Day(_Settings):
    """Results of a New York day, in dollars, from which a person wants to know."""

    loss_usd: Dollars = Decimal(100)
    gain_usd: Dollars = Decimal(500)


_ROUTES: dict[Severity, tuple[Routed, ...]] = {
    "critical": ("console", "email", "slack", "sms", "webhook"),
    "high": ("console", "email", "slack"),
    "medium": ("console",),
    "low": (),
}


class AlertsConfig(_Settings):
    """The whole file."""

    routes: dict[Severity, tuple[Routed, ...]] = _ROUTES
    muted: tuple[Routed, ...] = ()
    limits: Limits = Limits()
    retry: Retry = Retry()
    timeout_s: Annotated[int, Field(ge=1, le=60)] = 10
    remind_s: Annotated[int, Field(ge=0, le=86_400)] = 900
    day: Day = Day()

    @model_validator(mode="after")
    def _every_severity(self) -> "AlertsConfig":
        missing = [severity for severity in SEVERITIES if severity not in self.routes]
        if missing:
            raise ValueError(f"routes: {', '.join(missing)} missing; write [] for none")
        return self

    def channels(self, severity: Severity) -> tuple[str, ...]:
        """Where an alert of this severity goes besides the database."""
        routed = (channel for channel in self.routes[severity] if channel not in self.muted)
        return ("file", *routed)


def alerts_config(conn: psycopg.Connection | None = None) -> AlertsConfig:
    """The settings in force. Raises PrecogError naming file and key."""
    return load_section("alerts", AlertsConfig, conn)


def address_variable(channel: str) -> str:
    """The environment variable that holds a channel's address."""
    return f"PRECOG_ALERT_{channel.upper()}_URL"


def addresses(environment: Mapping[str, str] | None = None) -> dict[Remote, str]:
    """The addresses of the channels that are configured, by channel."""
    values = os.environ if environment is None else environment
    found: dict[Remote, str] = {}
    for channel in REMOTE:
        address = values.get(address_variable(channel), "").strip()
        if address:
            found[channel] = address
    return found
