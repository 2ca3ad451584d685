"""How far a command is, for work that takes longer than a few seconds (UX-002).

Work says how much of how much is done; the command shows it. Everything goes to stderr, so that
what a command answers can be piped: on a terminal a bar that vanishes with the end, elsewhere a
line now and then, and nothing at all for machines (``--json``).
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Progress = Callable[[float, float], None]
"""(done, total), in whatever unit the work counts; from any thread, any number of times."""

FIRST_LINE_S = 5.0
EVERY_S = 15.0
"""Seconds until the first plain line, and between two."""


def unseen(done: float, total: float) -> None:
    """The progress of work that nobody watches."""


def part(progress: Progress, first: float, last: float) -> Progress:
    """The progress of one of several pieces of work: it reaches from ``first`` to ``last`` of 1."""
    return lambda done, total: progress(first + (last - first) * done / max(total, 1), 1)


@contextmanager
def progress(
    title: str, *, quiet: bool = False, console: "Console | None" = None, keep: bool = False
) -> Iterator[Progress]:
    """Show the work of the block under ``title`` while it reports to what is yielded.

    ``quiet``: not at all. ``console``: default stderr. ``keep``: the bar stays when it is done,
    and elsewhere than on a terminal a line says the beginning and another the end.
    """
    if quiet:
        yield unseen
        return
    from rich.console import Console

    shown = console or Console(stderr=True, highlight=False, soft_wrap=True)
    if shown.is_terminal:
        with _bar(title, shown, keep) as report:
            yield report
        return
    started = time.monotonic()
    if keep:
        shown.print(f"{title} …")
    yield Lines(title, lambda text: shown.print(text, markup=False))
    if keep:
        shown.print(f"{title}: {time.monotonic() - started:.1f} s")


@contextmanager
def _bar(title: str, console: "Console", keep: bool) -> Iterator[Progress]:
    from rich.progress import (
        BarColumn,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<44}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
    )
    # What the block prints belongs to stdout, also while the bar is on stderr.
    with Bar(
        *columns, console=console, transient=not keep, redirect_stdout=not console.stderr
    ) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=max(total, done))
        if keep:
            bar.update(task, total=1, completed=1)


class Lines:
    """A plain line now and then: the share that is done, and how long the rest will take.

    The rest is judged by what was done since the line before: work that is continued begins far
    from nought, and a long search becomes slower.
    """

    def __init__(
        self,
        title: str,
        write: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._write, self._clock = title, write, clock
        self._next = clock() + FIRST_LINE_S
        self._before: tuple[float, float] | None = None

    def __call__(self, done: float, total: float) -> None:
        now = self._clock()
        if self._before is None:
            self._before = (now, done)
        if now < self._next or not total:
            return
        self._next = now + EVERY_S
        (began, before), self._before = self._before, (now, done)
        left = ""
        if done > before:
            seconds = (now - began) * (total - done) / (done - before)
            left = f", about {timedelta(seconds=round(seconds))} left"
        self._write(f"{self._title}: {100 * done / total:.0f} %{left}")
