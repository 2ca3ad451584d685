"""The made-up league: prepared, fitted, and fully trained."""

from tests.trained_league import (
    _fitted,
    _prepared,
    _trained,
    fitted_home,
    league_home,
    trained_home,
)

__all__ = ["_fitted", "_prepared", "_trained", "fitted_home", "league_home", "trained_home"]
