"""The venue's trouble as alerts: no answer, refused credentials, too much asked."""

from typing import Any

import dagster as dg
import pytest

from precog_core.database import Database
from precog_core.kalshi.alerts import report_use
from precog_core.kalshi.limits import TokenBucket
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.ingestion.kalshi import kalshi_markets
from precog_pipelines.defs.ingestion.kalshi_resource import KalshiResource
from tests.kalshi.server import UNAVAILABLE, FakeKalshi, Reply


def _alerts(db: Database) -> list[tuple[Any, ...]]:
    with db.transaction() as conn:
        return conn.execute(
            "SELECT alert_type, severity, details->>'platform', message FROM alerts "
            "ORDER BY alert_id"
        ).fetchall()


@pytest.mark.requirement("API-005")
@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        (UNAVAILABLE, [("venue_outage", "high", "kalshi")]),
        (Reply(401, {"error": {"code": "unauthorized"}}), [("auth_error", "critical", "kalshi")]),
        (Reply(404, {"error": {"code": "not_found"}}), []),
    ],
)
def test_s15_no_answer_is_an_outage_and_a_refused_key_is_critical(
    db: Database,
    venue: FakeKalshi,
    monkeypatch: pytest.MonkeyPatch,
    reply: Reply,
    wanted: list[tuple[str, str, str]],
) -> None:
    monkeypatch.setenv("PRECOG__KALSHI__REST_URL", venue.url)
    monkeypatch.setenv("PRECOG__KALSHI__ENABLED", "true")
    monkeypatch.setenv("PRECOG__KALSHI__RETRY__RETRIES", "0")
    venue.script("/series/KXNFLGAME", reply)
    resources = {"postgres": PostgresResource(), "kalshi": KalshiResource()}
    done = dg.materialize([kalshi_markets], resources=resources, raise_on_error=False)
    assert not done.success
    assert [row[:3] for row in _alerts(db)] == wanted


@pytest.mark.requirement("API-005")
def test_s15_four_fifths_of_the_rate_open_an_alert_and_less_does_not(db: Database) -> None:
    now = [0.0]
    bucket = TokenBucket("kalshi reads", 10, 10, lambda: now[0], lambda s: None)
    for _ in range(7):
        bucket.take(10)
        now[0] += 1
    assert report_use(db, "kalshi", bucket) is None
    bucket.take(10)
    assert report_use(db, "kalshi", bucket) is not None
    ((alert_type, severity, platform, message),) = _alerts(db)
    assert (alert_type, severity, platform) == ("rate_use", "medium", "kalshi")
    assert message.startswith("80% of the request limit of kalshi reads was used")
