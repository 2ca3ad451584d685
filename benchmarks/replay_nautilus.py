"""The traded minutes of the recorded season through nautilus_trader, with a trivial strategy.

``replay.py --with-nautilus`` runs this with the Python of a throwaway environment that has
nautilus_trader; it imports nothing of Precog. Each minute is one trade at its close, each ticker an
instrument; the strategy buys one contract of a ticker at its first trade and counts the rest.
Prints one JSON object; times are CPU seconds of this process.

    python benchmarks/replay_nautilus.py CANDLES.csv.gz
"""

import csv
import gzip
import json
import sys
import time
from decimal import Decimal

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import AccountType, AggressorSide, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("KALSHI")
SECOND = 1_000_000_000


class BuyOnce(Strategy):
    """One contract of every instrument at its first trade."""

    def __init__(self, instruments: list[InstrumentId]) -> None:
        super().__init__()
        self.wanted = instruments
        self.bought: set[InstrumentId] = set()
        self.seen = 0

    def on_start(self) -> None:
        for instrument in self.wanted:
            self.subscribe_trade_ticks(instrument)

    def on_trade_tick(self, tick: TradeTick) -> None:
        self.seen += 1
        if tick.instrument_id not in self.bought:
            self.bought.add(tick.instrument_id)
            one = Quantity.from_int(1)
            self.submit_order(self.order_factory.market(tick.instrument_id, OrderSide.BUY, one))


def main() -> None:
    started = time.process_time()
    with gzip.open(sys.argv[1], "rt") as file:
        rows = list(csv.reader(file))[1:]
    read_s = time.process_time() - started
    started = time.process_time()
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        starting_balances=[Money(10_000, USD)],
        base_currency=USD,
    )
    instruments = {ticker: _instrument(ticker) for ticker in dict.fromkeys(row[0] for row in rows)}
    for instrument in instruments.values():
        engine.add_instrument(instrument)
    ids = {ticker: instrument.id for ticker, instrument in instruments.items()}
    ticks = [
        TradeTick(
            ids[ticker],
            Price(int(close) / 100, 2),
            Quantity(max(round(float(volume)), 1), 0),
            AggressorSide.BUYER,
            TradeId(str(number)),
            int(end) * SECOND,
            int(end) * SECOND,
        )
        for number, (ticker, end, _, _, _, close, volume) in enumerate(rows)
    ]
    ticks.sort(key=lambda tick: tick.ts_init)
    engine.add_data(ticks, validate=False, sort=False)
    strategy = BuyOnce(list(ids.values()))
    engine.add_strategy(strategy)
    built_s = time.process_time() - started
    started = time.process_time()
    engine.run()
    engine_s = time.process_time() - started
    if strategy.seen != len(rows):
        sys.exit(f"the strategy saw {strategy.seen} of {len(rows)} trades")
    print(
        json.dumps(
            {
                "events": strategy.seen,
                "orders": len(engine.cache.orders()),
                "filled": sum(order.is_closed for order in engine.cache.orders()),
                "read_s": round(read_s, 2),
                "built_s": round(built_s, 2),
                "engine_s": round(engine_s, 3),
                "engine_events_per_s": round(strategy.seen / engine_s),
                "total_events_per_s": round(strategy.seen / (read_s + built_s + engine_s)),
            }
        )
    )


def _instrument(ticker: str) -> Equity:
    """An instrument in whole cents; the class of stocks costs the engine least."""
    return Equity(
        instrument_id=InstrumentId(Symbol(ticker), VENUE),
        raw_symbol=Symbol(ticker),
        currency=USD,
        price_precision=2,
        price_increment=Price(0.01, 2),
        lot_size=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
    )


if __name__ == "__main__":
    main()
