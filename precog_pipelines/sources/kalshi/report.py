"""What an ingest did and what it could not: shown by the asset, judged by its check."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from precog_core.kalshi.errors import KalshiError, KalshiUnavailable
from precog_core.kalshi.listings import Item, Listing

CONSECUTIVE_FAILURES = 3
"""So many markets in a row without an answer mean that the venue is away, not the markets."""


@dataclass(slots=True)
class Report:
    """``counts`` of rows and objects; ``problems`` in words, each naming endpoint and ticker.

    A report with problems is of an incomplete ingest: absence proves nothing.
    """

    counts: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _failures: int = 0

    @property
    def complete(self) -> bool:
        return not self.problems

    def add(self, **counts: int) -> None:
        """Add to the counts by name."""
        for name, count in counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    def heard(self, listing: Listing[Item], about: str) -> tuple[Item, ...]:
        """The items of a listing; what is missing from it becomes a problem."""
        self.problems += [str(error) for error in listing.rejected]
        if not listing.complete:
            self.problems.append(f"{about} are incomplete: {listing.why}")
        return listing.items

    @contextmanager
    def one_market(self) -> Iterator[None]:
        """Note a failure about one market and go on; raises when the venue is gone."""
        try:
            yield
            self._failures = 0
        except KalshiUnavailable as error:
            self._failures += 1
            if self._failures >= CONSECUTIVE_FAILURES:
                raise
            self.problems.append(str(error))
        except KalshiError as error:
            self._failures = 0
            self.problems.append(str(error))
