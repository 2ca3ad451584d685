"""Which games a home is filled from: chosen once, kept in the database, refused when it changes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_platform.bootstrap import StageBook

SAMPLE = "sample"
NFLVERSE = "nflverse"
NFLVERSE_FILE = "nflverse_file"


@dataclass(frozen=True)
class Choice:
    """A provider name and, for a file, its path and SHA-256."""

    provider: str
    path: Path | None = None
    sha256: str | None = None

    def as_dict(self) -> dict[str, str]:
        """For the stage book: what makes two choices the same data."""
        content = {"provider": self.provider}
        if self.path is not None:
            content |= {"path": str(self.path), "sha256": self.sha256 or ""}
        return content


def choose(games: Path | None, source: str | None, book: StageBook) -> Choice:
    """The provider asked for, or the one this home already has.

    Raises PrecogError for a missing file, an unknown source, or a home filled from other data.
    """
    if games is not None and source not in (None, NFLVERSE):
        raise PrecogError(f"--games reads an nflverse file; it cannot be combined with {source!r}")
    if games is not None:
        path = games.expanduser().resolve()
        if not path.is_file():
            raise PrecogError(f"{games}: no such file; --games expects an nflverse games.csv")
        asked: Choice | None = Choice(NFLVERSE_FILE, path, _sha256(path))
    elif source in (SAMPLE, NFLVERSE):
        asked = Choice(source)
    elif source is None:
        asked = None
    else:
        raise PrecogError(f"unknown source {source!r}; choose {SAMPLE} or {NFLVERSE}")

    if not book.source:
        return asked or Choice(SAMPLE)
    path_text = book.source.get("path")
    held = Choice(
        book.source["provider"],
        Path(path_text) if path_text else None,
        book.source.get("sha256"),
    )
    if asked is None or (asked.provider, asked.sha256) == (held.provider, held.sha256):
        return held
    raise PrecogError(
        f"this home was filled from {_words(held)}, not {_words(asked)}; use another folder: "
        "PRECOG_HOME=… precog up …"
    )


def record(database: Database, choice: Choice) -> None:
    """Keep the choice where assets and schedules read it."""
    from precog_core.config import get_override, set_override

    with database.transaction() as conn:
        for key, value in (
            ("sources.games.provider", choice.provider),
            ("sources.games.path", str(choice.path) if choice.path else None),
        ):
            if value is not None and get_override(conn, key) != value:
                set_override(
                    conn, key, value, reason="chosen at first start", applied_by="bootstrap"
                )


def _words(choice: Choice) -> str:
    if choice.path is None:
        return f"the source {choice.provider!r}"
    return f"{choice.path.name} (sha256 {(choice.sha256 or '')[:12]}…)"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
