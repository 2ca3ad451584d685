"""Everything stored about a league's markets in a period, read once: the past as it was recorded.

Nothing here is as of a moment; every fact keeps its ``known_at`` and the replay looks only
backwards from its clock. A handful of statements reads a season, however many quotes it has.
"""

import hashlib
import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import psycopg

from precog_core.prices import PRICE_STEP
from precog_trading.backtest.columns import (
    NONE,
    WEEK_US,
    QuoteColumns,
    from_binary_copy,
    microseconds,
    price,
    quote_columns,
)
from precog_trading.backtest.tape import Tape, copy_out, load_tape, places
from precog_trading.engine.state import MarketFacts, Prediction
from precog_trading.ledger.settlement import market_settlements
from precog_trading.ledger.statements import Row, as_json, rows
from precog_trading.rules.fees import FeeSchedule
from precog_trading.tick.loading import load_fee_schedules, market_facts

_QUOTE_COLUMNS = 10


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a market paid: the value of YES, from when it was known. ``settlement_id`` None is a
    result that nobody has recorded as a settlement yet."""

    market: int
    known_at: datetime
    value: Decimal
    revision: int = 1
    settlement_id: int | None = None


@dataclass(frozen=True)
class History:
    """A league's stored past. Markets are known by their position in ``markets``, which are in the
    order of (platform, ticker); ``predictions`` are those of one model, by game."""

    league: str
    first: datetime
    last: datetime
    """exclusive"""
    markets: tuple[Row, ...]
    attributes: Mapping[int, tuple[Row, ...]]
    """by market id, the oldest first"""
    quotes: QuoteColumns
    predictions: Mapping[int, tuple[Prediction, ...]]
    settlements: tuple[Settlement, ...]
    """final ones, the earliest known first"""
    schedules: tuple[FeeSchedule, ...]
    tape: Tape
    decided: Mapping[int, datetime] = field(default_factory=dict)
    """by place, when the first word on a market's outcome was known, also a provisional one: from
    then on it takes no orders"""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of every fact a decision could depend on."""
        digest = hashlib.sha256()
        parts = {
            "markets": self.markets,
            "attributes": self.attributes,
            "predictions": [
                [str(getattr(p, name)) for name in Prediction.__slots__]
                for _, found in sorted(self.predictions.items())
                for p in found
            ],
            "settlements": [[s.market, s.known_at, s.value, s.revision] for s in self.settlements],
            "decided": sorted(self.decided.items()),
            "schedules": sorted(str(schedule) for schedule in self.schedules),
            "sources": self.quotes.sources,
        }
        digest.update(json.dumps(json.loads(as_json(parts)), sort_keys=True).encode())
        for name in (
            "market", "observed_at", "known_at", "yes_bid", "yes_ask", "yes_bid_size",
            "yes_ask_size", "volume", "open_interest", "source",
        ):  # fmt: skip
            digest.update(getattr(self.quotes, name).tobytes())
        for name in ("market", "start", "end", "known_at", "low", "high", "volume"):
            digest.update(getattr(self.tape, name).tobytes())
        digest.update(str(sorted(self.tape.trades.items())).encode())
        return digest.hexdigest()


def load_history(
    conn: psycopg.Connection, league: str, model_id: int, first: datetime, last: datetime
) -> History:
    """The facts of the markets of ``league`` whose games fall into [first, last), known before
    ``last``; quotes reach back the nine days that volumes and last quotes may need."""
    markets = rows(conn, "backtest", "markets_of_period", league=league, first=first, last=last)
    ids = [row["market_id"] for row in markets]
    attributes: dict[int, list[Row]] = defaultdict(list)
    for row in rows(conn, "backtest", "attributes_of_markets", market_ids=ids):
        attributes[row["market_id"]].append(row)
    predictions: dict[int, list[Prediction]] = defaultdict(list)
    games = sorted({row["game_id"] for row in markets})
    for row in rows(
        conn, "backtest", "predictions_of_games", model_id=model_id, game_ids=games, last=last
    ):
        predictions[row["game_id"]].append(Prediction(**row))
    recorded = rows(conn, "backtest", "settlements_of_markets", market_ids=ids)
    quotes = _quotes(conn, ids, first, last)
    settlements = _settlements(markets, recorded, quotes)
    return History(
        league=league,
        first=first,
        last=last,
        markets=tuple(markets),
        attributes={key: tuple(found) for key, found in attributes.items()},
        quotes=quotes,
        predictions={key: tuple(found) for key, found in predictions.items()},
        settlements=settlements,
        schedules=tuple(load_fee_schedules(conn)),
        tape=load_tape(conn, ids, first, last),
        decided=_decided(markets, recorded, settlements),
    )


def _quotes(
    conn: psycopg.Connection, ids: Sequence[int], first: datetime, last: datetime
) -> QuoteColumns:
    period = {"market_ids": list(ids), "first": first, "last": last}
    found = rows(conn, "backtest", "quote_sources_of_markets", **period)
    sources = [row["source"] for row in found]
    payload = copy_out(conn, "quotes_of_markets", {**period, "sources": sources, "none": NONE})
    market, *columns = from_binary_copy(payload, _QUOTE_COLUMNS)
    return quote_columns(places(market, ids), *columns, sources=sources, markets=len(ids))


def _settlements(
    markets: Sequence[Row], recorded: Sequence[Row], quotes: QuoteColumns
) -> tuple[Settlement, ...]:
    """Recorded finalized settlements, and for platforms without a venue the games' results, a
    canceled game's last price before its start.

    An amendment pays only where a final word came before it, as in ``positions_to_settle``.
    """
    place = {row["market_id"]: number for number, row in enumerate(markets)}
    final: dict[int, int] = {}
    for row in recorded:
        if row["stage"] == "finalized":
            earliest = final.get(row["market_id"], row["revision"])
            final[row["market_id"]] = min(earliest, row["revision"])
    found = [
        Settlement(
            place[row["market_id"]], row["known_at"], row["settlement_value"], row["revision"],
            row["settlement_id"],
        )
        for row in recorded
        if row["stage"] == "finalized"
        or (
            row["stage"] == "amended"
            and final.get(row["market_id"], row["revision"]) < row["revision"]
        )
    ]  # fmt: skip
    known = {settled.market for settled in found}
    for number, row in enumerate(markets):
        if number not in known and _has_no_venue(row):
            if row["game_status"] == "final":
                found.append(_paid(number, row, row["result_known_at"], (None, None)))
            elif row["game_status"] == "canceled":
                at = max(row["game_known_at"], row["kickoff_at"])
                found.append(_paid(number, row, at, _last_book(quotes, number, row, at)))
    return tuple(sorted(found, key=lambda s: (s.known_at, s.market, s.revision)))


def _paid(
    number: int, row: Row, at: datetime, book: tuple[Decimal | None, Decimal | None]
) -> Settlement:
    """What the ledger settles a market at whose game is over; ``book``: bid and ask of YES."""
    facts = {
        **row,
        "yes_is_home": row["yes_team_id"] == row["home_team_id"],
        "canceled": row["game_status"] == "canceled",
        "source": row["game_source"],
        "known_at": at,
        "yes_bid": book[0],
        "yes_ask": book[1],
    }
    (settled,) = market_settlements([facts])
    return Settlement(number, at, Decimal(settled["settlement_value"]).quantize(PRICE_STEP))


def _last_book(
    quotes: QuoteColumns, number: int, row: Row, at: datetime
) -> tuple[Decimal | None, Decimal | None]:
    """Bid and ask of the last quote of the week before the start, as ``unsettled_markets``."""
    kickoff = microseconds(row["kickoff_at"])
    for place in reversed(quotes.following(number, NONE, kickoff - WEEK_US + 1, kickoff)):
        if quotes.known_at[place] <= microseconds(at):
            return price(int(quotes.yes_bid[place])), price(int(quotes.yes_ask[place]))
    return None, None


def _decided(
    markets: Sequence[Row], recorded: Sequence[Row], settlements: Sequence[Settlement]
) -> dict[int, datetime]:
    place = {row["market_id"]: number for number, row in enumerate(markets)}
    words = [(place[row["market_id"]], row["known_at"]) for row in recorded]
    words += [(settled.market, settled.known_at) for settled in settlements]
    first: dict[int, datetime] = {}
    for number, at in words:
        first[number] = min(at, first.get(number, at))
    return first


def _has_no_venue(row: Row) -> bool:
    return (
        row["platform_type"] == "trading"
        and row["venue_environment"] == "none"
        and row["market_type"] == "binary"
        and row["yes_team_id"] in (row["home_team_id"], row["away_team_id"])
    )


class FactsAtTime:
    """Markets and predictions as known at a moment, each worked out once per change."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._changes: dict[int, list[datetime]] = {}
        self._facts: dict[tuple[int, int], MarketFacts] = {}
        self._scheduled = sorted(
            {
                max(s.effective_from, s.known_at)
                for s in history.schedules
                if s.effective_from is not None and s.known_at is not None
            }
        )

    def market(self, number: int, now: datetime) -> MarketFacts:
        """The facts of market ``number`` known at ``now``."""
        changes = self._changes.get(number)
        if changes is None:
            changes = self._changes[number] = self._moments(number)
        era = bisect_right(changes, now)
        facts = self._facts.get((number, era))
        if facts is None:
            facts = self._facts[number, era] = self._market(number, now)
        return facts

    def changes(self, number: int) -> list[int]:
        """The instants (µs) from which a market's facts may differ, ascending."""
        changes = self._changes.get(number)
        if changes is None:
            changes = self._changes[number] = self._moments(number)
        return [microseconds(at) for at in changes]

    def predictions(self, game_id: int, now: datetime) -> tuple[Prediction, ...]:
        """What the model had said about a game by ``now``."""
        found = self._history.predictions.get(game_id, ())
        return tuple(p for p in found if p.known_at <= now)

    def _moments(self, number: int) -> list[datetime]:
        row = self._history.markets[number]
        moments = {a["known_at"] for a in self._history.attributes.get(row["market_id"], ())}
        moments.update(self._scheduled)
        if row["result_known_at"] is not None:
            moments.add(row["result_known_at"])
        if row["game_status"] == "canceled":
            moments.add(row["game_known_at"])
        if number in self._history.decided:
            moments.add(self._history.decided[number])
        return sorted(moments)

    def _market(self, number: int, now: datetime) -> MarketFacts:
        row = dict(self._history.markets[number])
        told = [
            a for a in self._history.attributes.get(row["market_id"], ()) if a["known_at"] <= now
        ]
        newest = told[-1] if told else {}
        row.update({name: newest.get(name) for name in ("status", "price_ranges", "rules_hash")})
        decided = self._history.decided.get(number)
        if decided is not None and decided <= now:
            row["status"] = "settled"
        hidden = row["result_known_at"] is not None and row["result_known_at"] > now
        canceled_later = row["game_status"] == "canceled" and row["game_known_at"] > now
        if (row["game_status"] == "final" and hidden) or canceled_later:
            row["game_status"] = "scheduled"
        return market_facts(row, now, self._history.schedules)
