"""The catalog of alerts that the pages and the look-ups rest on."""

import pytest

from precog_core.database import Database


@pytest.mark.requirement("ALERT-015")
def test_alerts_are_found_by_index_whatever_is_asked_first(db: Database) -> None:
    with db.connection() as conn:
        indexes = conn.execute(
            "SELECT indexdef FROM pg_indexes WHERE tablename = 'alerts'"
        ).fetchall()
    text = "\n".join(definition for (definition,) in indexes)
    for column in (
        "alert_type", "severity", "component", "triggered_at DESC", "fingerprint", "environment",
    ):  # fmt: skip
        assert f"USING btree ({column})" in text, column
    assert "WHERE (resolved_at IS NULL)" in text
