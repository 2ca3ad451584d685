"""Invented Kalshi objects in the documented form; every builder takes the fields to change."""

from typing import Any

EVENT = "KXNFLGAME-26NOV29KCDEN"
HOME = f"{EVENT}-DEN"
AWAY = f"{EVENT}-KC"
CENTS = [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]
Body = dict[str, Any]


def series(ticker: str = "KXNFLGAME", **changes: Any) -> Body:
    return {
        "ticker": ticker,
        "frequency": "custom",
        "title": "Professional Football Game",
        "category": "Sports",
        "fee_type": "quadratic_with_maker_fees",
        "fee_multiplier": 1,
        "exchange_index": 0,
    } | changes


def fee_change(**changes: Any) -> Body:
    return {
        "id": "fc-1",
        "series_ticker": "KXNFLGAME",
        "fee_type": "quadratic_with_maker_fees",
        "fee_multiplier": 0.5,
        "scheduled_ts": "2026-12-01T05:00:00Z",
    } | changes


def event(ticker: str = EVENT, **changes: Any) -> Body:
    return {
        "event_ticker": ticker,
        "series_ticker": ticker.partition("-")[0],
        "title": "Kansas City at Denver",
        "sub_title": "KC at DEN (Nov 29)",
        "mutually_exclusive": True,
        "product_metadata": {"competition": "Pro Football", "competition_scope": "Game"},
    } | changes


def market(ticker: str = AWAY, **changes: Any) -> Body:
    return {
        "ticker": ticker,
        "event_ticker": ticker.rpartition("-")[0],
        "market_type": "binary",
        "title": "Kansas City at Denver Winner?",
        "yes_sub_title": "Kansas City",
        "no_sub_title": "Kansas City",
        "created_time": "2026-11-17T03:00:18.150913Z",
        "updated_time": "2026-11-17T03:00:18.150913Z",
        "open_time": "2026-11-17T03:29:26Z",
        "close_time": "2026-12-13T21:25:00Z",
        "expected_expiration_time": "2026-11-30T00:25:00Z",
        "status": "active",
        "result": "",
        "yes_bid_dollars": "0.5600",
        "yes_bid_size_fp": "1250.00",
        "yes_ask_dollars": "0.5700",
        "yes_ask_size_fp": "430.00",
        "last_price_dollars": "0.5700",
        "volume_fp": "184210.35",
        "open_interest_fp": "96300.00",
        "rules_primary": "If Kansas City wins the Kansas City at Denver professional football game "
        "originally scheduled for Nov 29, 2026, then the market resolves to Yes.",
        "rules_secondary": "If the game ends in a tie, the market will resolve to $0.50 for each "
        "team. Begins within 48 hours of the scheduled start: stays open. Otherwise: fair market "
        "price.",
        "price_level_structure": "linear_cent",
        "price_ranges": CENTS,
    } | changes


def settled(ticker: str = AWAY, result: str = "yes", **changes: Any) -> Body:
    value = {"yes": "1.0000", "no": "0.0000", "scalar": "0.5000"}[result]
    return market(
        ticker,
        **{
            "status": "finalized",
            "result": result,
            "yes_bid_dollars": "0.0000",
            "yes_bid_size_fp": "0.00",
            "yes_ask_dollars": "1.0000",
            "yes_ask_size_fp": "0.00",
            "settlement_value_dollars": value,
            "settlement_ts": "2026-11-30T00:41:05Z",
            "close_time": "2026-11-30T00:20:00Z",
            "updated_time": "2026-11-30T00:41:06Z",
        }
        | changes,
    )


def order_book(yes: list[list[str]] | None = None, no: list[list[str]] | None = None) -> Body:
    default_yes = [["0.5400", "900.00"], ["0.5500", "2100.00"], ["0.5600", "1250.00"]]
    default_no = [["0.4100", "600.00"], ["0.4200", "1500.00"], ["0.4300", "430.00"]]
    return {
        "orderbook_fp": {
            "yes_dollars": default_yes if yes is None else yes,
            "no_dollars": default_no if no is None else no,
        }
    }


def candle(end_ts: int, close: str | None = "0.5700", volume: str = "2310.00", **more: Any) -> Body:
    price = {"previous_dollars": "0.5500"}
    if close is not None:
        price |= {
            "open_dollars": "0.5500",
            "low_dollars": "0.5400",
            "high_dollars": "0.5800",
            "close_dollars": close,
        }
    return {
        "end_period_ts": end_ts,
        "yes_bid": _distribution("0.5600"),
        "yes_ask": _distribution("0.5700"),
        "price": price,
        "volume_fp": volume,
        "open_interest_fp": "96300.00",
    } | more


def archived_candle(end_ts: int, close: str = "0.5700") -> Body:
    side = {"open": "0.5500", "low": "0.5400", "high": "0.5800", "close": close}
    return {
        "end_period_ts": end_ts,
        "yes_bid": side | {"close": "0.5600"},
        "yes_ask": side,
        "price": side | {"previous": None, "mean": "0.5600"},
        "volume": "12.00",
        "open_interest": "96300.00",
    }


def trade(trade_id: str = "t-1", ticker: str = AWAY, **changes: Any) -> Body:
    return {
        "trade_id": trade_id,
        "ticker": ticker,
        "count_fp": "25.00",
        "yes_price_dollars": "0.5700",
        "no_price_dollars": "0.4300",
        "taker_outcome_side": "yes",
        "taker_book_side": "bid",
        "created_time": "2026-11-29T18:02:11.120Z",
        "is_block_trade": False,
    } | changes


def order(**changes: Any) -> Body:
    return {
        "order_id": "o-1",
        "client_order_id": "c-1",
        "ticker": AWAY,
        "outcome_side": "yes",
        "book_side": "bid",
        "status": "canceled",
        "yes_price_dollars": "0.5700",
        "fill_count_fp": "4.00",
        "remaining_count_fp": "0.00",
        "initial_count_fp": "10.00",
        "created_time": "2026-11-29T18:02:11.118Z",
    } | changes


def fill(**changes: Any) -> Body:
    return {
        "fill_id": "f-1",
        "trade_id": "f-1",
        "order_id": "o-1",
        "ticker": AWAY,
        "outcome_side": "yes",
        "book_side": "bid",
        "count_fp": "10.00",
        "yes_price_dollars": "0.5700",
        "is_taker": True,
        "created_time": "2026-11-29T18:02:11.120Z",
        "fee_cost": "0.1716",
    } | changes


def settlement(**changes: Any) -> Body:
    return {
        "ticker": AWAY,
        "market_result": "scalar",
        "yes_count_fp": "8.00",
        "no_count_fp": "0.00",
        "revenue": 400,
        "value": 50,
        "fee_cost": "0.1400",
        "settled_time": "2026-11-22T21:40:00Z",
    } | changes


LIMITS: Body = {
    "usage_tier": "basic",
    "read": {"refill_rate": 200, "bucket_capacity": 200},
    "write": {"refill_rate": 100, "bucket_capacity": 100},
}
CUTOFF: Body = {
    "market_settled_ts": "2026-08-20T00:00:00Z",
    "trades_created_ts": "2026-08-20T00:00:00Z",
    "orders_updated_ts": "2026-08-20T00:00:00Z",
}
STATUS: Body = {"exchange_active": True, "trading_active": False}


def _distribution(close: str) -> Body:
    return {f"{part}_dollars": close for part in ("open", "low", "high", "close")}
