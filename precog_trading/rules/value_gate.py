"""The entry gate's rows 9 to 11: is there a book, is it liquid, is it cheap (trading-rules §5).

These rows read the quote, and are asked twice: on the decision's quote, and on the second quote
taken just before an order is sent.
"""

from decimal import Decimal
from typing import Any

from precog_core.prices import ONE, ZERO
from precog_trading.engine.candidate import Candidate, known
from precog_trading.engine.state import Environment, MarketFacts, model_probability
from precog_trading.rules.assumptions import assumed_fee_schedule
from precog_trading.rules.confidence import confidence_level, half_width
from precog_trading.rules.edge import Band, Edge, band, is_quarantined, limit_price, shrink
from precog_trading.rules.entry_gate import Row, Situation
from precog_trading.rules.fees import FeeSchedule, fee_per_contract, waived
from precog_trading.settings import LIVE_ENVIRONMENTS, for_league


def book(candidate: Candidate, at: Situation) -> str | None:
    """Row 9: two-sided, valid, on the grid, with size on both sides.

    Bids that sum to a dollar or more are the same thing as a bid at or above the ask.
    """
    notes = candidate.notes
    notes["bid"], notes["ask"] = candidate.bid, candidate.ask
    if candidate.bid is None or candidate.ask is None:
        return "no_quote"
    if not is_valid_book(candidate):
        return "book_invalid"
    notes["bid_size"], notes["ask_size"] = candidate.bid_size, candidate.ask_size
    thinnest = _least(candidate.bid_size, candidate.ask_size)
    return "book_thin" if thinnest is None or thinnest < at.config.gate.book_thin else None


def liquidity(candidate: Candidate, at: Situation) -> str | None:
    """Row 10: a narrow spread, others trading, and a price away from 0 and 1."""
    gate, notes = at.config.gate, candidate.notes
    ask = known(candidate.ask)
    notes["spread"] = spread = ask - known(candidate.bid)
    if spread > gate.spread_wide:
        return "spread_wide"
    notes["volume_24h"] = candidate.volume_24h
    if candidate.volume_24h is None or candidate.volume_24h < gate.volume_low:
        return "volume_low"
    notes["open_interest"] = candidate.open_interest
    if candidate.open_interest is None or candidate.open_interest < gate.oi_low:
        return "oi_low"
    low, high = gate.price_range.low, gate.price_range.high
    return None if low <= ask <= high else "price_range"


def value(candidate: Candidate, at: Situation) -> str | None:
    """Row 11: the fee is known, model and market agree enough, and the edge pays for the risk."""
    if candidate.edge is None and not estimate(candidate, at):
        return "fee_unknown"
    if candidate.quarantined:
        return "edge_quarantined"
    if candidate.confidence is None:
        return "confidence_low"
    return band_reason(candidate, at)


def estimate(candidate: Candidate, at: Situation) -> bool:
    """Work out edge, confidence and band for ``fees.probe_qty`` contracts; False if fee unknown.

    Needs a valid book and a prediction (rows 7 and 9).
    """
    schedule = schedule_of(candidate.market, candidate.assumes, at, candidate.notes)
    candidate.schedule = schedule
    if schedule is None:
        return False
    found, ask = known(candidate.prediction), known(candidate.ask)
    config, notes = at.config, candidate.notes
    league = candidate.market.league
    trust = market_trust(at, league)
    probability = model_probability(candidate.market, candidate.side, found)
    mid = candidate.mid
    edge = Edge(
        probability=probability,
        shrunk=shrink(probability, mid, trust),
        mid=mid,
        ask=ask,
        fee=_fee(schedule, config.fees.probe_qty, ask, at),
    )
    candidate.half_width = half_width(found.p_low, found.p_high)
    candidate.confidence = confidence_level(candidate.half_width, config.confidence.bounds)
    candidate.quarantined = is_quarantined(probability, mid, config.edge.quarantine_gap)
    minimum = for_league(config.edge.min, league)
    auto = config.edge.auto[candidate.method.strategy.rules.phase]
    notes.update(
        probability=probability,
        mid=mid,
        shrink=trust,
        half_width=candidate.half_width,
        confidence=candidate.confidence,
        edge_min=minimum,
        edge_auto=auto,
    )
    set_edge(candidate, edge, minimum, auto)
    return True


def set_edge(candidate: Candidate, edge: Edge, minimum: Decimal, auto: Decimal) -> None:
    """Give the candidate its edge and the band it falls into; quarantine recommends nothing."""
    candidate.edge = edge
    found = Band.IGNORE if candidate.quarantined else band(edge.value, minimum, auto)
    candidate.band = found
    candidate.notes.update(shrunk=edge.shrunk, fee=edge.fee, edge=edge.value, band=found.value)


def band_reason(candidate: Candidate, at: Situation) -> str | None:
    """Whether the band admits an order, and from which edge on (``candidate.threshold``).

    A person's approval admits the alert band, and with ``live.manual_approval`` every live order
    needs one.
    """
    edge_settings = at.config.edge
    minimum = for_league(edge_settings.min, candidate.market.league)
    auto = edge_settings.auto[candidate.method.strategy.rules.phase]
    if candidate.band is Band.IGNORE:
        return "edge_below_min"
    method = candidate.method
    approved = (
        candidate.market.market_id,
        candidate.side,
        method.strategy.strategy_id,
        method.model.model_id,
    ) in at.approved
    asks = at.environment is Environment.LIVE and at.config.live.manual_approval
    if (candidate.band is Band.ALERT or asks) and not approved:
        return "needs_approval"
    candidate.threshold = minimum if candidate.band is Band.ALERT else max(minimum, auto)
    return None


def order_limit(candidate: Candidate, at: Situation, contracts: Decimal) -> Decimal | None:
    """limit_s for ``contracts``: the most the order may pay and still have its band's edge."""
    edge, schedule = known(candidate.edge), known(candidate.schedule)
    return limit_price(
        edge.shrunk,
        edge.ask,
        known(candidate.threshold),
        at.config.exec.entry_slippage,
        candidate.grid,
        lambda price: _fee(schedule, contracts, price, at),
    )


def recheck(candidate: Candidate, at: Situation, contracts: Decimal) -> str | None:
    """Row 11 again for the quantity that will be sent: rounding weighs more on few contracts."""
    edge, schedule = known(candidate.edge), known(candidate.schedule)
    exact = Edge(
        edge.probability, edge.shrunk, edge.mid, edge.ask, _fee(schedule, contracts, edge.ask, at)
    )
    minimum = for_league(at.config.edge.min, candidate.market.league)
    auto = at.config.edge.auto[candidate.method.strategy.rules.phase]
    set_edge(candidate, exact, minimum, auto)
    reason = band_reason(candidate, at)
    if reason is not None:
        return reason
    limit = order_limit(candidate, at, contracts)
    if limit is None or candidate.limit is None:
        return "edge_below_min"
    # Caps were checked at the first limit: a higher one could break them.
    candidate.limit = min(candidate.limit, limit)
    return None


def is_valid_book(candidate: Candidate) -> bool:
    """0 < bid < ask < 1 on the market's grid."""
    bid, ask = candidate.bid, candidate.ask
    if bid is None or ask is None or not ZERO < bid < ask < ONE:
        return False
    grid, quote = candidate.market.grid, candidate.quote
    return grid.contains(known(quote.yes_bid)) and grid.contains(known(quote.yes_ask))


def market_trust(at: Situation, league: str | None) -> Decimal:
    """λ, how far a probability is pulled to the market's mid; fitted per league for real money."""
    settings = at.config.edge
    if at.environment in LIVE_ENVIRONMENTS:
        return settings.shrink_live.get(league or "", settings.shrink_to_market)
    return settings.shrink_to_market


def schedule_of(
    market: MarketFacts, assumes: bool, at: Situation, notes: dict[str, Any]
) -> FeeSchedule | None:
    """The market's schedule, charging nothing while fees are waived; None without a formula.

    ``assumes``: whether the quote takes ``replay.assume.*``. What is found is noted.
    """
    schedule = market.fee_schedule
    if schedule is None and assumes:
        schedule = assumed_fee_schedule(market.platform_id, at.config.replay.assume)
        notes["assumed.fee_schedule"] = True
    if schedule is None:
        return None
    notes["fee_schedule_id"] = schedule.fee_schedule_id
    notes["fee_type"] = schedule.fee_type
    if not schedule.is_known:
        return None
    if market.fee_waived_until is not None and market.fee_waived_until > at.now:
        notes["fee_waived_until"] = market.fee_waived_until
        return waived(schedule)
    return schedule


def _fee(schedule: FeeSchedule, contracts: Decimal, price: Decimal, at: Situation) -> Decimal:
    return fee_per_contract(schedule, contracts, price, at.config.fees.account_precision)


def _least(left: Decimal | None, right: Decimal | None) -> Decimal | None:
    return None if left is None or right is None else min(left, right)


ROWS: tuple[Row, ...] = (book, liquidity, value)
