"""From what a source calls a team to Precog's own code. Unknown is an error, never a guess."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from precog_core.database.queries import load_queries
from precog_pipelines.sources.config import SOURCES, League, league_config


@dataclass(frozen=True)
class TeamDirectory:
    """Aliases of one league: (source, alias) to team code."""

    league: str
    codes: Mapping[tuple[str, str], str]

    @classmethod
    def configured(cls, league: str, config: League | None = None) -> "TeamDirectory":
        """As ``config/leagues.yaml`` has it; needs no database."""
        config = config or league_config(league)
        return cls(
            league,
            {
                (source, name): team.code
                for team in config.teams
                for source in SOURCES
                for name in team.names_in(source)
            },
        )

    @classmethod
    def stored(cls, conn: psycopg.Connection, league: str) -> "TeamDirectory":
        """As ``team_aliases`` has it, additions of an operator included."""
        rows = load_queries("games").team_aliases(conn, league=league)
        return cls(league, {(source, alias): code for source, alias, code in rows})

    def code(self, source: str, alias: str) -> str | None:
        """The team ``source`` calls ``alias``, or None."""
        return self.codes.get((source, alias))

    def names(self, source: str) -> list[str]:
        """Every name ``source`` may use, sorted: what was expected instead of an unknown one."""
        return sorted(alias for owner, alias in self.codes if owner == source)
