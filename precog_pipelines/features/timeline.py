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
        self.arrivals = np.lexsort((place, known_at, group))
        self.instants = np.unique(known_at)
        rank = np.searchsorted(self.instants, known_at) + 1
        self._codes = self._code(group, rank)[self.arrivals]
        self._first = np.searchsorted(group[self.arrivals], np.arange(len(self._keys)))
        # The place of each fact when sorted by key and playing order: the running maximum along
        # the arrivals is then the newest fact, and never one of another key.
        self.played = np.lexsort((place, group))
        by_play = np.empty(len(keys), dtype=np.int64)
        by_play[self.played] = place
        self.by_play = by_play[self.arrivals]
        self.newest = np.maximum.accumulate(self.by_play) if len(keys) else self.by_play
        self.late = np.flatnonzero(self.newest != self.by_play)

    def _code(self, group: NDArray[np.int64], rank: NDArray[np.int64]) -> NDArray[np.int64]:
        # Key and instant in one number; ranks instead of microseconds, so that it cannot overflow.
        return group.astype(np.int64) * (len(self.instants) + 1) + rank

    def known(self, keys: Places, at: Instants) -> "Known":
        """What is known of each key at each instant."""
        if not len(self._keys):
            none = np.zeros(len(keys), dtype=np.int64)
            return Known(self, none, none)
        group = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        rank = np.searchsorted(self.instants, at, side="right")
        end = np.searchsorted(self._codes, self._code(group, rank), side="right")
        count = np.where(self._keys[group] == keys, end - self._first[group], 0)
        return Known(self, end, count)


class Known:
    """Answers for many questions at once; ``count`` is how many facts each one knows."""

    def __init__(self, timeline: Timeline, end: Places, count: Places) -> None:
        self._timeline, self._end, self.count = timeline, end, count

    def newest(self) -> Places:
        """The place of the last fact in playing order; -1 where none is known."""
        timeline = self._timeline
        return self._last(timeline.played[timeline.newest])

    def latest(self) -> Places:
        """The place of the fact that became known last; -1 where none is known."""
        return self._last(self._timeline.arrivals)

    def recent(self, most: int) -> Places:
        """Shape (``most``, questions): the places of the last facts in playing order, newest first.

        -1 where there are fewer.
        """
        timeline, end, count = self._timeline, self._end, self.count
        if not len(timeline.arrivals):
            return np.full((most, len(count)), -1, dtype=np.int64)
        back = np.arange(most, dtype=np.int64)[:, None]
        found = timeline.arrivals[np.maximum(end[None, :] - 1 - back, 0)]
        found[back >= count[None, :]] = -1
        for question in self._out_of_order():
            stop = end[question]
            arrived = np.sort(timeline.by_play[stop - count[question] : stop])[::-1][:most]
            found[:, question] = -1
            found[: len(arrived), question] = timeline.played[arrived]
        return found

    def _last(self, facts: Places) -> Places:
        if not len(facts):
            return np.full(len(self.count), -1, dtype=np.int64)
        return np.where(self.count > 0, facts[np.maximum(self._end - 1, 0)], -1)

    def _out_of_order(self) -> Places:
        """Questions whose known facts did not arrive in playing order; late results are rare."""
        late = self._timeline.late
        if not len(late):
            return late
        begin = self._end - self.count
        behind = np.searchsorted(late, self._end) - np.searchsorted(late, begin)
        return np.flatnonzero(behind > 0)
