"""How a backtest is cut: by league and season, as the pipelines cut what it reads.

Equal by value to the partitions of the sibling code location; the two share tables and no code.
"""

import dagster as dg

LEAGUES = ("nfl", "nba", "mlb", "nhl", "ncaaf")
FIRST_SEASON = 1999
LAST_SEASON = 2027

league_season = dg.MultiPartitionsDefinition(
    {
        "league": dg.StaticPartitionsDefinition(list(LEAGUES)),
        "season": dg.StaticPartitionsDefinition(
            [str(year) for year in range(FIRST_SEASON, LAST_SEASON + 1)]
        ),
    }
)


def leagues_and_seasons(partition_keys: list[str]) -> list[tuple[str, int]]:
    """``["nfl|2019"]`` as ``[("nfl", 2019)]``, sorted; Dagster orders dimensions by name."""
    found = []
    for key in partition_keys:
        league, _, season = str(key).partition("|")
        found.append((league, int(season)))
    return sorted(found)
