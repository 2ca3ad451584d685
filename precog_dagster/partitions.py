"""How the work is cut: by league and season, and by league alone.

Games, quotes and trading ticks are rows, never partitions: the user interface slows beyond some
25,000 partitions, and a season is what people rebuild.
"""

import dagster as dg

LEAGUES = ("nfl", "nba", "mlb", "nhl", "ncaaf")
FIRST_SEASON = 1999
LAST_SEASON = 2027

league = dg.StaticPartitionsDefinition(list(LEAGUES))
season = dg.StaticPartitionsDefinition([str(y) for y in range(FIRST_SEASON, LAST_SEASON + 1)])
league_season = dg.MultiPartitionsDefinition({"league": league, "season": season})


def seasons_by_league(partition_keys: list[str]) -> dict[str, list[int]]:
    """``["nfl|2018", "nfl|2019"]`` as ``{"nfl": [2018, 2019]}``, seasons ascending.

    Dagster writes the key of a two-dimensional partition with its dimensions in alphabetical order.
    """
    seasons: dict[str, list[int]] = {}
    for key in partition_keys:
        league_code, _, year = str(key).partition("|")
        seasons.setdefault(league_code, []).append(int(year))
    return {code: sorted(years) for code, years in seasons.items()}
