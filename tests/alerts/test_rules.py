"""The pure rules: causes, windows, limits, retries."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precog_core.alerts.config import AlertsConfig, Limit, Retry, alerts_config
from precog_core.alerts.content import plain
from precog_core.alerts.kinds import KINDS, breaker_severity
from precog_core.alerts.planning import Attempt, may_send, next_step, pause
from precog_core.alerts.rules import (
    SEVERITIES,
    WINDOW,
    Known,
    Severity,
    fingerprint,
    is_higher,
    judge,
)
from precog_core.errors import PrecogError
from tests.conftest import REPOSITORY

START = datetime(2026, 11, 24, tzinfo=UTC)
KEYS = st.dictionaries(
    st.text(min_size=1, max_size=4),
    st.integers() | st.text(max_size=4) | st.decimals(allow_nan=False, allow_infinity=False),
    max_size=4,
)


@settings(max_examples=60)
@given(keys=KEYS, other=KEYS)
def test_a_cause_is_its_stable_keys_in_any_order(
    keys: dict[str, object], other: dict[str, object]
) -> None:
    own = fingerprint("edge_anomaly", "trading", "paper", keys)
    assert own == fingerprint(
        "edge_anomaly", "trading", "paper", dict(reversed(list(keys.items())))
    )
    assert own != fingerprint("edge_anomaly", "trading", "live", keys)
    if plain(keys) != plain(other):
        assert own != fingerprint("edge_anomaly", "trading", "paper", other)


@pytest.mark.requirement("ALERT-007")
def test_s15_windows_by_severity() -> None:
    assert {name: window.seconds for name, window in WINDOW.items()} == {
        "critical": 300,
        "high": 300,
        "medium": 900,
        "low": 3600,
    }
    for severity, window in WINDOW.items():
        known = Known(severity, START, None)
        just = window - timedelta(microseconds=1)
        assert judge(known, severity, START + just) == "count"
        assert judge(known, severity, START + window) == "notify"
    assert judge(Known("low", START, START), "low", START + timedelta(hours=23.99)) == "reopen"
    assert judge(Known("low", START, START), "low", START + timedelta(hours=24)) == "open"
    assert judge(None, "low", START) == "open"


@pytest.mark.requirement("ALERT-007")
@settings(max_examples=100)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(SEVERITIES), st.integers(0, 4000)), min_size=1, max_size=30
    )
)
def test_an_open_cause_is_told_no_sooner_than_its_window_unless_it_rises(
    steps: list[tuple[Severity, int]],
) -> None:
    known: Known | None = None
    now = START
    for severity, seconds in steps:
        now += timedelta(seconds=seconds)
        verdict = judge(known, severity, now)
        if known is None:
            assert verdict == "open"
            known = Known(severity, now, None)
            continue
        assert known.notified_at is not None
        rises = is_higher(severity, known.severity)
        assert (verdict == "escalate") == rises
        if not rises:
            inside = now - known.notified_at < WINDOW[known.severity]
            assert verdict == ("count" if inside else "notify")
        if verdict != "count":
            known = Known(severity if rises else known.severity, now, None)


@pytest.mark.requirement("ALERT-008")
@settings(max_examples=40)
@given(pauses=st.lists(st.integers(1, 900), min_size=50, max_size=400))
def test_s15_sms_keeps_300_seconds_five_an_hour_and_twenty_a_day(pauses: list[int]) -> None:
    limit = AlertsConfig().limits.sms
    assert (limit.per_hour, limit.per_day, limit.apart_s) == (5, 20, 300)
    sent: list[datetime] = []
    now = START
    for seconds in pauses:
        now += timedelta(seconds=seconds)
        if may_send(sent, limit, now):
            sent.append(now)
        else:
            again = [*sent, now]
            assert (
                any(b - a < timedelta(seconds=300) for a, b in pairwise(again))
                or sum(now - at < timedelta(hours=1) for at in again) > 5
                or sum(now - at < timedelta(days=1) for at in again) > 20
            )
    for at in sent:
        assert sum(at - timedelta(hours=1) < other <= at for other in sent) <= 5
        assert sum(at - timedelta(days=1) < other <= at for other in sent) <= 20
    assert all(b - a >= timedelta(seconds=300) for a, b in pairwise(sent))


def test_a_day_of_busy_sms_ends_at_twenty() -> None:
    limit = Limit(per_hour=5, per_day=20, apart_s=300)
    sent: list[datetime] = []
    for minute in range(30 * 60):
        at = START + timedelta(minutes=minute)
        if may_send(sent, limit, at):
            sent.append(at)
    assert sum(at < START + timedelta(days=1) for at in sent) == 20
    assert sent[20] == START + timedelta(days=1), "the twenty-first comes a day after the first"


def test_a_failed_delivery_is_repeated_with_growing_pauses_and_then_given_up() -> None:
    retry = Retry(attempts=4, base_s=10, max_s=25)
    assert [pause(n, retry).seconds for n in (1, 2, 3, 100)] == [10, 20, 25, 25]
    failed = [Attempt("failed", START)]
    assert next_step([], retry, START) == "send"
    assert next_step(failed, retry, START + timedelta(seconds=9)) == "wait"
    assert next_step(failed, retry, START + timedelta(seconds=10)) == "send"
    assert next_step(failed * 4, retry, START + timedelta(days=1)) == "gave_up"
    assert next_step([*failed, Attempt("sent", START)], retry, START) == "done"
    assert next_step([Attempt("skipped", START)], retry, START) == "done"


@pytest.mark.requirement("ALERT-006")
def test_a_clock_that_was_set_back_silences_nobody() -> None:
    ahead = START + timedelta(hours=2)
    assert judge(Known("high", ahead, None), "high", START) == "notify"
    assert judge(Known("high", START + timedelta(seconds=2), None), "high", START) == "count"
    retry = Retry(attempts=4, base_s=10, max_s=25)
    assert next_step([Attempt("failed", ahead)], retry, START) == "send"
    assert next_step([Attempt("failed", START + timedelta(seconds=2))], retry, START) == "wait"
    limit = Limit(per_hour=2, per_day=20, apart_s=300)
    assert may_send([ahead], limit, START)
    assert not may_send([ahead, ahead], limit, START), "what was sent still counts"


def test_s15_severities_and_routes() -> None:
    shipped = alerts_config()
    assert shipped == AlertsConfig(), "the shipped file states the defaults"
    assert {severity: set(shipped.channels(severity)) for severity in SEVERITIES} == {
        "critical": {"file", "console", "email", "slack", "sms", "webhook"},
        "high": {"file", "console", "email", "slack"},
        "medium": {"file", "console"},
        "low": {"file"},
    }
    assert (shipped.day.loss_usd, shipped.day.gain_usd) == (Decimal(100), Decimal(500))
    by_severity = {
        "critical": "kill_switch reconcile_mismatch unknown_order auth_error exit_blocked",
        "high": "breaker_tripped venue_outage settlement_mismatch edge_anomaly leak_alarm day_loss",
        "medium": "fee_mismatch model_degraded day_gain rate_use quote_stale",
        "low": "lifecycle_change run_summary",
    }
    for severity, names in by_severity.items():
        assert {KINDS[name].severity for name in names.split()} == {severity}
    assert breaker_severity("daily_loss", "close_all") == "critical"
    assert breaker_severity("unknown_order", "exits_only") == "critical"
    assert breaker_severity("drawdown", "exits_only") == "high"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("LIMITS__SMS__PER_DAY", "3", "per_day 3 is below per_hour 5"),
        ("ROUTES__LOW", "[telegram]", "routes.low"),
        ("REMIND_S", "-1", "remind_s"),
        ("RETRIES", "1", "retries"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"PRECOG__ALERTS__{variable}", value)
    with pytest.raises(PrecogError, match=words):
        alerts_config()


@pytest.mark.requirement("ALERT-014")
def test_details_keep_decimals_and_refuse_what_has_no_json_form() -> None:
    assert plain({"p": Decimal("0.10"), "at": START, "many": {2, 1}, "token": "t0ken"}) == {
        "p": "0.10",
        "at": "2026-11-24T00:00:00+00:00",
        "many": [1, 2],
        "token": "********",
    }
    assert plain(Decimal("1E-7")) == "0.0000001"
    with pytest.raises(TypeError, match="who is a object"):
        plain({"who": object()})
    with pytest.raises(ValueError, match="gap is nan"):
        plain({"gap": float("nan")})


def test_the_page_lists_every_kind_as_it_is() -> None:
    page = (REPOSITORY / "docs" / "alerts.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for kind in KINDS.values():
        row = f"| `{kind.alert_type}` | {kind.severity} | {kind.means} | {kind.do} |"
        assert row in rows, f"docs/alerts.md lacks or contradicts: {row}"
