"""The one decision function: paper, backtest and live call it and nothing else decides.

It is pure. What it needs comes in, what it concludes comes out, and the same facts give the same
decisions on any machine: candidates are judged alone first (rows 1 to 11 of the gate), then the
account takes them best edge first (rows 12 to 15), each seeing what was taken before it. Exits
come last, because one of them asks which candidates found no room, and are reported first.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from precog_core.errors import PrecogError
from precog_core.prices import Action, Side
from precog_trading.config import TradingConfig
from precog_trading.engine.account import Account
from precog_trading.engine.candidate import Candidate, Inputs, known
from precog_trading.engine.exits import blocked_by_caps, decide_exits
from precog_trading.engine.plans import plan_for
from precog_trading.engine.state import (
    Decision,
    EdgeRow,
    Method,
    OrderIntent,
    Outcome,
    Prediction,
    Purpose,
    Quote,
    Tick,
    TickDecisions,
    TradingState,
    prediction_from_result,
)
from precog_trading.rules import account_gate, entry_gate, value_gate
from precog_trading.rules.assumptions import takes_assumptions
from precog_trading.rules.entry_gate import Situation, in_candidate_window, is_believable
from precog_trading.rules.ids import client_order_id, decision_key, edge_key

_ALONE = entry_gate.ROWS + value_gate.ROWS
_WITH_ACCOUNT = (
    account_gate.relation,
    account_gate.size,
    account_gate.exposure,
    account_gate.cash,
    account_gate.final_check,
)


def decide(
    state: TradingState,
    quotes: Sequence[Quote],
    predictions: Sequence[Prediction],
    methods: Sequence[Method],
    tick: Tick,
    config: TradingConfig,
) -> TickDecisions:
    """One decision for every candidate (market, side, strategy, model) of this tick, one for every
    exit condition that triggers, and a mark for every position whose market has a new quote.

    ``quotes`` are the tick's new quotes, at most one per market, none known after
    ``tick.decided_at``. ``predictions`` may hold any predictions of their games: those not known
    yet are ignored, of the rest the latest per game and model counts. A method meets the markets
    of its strategy's and model's league; a market that is quoted only because something is held
    there is no candidate outside the time before or after the game that the strategy looks at.

    Exits come first, by platform, ticker, side and position; entries by platform, ticker, side and
    version names. Raises PrecogError for a quote from the future, a market quoted twice, or a
    market the state does not describe.
    """
    at = Situation(state, tick, config)
    _check_quotes(quotes, at)
    latest = _latest_predictions(predictions, tick)
    newest = {quote.market_id: quote for quote in quotes}
    candidates = sorted(_candidates(quotes, latest, methods, at), key=_name)
    reasons = _judge_all(candidates, newest, at)
    blocked = blocked_by_caps(zip(candidates, reasons, strict=True))
    exits, marks = decide_exits(newest, latest, blocked, at)
    entries = [_decision(c, reason, at) for c, reason in zip(candidates, reasons, strict=True)]
    return TickDecisions((*exits, *entries), tuple(marks))


def _judge_all(
    candidates: Sequence[Candidate], newest: Mapping[int, Quote], at: Situation
) -> list[str | None]:
    """The reason against each candidate, None for those taken."""
    reasons = [_judge_alone(candidate, at) for candidate in candidates]
    passed = [index for index, reason in enumerate(reasons) if reason is None]
    if not passed:
        return reasons
    passed.sort(key=lambda index: _rank(candidates[index]))
    account = Account(at, {**at.state.last_quotes, **newest})
    legs: set[tuple[Any, ...]] = set()
    for index in passed:
        candidate = candidates[index]
        leg = _leg(candidate)
        reasons[index] = "equivalent_leg" if leg in legs else _judge(candidate, at, account)
        legs.add(leg)
        if reasons[index] is None:
            account.take(candidate)
    return reasons


def _candidates(
    quotes: Iterable[Quote],
    predictions: dict[tuple[int, int], Prediction],
    methods: Iterable[Method],
    at: Situation,
) -> list[Candidate]:
    found: list[Candidate] = []
    if not at.tick.entries:
        return found
    held = {position.market_id for position in at.state.portfolio.positions}
    legs = at.tick.legs
    for quote in quotes:
        market = at.state.markets[quote.market_id]
        assume = at.config.replay.assume
        assumes = takes_assumptions(quote.source, market.platform_id, at.environment, assume)
        for method in methods:
            leagues = (method.strategy.league, method.model.league)
            if any(league not in (None, market.league) for league in leagues):
                continue
            rules = method.strategy.rules
            if quote.market_id in held and not in_candidate_window(market, rules, quote, at):
                continue
            prediction = None
            if rules.certainty is not None:
                prediction = prediction_from_result(market, rules.certainty)
            elif market.game_id is not None:
                prediction = predictions.get((market.game_id, method.model.model_id))
            for side in Side:
                if legs is not None and (quote.market_id, side) not in legs:
                    continue
                notes: dict[str, Any] = {
                    "settings": at.config.fingerprint,
                    "quote_source": quote.source,
                }
                candidate = Candidate(market, quote, side, method, prediction, assumes, notes)
                candidate.read_book(quote, assume)
                found.append(candidate)
    return found


def _judge_alone(candidate: Candidate, at: Situation) -> str | None:
    """Rows 1 to 11. A candidate refused for another reason still gets its edge, if believable."""
    for row in _ALONE:
        reason = row(candidate, at)
        if reason is not None:
            break
    else:
        return None
    unpriced = candidate.edge is None and candidate.schedule is None
    if unpriced and is_believable(candidate, at) and value_gate.is_valid_book(candidate):
        value_gate.estimate(candidate, at)
    return reason


def _judge(candidate: Candidate, at: Situation, account: Account) -> str | None:
    """Rows 12 to 15; the equivalent leg was chosen before."""
    for row in _WITH_ACCOUNT:
        reason = row(candidate, at, account)
        if reason is not None:
            return reason
    return None


def _name(candidate: Candidate) -> tuple[str, ...]:
    """The candidate's name in words, by which everything is ordered: ids differ by database."""
    market, method = candidate.market, candidate.method
    side = "0" if candidate.side is Side.YES else "1"
    return market.platform_id, market.ticker, side, *_version_names(method)


def _version_names(method: Method) -> tuple[str, str, str]:
    return (
        f"{method.strategy.name}@{method.strategy.version}",
        f"{method.model.name}@{method.model.version}",
        "" if method.name is None else f"{method.name}@{method.version}",
    )


def _rank(candidate: Candidate) -> tuple[Any, ...]:
    """Highest edge first, then the larger size at the ask, then by name."""
    return -known(candidate.edge).value, -known(candidate.ask_size), _name(candidate)


def _leg(candidate: Candidate) -> tuple[Any, ...]:
    """What equivalent legs share: YES on a team and NO on its opponent are one bet."""
    market, method = candidate.market, candidate.method
    outcome = market.outcome_team(candidate.side)
    return market.platform_id, market.game_id, outcome, *_version_names(method)


def _check_quotes(quotes: Sequence[Quote], at: Situation) -> None:
    seen: set[int] = set()
    for quote in quotes:
        if quote.market_id not in at.state.markets:
            raise PrecogError(
                f"a quote of market {quote.market_id} arrived, which is not among the markets of "
                "the trading state; read its facts before deciding"
            )
        if quote.market_id in seen:
            raise PrecogError(
                f"market {quote.market_id} has two new quotes in tick {at.tick.tick_id}; a batch "
                "holds the latest one only"
            )
        if max(quote.known_at, quote.observed_at) > at.now:
            raise PrecogError(
                f"the quote of market {quote.market_id} is known at {quote.known_at.isoformat()}, "
                f"after the decision at {at.now.isoformat()}: that would be looking ahead"
            )
        seen.add(quote.market_id)


def _latest_predictions(
    predictions: Iterable[Prediction], tick: Tick
) -> dict[tuple[int, int], Prediction]:
    """Of each game and model the prediction with the latest inputs that is known by now."""
    latest: dict[tuple[int, int], Prediction] = {}
    for prediction in predictions:
        if prediction.known_at > tick.decided_at:
            continue
        key = (prediction.game_id, prediction.model_id)
        best = latest.get(key)
        if best is None or _recency(prediction) > _recency(best):
            latest[key] = prediction
    return latest


def _recency(prediction: Prediction) -> tuple[Any, ...]:
    return prediction.event_ts, prediction.known_at, prediction.prediction_id


def _decision(candidate: Candidate, reason: str | None, at: Situation) -> Decision:
    tick = at.tick
    market, method, edge = candidate.market, candidate.method, candidate.edge
    strategy, model, method_name = _version_names(method)
    market_name = f"{market.platform_id}:{market.ticker}"
    key = decision_key(
        environment=tick.environment,
        run_key=tick.run_key,
        tick_id=tick.tick_id,
        market=market_name,
        side=candidate.side,
        purpose=Purpose.ENTRY,
        strategy=strategy,
        model=model,
        method=method_name or None,
    )
    taken = reason is None
    prediction = candidate.prediction
    return Decision(
        decision_key=key,
        tick_id=tick.tick_id,
        decided_at=tick.decided_at,
        environment=tick.environment,
        backtest_run_id=tick.backtest_run_id,
        dagster_run_id=tick.dagster_run_id,
        market_id=market.market_id,
        platform_id=market.platform_id,
        side=candidate.side,
        purpose=Purpose.ENTRY,
        strategy_id=method.strategy.strategy_id,
        model_id=method.model.model_id,
        method_id=method.method_id,
        prediction_id=_stored_id(prediction),
        outcome=Outcome.TAKEN if taken else Outcome.SKIPPED,
        skip_reason=reason,
        probability=None if edge is None else edge.shrunk,
        price=candidate.ask,
        fee=None if edge is None else edge.fee,
        edge=None if edge is None else edge.value,
        stake=candidate.stake if taken else None,
        quantity=candidate.quantity if taken else None,
        quote_observed_at=candidate.quote.observed_at,
        confidence=candidate.confidence,
        edge_row=_edge_row(candidate, market_name),
        order=_order(candidate, at, key, market_name) if taken else None,
        inputs=Inputs(candidate.notes),
    )


def _edge_row(candidate: Candidate, market_name: str) -> EdgeRow | None:
    edge = candidate.edge
    if edge is None or _stored_id(candidate.prediction) is None:
        return None  # ``edges`` holds what predictions are worth; a certainty is in the decision
    strategy, model, method_name = _version_names(candidate.method)
    return EdgeRow(
        edge_key=edge_key(market_name, candidate.side, strategy, model, method_name),
        true_win_probability=edge.shrunk,
        market_implied_probability=edge.mid,
        market_price=edge.ask,
        fee=edge.fee,
        expected_value=edge.value,
        confidence_level=candidate.confidence,
        recommended_action=candidate.band.value,
        confidence_metrics=Inputs(
            {
                "half_width": candidate.half_width,
                "probability": edge.probability,
                "quarantined": candidate.quarantined,
            }
        ),
    )


def _stored_id(prediction: Prediction | None) -> int | None:
    """The prediction's row; a certainty taken from a result has none."""
    return None if prediction is None or prediction.from_result else prediction.prediction_id


def _order(candidate: Candidate, at: Situation, key: str, market_name: str) -> OrderIntent:
    strategy, model, _ = _version_names(candidate.method)
    return OrderIntent(
        client_order_id=client_order_id(
            environment=at.tick.environment,
            strategy=strategy,
            model=model,
            market=market_name,
            side=candidate.side,
            purpose=Purpose.ENTRY,
            decision_key=key,
            attempt=candidate.attempt,
        ),
        market_id=candidate.market.market_id,
        side=candidate.side,
        action=Action.BUY,
        purpose=Purpose.ENTRY,
        limit_price=known(candidate.limit),
        quantity=known(candidate.quantity),
        attempt_number=candidate.attempt,
        plan=plan_for(candidate.method, at.config),
    )
