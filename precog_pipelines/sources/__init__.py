"""Where games and quotes come from: one module per provider behind two protocols.

``open_game_source`` and ``open_quote_source`` choose the provider that the settings name; nothing
else knows more than the protocols.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from precog_core.errors import PrecogError
from precog_pipelines.sources.config import ProviderName, SourcesConfig, sources_config
from precog_pipelines.sources.protocols import GameSource, QuoteSource, SourceGame

if TYPE_CHECKING:
    from precog_pipelines.sources.teams import TeamDirectory

__all__ = [
    "GameSource",
    "QuoteSource",
    "open_game_source",
    "open_quote_source",
    "quote_platform",
]


def open_game_source(
    provider: str,
    path: Path | str | None = None,
    *,
    config: SourcesConfig | None = None,
    teams: "TeamDirectory | None" = None,
) -> GameSource:
    """The provider of games by its name: ``sample``, ``nflverse_file`` (``path``), ``nflverse``.

    ``teams`` resolves team names (default: config/leagues.yaml). Opens nothing yet. Raises
    PrecogError for an unknown name or a missing path.
    """
    from precog_pipelines.sources.nflverse_games import NflverseDownload, NflverseFile
    from precog_pipelines.sources.sample_games import SampleGames

    if provider == "sample":
        return SampleGames()
    if provider == "nflverse_file":
        if path is None:
            raise PrecogError("provider nflverse_file needs a file: set sources.games.path")
        return NflverseFile(Path(path), teams)
    if provider == "nflverse":
        return NflverseDownload((config or sources_config()).nflverse, teams)
    raise PrecogError(
        f"unknown provider of games {provider!r}; sources.games.provider is one of "
        f"{', '.join(get_args(ProviderName))}"
    )


def quote_platform(provider: str) -> str:
    """The platform this home quotes: ``simulated`` for the sample, else ``closing_line``."""
    return "simulated" if provider == "sample" else "closing_line"


def open_quote_source(
    source: GameSource, history: Sequence[SourceGame], config: SourcesConfig
) -> QuoteSource:
    """The quotes that go with a provider of games; ``history`` is all its games."""
    if source.name == "sample":
        from precog_pipelines.sources.simulated_quotes import SimulatedQuotes

        return SimulatedQuotes(history)
    from precog_pipelines.sources.closing_line_quotes import ClosingLineQuotes

    return ClosingLineQuotes(config.closing_line)
