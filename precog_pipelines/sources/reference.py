"""Teams and aliases of a league, from ``config/leagues.yaml`` into the database."""

import psycopg

from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.sources.config import SOURCES, League
from precog_pipelines.sources.teams import TeamDirectory


def store_league(conn: psycopg.Connection, league: str, config: League) -> TeamDirectory:
    """Write the league's teams and aliases in the caller's transaction; the directory as stored.

    Aliases that an operator added in the database stay; a configured one wins over a stored one.
    Raises PrecogError for a league that no migration has added.
    """
    queries = load_queries("games")
    if not queries.has_league(conn, league=league):
        raise PrecogError(
            f"league {league} stands in config/leagues.yaml and not in the table leagues; a "
            "migration adds it (docs/add-a-league.md)"
        )
    queries.upsert_teams(
        conn,
        [
            {
                "league": league,
                "team_code": team.code,
                "name": team.name,
                "conference": team.conference,
                "division": team.division,
            }
            for team in config.teams
        ],
    )
    queries.upsert_team_aliases(
        conn,
        [
            {"source": source, "league": league, "alias": alias, "team_code": team.code}
            for source in SOURCES
            for team in config.teams
            for alias in team.names_in(source)
        ],
    )
    return TeamDirectory.stored(conn, league)
