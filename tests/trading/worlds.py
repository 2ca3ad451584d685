"""Small complete worlds for the rule tests: one game, two mirror markets, a model, an account.

Everything passes the gate as it stands; a test changes the one thing it is about with
``dataclasses.replace``. Prices are text, so no test can slip a float in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from precog_core.prices import CENT_GRID, Action, Side
from precog_trading.config import TradingConfig
from precog_trading.engine.decide import decide
from precog_trading.engine.state import (
    Control,
    Decision,
    Environment,
    MarketFacts,
    Method,
    ModelVersion,
    OpenOrder,
    OpenPosition,
    Portfolio,
    Prediction,
    Purpose,
    Quote,
    StrategyVersion,
    Tick,
    TickDecisions,
    TradingState,
)
from precog_trading.rules.fees import FeeSchedule
from precog_trading.strategies import PreGame

KICKOFF = datetime(2019, 9, 8, 17, 0, tzinfo=UTC)
NOW = KICKOFF - timedelta(hours=2)
HOME, AWAY = 10, 20
CONFIG = TradingConfig()


def d(text: str | int) -> Decimal:
    return Decimal(text)


def schedule(**changes: Any) -> FeeSchedule:
    """Kalshi's current quadratic schedule: taker 0.07, rounded up to a hundredth of a cent."""
    values: dict[str, Any] = {
        "fee_schedule_id": 1,
        "fee_type": "quadratic",
        "taker_rate": d("0.07"),
        "maker_rate": d("0"),
        "multiplier": d("1"),
        "rounding_increment": d("0.0001"),
        "platform_id": "kalshi",
        "effective_from": datetime(1999, 1, 1, tzinfo=UTC),
        "known_at": datetime(1999, 1, 1, tzinfo=UTC),
    }
    return FeeSchedule(**{**values, **changes})


def market(
    market_id: int = 1, yes_team: int = HOME, game_id: int = 100, **changes: Any
) -> MarketFacts:
    """The market that pays on ``yes_team``; the ticker says which."""
    home = changes.get("home_team_id", HOME)
    base = MarketFacts(
        market_id=market_id,
        ticker=f"G{game_id}-{'HOME' if yes_team == home else 'AWAY'}",
        platform_id="kalshi",
        market_type="binary",
        status="open",
        grid=CENT_GRID,
        fee_schedule=schedule(),
        event_id=game_id,
        rules_hash=next(iter(CONFIG.gate.rules_recognised)),
        game_id=game_id,
        game_key=f"nfl:2019:{game_id}",
        league="nfl",
        game_type="regular",
        game_status="scheduled",
        kickoff_at=KICKOFF,
        home_team_id=HOME,
        away_team_id=AWAY,
        yes_team_id=yes_team,
    )
    return replace(base, **changes)


def quote(
    market_id: int = 1, bid: str | None = "0.49", ask: str | None = "0.50", **changes: Any
) -> Quote:
    """A fresh two-sided book, deep enough for everything."""
    base = Quote(
        market_id=market_id,
        observed_at=NOW,
        known_at=NOW,
        source="recorded",
        yes_bid=None if bid is None else d(bid),
        yes_ask=None if ask is None else d(ask),
        yes_bid_size=d(500),
        yes_ask_size=d(500),
        volume_24h=d(1000),
        open_interest=d(1000),
    )
    return replace(base, **changes)


def prediction(p_home: str = "0.62", game_id: int = 100, **changes: Any) -> Prediction:
    """A prediction of an hour ago with a narrow interval (half-width 0.02)."""
    at = NOW - timedelta(hours=1)
    p = d(p_home)
    base = Prediction(
        prediction_id=game_id * 10,
        game_id=game_id,
        model_id=1,
        training_run_id=1,
        p_home=p,
        p_low=p - d("0.02"),
        p_high=p + d("0.02"),
        trained_until=datetime(2019, 2, 3, tzinfo=UTC),
        event_ts=at,
        known_at=at,
    )
    return replace(base, **changes)


STRATEGY = StrategyVersion(1, "pre_game", "v1.0", "testing", PreGame())
MODEL = ModelVersion(1, "nfl-elo", "v1.0", "testing", "nfl")
METHOD = Method(STRATEGY, MODEL, 1, "nfl_pre_game", "v1.0", "testing")
TICK = Tick("t:2019-09-08T15:00:00+00:00", NOW, Environment.PAPER)


@dataclass(frozen=True)
class World:
    """Arguments of one call of decide."""

    state: TradingState
    quotes: tuple[Quote, ...]
    predictions: tuple[Prediction, ...]
    methods: tuple[Method, ...] = (METHOD,)
    tick: Tick = TICK
    config: TradingConfig = field(default_factory=lambda: CONFIG)

    def decide(self) -> list[Decision]:
        """The entry decisions: what the tests of the gate are about."""
        return [x for x in self.tick_decisions().decisions if x.purpose is Purpose.ENTRY]

    def exits(self) -> list[Decision]:
        return [x for x in self.tick_decisions().decisions if x.purpose is Purpose.EXIT]

    def tick_decisions(self) -> TickDecisions:
        return decide(
            self.state, self.quotes, self.predictions, self.methods, self.tick, self.config
        )

    def one(self, side: Side = Side.YES, market_id: int = 1) -> Decision:
        """The decision on one candidate."""
        (found,) = [x for x in self.decide() if x.side is side and x.market_id == market_id]
        return found

    def with_state(self, **changes: Any) -> "World":
        return replace(self, state=replace(self.state, **changes))

    def with_portfolio(self, **changes: Any) -> "World":
        return self.with_state(portfolio=replace(self.state.portfolio, **changes))

    def with_market(self, **changes: Any) -> "World":
        """The same change in every market."""
        markets = {i: replace(m, **changes) for i, m in self.state.markets.items()}
        return self.with_state(markets=markets)

    def with_quote(self, **changes: Any) -> "World":
        return replace(self, quotes=tuple(replace(q, **changes) for q in self.quotes))

    def with_prediction(self, **changes: Any) -> "World":
        changed = tuple(replace(p, **changes) for p in self.predictions)
        return replace(self, predictions=changed)

    def with_config(self, section: str, **changes: Any) -> "World":
        values = self.config.model_dump(mode="json")
        values[section] = {**values[section], **changes}
        return replace(self, config=TradingConfig.model_validate(values))

    def in_environment(self, environment: Environment) -> "World":
        return replace(self, tick=replace(self.tick, environment=environment))


def world(
    markets: Sequence[MarketFacts] | None = None,
    quotes: Sequence[Quote] | None = None,
    predictions: Sequence[Prediction] | None = None,
    cash: str = "10000",
) -> World:
    """One market of one game unless told otherwise; YES is taken as it stands."""
    listed = [market()] if markets is None else markets
    state = TradingState(
        markets={m.market_id: m for m in listed},
        portfolio=Portfolio(cash=d(cash)),
        is_writer=True,
        live_enabled=False,
    )
    return World(
        state=state,
        quotes=tuple([quote()] if quotes is None else quotes),
        predictions=tuple([prediction()] if predictions is None else predictions),
    )


def position(market_id: int = 1, side: Side = Side.YES, **changes: object) -> OpenPosition:
    values: dict[str, object] = {
        "position_id": market_id,
        "position_key": f"p{market_id}",
        "market_id": market_id,
        "side": side,
        "quantity": d(100),
        "entry_price": d("0.50"),
        "fees": d("1.75"),
        "strategy_id": 9,
        "model_id": 9,
    }
    return OpenPosition(**{**values, **changes})  # type: ignore[arg-type]


def order(**changes: object) -> OpenOrder:
    values: dict[str, object] = {
        "client_order_id": "0" * 32,
        "market_id": 1,
        "side": Side.YES,
        "action": Action.BUY,
        "purpose": Purpose.ENTRY,
        "status": "resting",
        "limit_price": d("0.50"),
        "remaining": d(100),
        "strategy_id": 9,
        "model_id": 9,
    }
    return OpenOrder(**{**values, **changes})  # type: ignore[arg-type]


def live(w: World) -> World:
    """A world that may trade real money, a second quote just taken."""
    methods = (
        replace(
            METHOD,
            status="active",
            strategy=replace(STRATEGY, status="active"),
            model=replace(MODEL, status="active"),
        ),
    )
    w = w.with_config("caps", cash_reserve_usd="100").with_config("live", manual_approval=False)
    w = replace(w, methods=methods).in_environment(Environment.LIVE)
    return w.with_state(
        live_enabled=True, controls=(Control("global", "*", "running"),), requotes={1: quote()}
    )


def elsewhere(count: int, hours: float = 2, **changes: object) -> Callable[[World], World]:
    """``count`` positions in other games, each in its own market."""

    def change(w: World) -> World:
        markets = dict(w.state.markets)
        held = []
        for number in range(count):
            ids = 1000 + number
            other: dict[str, object] = {
                "home_team_id": 2 * ids,
                "away_team_id": 2 * ids + 1,
                "kickoff_at": KICKOFF + timedelta(days=7),
                **changes,
            }
            markets[ids] = market(ids, 2 * ids, ids, **other)  # type: ignore[arg-type]
            if "yes_team_id" not in changes:
                markets[ids] = replace(markets[ids], yes_team_id=markets[ids].home_team_id)
            held.append(position(ids))
        return w.with_state(markets=markets).with_portfolio(positions=tuple(held))

    return change
