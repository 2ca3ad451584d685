"""Dagster's tables over connections that stay open: few of them, none left, none of them stale."""

import dagster as dg
import pytest

from precog_core.database import Database
from precog_core.paths import home
from precog_platform.environment import prepare_dagster_home, process_environment


@dg.asset
def number() -> int:
    return 1


def sessions(database: Database) -> tuple[int, int]:
    """(connections opened so far, open now) of Dagster's database, our own look apart."""
    with database.connect() as conn:
        row = conn.execute(
            "SELECT sessions, (SELECT count(*) FROM pg_stat_activity a WHERE a.datname = d.datname)"
            " FROM pg_stat_database d WHERE datname = current_database() || '_dagster'"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_a_run_keeps_its_connections_and_survives_a_restart_of_postgresql(
    all_databases: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in process_environment(all_databases, home()).items():
        monkeypatch.setenv(name, value)
    prepare_dagster_home(home())
    with dg.DagsterInstance.get() as instance:
        assert dg.materialize([number], instance=instance).success
        before, _ = sessions(all_databases)
        assert dg.materialize([number], instance=instance).success
        after, idle = sessions(all_databases)
        assert after - before <= 1  # a thread beside this one may need one more for a moment
        assert 1 <= idle <= 2
        with all_databases.connect() as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() || '_dagster'"
            )
        assert dg.materialize([number], instance=instance).success
        assert instance.get_latest_materialization_event(number.key) is not None
    assert sessions(all_databases)[1] == 0
