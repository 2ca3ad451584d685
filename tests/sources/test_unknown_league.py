"""A league that is configured and that no migration has added is refused with what to do."""

import pytest

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_pipelines.sources.config import league_config
from precog_pipelines.sources.reference import store_league


def test_a_league_without_its_row_is_a_sentence(db: Database) -> None:
    with (
        db.transaction() as conn,
        pytest.raises(PrecogError, match=r"not in the table leagues; a migration adds it"),
    ):
        store_league(conn, "ufl", league_config("nfl"))
