"""A small made-up nflverse file: rows as dictionaries, turned into CSV bytes."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

HEADER = (
    "game_id", "season", "game_type", "week", "gameday", "weekday", "gametime", "away_team",
    "away_score", "home_team", "home_score", "location", "result", "away_moneyline",
    "home_moneyline", "stadium",
)  # fmt: skip


def a_game(**changes: Any) -> dict[str, str]:
    """One finished game, invented, with ``changes``."""
    row = {
        "game_id": "2018_01_OAK_STL", "season": "2018", "game_type": "REG", "week": "1",
        "gameday": "2018-09-09", "weekday": "Sunday", "gametime": "13:00", "away_team": "OAK",
        "away_score": "17", "home_team": "STL", "home_score": "24", "location": "Home",
        "result": "7", "away_moneyline": "150.0", "home_moneyline": "-170.0", "stadium": "A",
    }  # fmt: skip
    return row | {key: str(value) for key, value in changes.items()}


def as_csv(rows: list[dict[str, str]], header: tuple[str, ...] = HEADER) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.fixture
def game_row() -> Callable[..., dict[str, str]]:
    return a_game


@pytest.fixture
def csv_bytes() -> Callable[..., bytes]:
    return as_csv
