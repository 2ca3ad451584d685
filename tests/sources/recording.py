"""A small made-up recording: a folder with a file of games and one of candles."""

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

GAMES_HEADER = (
    "event_ticker", "ticker", "game_date", "away", "home", "yes_team", "tipoff_utc", "away_pts",
    "home_pts", "home_win", "yes_won", "px_tip", "n_candles", "first_ts", "last_ts", "note",
)  # fmt: skip
CANDLES_HEADER = ("ticker", "timestamp", "open", "high", "low", "close", "volume")
TIP_OFF = datetime(2025, 11, 2, 0, 0, tzinfo=UTC)  # 19:00 in New York, the day before

Bars = list[tuple[int, int, int]]
"""Per bar: its end in minutes from the tip-off, its close in cents, its volume."""
BARS: Bars = [
    (-1500, 55, 5), (-1499, 55, 3), (-1400, 55, 1), (-200, 60, 12), (-60, 62, 40), (-30, 62, 9),
    (0, 61, 100), (30, 70, 500), (150, 99, 900), (151, 99, 4),
]  # fmt: skip


def a_market(
    away: str = "BOS",
    home: str = "MIA",
    yes: str = "MIA",
    points: tuple[int, int] = (99, 104),
    tip_off: datetime = TIP_OFF,
    bars: Bars = BARS,
    **changes: Any,
) -> tuple[dict[str, str], list[dict[str, str]]]:
    """One line of the file of games and the lines of its candles, with ``changes`` to the first."""
    day = (tip_off - timedelta(hours=4)).date()
    event = f"KXNBAGAME-{day:%y%b%d}".upper() + away + home
    ends = [int((tip_off + timedelta(minutes=minute)).timestamp()) for minute, _, _ in bars]
    home_won = points[1] > points[0]
    game = {
        "event_ticker": event, "ticker": f"{event}-{yes}", "game_date": day.isoformat(),
        "away": away, "home": home, "yes_team": yes, "tipoff_utc": tip_off.isoformat(),
        "away_pts": str(points[0]), "home_pts": str(points[1]), "home_win": str(int(home_won)),
        "yes_won": str(int(home_won == (yes == home))), "px_tip": "61.0",
        "n_candles": str(len(bars)), "first_ts": str(ends[0]), "last_ts": str(ends[-1]), "note": "",
    }  # fmt: skip
    candles = [
        {
            "ticker": game["ticker"], "timestamp": str(end), "open": str(close), "high": str(close),
            "low": str(close), "close": str(close), "volume": str(volume),
        }
        for end, (_, close, volume) in zip(ends, bars, strict=True)
    ]  # fmt: skip
    return game | {key: str(value) for key, value in changes.items()}, candles


def as_csv(header: Sequence[str], rows: Iterable[dict[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def write_recording(
    folder: Path, markets: Sequence[tuple[dict[str, str], list[dict[str, str]]]]
) -> Path:
    """``folder`` with the two files of ``markets``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "made_up_games.csv").write_bytes(as_csv(GAMES_HEADER, [game for game, _ in markets]))
    candles = as_csv(CANDLES_HEADER, [bar for _, bars in markets for bar in bars])
    (folder / "made_up_candles_1m.csv.gz").write_bytes(gzip.compress(candles, mtime=0))
    return folder
