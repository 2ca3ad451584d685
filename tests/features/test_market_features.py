"""Market features see only quotes known by then, and never those made from results."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import dagster as dg
import pytest

from precog_core.database import Database
from precog_dagster.resources import PostgresResource
from precog_pipelines.defs.features.assets import market_features
from precog_pipelines.features.config import features_config
from precog_pipelines.features.matrix import feature_matrix
from precog_pipelines.features.registry import registered
from precog_pipelines.ratings.config import elo_config
from precog_pipelines.ratings.history import write_ratings
from tests.synthetic_league import GameRow, store

KICKOFF = datetime(2013, 9, 1, 17, tzinfo=UTC)


@pytest.fixture
def quoted(db: Database) -> Database:
    """Two games; the second has only a market of its away team."""
    games = [
        GameRow("ncaaf", 2013, KICKOFF.date(), home, away, KICKOFF, 20, 10)
        for home, away in (("A", "B"), ("C", "D"))
    ]
    with db.transaction() as conn:
        ids = store(conn, games)
        write_ratings(conn, "ncaaf", [2013], elo_config().league("ncaaf"))
        conn.execute(
            "INSERT INTO series (platform_id, series_ticker, category, league, title, frequency)"
            " VALUES ('kalshi', 'S', 'sports', 'ncaaf', 'S', 'weekly')"
        )
        for (key, game_id), codes in zip(ids.items(), (("A", "B"), ("D",)), strict=True):
            (event_id,) = conn.execute(
                "INSERT INTO events (platform_id, series_id, event_ticker, title, game_id)"
                " SELECT 'kalshi', series_id, %s, %s, %s FROM series"
                " WHERE series_ticker = 'S' RETURNING event_id",
                (key, key, game_id),
            ).fetchone()
            for code in codes:
                (market_id,) = conn.execute(
                    "INSERT INTO markets (platform_id, event_id, ticker, market_type, yes_team_id)"
                    " SELECT 'kalshi', %s, %s, 'binary', team_id FROM teams"
                    " WHERE team_code = %s AND league = 'ncaaf' RETURNING market_id",
                    (event_id, f"{key}-{code}", code),
                ).fetchone()
                _quote(conn, market_id, code)
    return db


def _quote(conn, market_id: int, code: str) -> None:
    """By hours before the start: observed, received, middle of the home team's price, source."""
    quotes = [
        (40, 40, "0.50", "recorded"),
        (20, 20, "0.56", "recorded"),
        (2, 0.5, "0.99", "recorded"),  # seen in time, received too late
        (1.5, 1.5, "0.97", "simulated"),
        (1.4, 1.4, "0.96", "manual"),
        (-1, -1, "0.98", "recorded"),
    ]
    for seen, known, middle, source in quotes:
        price = Decimal(middle) if code in "AC" else 1 - Decimal(middle)
        observed_at = KICKOFF - timedelta(hours=seen)
        conn.execute("SELECT ensure_snapshot_partitions(%s, %s)", (observed_at, observed_at))
        conn.execute(
            "INSERT INTO market_snapshots (market_id, observed_at, yes_bid, yes_ask, write_reason,"
            " source, known_at) VALUES (%s, %s, %s, %s, 'price', %s, %s)",
            (market_id, observed_at, price - Decimal("0.01"), price + Decimal("0.01"), source,
             KICKOFF - timedelta(hours=known)),
        )  # fmt: skip


@pytest.mark.requirement("PIT-002")
def test_prices_are_those_known_at_each_moment_from_either_market(quoted: Database) -> None:
    result = dg.materialize(
        [market_features],
        resources={"postgres": PostgresResource()},
        partition_key="ncaaf|2013",
        instance=dg.DagsterInstance.ephemeral(),
    )
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["dagster/row_count"].value == 2 * 2 * 3
    assert "market_movement" in event.materialization.metadata["preview"].value
    names = [f.name for f in registered("ncaaf", features_config(), ("market",))]
    assert names == ["market_opening", "market_latest", "market_movement"]
    with quoted.transaction() as conn:
        early = feature_matrix(conn, "ncaaf", [2013], "day_before", sets=("market",))
        late = feature_matrix(conn, "ncaaf", [2013], "decision", sets=("market",))
    for frame, expected, hours in ((early, (0.50, 0.50, 0.0), 40), (late, (0.50, 0.56, 0.06), 20)):
        for row in frame[names].to_numpy():
            assert row == pytest.approx(expected)
        assert set(frame["known_at"]) == {KICKOFF - timedelta(hours=hours)}


def test_no_market_feature_is_in_the_dataset_of_v1() -> None:
    names = {f.name for f in registered("nfl", features_config())}
    assert not {name for name in names if name.startswith(("market", "glicko", "strength"))}
    with pytest.raises(ValueError, match="no feature set weather"):
        registered("nfl", features_config(), ("weather",))
