"""The made-up league, prepared and trained."""

from tests.trained_league import _prepared, _trained, league_home, trained_home

__all__ = ["_prepared", "_trained", "league_home", "trained_home"]
