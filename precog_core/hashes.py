"""Hashes that one package writes and another verifies, so that both compute the same one."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

RATING_FEATURES = ("elo_away", "elo_diff", "elo_home", "elo_prob")
"""What the vector of a rating model holds: it is not fitted, so its dataset lists no features."""


def features_hash(names: Sequence[str], values: Sequence[float]) -> str:
    """SHA-256 of a feature vector as canonical JSON: names sorted, shortest exact numbers.

    NaN (undefined) is null. 64 hex digits.
    """
    vector = {
        name: None if value != value else float(value)
        for name, value in zip(names, values, strict=True)
    }
    text = json.dumps(vector, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
