"""FiveThirtyEight's published NFL ratings, reproduced: the acceptance test of our Elo.

Their data (nfl-elo-game, CC-BY-4.0) gives pre-game ratings and probabilities of 16,810 games.
Eleven season starts do not follow the published reversion; they are listed here because without
them a thousand games differ.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from precog_core.errors import PrecogError
from precog_pipelines.ratings.elo import EloParameters, EloTable, Era, Game, MarginForm

TOLERANCE = 2e-6
_COLUMNS = (
    "season", "neutral", "team1", "team2", "elo1", "elo2", "elo_prob1", "score1", "score2",
)  # fmt: skip
SEASON_STARTS = {
    ("CBD", 1925): 1502.032,
    ("RAC", 1926): 1403.384,
    ("LOU", 1926): 1307.201,
    ("CIB", 1927): 1362.919,
    ("MNN", 1929): 1306.702,
    ("BFF", 1929): 1331.943,
    ("LAR", 1944): 1373.977,
    ("PHI", 1944): 1497.988,
    ("ARI", 1945): 1353.939,
    ("PIT", 1945): 1353.939,
    ("CLE", 1999): 1300.0,
}


@dataclass(frozen=True)
class Verification:
    """Largest absolute differences from the published figures over all games."""

    games: int
    max_abs_diff: float
    max_rating_diff: float

    @property
    def passed(self) -> bool:
        """Whether every probability agrees within ``TOLERANCE``."""
        return self.max_abs_diff <= TOLERANCE


def reference_parameters(initial: Mapping[str, float], *, special: bool = True) -> EloParameters:
    """Reference set ``elo.fivethirtyeight_nfl``; ``special`` includes the eleven season starts."""
    return EloParameters(
        k=20.0,
        eras=(Era(None, 65.0),),
        reversion=1 / 3,
        margin=MarginForm.FOOTBALL,
        initial=initial,
        season_starts=SEASON_STARTS if special else {},
    )


def verify(games_file: Path, initial_file: Path, *, special: bool = True) -> Verification:
    """Rate every game of the file in its order and compare.

    Raises PrecogError naming file, line and column for a missing column, a bad number or a team
    without initial rating.
    """
    initial = {
        row["team"]: _number(row, "elo", line, initial_file)
        for line, row in _rows(initial_file, ("team", "elo"))
    }
    table = EloTable(reference_parameters(initial, special=special))
    count = 0
    probability_diff = rating_diff = 0.0
    for line, row in _rows(games_file, _COLUMNS):
        for column in ("team1", "team2"):
            if row[column] not in initial:
                raise PrecogError(
                    f"{games_file}, line {line}, column {column}: team {row[column]!r} has no "
                    f"rating in {initial_file}; give the initial ratings that belong to these games"
                )
        rated = table.play(
            Game(
                season=int(_number(row, "season", line, games_file)),
                home=row["team1"],
                away=row["team2"],
                home_score=int(_number(row, "score1", line, games_file)),
                away_score=int(_number(row, "score2", line, games_file)),
                neutral=_number(row, "neutral", line, games_file) == 1,
            )
        )
        published = {c: _number(row, c, line, games_file) for c in ("elo_prob1", "elo1", "elo2")}
        probability_diff = max(probability_diff, abs(rated.expected - published["elo_prob1"]))
        rating_diff = max(
            rating_diff,
            abs(rated.home_before - published["elo1"]),
            abs(rated.away_before - published["elo2"]),
        )
        count += 1
    if not count:
        raise PrecogError(f"{games_file} holds no games; expected FiveThirtyEight's NFL games file")
    return Verification(count, probability_diff, rating_diff)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [c for c in columns if c not in (reader.fieldnames or ())]
            if missing:
                raise PrecogError(
                    f"{path} has no column {', '.join(missing)}; expected the columns "
                    f"{', '.join(columns)} of FiveThirtyEight's nfl-elo-game data"
                )
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError) as error:
        raise PrecogError(f"cannot read {path}: {error}; expected a CSV file") from error


def _number(row: dict[str, str], column: str, line: int, path: Path) -> float:
    try:
        return float(row[column])
    except (TypeError, ValueError):
        raise PrecogError(
            f"{path}, line {line}, column {column}: {row[column]!r} is not a number"
        ) from None
