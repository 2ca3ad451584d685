"""What a Kalshi ticker says about a game: day, teams, start time. Nothing is guessed.

``KXNFLGAME-26SEP14DENKC`` is series, date in New York, away and home code joined. Codes have two
or three letters, so the joined part is split by the names of the event's two markets only.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_EVENT = re.compile(
    r"(?P<series>[A-Z0-9]+)-(?P<year>\d\d)(?P<month>[A-Z]{3})(?P<day>\d\d)"
    r"(?P<clock>\d{4})?(?P<teams>[A-Z]+?)(?:G(?P<number>[1-9]))?"
)


@dataclass(frozen=True, slots=True)
class EventName:
    """The parts of an event ticker. ``day`` and ``clock`` are New York time.

    ``number`` counts the games of a doubleheader (2025 form); ``clock`` tells them apart since.
    """

    series: str
    day: date
    clock: time | None
    teams: str
    number: int | None

    @property
    def start_at(self) -> datetime | None:
        """The start as UTC where the ticker carries one."""
        if self.clock is None:
            return None
        return datetime.combine(self.day, self.clock, NEW_YORK).astimezone(UTC)


def read_event_ticker(ticker: str) -> EventName | None:
    """The parts of the ticker of a game, or None where it has another form."""
    found = _EVENT.fullmatch(ticker)
    if found is None or found["month"] not in _MONTHS:
        return None
    try:
        day = date(2000 + int(found["year"]), _MONTHS.index(found["month"]) + 1, int(found["day"]))
        clock = time(int(found["clock"][:2]), int(found["clock"][2:])) if found["clock"] else None
    except ValueError:
        return None
    number = int(found["number"]) if found["number"] else None
    return EventName(found["series"], day, clock, found["teams"], number)


def split_teams(joined: str, codes: Collection[str]) -> tuple[str, str] | None:
    """(away, home) of ``joined`` by the two codes that must form it; None where they do not."""
    if len(codes) != 2:
        return None
    first, second = codes
    fits = [pair for pair in ((first, second), (second, first)) if "".join(pair) == joined]
    return fits[0] if len(fits) == 1 else None


def split_by_one(joined: str, code: str, known: Collection[str]) -> tuple[str, str] | None:
    """(away, home) of ``joined`` by the code of one of its teams; the rest must be a known code.

    None where it can be split in no way or in two.
    """
    fits = {
        (away, home)
        for away, home in ((code, joined.removeprefix(code)), (joined.removesuffix(code), code))
        if away + home == joined and away != home and {away, home} - {code} <= set(known)
    }
    return fits.pop() if len(fits) == 1 else None
