"""Clocks of games: local time to UTC, and when a fact of the past counts as known."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

SeasonLabel = Literal["start", "end"]
"""Football names a season by the year in which it starts; nba, ncaab and nhl by its last one."""
NOON = time(12)


def to_utc(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """A local wall time as UTC. Games are not played in the hour that the clocks repeat."""
    return datetime.combine(day, clock, zone).astimezone(UTC)


def schedule_known_at(
    day: date, kickoff_at: datetime | None, zone: ZoneInfo, lead: timedelta
) -> datetime:
    """``lead`` before the kickoff; before the local midnight of the day when there is no time."""
    return (kickoff_at or to_utc(day, time(0), zone)) - lead


def result_known_at(
    day: date, kickoff_at: datetime | None, zone: ZoneInfo, lag: timedelta
) -> datetime:
    """``lag`` after the kickoff; noon of the next local day when there is no time."""
    if kickoff_at is None:
        return to_utc(day + timedelta(days=1), NOON, zone)
    return kickoff_at + lag


def season_of(day: date, season_starts: str, label: SeasonLabel = "start") -> int:
    """Season of a local date; it starts on ``MM-DD`` and is named by one of its years."""
    begun = day.year if day.strftime("%m-%d") >= season_starts else day.year - 1
    return begun + (label == "end")


def season_window(
    season: int, season_starts: str, label: SeasonLabel = "start"
) -> tuple[date, date]:
    """First and last day on which a game of ``season`` may be played."""
    begins = season - (label == "end")
    first = date.fromisoformat(f"{begins}-{season_starts}")
    return first, date.fromisoformat(f"{begins + 1}-{season_starts}") - timedelta(days=1)
