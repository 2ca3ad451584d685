"""Bars of YES mids for the atr trailing stop, cut from quotes as the tick's reader cuts them."""

from decimal import Decimal

from precog_trading.backtest.columns import NONE, QuoteColumns, instant, price
from precog_trading.engine.state import ExitPlan, MidBar


def mid_bars(
    quotes: QuoteColumns, market: int, plan: ExitPlan | None, now_us: int
) -> tuple[MidBar, ...]:
    """The finished bars of a market at ``now_us``, oldest first; none for another type of stop.

    As statement ``mid_bars``: of the quotes with two sides that were observed in the last
    ``period`` + 2 bars and known by now.
    """
    if plan is None or plan.trailing.type != "atr":
        return ()
    size = plan.trailing.atr.bar_s * 1_000_000
    since = now_us - size * (plan.trailing.atr.period + 2)
    bars: dict[int, list[Decimal]] = {}
    for row in quotes.following(market, NONE, since + 1, now_us):
        bid, ask = price(int(quotes.yes_bid[row])), price(int(quotes.yes_ask[row]))
        end = (int(quotes.observed_at[row]) // size + 1) * size
        if bid is None or ask is None or quotes.known_at[row] > now_us or end > now_us:
            continue
        bars.setdefault(end, []).append((bid + ask) / 2)
    return tuple(
        MidBar(instant(end), max(mids), min(mids), mids[-1]) for end, mids in sorted(bars.items())
    )
