"""The stored form of an Elo model: its parameters and the ratings after its last game.

Predicting takes a home team, an away team, the season and whether the site is neutral, and
returns ``p_home`` from the stored ratings; a new season reverts them to the mean first.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precog_pipelines.ratings.config import LeagueElo
from precog_pipelines.ratings.elo import Checkpoint, EloTable, expected_score

if TYPE_CHECKING:
    import pandas as pd

_MODEL = "elo.json"
INPUT_COLUMNS = ("home_team", "away_team", "season", "neutral_site")


def save(
    definition: Mapping[str, Any],
    ratings: Mapping[str, float],
    seasons: Mapping[str, int],
    folder: Path,
) -> None:
    """Write parameters, rating and last season of each team (by team code) into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"definition": definition, "ratings": ratings, "seasons": seasons}
    (folder / _MODEL).write_text(json.dumps(document, indent=2, sort_keys=True))


class EloModel:
    """What ``mlflow.pyfunc.load_model`` wraps: ``predict(games) -> frame with p_home``."""

    def __init__(self, table: EloTable) -> None:
        self._table = table

    def predict(self, games: "pd.DataFrame", params: Any = None) -> "pd.DataFrame":
        """P(home wins) in column ``p_home``; ``games`` has INPUT_COLUMNS."""
        import pandas as pd

        def one(home: str, away: str, season: int, neutral: bool) -> float:
            ratings = self._table.rating(home, season), self._table.rating(away, season)
            return expected_score(self._table.difference(*ratings, season, neutral))

        rows = games.loc[:, list(INPUT_COLUMNS)].itertuples(index=False, name=None)
        chances = [one(str(h), str(a), int(s), bool(neutral)) for h, a, s, neutral in rows]
        return pd.DataFrame({"p_home": chances}, index=games.index, dtype=float)


def _load_pyfunc(path: str) -> EloModel:
    document = json.loads((Path(path) / _MODEL).read_text())
    parameters = LeagueElo.model_validate(document["definition"]).parameters()
    checkpoint = Checkpoint(dict(document["ratings"]), dict(document["seasons"]))
    return EloModel(EloTable(parameters, checkpoint))
