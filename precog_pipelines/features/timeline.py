"""Facts sorted by when they became known, and cut at many instants at once.

A fact belongs to a key (a team, or a team in a season) and has a place in playing order. What was
known at t is a prefix of the key's facts by ``known_at``; that prefix is in playing order unless a
result came late, and both questions below hold either way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precog_pipelines.features.situation import Instants

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Moments:
    """When games are looked at: ``game`` is the place in the games, ``at`` the instant."""

    game: Places
    at: Instants

    def __len__(self) -> int:
        return len(self.game)


def take(column: NDArray, places: Places, missing: float) -> NDArray:
    """``column[places]``, ``missing`` where a place is -1."""
    if not len(column):
        return np.full(places.shape, missing, dtype=column.dtype)
    return np.where(places >= 0, column[places], column.dtype.type(missing))


class Timeline:
    """Facts given as columns in playing order; answers are places in those columns."""

    def __init__(self, keys: NDArray[np.int64], known_at: Instants) -> None:
        self._keys, group = np.unique(keys, return_inverse=True)
        place = np.arange(len(keys), dtype=np.int64)
        # Stable: facts that became known together stay in playing order.
        self._arrivals = np.lexsort((place, known_at, group))
        self._instants = np.unique(known_at)
        rank = np.searchsorted(self._instants, known_at) + 1
        self._codes = self._code(group, rank)[self._arrivals]
        self._first = np.searchsorted(group[self._arrivals], np.arange(len(self._keys)))
        # The place of each fact when sorted by key and playing order: the running maximum along
        # the arrivals is then the newest fact, and never one of another key.
        self._played = np.lexsort((place, group))
        by_play = np.empty(len(keys), dtype=np.int64)
        by_play[self._played] = place
        self._by_play = by_play[self._arrivals]
        self._newest = np.maximum.accumulate(self._by_play) if len(keys) else self._by_play
        self._late = np.flatnonzero(self._newest != self._by_play)

    def _code(self, group: NDArray[np.int64], rank: NDArray[np.int64]) -> NDArray[np.int64]:
        # Key and instant in one number; ranks instead of microseconds, so that it cannot overflow.
        return group.astype(np.int64) * (len(self._instants) + 1) + rank

    def known(self, keys: NDArray[np.int64], at: Instants) -> tuple[Places, Places]:
        """For each question where the key's arrivals end at ``at``, and how many they are."""
        if not len(self._keys):
            return np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=np.int64)
        group = np.searchsorted(self._keys, keys)
        group = np.minimum(group, len(self._keys) - 1)
        rank = np.searchsorted(self._instants, at, side="right")
        end = np.searchsorted(self._codes, self._code(group, rank), side="right")
        count = end - self._first[group]
        return end, np.where(self._keys[group] == keys, count, 0)

    def newest(self, keys: NDArray[np.int64], at: Instants) -> Places:
        """The place of the last fact in playing order known at ``at``; -1 where none is."""
        end, count = self.known(keys, at)
        if not len(self._newest):
            return np.full(len(keys), -1, dtype=np.int64)
        found = self._played[self._newest[np.maximum(end - 1, 0)]]
        return np.where(count > 0, found, -1)

    def latest(self, keys: NDArray[np.int64], at: Instants) -> Places:
        """The place of the fact that became known last by ``at``; -1 where none is."""
        end, count = self.known(keys, at)
        if not len(self._arrivals):
            return np.full(len(keys), -1, dtype=np.int64)
        return np.where(count > 0, self._arrivals[np.maximum(end - 1, 0)], -1)

    def recent(self, keys: NDArray[np.int64], at: Instants, most: int) -> Places:
        """Shape (``most``, questions): the places of the last facts in playing order, newest first.

        -1 where there are fewer.
        """
        end, count = self.known(keys, at)
        if not len(self._arrivals):
            return np.full((most, len(keys)), -1, dtype=np.int64)
        back = np.arange(most, dtype=np.int64)[:, None]
        found = self._arrivals[np.maximum(end[None, :] - 1 - back, 0)]
        found[back >= count[None, :]] = -1
        for question in self._out_of_order(end, count):
            stop = end[question]
            arrived = np.sort(self._by_play[stop - count[question] : stop])[::-1][:most]
            found[:, question] = -1
            found[: len(arrived), question] = self._played[arrived]
        return found

    def _out_of_order(self, end: Places, count: Places) -> NDArray[np.int64]:
        """Questions whose known facts did not arrive in playing order; late results are rare."""
        if not len(self._late):
            return self._late
        behind = np.searchsorted(self._late, end) - np.searchsorted(self._late, end - count)
        return np.flatnonzero(behind > 0)
