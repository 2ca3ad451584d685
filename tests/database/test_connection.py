"""Connections, transactions and addresses of the three databases."""

from precog_core.database import Database


def test_each_test_gets_a_migrated_database_of_its_own(db: Database) -> None:
    with db.transaction() as conn:
        row = conn.execute("SELECT count(*) FROM precog_meta.schema_migrations").fetchone()
    assert row is not None
    assert row[0] > 0
