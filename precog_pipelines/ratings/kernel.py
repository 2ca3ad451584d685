"""Elo over columns, compiled: for a parameter search, a benchmark, hundreds of thousands of games.

The reference implementation is ``elo``; tests hold every output of this one against it, bit for
bit. A single pass over the stored games does not need it: 17,000 games take a tenth of a second
there, and the first compiled call takes some seconds.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from precog_pipelines.ratings.elo import Checkpoint, EloParameters, Game, MarginForm, margin_scale

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Floats = NDArray[np.float64]
# Of the hash table of team names, which lies in the processor's cache; half of them may be taken.
_SLOTS = 4_096
_FORMS = {MarginForm.FOOTBALL: 0, MarginForm.BASKETBALL: 1}


@dataclass(frozen=True)
class GameColumns:
    """Finished games in playing order; teams and seasons as numbers from 0 on.

    ``teams[n]`` is the identity of team n, some of which may not play; season n is
    ``first_season`` + n. ``margin`` is the home team's.
    """

    teams: Sequence[Hashable]
    first_season: int
    season: NDArray[np.int32]
    home: NDArray[np.int32]
    away: NDArray[np.int32]
    margin: NDArray[np.int32]
    neutral: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.season)

    @classmethod
    def of(cls, games: Sequence[Game]) -> "GameColumns":
        """From game tuples."""
        import pandas as pd

        return cls.of_frame(pd.DataFrame(games, columns=list(Game._fields)))

    @classmethod
    def of_frame(cls, games: "pd.DataFrame") -> "GameColumns":
        """From a frame with the columns of ``elo.Game``, in playing order."""
        n = len(games)
        codes, teams = _coded(games["home"], games["away"])
        season = games["season"].to_numpy(np.int64)
        first = int(season.min()) if n else 0
        margin = games["home_score"].to_numpy() - games["away_score"].to_numpy()
        return cls(
            teams=teams,
            first_season=first,
            season=(season - first).astype(np.int32),
            home=codes[:n],
            away=codes[n:],
            margin=margin.astype(np.int32),
            neutral=games["neutral"].to_numpy(np.bool_),
        )


class RatedColumns(NamedTuple):
    """The fields of ``elo.RatedGame`` but the actual result, one element a game."""

    home_before: Floats
    away_before: Floats
    expected: Floats
    weight: Floats
    home_after: Floats
    away_after: Floats


class SeasonScores(NamedTuple):
    """Decided games and the mean errors of Elo's probabilities on them, by season."""

    seasons: NDArray[np.int64]
    n: Floats
    log_loss: Floats
    brier: Floats

    def over(self, first: int, last: int) -> tuple[int, float, float]:
        """Games, log loss and Brier score of ``first`` to ``last`` together; NaN without games."""
        chosen = (self.seasons >= first) & (self.seasons <= last)
        n = self.n[chosen].sum()
        if not n:
            return 0, float("nan"), float("nan")
        return (
            int(n),
            float((self.log_loss[chosen] * self.n[chosen]).sum() / n),
            float((self.brier[chosen] * self.n[chosen]).sum() / n),
        )


def rate_columns(games: GameColumns, parameters: EloParameters) -> tuple[RatedColumns, Checkpoint]:
    """As ``elo.rate_games`` from the beginning: every update, and the state after the last."""
    from precog_pipelines.ratings import elo_compiled

    arguments, ratings, last = _arguments(games, parameters)
    out = elo_compiled.rate(*arguments)
    return RatedColumns(*out), _checkpoint(games, ratings, last)


def expected_columns(games: GameColumns, parameters: EloParameters) -> tuple[Floats, Checkpoint]:
    """P(home wins) of every game before it, and the state after the last: what predicting needs."""
    from precog_pipelines.ratings import elo_compiled

    arguments, ratings, last = _arguments(games, parameters)
    return elo_compiled.expect(*arguments), _checkpoint(games, ratings, last)


def score_columns(games: GameColumns, parameters: EloParameters) -> SeasonScores:
    """How Elo with ``parameters`` would have predicted every season, each from its past."""
    from precog_pipelines.ratings import elo_compiled

    arguments, _, _ = _arguments(games, parameters)
    n, log_loss, squared = elo_compiled.score(*arguments)
    played = np.flatnonzero(n)
    n = n[played]
    return SeasonScores(games.first_season + played, n, log_loss[played] / n, squared[played] / n)


def _checkpoint(games: GameColumns, ratings: Floats, last: NDArray[np.int32]) -> Checkpoint:
    played = np.flatnonzero(last >= 0).tolist()
    return Checkpoint(
        {games.teams[team]: float(ratings[team]) for team in played},
        {games.teams[team]: games.first_season + int(last[team]) for team in played},
    )


def _arguments(
    games: GameColumns, parameters: EloParameters
) -> tuple[tuple[Any, ...], Floats, NDArray[np.int32]]:
    seasons = games.first_season + np.arange(int(games.season.max(initial=0)) + 1)
    # Raises when no era covers the first season.
    advantage = np.full(len(seasons), parameters.home_advantage(games.first_season))
    later = [
        (e.from_season, e.home_advantage) for e in parameters.eras if e.from_season is not None
    ]
    for since, points in sorted(later):
        advantage[seasons >= since] = points
    largest = int(np.abs(games.margin).max(initial=0))
    ratings = np.full(len(games.teams), parameters.mean, dtype=np.float64)
    if parameters.initial:
        for place, team in enumerate(games.teams):
            ratings[place] = parameters.initial.get(team, parameters.mean)
    last = np.full(len(games.teams), -1, dtype=np.int32)
    arguments = (
        games.season, games.home, games.away, games.margin, games.neutral, advantage,
        _scales(parameters.margin, parameters.margin_power, largest),
        _season_starts(games, parameters, len(seasons)), ratings, last, float(parameters.k),
        float(parameters.reversion), float(parameters.mean), _FORMS.get(parameters.margin, 2), 10.0,
    )  # fmt: skip
    return arguments, ratings, last


@lru_cache(maxsize=64)
def _scales(form: MarginForm, power: float, largest: int) -> Floats:
    """``margin_scale`` of every margin up to ``largest``."""
    return np.array([margin_scale(form, margin, power) for margin in range(largest + 1)])


def _season_starts(games: GameColumns, parameters: EloParameters, seasons: int) -> Floats:
    """Ratings that replace the reversion by team and season, NaN elsewhere; empty without any."""
    if not parameters.season_starts:
        return np.empty((0, 0))
    starts = np.full((len(games.teams), seasons), np.nan)
    teams = {team: n for n, team in enumerate(games.teams)}
    for (team, season), rating in parameters.season_starts.items():
        number = season - games.first_season
        if team in teams and 0 <= number < seasons:
            starts[teams[team], number] = rating
    return starts


def _coded(home: "pd.Series", away: "pd.Series") -> tuple[NDArray[np.int32], Sequence[Hashable]]:
    """Codes of the home teams followed by those of the away teams, and the team of each code."""
    import pandas as pd
    import pyarrow as pa

    if pd.api.types.is_integer_dtype(home.dtype) and pd.api.types.is_integer_dtype(away.dtype):
        both = np.concatenate([home.to_numpy(np.int64), away.to_numpy(np.int64)])
        first, last = (int(both.min()), int(both.max())) if len(both) else (0, -1)
        if last - first <= len(both):
            return (both - first).astype(np.int32), range(first, last + 1)
    if isinstance(home.dtype, pd.StringDtype) and isinstance(away.dtype, pd.StringDtype):
        chunks = [*_chunks(home), *_chunks(away)]
        short = _short_names(chunks)
        if short is not None:
            return short
        encoded = pa.chunked_array(chunks).dictionary_encode().combine_chunks()
        return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    codes, found = pd.factorize(pd.concat([home, away], ignore_index=True))
    return codes.astype(np.int32), found.tolist()


def _short_names(
    chunks: "list[pa.Array]",
) -> tuple[NDArray[np.int32], Sequence[Hashable]] | None:
    """Codes of names of up to 7 bytes, as team codes are; a third of the time of Arrow's encoder.

    None for a longer or missing name, or thousands of them.
    """
    from precog_pipelines.ratings import elo_compiled

    codes = np.empty(sum(len(chunk) for chunk in chunks), dtype=np.int32)
    keys, values = np.zeros(_SLOTS, dtype=np.uint64), np.full(_SLOTS, -1, dtype=np.int32)
    first = np.zeros(_SLOTS // 2, dtype=np.int64)
    teams: list[Hashable] = []
    start = 0
    for chunk in chunks:
        _, offsets, content = chunk.buffers()
        if chunk.null_count or content is None:
            return None
        wide = np.int64 if str(chunk.type) == "large_string" else np.int32
        rows = np.frombuffer(offsets, wide)[chunk.offset : chunk.offset + len(chunk) + 1]
        part = codes[start : start + len(chunk)]
        text = np.frombuffer(content, np.uint8)
        count = elo_compiled.code_names(rows, text, part, keys, values, first, len(teams))
        if count < 0:
            return None
        teams += [chunk[int(row)].as_py() for row in first[len(teams) : count]]
        start += len(chunk)
    return codes, teams


def _chunks(names: "pd.Series") -> "list[pa.Array]":
    import pyarrow as pa

    array = pa.array(names)
    return array.chunks if isinstance(array, pa.ChunkedArray) else [array]
