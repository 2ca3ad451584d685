"""Which seasons the source of a league's games offers, so that ratings never start over a hole.

Asks without the network: the packaged sample and a file on disk say it themselves; the download has
every season from 1999 to the last one stored.
"""

import logging

import psycopg

from precog_core.database.queries import load_queries
from precog_pipelines.sources import open_game_source
from precog_pipelines.sources.config import sources_config
from precog_pipelines.sources.feeds import league_feed

_log = logging.getLogger(__name__)
_NFLVERSE_BEGINS = 1999


def source_seasons(conn: psycopg.Connection, league: str) -> list[int]:
    """Seasons offered by the configured provider, ascending.

    Empty when the stored games of ``league`` come from elsewhere or the provider's file is gone.
    """
    config = sources_config(conn)
    recorded = config.recorded_quotes
    if recorded.path is not None and recorded.league == league:
        if not recorded.path.exists():
            _log.warning("cannot check that all seasons are stored: %s is gone", recorded.path)
            return []
        return league_feed(league, config).source.seasons(league)
    provider, path = config.games.provider, config.games.path
    last_stored = dict(load_queries("ratings").sources_of_games(conn, league=league))
    if provider == "nflverse":
        return list(range(_NFLVERSE_BEGINS, last_stored.get("nflverse", 0) + 1))
    if provider == "nflverse_file" and (path is None or not path.exists()):
        _log.warning("cannot check that all seasons are stored: %s is gone", path)
        return []
    source = open_game_source(provider, path, config=config)
    return source.seasons(league) if source.name in last_stored else []
