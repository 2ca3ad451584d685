"""Which moments of a season can matter, worked out over columns before the replay begins.

A moment is an instant at which a plain tick runs: something became known of a candidate's market.
Most change nothing, because the gate refuses all their candidates whatever the account holds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from precog_core.prices import Side
from precog_trading.backtest.columns import Int64, microseconds
from precog_trading.backtest.gate import Candidates, judge_all
from precog_trading.backtest.history import FactsAtTime
from precog_trading.backtest.replay import Setup, entry_candidates

NEVER = int(np.iinfo(np.int64).max)


class Moments:
    """The candidates of a season in the order they are decided, and what stands out among them."""

    def __init__(
        self,
        setup: Setup,
        facts: FactsAtTime,
        batches: Sequence[tuple[int, int, int]],
        spoken: Sequence[datetime],
    ) -> None:
        """``batches``: (instant, market, newest quote) of new predictions; ``spoken``: when the
        model spoke, ascending."""
        self.setup = setup
        self.candidates = found = _candidates(setup, facts, batches)
        begins = np.ones(len(found), dtype=bool)
        begins[1:] = found.at[1:] != found.at[:-1]
        starts = np.flatnonzero(begins)
        self.instants: Int64 = found.at[starts]
        self.starts = np.append(starts, len(found))
        passed = np.flatnonzero(_either(found.reason == 0))
        self.survivors: list[int] = passed.tolist()
        """candidates of which a side passes rows 1 to 11"""
        self.survivors_at: list[int] = found.at[passed].tolist()
        self.survivors_in: list[int] = found.market[passed].tolist()
        """their markets"""
        self._passes: list[list[bool]] = (found.reason[passed] == 0).tolist()
        gap = int(setup.config.breaker.edge_anomaly_gap * 1_000_000)
        self.far = np.flatnonzero(_either(found.gap > gap))
        """candidates whose model is so far from the market that a breaker counts it"""
        self._hot_from, self._hot_until = self._anomalous()
        odd = _either(found.reason == found.code("book_invalid"))
        self._note_silence(odd, found.at, spoken)
        # The first moment opens the account; a hot time begins with the news that made it hot.
        hot = np.array(self._hot_from, dtype=np.int64)
        self._odd = np.unique(np.concatenate([found.at[:1], found.at[odd], hot])).tolist()
        self._again: dict[int, list[int]] = {}
        quotes = setup.history.quotes
        for index in np.flatnonzero(quotes.known_at[found.row] != found.at).tolist():
            self._again.setdefault(int(found.market[index]), []).append(int(found.at[index]))

    def sides(self, number: int) -> list[Side]:
        """The sides of survivor ``number`` that pass."""
        return [side for side, passes in zip(Side, self._passes[number], strict=True) if passes]

    def rows_at(self, at: int) -> range:
        """The candidates of an instant."""
        place = int(self.instants.searchsorted(at))
        if place == len(self.instants) or int(self.instants[place]) != at:
            return range(0)
        return range(int(self.starts[place]), int(self.starts[place + 1]))

    def next_instant(self, at: int) -> int:
        """The first instant from ``at`` on that has a candidate."""
        place = int(self.instants.searchsorted(at))
        return int(self.instants[place]) if place < len(self.instants) else NEVER

    def between(self, after: int, until: int) -> Int64:
        """The instants with a candidate after one moment and before another."""
        first, stop = self.instants.searchsorted([after + 1, until])
        return self.instants[first:stop]

    def is_hot(self, at: int) -> bool:
        """Whether so many games were far from their markets that a breaker might trip."""
        place = bisect_right(self._hot_from, at) - 1
        return place >= 0 and at <= self._hot_until[place]

    def is_odd(self, at: int) -> bool:
        """Whether the moment must be lived in full, whatever the account holds."""
        place = bisect_left(self._odd, at)
        return place < len(self._odd) and self._odd[place] == at

    def next_odd(self, clock: int) -> int:
        """The first such moment after ``clock``."""
        place = bisect_right(self._odd, clock)
        return self._odd[place] if place < len(self._odd) else NEVER

    def is_again(self, market: int, at: int) -> bool:
        """Whether a prediction meets an older quote then: what is held is looked at once more."""
        told = self._again.get(market, ())
        place = bisect_left(told, at)
        return place < len(told) and told[place] == at

    def next_again(self, market: int, clock: int) -> int:
        """The first such moment of a market after ``clock``."""
        told = self._again.get(market, ())
        place = bisect_right(told, clock)
        return told[place] if place < len(told) else NEVER

    def _anomalous(self) -> tuple[list[int], list[int]]:
        """(from, until) of the times in which enough far games lie within the breaker's window."""
        limit = self.setup.config.breaker.edge_anomaly
        window, found = limit.window_s * 1_000_000, self.candidates
        newest: dict[int, int] = {}
        since: list[int] = []
        until: list[int] = []
        for at, market in zip(
            found.at[self.far].tolist(), found.market[self.far].tolist(), strict=True
        ):
            newest[market] = at
            if len(newest) < limit.count:
                continue
            newest = {m: t for m, t in newest.items() if at - t < window}
            if len(newest) < limit.count:
                continue
            if until and at <= until[-1]:
                until[-1] = at + window
            else:
                since.append(at)
                until.append(at + window)
        return since, until

    def _note_silence(
        self, odd: npt.NDArray[np.bool_], at: Int64, spoken: Sequence[datetime]
    ) -> None:
        """Mark the candidates before which the model had been silent for so long that a breaker
        watches it."""
        limit = self.setup.config.breaker.model_stale * 1_000_000
        told = np.array([microseconds(t) for t in spoken], dtype=np.int64)
        silent_from = np.concatenate([[np.iinfo(np.int64).min], told + limit + 1])
        until = np.append(told, NEVER)
        silent = silent_from < until
        begins = at.searchsorted(silent_from[silent], side="left").tolist()
        ends = at.searchsorted(until[silent], side="left").tolist()
        for begin, end in zip(begins, ends, strict=True):
            odd[begin:end] = True


def _either(sides: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether it holds for one of both sides."""
    found: npt.NDArray[np.bool_] = sides[:, 0] | sides[:, 1]
    return found


def _candidates(
    setup: Setup, facts: FactsAtTime, batches: Sequence[tuple[int, int, int]]
) -> Candidates:
    """Every candidate quote, and every prediction that meets an older one, judged."""
    quotes = setup.history.quotes
    rows = np.flatnonzero(entry_candidates(setup))
    at, market = quotes.known_at[rows], quotes.market[rows]
    told = [batch for batch in batches if quotes.known_at[batch[2]] != batch[0]]
    if told:
        extra = np.array(told, dtype=np.int64)
        at, market, rows = (
            np.concatenate([column, extra[:, number]])
            for number, column in enumerate((at, market, rows))
        )
    order = np.lexsort((market, at))
    return judge_all(setup, facts, at[order], market[order], rows[order])
