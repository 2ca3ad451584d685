"""Refusals made from one that ``decide`` made of the same facts at another moment.

A market shows the same book for minutes, and says no for the same reason each time: of such
refusals only the moment, the key, the quote's age and its volume differ. The first is decided and
must say what the columns say; the others are the first with those values put in their place.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from precog_core.prices import Side, decimal_text
from precog_trading.backtest.columns import NONE, contracts, instant, microseconds
from precog_trading.engine.decide import decide
from precog_trading.engine.state import Decision, Entry, Portfolio, Tick, TradingState
from precog_trading.ledger.statements import as_json
from precog_trading.rules.ids import decision_key_around
from precog_trading.tick.batches import tick_id

if TYPE_CHECKING:
    from precog_trading.backtest.fast import FastReplay

BLOCKED, COOLING = "breaker_open", "cooldown"
SIDES = (Side.YES, Side.NO)
_LONG_AGO = timedelta(days=2)
_FIELDS = [field.name for field in fields(Decision)]
_KEY, _TICK, _AT, _OBSERVED, _INPUTS = (
    _FIELDS.index(name)
    for name in ("decision_key", "tick_id", "decided_at", "quote_observed_at", "inputs")
)
_AGE, _VOLUME = "\0age", "\0volume"
_AGE_TEXT, _VOLUME_TEXT = as_json(_AGE)[1:-1], as_json(_VOLUME)[1:-1]
"""What stands in a text for values that differ; no column takes it, should one be left."""
_Template = tuple[tuple[list[Any], bytes, bytes, int, str], ...]
"""of both sides: the fields, the text of the key before and after the tick, when its prediction was
known (microseconds), the text of the inputs with two values left open"""


class WrittenInputs(dict[str, Any]):
    """Inputs of a decision that bring the JSON text they are stored as."""

    __slots__ = ("text",)

    text: str


def inputs_text(inputs: Mapping[str, Any]) -> str:
    """The JSON text of a decision's inputs."""
    return inputs.text if isinstance(inputs, WrittenInputs) else as_json(inputs)


class Templates:
    """Decides refusals that were never decided, each kind once."""

    def __init__(self, run: "FastReplay") -> None:
        self._run = run
        self._known: dict[tuple[Any, ...], _Template] = {}

    def made(self, index: int) -> tuple[Decision, ...]:
        """Both sides of a candidate as ``decide`` decides them; notes when they were known."""
        run, found = self._run, self._run.candidates
        if index in run.agenda.cooling:
            return self.decided(index)
        at, row = int(found.at[index]), int(found.row[index])
        quotes = run.history.quotes
        regime = bisect_right(run.regimes_at, at) - 1
        volume = int(quotes.volume_24h[row])
        kind = (
            int(found.era[index]), int(found.prediction[index]), int(found.reason[index, 0]),
            int(found.reason[index, 1]), bool(found.valued[index]), bool(found.waived[index]),
            int(run.entered[index]), regime, int(quotes.source[row]), int(quotes.yes_bid[row]),
            int(quotes.yes_ask[row]), int(quotes.yes_bid_size[row]),
            int(quotes.yes_ask_size[row]), int(quotes.open_interest[row]), volume == NONE,
        )  # fmt: skip
        template = self._known.get(kind)
        if template is None:
            decided = self.decided(index)
            self._known[kind] = self._template(index, decided)
            return decided
        now, observed = instant(at), int(quotes.observed_at[row])
        tick, observed_at = tick_id(now), instant(observed)
        said = tick.encode()
        quote_known = int(quotes.known_at[row])
        made = []
        age = str((at - observed) // 1_000_000)
        traded = None if volume == NONE else _contracts_text(volume)
        for values, before, after, told, text in template:
            inputs = WrittenInputs(values[_INPUTS])
            if "quote_age_s" in inputs:
                inputs["quote_age_s"] = age
                text = text.replace(_AGE_TEXT, age)
            if traded is not None and "volume_24h" in inputs:
                inputs["volume_24h"] = traded
                text = text.replace(_VOLUME_TEXT, traded)
            inputs.text = text
            mine = values.copy()
            mine[_KEY] = sha256(before + said + after).hexdigest()
            mine[_TICK], mine[_AT], mine[_OBSERVED] = tick, now, observed_at
            mine[_INPUTS] = inputs
            run.result.known_at[mine[_KEY]] = instant(max(quote_known, told))
            made.append(Decision(*mine))
        return tuple(made)

    def _template(self, index: int, decided: tuple[Decision, ...]) -> _Template:
        run, found = self._run, self._run.candidates
        market = run.facts.market(int(found.market[index]), instant(int(found.at[index])))
        method = run.setup.method
        made = []
        for decision in decided:
            before, after = decision_key_around(
                environment=run.setup.environment,
                run_key=run.setup.run_key,
                market=f"{market.platform_id}:{market.ticker}",
                side=decision.side,
                purpose=decision.purpose,
                strategy=f"{method.strategy.name}@{method.strategy.version}",
                model=f"{method.model.name}@{method.model.version}",
                method=None if method.name is None else f"{method.name}@{method.version}",
            )
            key = sha256(before + decision.tick_id.encode() + after).hexdigest()
            if key != decision.decision_key:
                raise AssertionError(
                    f"{decision.tick_id} market {market.ticker} {decision.side}: the key is made "
                    f"of other parts than decide makes it of"
                )
            told = NONE
            if decision.prediction_id is not None:
                prediction = found.predictions[int(found.prediction[index])]
                told = microseconds(prediction.known_at)
            values = [getattr(decision, name) for name in _FIELDS]
            values[_INPUTS] = dict(decision.inputs)
            open_values = dict(decision.inputs)
            if "quote_age_s" in open_values:
                open_values["quote_age_s"] = _AGE
            volume = run.history.quotes.volume_24h[found.row[index]]
            if volume != NONE and "volume_24h" in open_values:
                open_values["volume_24h"] = _VOLUME
            made.append((values, before, after, told, as_json(open_values)))
        return tuple(made)

    def decided(self, index: int, side: Side | None = None) -> tuple[Decision, ...]:
        """Both sides of a candidate or one, asked of ``decide``.

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
        entered = Portfolio(Decimal(0), entries=(entry,) * int(run.entered[index]))
        breakers = run.regimes[bisect_right(run.regimes_at, at) - 1]
        state = TradingState(
            {facts.market_id: facts},
            run.agenda.cooling.get(index, entered),
            is_writer=True,
            breakers=breakers,
        )
        quote = run.history.quotes.quote(int(found.row[index]), facts.market_id)
        tick = Tick(
            tick_id(now), now, run.setup.environment, run_key=run.setup.run_key,
            legs=None if side is None else frozenset({(facts.market_id, side)}),
        )  # fmt: skip
        decided = decide(
            state, [quote], run.facts.predictions(row["game_id"], now), [run.setup.method], tick,
            run.setup.config,
        ).decisions  # fmt: skip
        for decision in decided:
            code = int(found.reason[index, SIDES.index(decision.side)])
            expected = found.reasons[code]
            if not code:
                expected = COOLING if index in run.agenda.cooling else "already_entered"
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


def _contracts_text(hundredths: int) -> str:
    return decimal_text(contracts(hundredths) or Decimal(0))
