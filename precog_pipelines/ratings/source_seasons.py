"""Which seasons the source of a league's games offers, so that ratings never start over a hole.

Asks without the network: the packaged sample and a file on disk say it themselves; of the download
it is enough to know where it begins, because a gap between stored seasons is seen anyway.
"""

import logging

import psycopg

from precog_core.database.queries import load_queries
from precog_pipelines.sources import open_game_source
from precog_pipelines.sources.config import sources_config

_log = logging.getLogger(__name__)
_NFLVERSE_BEGINS = 1999


def source_seasons(conn: psycopg.Connection, league: str) -> list[int]:
    """Seasons offered by the configured provider, ascending.

    Empty when the stored games of ``league`` come from elsewhere or the provider's file is gone.
    """
    config = sources_config(conn)
    provider, path = config.games.provider, config.games.path
    stored = {source for (source,) in load_queries("ratings").sources_of_games(conn, league=league)}
    if provider == "nflverse":
        return [_NFLVERSE_BEGINS] if "nflverse" in stored else []
    if provider == "nflverse_file" and (path is None or not path.exists()):
        _log.warning("cannot check that all seasons are stored: %s is gone", path)
        return []
    source = open_game_source(provider, path, config=config)
    return source.seasons(league) if source.name in stored else []
