"""What ``precog kalshi check`` looks at: environment, key, public endpoints, account."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from precog_core.errors import PrecogError
from precog_core.kalshi.client import KalshiClient
from precog_core.kalshi.config import KalshiConfig
from precog_core.kalshi.credentials import PREFIXES, Credentials
from precog_core.progress import Progress, unseen


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: whether it is as it must be, and what was seen."""

    name: str
    ok: bool
    seen: str


def findings_of(config: KalshiConfig, progress: Progress = unseen) -> list[Finding]:
    """What there is to report, in order; the failure of one question does not hide the others."""
    enabled = "enabled" if config.enabled else "not enabled: nothing runs by itself"
    findings = [Finding("environment", True, f"{config.env} at {config.rest_base} ({enabled})")]
    credentials = None
    try:
        credentials = Credentials.from_environment(config.env)
        absent = f"no key ({PREFIXES[config.env]}KEY_ID); public data needs none"
        findings.append(Finding("credentials", True, "a key is set" if credentials else absent))
    except PrecogError as error:
        findings.append(Finding("credentials", False, str(error)))
    with KalshiClient.connect(config, credentials) as client:
        questions: list[tuple[str, Callable[[], str]]] = [("exchange", partial(_status, client))]
        questions += [("series", partial(_series, client, entry.ticker)) for entry in config.series]
        questions.append(("archive", partial(_archive, client)))
        if credentials is not None:
            questions.append(("account", partial(_account, client)))
        for number, (name, ask) in enumerate(questions):
            progress(number, len(questions))
            findings.append(_asked(name, ask))
    return findings


def _asked(name: str, ask: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, ask())
    except PrecogError as error:
        return Finding(name, False, str(error))


def _status(client: KalshiClient) -> str:
    status = client.exchange_status()
    words = {True: "active", False: "not active"}
    return f"exchange {words[status.exchange_active]}, trading {words[status.trading_active]}"


def _series(client: KalshiClient, ticker: str) -> str:
    series = client.series(ticker)
    return f"{ticker}: {series.title}, fees {series.fee_type} x {series.fee_multiplier}"


def _archive(client: KalshiClient) -> str:
    return f"markets settled before {client.historical_cutoff().market_settled_at:%Y-%m-%d}"


def _account(client: KalshiClient) -> str:
    limits = client.account_limits()
    configured = client.config.tier
    note = "" if limits.tier == configured else f"; kalshi.tier says {configured}"
    return f"tier {limits.tier}, {limits.read_rate} read tokens per second{note}"
