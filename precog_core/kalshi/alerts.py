"""What a person must hear of the venue: it does not answer, refuses our key, or is asked too much.

In a transaction of its own: what was being stored rolls back with the error, the alert stays.
"""

from precog_core.alerts import report
from precog_core.database import Database
from precog_core.kalshi.errors import KalshiError, KalshiRefused, KalshiUnavailable
from precog_core.kalshi.limits import WARN_SHARE, TokenBucket

_NOT_LET_IN = (401, 403)


def report_trouble(database: Database, platform_id: str, error: KalshiError) -> int | None:
    """An alert for an outage or refused credentials; None for what only concerns one answer."""
    match error:
        case KalshiUnavailable():
            alert_type = "venue_outage"
        case KalshiRefused() if error.status in _NOT_LET_IN:
            alert_type = "auth_error"
        case _:
            return None
    with database.transaction() as conn:
        return report(
            conn,
            alert_type,
            str(error),
            details={"platform": platform_id, "endpoint": error.endpoint},
            stable_keys={"platform": platform_id},
        )


def report_use(database: Database, platform_id: str, bucket: TokenBucket) -> int | None:
    """An alert when at least 80 % of the request rate was used within ten seconds."""
    if bucket.peak < WARN_SHARE:
        return None
    with database.transaction() as conn:
        return report(
            conn,
            "rate_use",
            f"{bucket.peak:.0%} of the request limit of {bucket.name} was used; calls had to wait",
            details={"platform": platform_id, "share": round(bucket.peak, 3)},
            stable_keys={"platform": platform_id, "bucket": bucket.name},
        )
