"""What a strategy is: a small, frozen description of which candidates it looks at.

Edges, sizes, caps and the gate are the rule book's and the same for every strategy; a strategy
says where it looks and how it means to leave. A new one is one file here and one entry in
``config/strategies.yaml`` (docs/add-a-strategy.md).
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import ClassVar, Protocol, Self

from pydantic import Field, model_validator

from precog_trading.rules.conditions import ALL_CONDITIONS, ExitCondition
from precog_trading.settings import Exact, Section

HOLD_EXITS = frozenset({ExitCondition.CIRCUIT_BREAKER})
"""What sells a position that waits for its settlement: an emergency, and nothing else."""
MANAGED_EXITS = ALL_CONDITIONS


@dataclass(frozen=True, slots=True)
class Offer:
    """What a strategy is asked about: one side of one market, before it is valued.

    ``ask`` is the price of that side, None without one; ``on_home_team`` says whom it pays on;
    ``to_start`` is negative after the scheduled start.
    """

    league: str | None
    game_type: str | None
    on_home_team: bool
    ask: Decimal | None
    to_start: timedelta


class EntryStrategy(Protocol):
    """The part of a strategy that the engine reads."""

    @property
    def phase(self) -> str:
        """Which ``edge.auto`` threshold applies: pre_game, halftime, in_play or settlement."""
        ...

    @property
    def in_play(self) -> bool:
        """Whether it may enter after the start."""
        ...

    @property
    def certainty(self) -> Decimal | None:
        """None: it believes the model and looks before the result. Else it looks at finished
        games only, and this is the probability that the market pays on the known winner."""
        ...

    @property
    def hold_to_settlement(self) -> bool:
        """Whether its positions wait for the settlement instead of being managed by exits."""
        ...

    @property
    def exits(self) -> frozenset[ExitCondition]:
        """The exit conditions that may sell its positions."""
        ...

    @property
    def earliest(self) -> timedelta:
        """How long before the start it begins to look."""
        ...

    @property
    def latest(self) -> timedelta:
        """How long before the start it stops; negative after it."""
        ...

    def accepts(self, offer: Offer) -> bool:
        """Whether it looks at this side at all; whether it is cheap is the gate's question."""
        ...


class Strategy(Section):
    """What every strategy's configuration inherits: it is checked, frozen, and stored as JSON."""

    def accepts(self, offer: Offer) -> bool:
        """Every side, unless a strategy says otherwise."""
        return True


class BeforeTheStart(Strategy):
    """A window of hours before the start, for strategies that look at scheduled games.

    ``earliest_h`` and ``latest_h`` can only narrow the gate's own window.
    """

    earliest_h: Exact = Field(default=Decimal("24"), gt=0, le=24)
    latest_h: Exact = Field(default=Decimal("0.5"), ge=Decimal("0.5"))

    phase: ClassVar[str] = "pre_game"
    in_play: ClassVar[bool] = False
    certainty: ClassVar[Decimal | None] = None

    @model_validator(mode="after")
    def _window_is_open(self) -> Self:
        if self.latest_h >= self.earliest_h:
            raise ValueError("expected latest_h below earliest_h")
        return self

    @cached_property
    def earliest(self) -> timedelta:
        return hours(self.earliest_h)

    @cached_property
    def latest(self) -> timedelta:
        return hours(self.latest_h)


def hours(value: Decimal) -> timedelta:
    """Hours as a duration, to the second."""
    return timedelta(seconds=int(value * 3600))
