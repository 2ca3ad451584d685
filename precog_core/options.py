"""Options that several commands share."""

from typing import Literal

# A word that is none of these would show an empty account as if it were one.
Environment = Literal["paper", "demo", "live"]
