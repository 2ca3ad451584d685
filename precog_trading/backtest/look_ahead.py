"""The look-ahead audit: the same replay over a past that was cut, or corrupted, at a moment.

Whatever was decided up to t may depend only on what was known by t. So the stored data are cut at
t, or everything known later is turned into nonsense, and every decision up to t must come out the
same, to the last input. The cut is made where the data are stored: temporary views hide the tables
from the readers of the session, SQL and Python alike, so a reader that forgets ``known_at`` cannot
escape. Shuffled results must leave the model no better than knowing nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from precog_core.config import load_section
from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.progress import Progress, part, unseen
from precog_trading.backtest.fast import replay_fast
from precog_trading.backtest.history import History, load_history
from precog_trading.backtest.replay import Replay, Setup
from precog_trading.backtest.runs import Request, method_row
from precog_trading.config import TradingConfig
from precog_trading.engine.state import Decision
from precog_trading.ledger.statements import one, statement
from precog_trading.registry import method_from_row, register_configured

Loader = Callable[[psycopg.Connection, str, int, datetime, datetime], History]
HIDDEN = (
    "quotes",
    "predictions",
    "attributes",
    "settlements",
    "schedules",
    "bars",
    "prints",
    "results",
)
SEEDS = (1, 2, 3, 4, 5)
STANDARD_ERRORS = 3.0
"""How far the mean Brier of shuffled results may lie from that of knowing nothing."""
_DEFAULT_MOMENTS = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """A decision up to ``at`` that later facts changed: what it was and what it became."""

    at: datetime
    how: str
    """truncated or poisoned"""
    tick_id: str
    market_id: int
    side: str
    field: str
    was: str
    became: str


@dataclass(frozen=True, slots=True)
class Shuffled:
    """Scores of the model against real and against shuffled results (mean over the seeds)."""

    n: int
    brier: float
    base_rate_brier: float
    shuffled_brier: float
    unknowing_brier: float
    standard_error: float

    @property
    def passed(self) -> bool:
        """Without real results the model is as good as one that knows nothing, no better."""
        lowest = self.unknowing_brier - STANDARD_ERRORS * self.standard_error
        return self.n == 0 or self.shuffled_brier >= lowest


@dataclass(frozen=True, slots=True)
class LookAhead:
    """What the audit found. ``decisions`` compared per moment and way."""

    moments: tuple[datetime, ...]
    decisions: int
    differences: tuple[Difference, ...]
    shuffled: Shuffled

    @property
    def passed(self) -> bool:
        return not self.differences and self.shuffled.passed

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        shuffled = {
            name: getattr(self.shuffled, name) for name in Shuffled.__slots__ if name[0] != "_"
        }
        return {
            "passed": self.passed,
            "moments": [at.isoformat() for at in self.moments],
            "decisions_compared": self.decisions,
            "differences": [
                {
                    "at": d.at.isoformat(), "how": d.how, "tick_id": d.tick_id,
                    "market_id": d.market_id, "side": d.side, "field": d.field,
                    "was": d.was, "became": d.became,
                }
                for d in self.differences
            ],
            "shuffled": {**shuffled, "passed": self.shuffled.passed},
        }  # fmt: skip


def audit_look_ahead(
    db: Database,
    request: Request,
    moments: Sequence[datetime] = (),
    *,
    load: Loader = load_history,
    log: Callable[[str], None] = lambda _: None,
    progress: Progress = unseen,
) -> LookAhead:
    """Replay the request whole, cut and poisoned, and compare.

    Without ``moments`` some decision times spread over the run are taken. ``load`` is the reader
    under audit. Raises PrecogError when the request has no decisions to compare.
    """
    with db.transaction() as conn:
        config = load_section("trading", TradingConfig, conn=conn)
        register_configured(conn)
        method = method_from_row(method_row(conn, request))
    arguments = (request.league, method.model.model_id, request.first, request.last)

    def run(conn: psycopg.Connection, number: int, last: datetime | None = None) -> Replay:
        history = load(conn, *arguments)
        if last is not None:
            # Nothing after the moment is of interest; the facts are cut in the database.
            history = replace(history, last=min(history.last, last))
        replays = 1 + 2 * (len(moments) or _DEFAULT_MOMENTS)
        piece = part(progress, number / replays, (number + 1) / replays)
        return replay_fast(Setup(history, method, config, run_key="look-ahead", progress=piece))

    with reading(db) as conn:
        whole = run(conn, 0)
    decisions = list(whole.decisions)
    if not decisions:
        raise PrecogError(
            f"{request.method} decides on nothing in this period; choose one with quotes and "
            "predictions (`precog backtest` says what is missing)"
        )
    chosen = tuple(sorted(moments)) or _spread(decisions)
    differences: list[Difference] = []
    compared, replayed = 0, 0
    for at in chosen:
        before = [d for d in decisions if d.decided_at <= at]
        for how, verb in (("truncated", "hide"), ("poisoned", "poison")):
            replayed += 1
            with reading(db, verb, at) as conn:
                again = run(conn, replayed, _just_after(at))
            found = _compare(before, again.decisions, at, how)
            compared += len(before)
            differences += found
            log(f"{at.isoformat()} {how}: {len(before)} decisions, {len(found)} differences")
    return LookAhead(
        chosen, compared, tuple(differences), shuffle(db, request, method.model.model_id)
    )


def shuffle(db: Database, request: Request, model_id: int) -> Shuffled:
    """Score the model's predictions against real and shuffled results, in SQL."""
    asked = {
        "league": request.league, "model_id": model_id, "first": request.first,
        "last": request.last,
    }  # fmt: skip
    with reading(db) as conn:
        real = one(conn, "backtest", "prediction_scores", **asked)
    dealt = []
    for seed in SEEDS:
        with reading(db) as conn:
            _create_view(conn, "shuffle_results", seed=seed)
            dealt.append(one(conn, "backtest", "prediction_scores", **asked))
    if real is None or not real["n"]:
        return Shuffled(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    scores = [row for row in dealt if row is not None]
    return Shuffled(
        n=real["n"],
        brier=float(real["brier"]),
        base_rate_brier=float(real["base_rate_brier"]),
        shuffled_brier=sum(float(row["brier"]) for row in scores) / len(scores),
        unknowing_brier=sum(float(row["unknowing_brier"]) for row in scores) / len(scores),
        standard_error=float(scores[0]["standard_error"]),
    )


@contextmanager
def reading(
    db: Database, verb: str | None = None, at: datetime | None = None
) -> Iterator[psycopg.Connection]:
    """A connection of its own on which the tables are hidden or poisoned after ``at``.

    Everything happens in one transaction that is rolled back: the views never exist for others.
    """
    with db.connect() as conn:
        try:
            if verb is not None:
                for what in HIDDEN:
                    _create_view(conn, f"{verb}_{what}_after", at=at)
            yield conn
        finally:
            conn.rollback()


def _create_view(conn: psycopg.Connection, name: str, **values: Any) -> None:
    """Run a CREATE VIEW, whose values cannot be parameters, with them as literals."""
    text = statement("backtest", name)
    for key, value in values.items():
        literal = sql.Literal(value).as_string(conn)
        text = text.replace(f"%({key})s", literal)
    conn.execute(text.encode())


def _compare(
    before: Sequence[Decision], again: Sequence[Decision], at: datetime, how: str
) -> list[Difference]:
    """Where two replays differ among the decisions up to ``at``."""
    found: list[Difference] = []
    repeated = {d.decision_key: d for d in again if d.decided_at <= at}
    for decision in before:
        other = repeated.pop(decision.decision_key, None)
        if other == decision:
            continue
        if other is None:
            found.append(_difference(decision, at, how, "decision", "made", "not made"))
            continue
        name = next(n for n in Decision.__slots__ if getattr(decision, n) != getattr(other, n))
        was, became = getattr(decision, name), getattr(other, name)
        found.append(_difference(decision, at, how, name, was, became))
    return found + [
        _difference(extra, at, how, "decision", "not made", "made") for extra in repeated.values()
    ]


def _difference(
    decision: Decision, at: datetime, how: str, field: str, was: Any, became: Any
) -> Difference:
    return Difference(
        at, how, decision.tick_id, decision.market_id, decision.side.value, field, str(was),
        str(became),
    )  # fmt: skip


def _spread(decisions: Sequence[Decision]) -> tuple[datetime, ...]:
    """Some decision times, evenly spread: the cut lies just where something was decided."""
    times = sorted({d.decided_at for d in decisions})
    steps = _DEFAULT_MOMENTS + 1
    return tuple(sorted({times[len(times) * k // steps] for k in range(1, steps)}))


def _just_after(at: datetime) -> datetime:
    return at + timedelta(microseconds=1)
