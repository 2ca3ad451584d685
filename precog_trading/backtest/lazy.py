"""The decisions of a fast replay: those that were never made are made when somebody reads them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from precog_trading.backtest.columns import Int64
from precog_trading.backtest.templates import BLOCKED, Templates
from precog_trading.engine.state import Decision

if TYPE_CHECKING:
    from precog_trading.backtest.fast import FastReplay


class LazyDecisions:
    """All decisions of a replay in order. ``len`` and ``counts`` make none."""

    def __init__(self, run: "FastReplay") -> None:
        self._run = run
        self._templates = Templates(run)
        self._exits = sum(map(len, run.exits.values()))
        self._length = 2 * len(run.candidates) + self._exits

    def __len__(self) -> int:
        return self._length

    def counts(self) -> dict[str, int]:
        """Entry candidates by reason."""
        run, found = self._run, self._run.candidates
        names = np.array([*found.reasons, "already_entered", BLOCKED])
        codes = found.reason.astype(np.int64)
        codes[(codes == 0) & (run.entered > 0)[:, None]] = len(found.reasons)
        codes[self._blocked()] = len(found.reasons) + 1
        left = np.ones(len(found), dtype=bool)
        left[list(run.decided)] = False
        counted = np.bincount(codes[left].ravel(), minlength=len(names))
        total = {str(n): int(c) for n, c in zip(names, counted, strict=True) if c}
        for decisions in run.decided.values():
            for decision in decisions:
                name = decision.skip_reason or "taken"
                total[name] = total.get(name, 0) + 1
        return total

    def _blocked(self) -> "np.ndarray":
        """Of each candidate, whether a breaker was open when it was decided."""
        run = self._run
        began: Int64 = np.array(run.regimes_at, dtype=np.int64)
        stops = np.array([bool(breakers) for breakers in run.regimes], dtype=bool)
        return stops[began.searchsorted(run.candidates.at, side="right") - 1]

    def __iter__(self) -> Iterator[Decision]:
        run = self._run
        starts, instants = run.moments.starts, run.moments.instants.tolist()
        exits = sorted(run.exits)
        passed = 0
        for place, at in enumerate(instants):
            while passed < len(exits) and exits[passed] <= at:
                yield from run.exits[exits[passed]]
                passed += 1
            for index in range(int(starts[place]), int(starts[place + 1])):
                decided = run.decided.get(index)
                yield from self._templates.made(index) if decided is None else decided
        for at in exits[passed:]:
            yield from run.exits[at]
