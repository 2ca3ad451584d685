"""Games for tests: a made-up league, and the nflverse file, both written straight into ``games``.

The stages after ingestion are tested against the tables they read, so these rows do not pass
through a source. ``known_at`` follows the back-fill rule: fixtures 48 h before the start, results
4 h after it; start unknown: midnight Eastern of the day, result at noon of the next.
"""

import csv
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg

EASTERN = ZoneInfo("America/New_York")
FRANCHISES = {"OAK": "LV", "SD": "LAC", "STL": "LA"}
NFL_DIVISIONS = {
    "AFC": {
        "East": "BUF MIA NE NYJ", "North": "BAL CIN CLE PIT",
        "South": "HOU IND JAX TEN", "West": "DEN KC LAC LV",
    },
    "NFC": {
        "East": "DAL NYG PHI WAS", "North": "CHI DET GB MIN",
        "South": "ATL CAR NO TB", "West": "ARI LA SEA SF",
    },
}  # fmt: skip


@dataclass(frozen=True)
class GameRow:
    """One row of ``games`` with team codes; a game without scores is scheduled."""

    league: str
    season: int
    day: date
    home: str
    away: str
    kickoff_at: datetime | None
    home_score: int | None = None
    away_score: int | None = None
    game_type: str = "regular"
    neutral: bool = False
    status: str | None = None
    known_at: datetime | None = None
    result_known_at: datetime | None = None
    source_game_id: str | None = None

    @property
    def key(self) -> str:
        return f"{self.league}:{self.season}:{self.day}:{self.away}@{self.home}".lower()

    @property
    def start(self) -> datetime:
        return self.kickoff_at or datetime.combine(self.day, time(), tzinfo=EASTERN)

    def completed(self) -> "GameRow":
        """With status and instants filled in by the back-fill rule."""
        final = self.home_score is not None
        known_at = self.known_at or (
            self.kickoff_at - timedelta(hours=48) if self.kickoff_at else self.start
        )
        result = self.result_known_at
        if final and result is None:
            if self.kickoff_at:
                result = self.kickoff_at + timedelta(hours=4)
            else:
                noon = datetime.combine(self.day + timedelta(days=1), time(12), tzinfo=EASTERN)
                result = noon.astimezone(UTC)
        return replace(
            self,
            status=self.status or ("final" if final else "scheduled"),
            known_at=known_at,
            result_known_at=result,
        )


def store(
    conn: psycopg.Connection,
    games: Iterable[GameRow],
    *,
    source: str = "synthetic",
    divisions: Mapping[str, tuple[str, str]] | None = None,
) -> dict[str, int]:
    """Insert teams and games; returns game_id by game_key. One source snapshot per season."""
    rows = [game.completed() for game in games]
    league = rows[0].league
    for code in sorted({c for g in rows for c in (g.home, g.away)}):
        conference, division = (divisions or {}).get(code, (None, None))
        conn.execute(
            "INSERT INTO teams (league, team_code, name, conference, division) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (league, code, code, conference, division),
        )
    teams = dict(
        conn.execute("SELECT team_code, team_id FROM teams WHERE league = %s", (league,)).fetchall()
    )
    snapshots: dict[int, int] = {}
    for season in sorted({g.season for g in rows}):
        row = conn.execute(
            "INSERT INTO source_snapshots (source, dataset, league, season, uri, sha256, row_count,"
            " fetched_at) VALUES (%s, 'games', %s, %s, 'memory:', %s, %s, now())"
            " RETURNING source_snapshot_id",
            (source, league, season, f"{season:064d}", sum(g.season == season for g in rows)),
        ).fetchone()
        assert row is not None
        snapshots[season] = row[0]
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO games (game_key, league, season, game_type, kickoff_at, home_team_id,"
            " away_team_id, neutral_site, home_score, away_score, status, source, source_game_id,"
            " known_at, result_known_at, source_snapshot_id) VALUES"
            " (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    g.key, g.league, g.season, g.game_type, g.kickoff_at, teams[g.home],
                    teams[g.away], g.neutral, g.home_score, g.away_score, g.status, source,
                    g.source_game_id or g.key, g.known_at, g.result_known_at, snapshots[g.season],
                )
                for g in rows
            ],
        )  # fmt: skip
    return dict(
        conn.execute("SELECT game_key, game_id FROM games WHERE league = %s", (league,)).fetchall()
    )


def made_up_league(
    # Rated like the NFL, but a league whose season sizes nobody has written down.
    *,
    seed: int = 7,
    league: str = "ncaaf",
    seasons: Iterable[int] = range(2009, 2014),
    teams: int = 8,
    rounds: int = 10,
) -> list[GameRow]:
    """Whole seasons of weekly rounds with ties, neutral sites, a preseason and two final rounds."""
    rng = random.Random(seed)
    codes = [f"T{n:02d}" for n in range(teams)]
    strength = {code: rng.gauss(0, 6) for code in codes}
    games: list[GameRow] = []
    for season in seasons:
        sunday = date(season, 9, 1) + timedelta(days=(6 - date(season, 9, 1).weekday()) % 7)
        for week in range(-1, rounds + 2):
            kind = "preseason" if week < 0 else "regular" if week < rounds else "postseason"
            order = rng.sample(codes, teams)
            for n, (home, away) in enumerate(zip(order[::2], order[1::2], strict=True)):
                # Thursday, Sunday or Monday, as in the real league: rest then differs.
                day = sunday + timedelta(days=7 * week + rng.choice((-3, 0, 0, 0, 1)))
                if week in (5, 6):  # two rounds on consecutive days
                    day = sunday + timedelta(days=35 + week - 5)
                kickoff = datetime.combine(day, time(13 + 3 * (n % 3)), tzinfo=EASTERN)
                margin = round(rng.gauss(strength[home] - strength[away] + 2, 12))
                if rng.random() < 0.03:
                    margin = 0
                away_score = rng.randint(3, 24)
                games.append(
                    GameRow(
                        league, season, day, home, away,
                        # The first season's source gives no times at all.
                        None if season == 2009 and week < 2 else kickoff.astimezone(UTC),
                        max(away_score + margin, 0) if margin else away_score, away_score,
                        game_type=kind, neutral=week == rounds + 1 or rng.random() < 0.03,
                    )
                )  # fmt: skip
        for code in codes:
            strength[code] = 0.6 * strength[code] + rng.gauss(0, 4)
    return games


def nflverse_games(data_dir: Path) -> list[GameRow]:
    """All games of the development file, franchises under their current code."""
    with (data_dir / "nfl" / "nflverse_games.csv").open(newline="") as file:
        return [_nflverse_game(row) for row in csv.DictReader(file)]


def nfl_divisions() -> dict[str, tuple[str, str]]:
    """Team code to (conference, division)."""
    return {
        code: (conference, division)
        for conference, members in NFL_DIVISIONS.items()
        for division, codes in members.items()
        for code in codes.split()
    }


def _nflverse_game(row: dict[str, str]) -> GameRow:
    day = date.fromisoformat(row["gameday"])
    kickoff = None
    if row["gametime"]:
        local = datetime.combine(day, time.fromisoformat(row["gametime"]), tzinfo=EASTERN)
        kickoff = local.astimezone(UTC)
    return GameRow(
        league="nfl",
        season=int(row["season"]),
        day=day,
        home=FRANCHISES.get(row["home_team"], row["home_team"]),
        away=FRANCHISES.get(row["away_team"], row["away_team"]),
        kickoff_at=kickoff,
        home_score=int(row["home_score"]),
        away_score=int(row["away_score"]),
        game_type="regular" if row["game_type"] == "REG" else "postseason",
        neutral=row["location"] == "Neutral",
        source_game_id=row["game_id"],
    )
