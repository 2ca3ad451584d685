"""The database as a Dagster resource. Nothing is opened before an asset or sensor asks for it."""

import dagster as dg
from pydantic import PrivateAttr

from precog_core.database import Database
from precog_core.logging import bind


class PostgresResource(dg.ConfigurableResource):
    """The ``precog`` database of this installation (``PRECOG_DATABASE_URL``, else embedded)."""

    _database: Database | None = PrivateAttr(default=None)

    def database(self) -> Database:
        """One ``Database`` per process and run; its pool closes when the run ends."""
        if self._database is None:
            self._database = Database.from_environment()
        return self._database

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Name the run in every event this process logs."""
        bind(run_id=context.run.run_id if context.run else None)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        bind(run_id=None)
        if self._database is not None:
            self._database.close()
            self._database = None
