"""A training dataset without a database: home wins follow the rating lead, the rest is noise."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

FEATURES = ["elo_diff", "rest_diff", "margin_10_home"]


def made_up_dataset(
    *, seed: int = 3, seasons: range = range(2010, 2018), games: int = 160, signal: float = 1.0
) -> pd.DataFrame:
    """Rows as ``Dataset.frame`` has them: sorted by game_key, instants UTC, NaN in one feature.

    ``signal`` scales how much elo_diff says about the result; 0 makes labels independent of it.
    """
    generator = np.random.default_rng(seed)
    rows = []
    for season in seasons:
        start = datetime(season, 9, 5, 18, tzinfo=UTC)
        for number in range(games):
            kickoff = start + timedelta(days=7 * (number * 16 // games), minutes=number)
            lead = float(generator.normal(40, 110))
            chance = 1 / (1 + 10 ** (-signal * lead / 400))
            rows.append(
                {
                    "game_key": f"nfl:{season}:{kickoff:%Y-%m-%d}:A{number:03d}@H{number:03d}",
                    "season": season,
                    "game_type": "regular",
                    "kickoff_at": kickoff,
                    "decision_at": kickoff - timedelta(hours=1),
                    "result_known_at": kickoff + timedelta(hours=4),
                    "home_win": int(generator.random() < chance),
                    "elo_diff": lead,
                    "rest_diff": float(generator.integers(-7, 8)),
                    "margin_10_home": float(generator.normal()) if number > 15 else np.nan,
                }
            )
    frame = pd.DataFrame(rows).sort_values("game_key", ignore_index=True)
    # Surrogate ids have no order a model may rely on.
    frame.insert(0, "game_id", generator.permutation(len(frame)) + 1)
    for column in ("kickoff_at", "decision_at", "result_known_at"):
        frame[column] = frame[column].astype("datetime64[us, UTC]")
    return frame
