"""``precog kalshi check``: what a person sees before switching anything on."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from typer.testing import CliRunner

from precog_core.cli import build_app
from tests.kalshi import payloads
from tests.kalshi.server import FakeKalshi, Reply
from tests.kalshi.test_credentials import pem

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def _at_our_venue(venue: FakeKalshi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECOG__KALSHI__REST_URL", venue.url)
    monkeypatch.setenv("PRECOG__KALSHI__RETRY__RETRIES", "0")
    venue.series["KXNFLGAME"] = payloads.series()


def test_check_reports_environment_key_and_public_endpoints(venue: FakeKalshi) -> None:
    """API-001: reads only, and works while nothing is enabled."""
    done = RUNNER.invoke(build_app(), ["kalshi", "check"])
    assert done.exit_code == 0, done.output
    assert "prod at http://127.0.0.1" in done.output
    assert "not enabled: nothing runs by itself" in done.output
    assert "no key (KALSHI_KEY_ID)" in done.output
    assert "exchange active, trading not active" in done.output
    assert (
        "KXNFLGAME: Professional Football Game, fees quadratic_with_maker_fees x 1" in done.output
    )
    assert "settled before 2026-08-20" in done.output
    assert {seen.method for seen in venue.seen} == {"GET"}


def test_check_with_a_key_also_asks_for_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = pem(ed25519.Ed25519PrivateKey.generate())
    monkeypatch.setenv("KALSHI_KEY_ID", "key-of-mine")
    monkeypatch.setenv("KALSHI_PRIVATE_KEY", secret)
    monkeypatch.setenv("PRECOG__KALSHI__TIER", "advanced")
    monkeypatch.setenv("PRECOG__KALSHI__ENABLED", "true")
    done = RUNNER.invoke(build_app(), ["kalshi", "check", "--json"])
    report = json.loads(done.output)
    seen = {finding["name"]: finding["seen"] for finding in report["findings"]}
    assert report["ok"]
    assert seen["credentials"] == "a key is set"
    assert seen["account"] == "tier basic, 200 read tokens per second; kalshi.tier says advanced"
    assert seen["environment"].endswith("(enabled)")
    assert "key-of-mine" not in done.output


def test_check_names_each_failure_and_exits_with_1(
    venue: FakeKalshi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KALSHI_KEY_ID", "k")
    venue.script("/exchange/status", Reply(503))
    del venue.series["KXNFLGAME"]
    done = RUNNER.invoke(build_app(), ["kalshi", "check", "--json"])
    assert done.exit_code == 1
    report = json.loads(done.output)
    failed = {finding["name"] for finding in report["findings"] if not finding["ok"]}
    assert failed == {"credentials", "exchange", "series"}
    assert not report["ok"]
