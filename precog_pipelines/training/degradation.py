"""Does the champion still predict as well as it did? models.md, section 6: an alert, no more.

Its last games are held against the rest of its own out-of-sample record. Chance alone exceeds two
standard errors once in forty looks, so nothing is demoted: a person looks.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from precog_pipelines.training.metrics import squared_errors

if TYPE_CHECKING:
    import pandas as pd

RECENT_GAMES = 50
STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class Quality:
    """Brier score of the last games beside the record before them.

    ``limit`` is the record's mean plus two standard errors of a mean over as many games.
    """

    recent: float
    record: float
    limit: float
    games: int
    games_before: int

    @property
    def is_degraded(self) -> bool:
        return self.recent > self.limit

    def in_words(self, title: str) -> str:
        """One sentence for people."""
        verdict = "worse than chance explains" if self.is_degraded else "as before"
        return (
            f"{title}: Brier {self.recent:.4f} over its last {self.games} games, "
            f"{self.record:.4f} over the {self.games_before} before (limit {self.limit:.4f}): "
            f"{verdict}"
        )


def recent_quality(predictions: "pd.DataFrame", recent: int = RECENT_GAMES) -> Quality | None:
    """``predictions``: kickoff_at, game_key, home_win, p_home, out of sample.

    None while there are not at least as many games before the recent ones.
    """
    played = predictions.sort_values(["kickoff_at", "game_key"], kind="stable")
    errors = squared_errors(played["p_home"], played["home_win"])
    before, last = errors[:-recent], errors[-recent:]
    if len(before) < recent:
        return None
    error_of_mean = float(before.std(ddof=1)) / recent**0.5
    return Quality(
        recent=float(last.mean()),
        record=float(before.mean()),
        limit=float(before.mean()) + STANDARD_ERRORS * error_of_mean,
        games=len(last),
        games_before=len(before),
    )
