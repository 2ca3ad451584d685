"""Settings: environments never mix, and the shipped file says what the code assumes."""

from decimal import Decimal
from pathlib import Path

import pytest

from precog_core.errors import PrecogError
from precog_core.kalshi.config import KalshiConfig, kalshi_config


def test_the_shipped_file_is_off_and_equal_to_the_defaults() -> None:
    config = kalshi_config()
    assert not config.enabled
    assert config == KalshiConfig()
    assert config.rest_base == "https://external-api.kalshi.com/trade-api/v2"
    assert config.platform_id == "kalshi"


def test_demo_has_its_own_hosts_and_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECOG__KALSHI__ENV", "demo")
    config = kalshi_config()
    assert config.rest_base == "https://external-api.demo.kalshi.co/trade-api/v2"
    assert config.ws_base == "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2"
    assert config.platform_id == "kalshi_demo"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "REST_URL",
            "https://demo-api.kalshi.co/trade-api/v2",
            "host of demo, but env is prod",
        ),
        (
            "WS_URL",
            "wss://demo-api.kalshi.co/trade-api/ws/v2",
            "host of demo, but env is prod",
        ),
        ("REST_URL", "http://external-api.kalshi.com/trade-api/v2", "must start with https://"),
        ("REST_URL", "https://external-api.kalshi.com", "must end with /trade-api/v2"),
        ("ENV", "staging", "'prod' or 'demo'"),
        ("RATE_FRACTION", "1.5", "at most 1"),
        ("SERIES", "[{ticker: kxnfl, league: nfl}]", "pattern"),
        ("HISTORY__CANDLE_PERIOD_S", "61", "60, 3600 or 86400"),
    ],
)
def test_a_wrong_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"PRECOG__KALSHI__{name}", value)
    with pytest.raises(PrecogError) as caught:
        kalshi_config()
    assert said in str(caught.value)


def test_the_older_host_and_a_loopback_host_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("https://api.elections.kalshi.com/trade-api/v2", "http://127.0.0.1:1/trade-api/v2"):
        monkeypatch.setenv("PRECOG__KALSHI__REST_URL", url)
        assert kalshi_config().rest_base == url


def test_numbers_of_a_file_are_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "home" / "config"
    folder.mkdir(parents=True)
    (folder / "kalshi.yaml").write_text(
        "quotes: {min_move: 0.005, from: listing}\nhistory: {candle_period_s: 3600}\n"
    )
    config = kalshi_config()
    assert config.quotes.min_move == Decimal("0.005")
    assert config.quotes.origin == "listing"
    assert config.history.candle_period_s == 3600
