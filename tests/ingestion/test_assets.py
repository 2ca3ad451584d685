"""The ingestion assets, materialised by Dagster into a real database."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from precog_core.config import set_override
from precog_core.database import Database
from precog_core.database.copying import fetch_frame
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.ingestion import assets, checks
from precog_pipelines.sources.quotes_table import closing_probabilities

ASSETS = [assets.games, assets.markets, assets.market_snapshots]
CHECKS = [
    checks.games_checks,
    checks.seasons_complete,
    checks.results_fresh,
    checks.two_markets_a_game,
    checks.quote_checks,
]
CONTENT = {
    "games": "SELECT g.game_key, g.season, g.week, g.game_type, g.kickoff_at, g.neutral_site, "
    "g.home_score, g.away_score, g.status, g.source, g.source_game_id, g.known_at, "
    "g.result_known_at, s.sha256 FROM games AS g JOIN source_snapshots AS s "
    "USING (source_snapshot_id) ORDER BY g.game_key",
    "markets": "SELECT m.ticker, m.platform_id, t.team_code, e.event_ticker, e.status, e.start_at, "
    "a.title, a.known_at FROM markets AS m JOIN events AS e USING (event_id) "
    "JOIN teams AS t ON t.team_id = m.yes_team_id JOIN market_attributes AS a USING (market_id) "
    "ORDER BY m.ticker",
    "quotes": "SELECT m.ticker, q.observed_at, q.yes_bid, q.yes_ask, q.yes_bid_size, "
    "q.yes_ask_size, q.volume, q.open_interest, q.write_reason, q.source, q.known_at "
    "FROM market_snapshots AS q JOIN markets AS m USING (market_id) ORDER BY 1, 2",
}


def materialize(first: int, last: int | None = None, league: str = "nfl", **options: Any) -> Any:
    """One run over the seasons ``first`` to ``last``."""
    tags = {
        "dagster/asset_partition_range_start": f"{league}|{first}",
        "dagster/asset_partition_range_end": f"{league}|{last or first}",
    }
    return dg.materialize(
        [*ASSETS, *CHECKS], resources={"postgres": PostgresResource()}, tags=tags, **options
    )


def use_file(db: Database, path: Path) -> None:
    """What `precog up --games FILE` keeps in a home."""
    with db.transaction() as conn:
        for key, value in (("provider", "nflverse_file"), ("path", str(path))):
            set_override(conn, f"sources.games.{key}", value, reason="test", applied_by="test")


FILE = """\
game_id,season,game_type,week,gameday,gametime,away_team,away_score,home_team,home_score,location,\
away_moneyline,home_moneyline
2017_01_OAK_TEN,2017,REG,1,2017-09-10,13:00,OAK,26,TEN,16,Home,110,-130
2017_02_SD_LA,2017,REG,2,2017-09-17,,SD,20,LA,20,Neutral,,
2018_01_BUF_BAL,2018,REG,1,2018-09-09,13:00,BUF,3,BAL,47,Home,280,-340
2018_19_DAL_LA,2018,DIV,19,2019-01-12,20:15,DAL,22,LA,30,Home,260,-320
2019_01_GB_CHI,2019,REG,1,2019-09-05,20:20,GB,,CHI,,Home,150,-170
"""


def content(db: Database) -> dict[str, list[Any]]:
    """All rows, surrogate ids and creation times aside."""
    with db.transaction() as conn:
        return {name: conn.execute(query).fetchall() for name, query in CONTENT.items()}


def counts(db: Database) -> tuple[int, ...]:
    with db.transaction() as conn:
        return tuple(
            conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # type: ignore[index]
            for table in ("games", "source_snapshots", "events", "markets", "market_snapshots")
        )


def test_a_season_of_the_sample_is_stored_described_and_checked(db: Database) -> None:
    result = materialize(2018)
    assert counts(db) == (256, 1, 256, 512, 256 * 50)

    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == 10
    assert [e.check_name for e in evaluations if not e.passed] == []

    written = [event.materialization for event in result.get_asset_materialization_events()]
    metadata = {item.asset_key.to_user_string(): item.metadata for item in written}
    games = metadata["games"]
    assert games["dagster/row_count"].value == 256
    assert games["dagster/table_name"].value == "precog.public.games"
    assert "kickoff_at" in {c.name for c in games["dagster/column_schema"].value.columns}
    assert games["data_source"].value.startswith("real NFL results 2009-2019")
    assert games["inserted"].value == 256
    assert "nfl:2018:2018-12-30" in games["preview"].value
    quotes = metadata["market_snapshots"]
    assert quotes["dagster/row_count"].value == 12_800
    assert quotes["data_source"].value.startswith("SIMULATED quotes")
    assert metadata["markets"]["platform"].value == "simulated"


def test_again_changes_no_row_and_any_chunking_gives_the_same_rows(
    db: Database, tmp_path: Path, _clones: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "games.csv"
    path.write_text(FILE)
    use_file(db, path)
    materialize(2017, 2019)
    together = content(db)
    assert counts(db) == (5, 1, 5, 10, 6)
    with db.transaction() as conn:
        stamps = conn.execute("SELECT game_id, updated_at FROM games ORDER BY 1").fetchall()
    materialize(2017, 2019)
    assert content(db) == together
    with db.transaction() as conn:
        again = conn.execute("SELECT game_id, updated_at FROM games ORDER BY 1").fetchall()
    assert again == stamps

    other = _clones.take()
    monkeypatch.setenv("PRECOG_DATABASE_URL", other.base_url)
    use_file(other, path)
    materialize(2019)
    materialize(2017)
    materialize(2017, 2018)
    assert content(other) == together
    _clones.give_back(other)


def test_a_league_without_a_source_says_so(db: Database) -> None:
    with pytest.raises(Exception, match="no game source for league nba"):
        materialize(2018, league="nba")
    assert counts(db) == (0, 0, 0, 0, 0)


def test_a_season_the_source_lacks_names_those_it_has(db: Database) -> None:
    with pytest.raises(Exception, match="no games of season 2020; it has 2009-2019"):
        materialize(2019, 2020)
    assert counts(db) == (0, 0, 0, 0, 0)


def test_a_damaged_file_is_refused_and_no_row_of_it_is_stored(
    db: Database, tmp_path: Path, data_dir: Path
) -> None:
    whole = (data_dir / "nfl" / "nflverse_games.csv").read_bytes()
    damaged = tmp_path / "games.csv"
    damaged.write_bytes(whole[:-40])
    use_file(db, damaged)
    with pytest.raises(Exception, match=r"games\.csv, line 7277.*nothing of it was stored"):
        materialize(2018)
    assert counts(db) == (0, 0, 0, 0, 0)


@pytest.mark.slow
def test_the_whole_nflverse_history_gives_the_known_brier_of_the_close(
    db: Database, data_dir: Path
) -> None:
    use_file(db, data_dir / "nfl" / "nflverse_games.csv")
    result = materialize(1999, 2025)
    assert counts(db) == (7276, 1, 7276, 14552, 10590)
    failed = [e.check_name for e in result.get_asset_check_evaluations() if not e.passed]
    assert failed == []
    with db.transaction() as conn:
        closes = closing_probabilities(conn, "nfl", range(2018, 2026))
        margins = fetch_frame(conn, "SELECT game_id, home_score - away_score AS margin FROM games")
        sources = conn.execute("SELECT DISTINCT source FROM market_snapshots").fetchall()
        leads = conn.execute(
            "SELECT DISTINCT e.start_at - q.observed_at FROM market_snapshots AS q "
            "JOIN markets AS m USING (market_id) JOIN events AS e USING (event_id)"
        ).fetchall()
    assert sources == [("assumed_closing_line",)]
    assert [lead.total_seconds() / 60 for (lead,) in leads] == [31]
    played = closes.merge(margins).query("margin != 0")
    brier = ((played.p_home - (played.margin > 0)) ** 2).mean()
    assert len(played) == 2219
    assert brier == pytest.approx(0.2108, abs=0.0005)
