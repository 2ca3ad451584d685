"""`precog report` and the asset performance_report: the page says what the ledger says."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from precog_core.database import Database
from precog_core.paths import home
from precog_dagster.resources import PostgresResource
from precog_trading.defs.reporting.daily import daily_report, league_day, performance_report
from precog_trading.reports.daily import calibration, edge_record, equity, report_of, tell_summary
from precog_trading.reports.pages import as_html
from precog_trading.tick.runner import run_pending
from tests.ops.command_line import invoke
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR

SUNDAY = date(2019, 9, 8)
RESOURCES = {"postgres": PostgresResource()}


def precog(*arguments: str) -> str:
    result = invoke(arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def two_weeks(db: Database) -> None:
    """KC bought at 0.50 twice: a win on the first Sunday, a loss a week later."""
    with db.transaction() as conn:
        league = season.create_league(conn)
        for week, score in enumerate([(24, 17), (17, 24)]):
            kickoff = FIRST_SUNDAY + timedelta(days=7 * week)
            game = season.add_game(conn, league, kickoff, "KC", "BUF", score)
            season.add_prediction(conn, league, game, "0.62")
            season.add_quote(conn, game.home, kickoff - 2 * HOUR, "0.49", "0.50")
    run_pending(db)


def test_a_report_holds_what_was_known_at_the_end_of_its_day(
    all_databases: Database, tmp_path: Path
) -> None:
    two_weeks(all_databases)
    with all_databases.transaction() as conn:
        before = report_of(conn, "nfl", SUNDAY - timedelta(days=1))
        first = report_of(conn, "nfl", SUNDAY)
        later = report_of(conn, "nfl", SUNDAY + timedelta(days=8))
        other = report_of(conn, "nba", SUNDAY)
        assert tell_summary(conn, before) is None, "nothing was decided"
        last = report_of(conn, "nfl", SUNDAY + timedelta(days=7))
        assert tell_summary(conn, first) == tell_summary(conn, last), "one row for a league"
        told = conn.execute("SELECT severity, message FROM alerts").fetchall()
        account = conn.execute(
            "SELECT sum(amount) FROM account_ledger WHERE entry_type <> 'deposit'"
        ).fetchone()
    [(severity, message)] = told
    assert severity == "low"
    assert "1 orders, 1 positions finished, net +" in message
    assert (len(before.positions), len(first.positions), len(later.positions)) == (0, 1, 2)
    assert (other.positions, other.net) == ([], 0)
    assert first.net == first.net_today > 0
    assert account == (later.net,)
    assert later.net_today == 0
    (row,) = later.pnl
    assert (row["positions"], row["won"], row["net"]) == (2, 1, later.net)
    assert [(e["reason"], e["exits"]) for e in later.exits] == [("settlement", 2)]
    (bin_,) = later.calibration
    assert (bin_.n, bin_.came) == (2, 0.5)
    assert later.equity[-1][1] == later.net
    assert later.edge.n == 2
    assert later.edge.predicted is not None
    assert later.edge.predicted > 0.05

    page = as_html(later)
    assert "simulated quotes" in page
    assert "<script" not in page
    assert 'src="http' not in page
    assert page.count("data:image/png;base64") == 2
    said = json.loads(
        precog("report", "performance", "--day", "2019-09-16", "--out", str(tmp_path), "--json")
    )
    assert Decimal(said["net"]) == later.net
    assert Path(said["file"]).read_text() == page
    edges = json.loads(precog("report", "edges", "--json"))
    assert (edges["entries"], edges["won"], edges["holds"]) == (2, 1, None)
    assert "none" in precog("report", "execution")


def test_a_day_without_trades_has_a_page_too(all_databases: Database) -> None:
    said = precog("report", "performance", "--league", "nba", "--day", "2020-01-01")
    page = (home() / "reports/nba/2020-01-01.html").read_text()
    assert "wrote" in said
    assert "no trades yet" in page
    assert "<p>none</p>" in page


def test_the_asset_writes_a_file_for_each_partition_and_shows_the_last(
    all_databases: Database,
) -> None:
    two_weeks(all_databases)
    result = dg.materialize(
        [performance_report],
        partition_key=dg.MultiPartitionKey({"day": "2019-09-08", "league": "nfl"}),
        resources=RESOURCES,
        selection=[performance_report],
    )
    assert result.success
    metadata = result.asset_materializations_for_node("performance_report")[0].metadata
    assert (home() / "reports/nfl/2019-09-08.html").is_file()
    assert "P&L by strategy × model" in str(metadata["report"].value)
    assert metadata["finished_positions"].value == 1
    assert len(league_day.get_partition_keys()) < 25_000


def test_yesterdays_report_is_made_for_every_league_that_trades(all_databases: Database) -> None:
    assert daily_report.default_status is dg.DefaultScheduleStatus.RUNNING
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 24, 9, tzinfo=UTC), resources=RESOURCES
    ) as context:
        requests = daily_report(context)
    assert "report-nfl-2026-11-23" in [request.run_key for request in requests]
    with all_databases.transaction() as conn:
        conn.execute("UPDATE leagues SET trading_enabled = false")
    with dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 11, 24, 9, tzinfo=UTC), resources=RESOURCES
    ) as context:
        assert isinstance(daily_report(context), dg.SkipReason)


def made_up(said: str, paid: str, pnl: str, edge: str = "0.1", hour: int = 0) -> dict[str, object]:
    return {
        "probability": Decimal(said), "paid": Decimal(paid), "realized_pnl": Decimal(pnl),
        "edge_at_entry": Decimal(edge), "original_quantity": Decimal(10),
        "exit_time": FIRST_SUNDAY + hour * HOUR,
    }  # fmt: skip


def test_the_figures_of_three_positions_worked_out_by_hand() -> None:
    three = [
        made_up("0.61", "1", "4.00", hour=1), made_up("0.69", "0", "-6.00", hour=1),
        made_up("1", "1", "2.00", "0.0", hour=2),
    ]  # fmt: skip
    assert [value for _, value in equity(three)] == [Decimal("-2.00"), Decimal("0.00")]
    low, high = calibration(three)
    assert (low.low, low.n, low.said, low.came) == (0.6, 2, pytest.approx(0.65), 0.5)
    assert (high.low, high.n, high.said) == (0.9, 1, 1)
    record = edge_record(three)
    # 2 of 3 positions of 10 contracts expect 0.1: 2 dollars on 30 contracts; they earned 0.
    assert record.predicted == pytest.approx(2 / 30)
    assert record.realized == 0
    # Differences per contract: 0.3, -0.7, 0.2; their standard deviation over the root of 3.
    assert record.standard_error == pytest.approx(0.318, abs=1e-3)
    assert edge_record([]).n == 0
