"""The tables that are written beside an asset of another name, by a trigger, or by a command.

Every table is one asset, so that whoever looks for a table in the graph finds it, with what it is
written from. An asset that only adds to another table says so in its tag ``part_of``.
"""

from precog_dagster.tables import table_specs
from precog_pipelines.defs.training.models import family_assets

_TABLES: dict[str, tuple[str, list[str], str]] = {
    "leagues": ("reference", [], "Leagues and whether they trade; a migration adds one."),
    "sports": ("reference", [], "Lookup of sports; an unknown code keeps its row and alerts."),
    "market_categories": ("reference", [], "Lookup of market categories."),
    "series_frequencies": ("reference", [], "Lookup of how often a series has events."),
    "platforms": ("reference", [], "Venues and sources of quotes, and whether they take orders."),
    "teams": ("reference", [], "Teams of the configured leagues."),
    "team_aliases": ("reference", ["teams"], "What each source calls a team."),
    "components": ("reference", [], "Lookup of the parts that alerts and health are about."),
    "source_snapshots": (
        "ingestion", ["games", "market_settlements"],
        "Every file or answer that was read: address, sha256, rows, licence.",
    ),
    "game_states": (
        "ingestion", ["games"], "States of a game as they became known, one row per change.",
    ),
    "game_starters": ("ingestion", ["games"], "Who started at quarterback, known after the game."),
    "game_period_points": ("ingestion", ["games"], "Points of each side by period."),
    "game_closing_spreads": ("ingestion", ["games"], "The closing spread of a game, its source."),
    "events": ("ingestion", ["markets", "kalshi_markets"], "A game as a venue lists it."),
    "series": ("kalshi", ["kalshi_markets"], "Series of events, with their fees' type."),
    "market_attributes": (
        "kalshi", ["kalshi_markets"], "What a venue says of a market, history kept.",
    ),
    "training_dataset_features": (
        "training", ["training_datasets"], "The versions of the features in a dataset.",
    ),
    "training_dataset_sources": (
        "training", ["training_datasets"], "The source snapshots behind a dataset.",
    ),
    "model_training_runs": (
        "training", family_assets,
        "Every fit with dataset, seed, code, parameters and figures; one asset per family trains.",
    ),
    "config_overrides": (
        "operations", [], "Settings changed in the database, with reason, author and expiry.",
    ),
    "system_health": ("operations", [], "The latest state of each part, as its watcher saw it."),
}  # fmt: skip
"""Table: group, the assets it is written from, what it holds."""

tables = table_specs(_TABLES)
