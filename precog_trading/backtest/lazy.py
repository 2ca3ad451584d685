"""The decisions of a fast replay: those that were never made are made when somebody reads them."""

from bisect import bisect_right
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from precog_core.prices import Side
from precog_trading.backtest.columns import Int64, instant
from precog_trading.engine.decide import decide
from precog_trading.engine.state import Decision, Entry, Portfolio, Tick, TradingState
from precog_trading.tick.batches import tick_id

if TYPE_CHECKING:
    from precog_trading.backtest.fast import FastReplay

BLOCKED = "breaker_open"
_LONG_AGO = timedelta(days=2)


class LazyDecisions:
    """All decisions of a replay in order. ``len`` and ``counts`` make none."""

    def __init__(self, run: "FastReplay") -> None:
        self._run = run
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
                yield from self.made(index) if decided is None else decided
        for at in exits[passed:]:
            yield from run.exits[at]

    def made(self, index: int) -> tuple[Decision, ...]:
        """Both sides of a candidate as ``decide`` decides them.

        Raises AssertionError when a reason is not the one the columns gave: then the columns are
        wrong, and nothing that rests on them may stand.
        """
        run, found = self._run, self._run.candidates
        market, at = int(found.market[index]), int(found.at[index])
        now = instant(at)
        row = run.history.markets[market]
        facts = run.facts.market(market, now)
        strategy_id = run.setup.method.strategy.strategy_id
        entry = Entry(now - _LONG_AGO, strategy_id, row["game_id"])
        breakers = run.regimes[bisect_right(run.regimes_at, at) - 1]
        state = TradingState(
            {facts.market_id: facts},
            Portfolio(Decimal(0), entries=(entry,) * int(run.entered[index])),
            is_writer=True,
            breakers=breakers,
        )
        quote = run.history.quotes.quote(int(found.row[index]), facts.market_id)
        tick = Tick(tick_id(now), now, run.setup.environment, run_key=run.setup.run_key)
        decided = decide(
            state, [quote], run.facts.predictions(row["game_id"], now), [run.setup.method], tick,
            run.setup.config,
        ).decisions  # fmt: skip
        for decision in decided:
            code = int(found.reason[index, 0 if decision.side is Side.YES else 1])
            expected = found.reasons[code] if code else "already_entered"
            if breakers:
                expected = BLOCKED
            if decision.skip_reason != expected:
                raise AssertionError(
                    f"{tick.tick_id} market {facts.market_id} {decision.side}: the columns say "
                    f"{expected}, decide says {decision.skip_reason}"
                )
            known = quote.known_at
            if decision.prediction_id is not None:
                told = found.predictions[int(found.prediction[index])]
                known = max(known, told.known_at)
            run.result.known_at[decision.decision_key] = known
        return decided
