"""Code location ``trading``: edges, decisions, orders, positions, settlements, performance.

Loads everything under ``defs/`` and binds the database. Importing this module opens no connection
and imports no plotting or modelling library; a test holds both.
"""

from pathlib import Path

import dagster as dg

from precog_core.logging import configure_logging
from precog_dagster.resources import PostgresResource


@dg.definitions
def defs() -> dg.Definitions:
    # Every process that runs our code begins here: code servers and run workers log as we do.
    configure_logging()
    return dg.Definitions.merge(
        dg.load_from_defs_folder(path_within_project=Path(__file__).parent),
        dg.Definitions(
            resources={"postgres": PostgresResource()},
            executor=dg.in_process_executor,
        ),
    )
