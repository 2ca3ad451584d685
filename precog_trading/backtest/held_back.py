"""Looks at which ``exit.ev_check`` held every target back: nobody lives them, readers decide them.

A held position that is worth more than its price is not sold at a target; what was looked at is a
decision all the same. Columns tell how many there are (triggers.py), and ``decide`` makes them when
somebody reads them, of the position as it was.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from precog_trading.backtest.account import as_stored
from precog_trading.backtest.columns import instant
from precog_trading.backtest.triggers import marks, own_columns, trailed
from precog_trading.engine.decide import decide
from precog_trading.engine.state import Decision, OpenPosition, Portfolio, Tick, TradingState
from precog_trading.tick.batches import tick_id

if TYPE_CHECKING:
    from precog_trading.backtest.fast import FastReplay

_REASON = "ev_check"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A look at row ``row`` of a market (its place), at which ``reached`` targets were reached.

    ``position`` is as of row ``seen``, the newest that was looked at before.
    """

    market: int
    row: int
    reached: int
    position: OpenPosition
    seen: int


def decide_held_back(run: "FastReplay", look: HeldBack) -> tuple[Decision, ...]:
    """The decisions of such a look; notes when they were known.

    Raises AssertionError when ``decide`` does not hold back what the columns say.
    """
    quotes, position = run.history.quotes, look.position
    at = int(quotes.known_at[look.row])
    now, row = instant(at), run.history.markets[look.market]
    mark = marks(*own_columns(quotes, position.side.value, look.seen + 1, look.row))
    position = replace(position, trailing=as_stored(trailed(position, mark)))
    facts = run.facts.market(look.market, now)
    state = TradingState(
        {facts.market_id: facts},
        Portfolio(Decimal(0), positions=(position,)),
        is_writer=True,
        breakers=run.regimes[bisect_right(run.regimes_at, at) - 1],
        recent_quotes={facts.market_id: run.quotes_before(look.market, at)},
    )
    quote = quotes.quote(look.row, facts.market_id)
    told = {p.prediction_id: p for p in run.facts.predictions(row["game_id"], now)}
    tick = Tick(
        tick_id(now), now, run.setup.environment, run_key=run.setup.run_key, entries=False
    )  # fmt: skip
    setup = run.setup
    decided = decide(
        state, [quote], list(told.values()), [setup.method], tick, setup.config
    ).decisions
    if len(decided) != look.reached or any(d.skip_reason != _REASON for d in decided):
        raise AssertionError(
            f"{tick.tick_id} position {position.position_key}: the columns say that "
            f"{look.reached} targets are held back, decide says "
            f"{[(d.exit_condition, d.skip_reason) for d in decided]}"
        )
    for decision in decided:
        known = quote.known_at
        if decision.prediction_id is not None:
            known = max(known, told[decision.prediction_id].known_at)
        run.result.known_at[decision.decision_key] = known
    return decided
