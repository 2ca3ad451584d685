"""Clocks of games: local time to UTC, and when a fact of the past counts as known."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

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


def season_of(day: date, season_starts: str) -> int:
    """Season of a local date, labelled by its starting year; it starts on ``MM-DD``."""
    return day.year if day.strftime("%m-%d") >= season_starts else day.year - 1


def season_window(season: int, season_starts: str) -> tuple[date, date]:
    """First and last day on which a game of ``season`` may be played."""
    first = date.fromisoformat(f"{season}-{season_starts}")
    return first, date.fromisoformat(f"{season + 1}-{season_starts}") - timedelta(days=1)
