"""The decisions of a fast replay: those that were never made are made when somebody reads them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from precog_trading.backtest.columns import Int64
from precog_trading.backtest.held_back import decide_held_back
from precog_trading.backtest.templates import BLOCKED, COOLING, SIDES, Templates
from precog_trading.engine.state import Decision

if TYPE_CHECKING:
    from precog_trading.backtest.fast import FastReplay


class LazyDecisions:
    """All decisions of a replay in order. ``len`` and ``counts`` make none."""

    def __init__(self, run: "FastReplay") -> None:
        self._run = run
        self._templates = Templates(run)
        self._exits = sum(map(len, run.exits.values()))
        self._exits += sum(look.reached for looks in run.watch.held_back.values() for look in looks)
        self._length = 2 * len(run.candidates) + self._exits

    def __len__(self) -> int:
        return self._length

    def counts(self) -> dict[str, int]:
        """Entry candidates by reason."""
        run, found = self._run, self._run.candidates
        names = np.array([*found.reasons, "already_entered", COOLING, BLOCKED])
        codes = found.reason.astype(np.int64)
        codes[(codes == 0) & (run.entered > 0)[:, None]] = len(found.reasons)
        cooling = list(run.agenda.cooling)
        codes[cooling] = np.where(codes[cooling] == 0, len(found.reasons) + 1, codes[cooling])
        codes[self._blocked()] = len(found.reasons) + 2
        left = np.ones((len(found), 2), dtype=bool)
        for index, decisions in run.decided.items():
            for decision in decisions:
                left[index, SIDES.index(decision.side)] = False
        counted = np.bincount(codes[left], minlength=len(names))
        total: dict[str, int] = {}
        for name, count in zip(names.tolist(), counted.tolist(), strict=True):
            if count:
                total[name] = total.get(name, 0) + count
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
        exits = sorted(run.exits.keys() | run.watch.held_back.keys())
        passed = 0
        for place, at in enumerate(instants):
            while passed < len(exits) and exits[passed] <= at:
                yield from self._exits_at(exits[passed])
                passed += 1
            for index in range(int(starts[place]), int(starts[place + 1])):
                decided = run.decided.get(index)
                if decided is None:
                    yield from self._templates.made(index)
                elif len(decided) == len(SIDES):
                    yield from decided
                else:
                    yield from self._with_the_other(index, decided[0])
        for at in exits[passed:]:
            yield from self._exits_at(at)

    def _exits_at(self, at: int) -> Iterator[Decision]:
        """The exit decisions of an instant, in the order in which ``decide`` gives them."""
        run = self._run
        held_back = run.watch.held_back.get(at)
        if held_back is None:
            yield from run.exits[at]
            return
        made = list(run.exits.get(at, ()))
        for look in held_back:
            made += decide_held_back(run, look)
        yield from sorted(made, key=self._name)

    def _name(self, decision: Decision) -> tuple[str, ...]:
        position = self._run.account.positions[(decision.position_id or 0) - 1]
        ticker = self._run.history.markets[position.market]["ticker"]
        return decision.platform_id, ticker, decision.side, position.row["position_key"]

    def _with_the_other(self, index: int, decided: Decision) -> Iterator[Decision]:
        """A decision that was made when it was lived, and that of its other side, YES first."""
        for side in SIDES:
            if side is decided.side:
                yield decided
            else:
                yield from self._templates.decided(index, side)
