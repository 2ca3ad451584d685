"""What a strategy is: a small, frozen description of which candidates it looks at.

Edges, sizes, caps and the gate are the rule book's and the same for every strategy; a strategy
says where it looks and how it means to leave. A new one is one file here and one entry in
``config/strategies.yaml``.
"""

from datetime import timedelta
from typing import Protocol


class EntryStrategy(Protocol):
    """The part of a strategy that the entry gate reads."""

    @property
    def phase(self) -> str:
        """Which ``edge.auto`` threshold applies: pre_game, halftime, in_play or settlement."""
        ...

    @property
    def in_play(self) -> bool:
        """Whether it may enter after the start."""
        ...

    @property
    def hold_to_settlement(self) -> bool:
        """Whether its positions wait for the settlement instead of being managed by exits."""
        ...

    @property
    def earliest(self) -> timedelta:
        """How long before the start it begins to look."""
        ...

    @property
    def latest(self) -> timedelta:
        """How long before the start it stops."""
        ...
