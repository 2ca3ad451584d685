"""Which arm of a comparison a game belongs to: decided by a hash, so forever and everywhere.

Arms are assigned per game, not per market or tick: both sides, all quotes and all retries of a
game stay in one arm, in paper, backtest and live alike, and no result can move a game.
"""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the ``arms`` of an ``experiment``. Another experiment splits games independently."""

    experiment: str
    name: str
    arms: tuple[str, ...]

    def takes(self, game_key: str) -> bool:
        """Whether the game belongs to this arm."""
        return assigned_arm(self.experiment, self.arms, game_key) == self.name


def assigned_arm(experiment: str, arms: tuple[str, ...], game_key: str) -> str:
    """The arm of a game: SHA-256 of (experiment, game key) modulo the number of arms.

    ``game_key`` is the natural key (league:season:date:away@home), because ids differ between
    databases. The order of ``arms`` matters and is part of the experiment. Raises ValueError
    without arms.
    """
    if not arms:
        raise ValueError(f"experiment {experiment!r} has no arms; expected at least one")
    digest = hashlib.sha256(f"{experiment}\n{game_key}".encode()).digest()
    return arms[int.from_bytes(digest[:8], "big") % len(arms)]
