"""Fee rows: appended once, honest about what is assumed, and unknown types never look free."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from precog_core.kalshi.config import FeesSection
from precog_core.kalshi.market_data import Event, FeeChange, Series, event_of
from precog_pipelines.sources.kalshi.fees import FeeRow, event_fees, series_fees
from tests.kalshi import payloads
from tests.kalshi.payloads import EVENT

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 12, tzinfo=UTC)
FEES = FeesSection()
MAKER = "quadratic_with_maker_fees"


def series(fee_type: str = MAKER, multiplier: str = "1") -> Series:
    return Series("KXNFLGAME", "t", "sports", "custom", fee_type, Decimal(multiplier))


def change(at: datetime, multiplier: str, fee_type: str = MAKER) -> FeeChange:
    return FeeChange(f"c-{at:%m%d}", "KXNFLGAME", fee_type, Decimal(multiplier), at)


def written(stored: list[FeeRow], *args: Any) -> list[FeeRow]:
    return series_fees(stored, 1, *args)


def test_a_series_first_seen_is_assumed_to_have_cost_the_same_before() -> None:
    rows = written([], series(), [], FEES, NOW)
    assert len(rows) == 1
    assert rows[0].terms == (
        MAKER, Decimal("0.07"), Decimal("0.0175"), Decimal(1), Decimal("0.0001"),
    )  # fmt: skip
    assert rows[0].effective_from == rows[0].known_at == datetime(2025, 7, 1, tzinfo=UTC)
    assert rows[0].source == "assumed since 2025-07-01, read 2026-11-24: kalshi: GET /series"
    assert written(rows, series(), [], FEES, LATER) == []


def test_terms_that_changed_without_notice_are_in_force_from_now() -> None:
    rows = written([], series(), [], FEES, NOW)
    new = written(rows, series(multiplier="0.5"), [], FEES, LATER)
    assert [(row.multiplier, row.effective_from, row.known_at) for row in new] == [
        (Decimal("0.5"), LATER, LATER)
    ]
    assert written(rows + new, series(multiplier="0.5"), [], FEES, LATER) == []


def test_a_past_change_is_known_when_it_took_effect_and_a_scheduled_one_from_now() -> None:
    past, future = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    changes = [change(future, "0.5"), change(past, "1")]
    rows = written([], series(), changes, FEES, NOW)
    assert [(row.multiplier, row.effective_from, row.known_at) for row in rows] == [
        (Decimal(1), past, past),
        (Decimal("0.5"), future, NOW),
    ]
    assert written(rows, series(), changes, FEES, LATER) == []


def test_a_scheduled_change_that_is_revised_is_a_new_row_known_later() -> None:
    future = datetime(2026, 12, 1, tzinfo=UTC)
    rows = written([], series(), [change(future, "0.5")], FEES, NOW)
    new = written(rows, series(), [change(future, "0.6")], FEES, LATER)
    assert [(row.multiplier, row.effective_from, row.known_at) for row in new] == [
        (Decimal("0.6"), future, LATER)
    ]
    assert written(rows + new, series(), [change(future, "0.6")], FEES, LATER) == []


def test_of_two_changes_at_one_time_the_last_counts_and_stays() -> None:
    future = datetime(2026, 12, 1, tzinfo=UTC)
    twice = [change(future, "0.5"), FeeChange("z", "KXNFLGAME", MAKER, Decimal("0.7"), future)]
    rows = written([], series(), twice, FEES, NOW)
    assert [row.multiplier for row in rows] == [Decimal("0.7"), Decimal(1)]
    assert written(rows, series(), twice, FEES, LATER) == []


def test_an_unknown_type_is_stored_as_one_without_a_formula() -> None:
    """Trading skips it as fee_unknown; the name the venue used stays readable."""
    rows = written([], series("cubic"), [], FEES, NOW)
    assert (rows[0].fee_type, rows[0].taker_rate) == ("flat", 0)
    assert "type 'cubic' has no known rates" in rows[0].source


def test_without_a_past_to_assume_the_terms_hold_from_now() -> None:
    fees = FeesSection(assumed_since=NOW.date().replace(day=28))
    rows = written([], series(), [], fees, NOW)
    assert (rows[0].effective_from, rows[0].source) == (NOW, "kalshi: GET /series")


def overridden(**changes: Any) -> Event:
    return event_of(payloads.event(**changes), "GET /events")


def test_an_event_has_rows_only_where_it_is_overridden() -> None:
    ids = {EVENT: 9}
    assert event_fees([], series(), [overridden()], ids, FEES, NOW) == []
    cheap = overridden(fee_multiplier_override=Decimal("0.5"))
    rows = event_fees([], series(), [cheap], ids, FEES, NOW)
    assert [(r.event_id, r.series_id, r.fee_type, r.multiplier) for r in rows] == [
        (9, None, MAKER, Decimal("0.5"))
    ]
    assert event_fees(rows, series(), [cheap], ids, FEES, LATER) == []
    lifted = event_fees(rows, series(), [overridden()], ids, FEES, LATER)
    assert [(r.event_id, r.multiplier) for r in lifted] == [(9, Decimal(1))]
    typed = event_fees([], series(), [overridden(fee_type_override="quadratic")], ids, FEES, NOW)
    assert (typed[0].fee_type, typed[0].maker_rate) == ("quadratic", 0)
    assert event_fees([], series(), [cheap], {}, FEES, NOW) == []
