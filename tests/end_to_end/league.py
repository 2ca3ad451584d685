"""A games.csv in nflverse's format, made from the shipped sample: six seasons of real results.

The gates are real, so the results must be too: an Elo model of made-up games falls outside the
bands that models must keep. The moneylines are simulated, like the sample's quotes.
"""

import csv
from pathlib import Path
from zoneinfo import ZoneInfo

from precog_pipelines.sources.protocols import SourceGame
from precog_pipelines.sources.sample_games import SampleGames
from precog_pipelines.sources.simulated_quotes import SimulatedQuotes

SEASONS = (2012, 2013, 2014, 2015, 2016, 2017)
GAMES_A_SEASON = 267
_EASTERN = ZoneInfo("America/New_York")
_COLUMNS = (
    "game_id", "season", "game_type", "week", "gameday", "gametime", "away_team", "away_score",
    "home_team", "home_score", "location", "away_moneyline", "home_moneyline",
)  # fmt: skip


def write_games(path: Path, seasons: tuple[int, ...] = SEASONS) -> Path:
    """Write the file; the same seasons always make the same bytes."""
    history = SampleGames().games("nfl").games
    chosen = [game for game in history if game.season in seasons]
    prices = {
        quote.game_key: float(quote.yes_bid + quote.yes_ask) / 2
        for quote in SimulatedQuotes(history).quotes(chosen)  # the last of a game stays
        if quote.team == "home"
    }
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(_row(game, prices[game.game_key]) for game in chosen)
    return path


def _row(game: SourceGame, home_probability: float) -> dict[str, object]:
    assert game.kickoff_at is not None
    start = game.kickoff_at.astimezone(_EASTERN)
    return {
        "game_id": f"{game.season}_{game.week:02d}_{game.away}_{game.home}",
        "season": game.season,
        "game_type": "REG" if game.game_type == "regular" else "WC",
        "week": game.week,
        "gameday": game.game_date.isoformat(),
        "gametime": f"{start:%H:%M}",
        "away_team": game.away,
        "away_score": game.away_score,
        "home_team": game.home,
        "home_score": game.home_score,
        "location": "Neutral" if game.neutral_site else "Home",
        "away_moneyline": _moneyline(1 - home_probability),
        "home_moneyline": _moneyline(home_probability),
    }


def _moneyline(probability: float) -> int:
    """American odds with the bookmaker's margin of about 4 %."""
    implied = min(0.97, probability * 1.04)
    if implied >= 0.5:
        return -round(100 * implied / (1 - implied))
    return round(100 * (1 - implied) / implied)
