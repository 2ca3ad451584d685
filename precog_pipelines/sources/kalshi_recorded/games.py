"""The games of a recording, behind the protocol that every source of games has."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from precog_core.errors import PrecogError
from precog_pipelines.sources.config import league_config
from precog_pipelines.sources.kalshi_recorded.files import SOURCE, RecordedFolder, snapshot
from precog_pipelines.sources.kalshi_recorded.games_file import (
    GamesFile,
    RecordedMarket,
    read_games_file,
)
from precog_pipelines.sources.protocols import Retrieval, SourceGame
from precog_pipelines.sources.selection import select_seasons
from precog_pipelines.sources.teams import TeamDirectory


class RecordedGames:
    """GameSource over a folder of recorded quotes; reads its file of games once."""

    name = SOURCE

    def __init__(self, folder: Path, league: str, teams: TeamDirectory | None = None) -> None:
        self.folder = folder
        self.league = league
        self.label = f"real {league.upper()} results recorded beside Kalshi's candles"
        self._teams = teams
        self._file: GamesFile | None = None

    def seasons(self, league: str) -> list[int]:
        return sorted({game.season for game in self._games(league)})

    def games(self, league: str, seasons: Sequence[int] | None = None) -> Retrieval:
        games = self._games(league)
        file = self.file()
        return Retrieval(
            select_seasons(games, seasons, str(file.path)),
            snapshot(file.path, "games", league, file.sha256, len(games)),
        )

    def known_holes(self, league: str, season: int) -> int:
        return 0

    def markets(self, league: str, seasons: Sequence[int]) -> list[RecordedMarket]:
        """The markets of the games of ``seasons``."""
        self._games(league)
        return [market for market in self.file().markets if market.game.season in set(seasons)]

    def file(self) -> GamesFile:
        """The file of games. PrecogError for whatever is wrong with it."""
        if self._file is None:
            config = league_config(self.league)
            teams = self._teams or TeamDirectory.configured(self.league, config)
            path = RecordedFolder.open(self.folder).games
            self._file = read_games_file(path, teams, config)
        return self._file

    def _games(self, league: str) -> list[SourceGame]:
        if league != self.league:
            raise PrecogError(
                f"no game source for league {league}; {self.folder} has {self.league} only "
                "(sources.recorded_quotes.league)"
            )
        # Two markets of one event are about one game. While either trades the venue has not
        # closed it: some games take longer than the back-fill rule allows for.
        games: dict[str, SourceGame] = {}
        for market in self.file().markets:
            known = games.get(market.event_ticker, market.game)
            until = max(market.last_bar_at, known.played_until or market.last_bar_at)
            games[market.event_ticker] = replace(market.game, played_until=until)
        return list(games.values())
