"""The seasons asked for out of the games a provider has."""

from collections.abc import Iterable, Sequence

from precog_core.errors import PrecogError
from precog_pipelines.sources.protocols import SourceGame


def select_seasons(
    games: Iterable[SourceGame], seasons: Sequence[int] | None, provider: str
) -> tuple[SourceGame, ...]:
    """Games of ``seasons`` (None: all). PrecogError, naming the seasons there are, for another."""
    games = tuple(games)
    if seasons is None:
        return games
    held = {game.season for game in games}
    absent = sorted(set(seasons) - held)
    if absent:
        raise PrecogError(
            f"{provider} has no games of season {', '.join(map(str, absent))}; it has "
            f"{in_words(held)}; choose partitions among those"
        )
    return tuple(game for game in games if game.season in set(seasons))


def in_words(seasons: Iterable[int]) -> str:
    """``2009-2017, 2019``."""
    spans: list[list[int]] = []
    for season in sorted(set(seasons)):
        if spans and season == spans[-1][-1] + 1:
            spans[-1].append(season)
        else:
            spans.append([season])
    words = [f"{s[0]}-{s[-1]}" if len(s) > 1 else str(s[0]) for s in spans]
    return ", ".join(words) or "none"
