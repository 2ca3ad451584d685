"""What fills one league: its source of games, and what writes the markets and quotes beside them.

A home has one provider for its games, and may have a recording for one league beside it. The assets
ask for the feed of a league and do not know which it is.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import psycopg

from precog_core.kalshi.config import kalshi_config
from precog_core.progress import Progress
from precog_pipelines.sources import open_game_source, open_quote_source, quote_platform
from precog_pipelines.sources.config import SourcesConfig, league_config
from precog_pipelines.sources.games_table import store_snapshot
from precog_pipelines.sources.kalshi.matching import Unmatched
from precog_pipelines.sources.kalshi_recorded.bars import (
    QUOTE_SOURCE,
    QuoteRule,
    require_known_markets,
    store_recorded_bars,
)
from precog_pipelines.sources.kalshi_recorded.candles_file import read_candles_file
from precog_pipelines.sources.kalshi_recorded.files import RecordedFolder, snapshot
from precog_pipelines.sources.kalshi_recorded.games import RecordedGames
from precog_pipelines.sources.kalshi_recorded.markets import (
    PLATFORM,
    store_recorded_markets,
    store_recorded_settlements,
)
from precog_pipelines.sources.kalshi_recorded.settings import candle_half_spread
from precog_pipelines.sources.markets_table import market_ids, store_markets, tradable_games
from precog_pipelines.sources.protocols import GameSource
from precog_pipelines.sources.quotes_table import store_closing_prices, store_quotes
from precog_pipelines.sources.teams import TeamDirectory

Counts = dict[str, int]


class LeagueFeed(Protocol):
    """Writes what belongs to the games of one league, each call in the caller's transaction."""

    @property
    def platform_id(self) -> str:
        """The platform its markets are on."""

    @property
    def source(self) -> GameSource:
        """Where its games come from."""

    @property
    def quotes_label(self) -> str:
        """What its quotes are, in words; shown wherever they are."""

    def store_markets(
        self, conn: psycopg.Connection, seasons: Sequence[int]
    ) -> tuple[Counts, list[Unmatched]]:
        """Markets of stored games: rows by kind, and markets that belong to no game."""

    def store_quotes(
        self, conn: psycopg.Connection, seasons: Sequence[int], progress: Progress
    ) -> Counts:
        """Quotes and bars; counts ``offered``, ``inserted``, ``differing`` are of quotes."""

    def store_settlements(self, conn: psycopg.Connection, seasons: Sequence[int]) -> Counts:
        """What the venue paid, where the feed knows; else nothing."""


def league_feed(
    league: str, settings: SourcesConfig, teams: TeamDirectory | None = None
) -> LeagueFeed:
    """The feed of ``league`` under ``settings``; opens no file yet.

    ``teams`` resolves team names (default: config/leagues.yaml).
    """
    recorded = settings.recorded_quotes
    if recorded.path is not None and recorded.league == league:
        return RecordedFeed(recorded.path, league, teams)
    source = open_game_source(
        settings.games.provider, settings.games.path, config=settings, teams=teams
    )
    return GeneratedFeed(source, league, settings)


class GeneratedFeed:
    """Markets of our own for a source that has results and at best closing lines."""

    def __init__(self, source: GameSource, league: str, settings: SourcesConfig) -> None:
        self.source = source
        self.platform_id = quote_platform(settings.games.provider)
        self.quotes_label = ""
        self._league, self._settings = league, settings

    def store_markets(
        self, conn: psycopg.Connection, seasons: Sequence[int]
    ) -> tuple[Counts, list[Unmatched]]:
        games = tradable_games(conn, self._league, seasons)
        config = league_config(self._league)
        written = store_markets(conn, self.platform_id, self._league, config, games)
        counts = {
            "new_events": written.events,
            "new_markets": written.markets,
            "new_attributes": written.attributes,
            "events_updated": written.events_updated,
        }
        return counts, []

    def store_quotes(
        self, conn: psycopg.Connection, seasons: Sequence[int], progress: Progress
    ) -> Counts:
        history = self.source.games(self._league).games
        retrieval = self.source.games(self._league, seasons)
        quotes = open_quote_source(self.source, history, self._settings)
        self.quotes_label = quotes.label
        ids = market_ids(conn, quotes.platform_id, self._league, seasons)
        played = retrieval.games
        written = store_quotes(conn, ids, quotes.quotes(played), quotes.source)
        closes = store_closing_prices(
            conn, ids, quotes.closing_prices(played), store_snapshot(conn, retrieval.snapshot)
        )
        return asdict(written) | {"closing_prices_new": closes}

    def store_settlements(self, conn: psycopg.Connection, seasons: Sequence[int]) -> Counts:
        # No venue: trading settles these markets by the results of their games.
        return {"settlements_new": 0, "settlements_differing": 0}


class RecordedFeed:
    """A folder of recorded games and candles of one league."""

    platform_id = PLATFORM

    def __init__(self, folder: Path, league: str, teams: TeamDirectory | None) -> None:
        self.source = RecordedGames(folder, league, teams)
        self.quotes_label = (
            "RECORDED CANDLES of Kalshi: last trades, with bid and ask ASSUMED around them "
            f"(source {QUOTE_SOURCE})"
        )
        self._folder, self._league = folder, league

    def store_markets(
        self, conn: psycopg.Connection, seasons: Sequence[int]
    ) -> tuple[Counts, list[Unmatched]]:
        markets = self.source.markets(self._league, seasons)
        written = store_recorded_markets(
            conn, self._league, league_config(self._league), markets, self.source.file().path.name
        )
        counts = {
            "new_events": written.events,
            "new_markets": written.markets,
            "new_attributes": written.attributes,
            "matched": written.matched,
        }
        return counts, written.unmatched

    def store_quotes(
        self, conn: psycopg.Connection, seasons: Sequence[int], progress: Progress
    ) -> Counts:
        path = RecordedFolder.open(self._folder).candles
        candles = read_candles_file(path)
        require_known_markets(self.source.file().markets, candles)
        half_spread = candle_half_spread(conn)
        written = store_recorded_bars(
            conn,
            self.source.markets(self._league, seasons),
            candles,
            QuoteRule(kalshi_config(conn).quotes, half_spread),
            store_snapshot(
                conn, snapshot(path, "candles", self._league, candles.sha256, candles.rows)
            ),
            progress,
        )
        return {
            "offered": written.quotes,
            "inserted": written.quotes_new,
            "differing": written.quotes_differing,
            "candles": written.bars,
            "candles_new": written.bars_new,
            "candles_differing": written.bars_differing,
        }

    def store_settlements(self, conn: psycopg.Connection, seasons: Sequence[int]) -> Counts:
        inserted, differing = store_recorded_settlements(
            conn,
            league_config(self._league),
            self.source.markets(self._league, seasons),
            self.source.file().path.name,
        )
        return {"settlements_new": inserted, "settlements_differing": differing}
