"""nflverse results: from a file on disk, or downloaded through ``nflreadpy``.

The download is turned into the same CSV and read by the same strict parser, so that a changed
column or a damaged row is refused in the same words.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from precog_core.errors import PrecogError
from precog_pipelines.sources.config import NflverseSection, league_config
from precog_pipelines.sources.nflverse_csv import parse_games
from precog_pipelines.sources.protocols import Retrieval, SourceGame, SourceSnapshot
from precog_pipelines.sources.selection import select_seasons
from precog_pipelines.sources.teams import TeamDirectory

LEAGUE = "nfl"
LICENCE = "CC-BY-4.0 (nflverse)"
SCHEDULES = "schedules/games"


class NflverseGames:
    """GameSource over one retrieved ``games.csv``; a subclass says how it is retrieved."""

    name = "nflverse"
    label = "real NFL results (nflverse)"

    def __init__(self, teams: TeamDirectory | None = None) -> None:
        self._teams = teams
        self._retrieved: tuple[tuple[SourceGame, ...], Retrieval] | None = None

    def seasons(self, league: str) -> list[int]:
        return sorted({game.season for game in self._all(league)[0]})

    def games(self, league: str, seasons: Sequence[int] | None = None) -> Retrieval:
        games, whole = self._all(league)
        selected = select_seasons(games, seasons, whole.snapshot.uri)
        return Retrieval(selected, whole.snapshot, whole.corrections)

    def known_holes(self, league: str, season: int) -> int:
        return 0

    def _all(self, league: str) -> tuple[tuple[SourceGame, ...], Retrieval]:
        if league != LEAGUE:
            raise PrecogError(f"no game source for league {league}; nflverse has nfl only")
        if self._retrieved is None:
            config = league_config(LEAGUE)
            uri, content, published_at = self._retrieve()
            teams = self._teams or TeamDirectory.configured(LEAGUE, config)
            games, corrections = parse_games(uri, content, teams, config)
            snapshot = SourceSnapshot(
                source=self.name,
                dataset="games",
                league=LEAGUE,
                uri=uri,
                sha256=hashlib.sha256(content).hexdigest(),
                row_count=len(games),
                fetched_at=datetime.now(UTC),
                published_at=published_at,
                licence=LICENCE,
            )
            whole = Retrieval(tuple(games), snapshot, tuple(corrections))
            self._retrieved = whole.games, whole
        return self._retrieved

    def _retrieve(self) -> tuple[str, bytes, datetime | None]:
        """Address, CSV bytes and publication time where known."""
        raise NotImplementedError


class NflverseFile(NflverseGames):
    """A games file on disk."""

    def __init__(self, path: Path, teams: TeamDirectory | None = None) -> None:
        super().__init__(teams)
        self.path = path

    def _retrieve(self) -> tuple[str, bytes, datetime | None]:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise PrecogError(
                f"cannot read {self.path}: {error.strerror}; expected an nflverse games.csv "
                "(sources.games.path, or precog up --games FILE)"
            ) from error
        return str(self.path), content, None


class NflverseDownload(NflverseGames):
    """The schedules file that nflverse publishes, with timeouts and bounded retries."""

    def __init__(self, config: NflverseSection, teams: TeamDirectory | None = None) -> None:
        super().__init__(teams)
        self.config = config

    def _retrieve(self) -> tuple[str, bytes, datetime | None]:
        url = f"{self.config.base_url.rstrip('/')}/{SCHEDULES}.parquet"
        frame = self._download(url)
        return url, frame.write_csv(null_value="").encode(), None

    def _download(self, url: str) -> Any:
        # Imported here: it brings polars and requests.
        from nflreadpy.config import CacheMode, update_config
        from nflreadpy.downloader import NflverseDownloader
        from tenacity import (
            Retrying,
            retry_if_exception,
            stop_after_attempt,
            wait_random_exponential,
        )

        # A cached answer would hide a score that was published since.
        update_config(cache_mode=CacheMode.OFF, timeout=self.config.timeout_s, verbose=False)
        downloader = NflverseDownloader()
        # On the instance only: nflreadpy has no setting for another host (a mirror, a test).
        downloader.BASE_URLS = {"nflverse-data": self.config.base_url.rstrip("/") + "/"}
        retrying = Retrying(
            stop=stop_after_attempt(self.config.attempts),
            wait=wait_random_exponential(max=self.config.wait_max_s),
            retry=retry_if_exception(_may_pass),
            reraise=True,
        )
        try:
            return retrying(downloader.download, "nflverse-data", SCHEDULES)
        except (ConnectionError, ValueError) as error:
            raise PrecogError(
                f"cannot download the nflverse schedule: {error} ({self.config.attempts} attempts "
                f"at most, {self.config.timeout_s} s each); check the network and "
                "sources.nflverse.base_url, or give a file: precog up --games FILE"
            ) from error


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may succeed: no for a refusal (HTTP 4xx) or unreadable content."""
    if not isinstance(error, ConnectionError):
        return False
    response = getattr(error.__cause__, "response", None)
    status = getattr(response, "status_code", None)
    return status is None or status >= 500 or status == 429
