"""Receivers of notifications, and the addresses of the channels pointed at them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerts.receivers import Certificates, HttpReceiver, MailServer, make_certificates

TWILIO_SID = "AC" + "1" * 32
TWILIO_TOKEN = "7" * 32
MAIL_PASSWORD = "mailpassword"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def mail(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    server = MailServer(certificates.server, "alerts", MAIL_PASSWORD)
    server.start()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    monkeypatch.setenv(
        "PRECOG_ALERT_EMAIL_URL",
        f"mailtos://alerts:{MAIL_PASSWORD}@localhost:{server.port}?from=precog@example.org"
        "&to=you@example.org",
    )
    yield server
    server.stop()


@pytest.fixture
def receiver(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[HttpReceiver]:
    server = HttpReceiver(certificates.server)
    server.start()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.authority))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv(
        "PRECOG_ALERT_SMS_URL", f"twilio://{TWILIO_SID}:{TWILIO_TOKEN}@15551234567/15557654321"
    )
    monkeypatch.setenv(
        "PRECOG_ALERT_SLACK_URL", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    )
    monkeypatch.setenv("PRECOG_ALERT_WEBHOOK_URL", "jsons://receiver.example.org/hook/secretpath")
    yield server
    server.stop()
