"""Leagues that cannot be trained yet, and how one run trains all that can.

A backfill names every league there is, and most homes hold some of them. A league without games, or
with too few seasons, is no failure of the others: it is left out and said so.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from precog_core.errors import PrecogError

Result = TypeVar("Result")


class NotTrainable(PrecogError):
    """There is nothing, or not enough, to train a model of this league; the message says what."""


def for_each_league(
    leagues: Iterable[str],
    work: Callable[[str], Result],
    left_out: Callable[[str, str], None],
    *,
    may_be_empty: bool = False,
) -> dict[str, Result]:
    """``work`` of every league that can be trained, by league; the others go to ``left_out``.

    ``left_out`` is called with the league and the reason. When no league can be trained, the first
    reason is raised, unless ``may_be_empty``. Any other error ends it at once.
    """
    done: dict[str, Result] = {}
    refused: list[NotTrainable] = []
    for league in leagues:
        try:
            done[league] = work(league)
        except NotTrainable as reason:
            refused.append(reason)
            left_out(league, str(reason))
    if refused and not done and not may_be_empty:
        raise refused[0]
    return done
