"""Named SQL statements from ``sql/queries``, one file per subject, loaded once per process."""

from functools import cache
from typing import Any

import aiosql

from precog_core.paths import resource


@cache
def load_queries(subject: str) -> Any:
    """The statements of ``sql/queries/<subject>.sql`` as methods taking a psycopg connection."""
    return aiosql.from_path(resource(f"sql/queries/{subject}.sql"), "psycopg")
