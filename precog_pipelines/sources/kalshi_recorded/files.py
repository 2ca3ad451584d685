"""The two files of a folder of recorded quotes: which they are, what is in them."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from precog_core.errors import PrecogError
from precog_pipelines.sources.protocols import SourceSnapshot

SOURCE = "kalshi_recorded"
LICENCE = "none: Kalshi public candles and published results; not for redistribution"
GAMES = ("*_games.csv", "*_games.csv.gz")
CANDLES = ("*_candles_1m.csv", "*_candles_1m.csv.gz")


@dataclass(frozen=True, slots=True)
class RecordedFolder:
    """The file of games and the file of one-minute candles of one recording."""

    games: Path
    candles: Path

    @classmethod
    def open(cls, folder: Path) -> "RecordedFolder":
        """The files of ``folder``, by their names. PrecogError unless there is one of each."""
        if not folder.is_dir():
            raise PrecogError(
                f"{folder} is no folder; expected one with {GAMES[0]} and {CANDLES[1]} "
                "(sources.recorded_quotes.path)"
            )
        return cls(_only(folder, GAMES, "games"), _only(folder, CANDLES, "candles"))


def digest(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_text(path: Path) -> tuple[str, str]:
    """The text of a file, unpacked where it is compressed, and the SHA-256 of its bytes.

    Raises PrecogError for a file that cannot be read, a damaged archive, or text that is not ASCII.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PrecogError(f"cannot read {path}: {error.strerror}") from error
    sha256 = hashlib.sha256(content).hexdigest()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise PrecogError(
                f"{path}: the compressed file is damaged or cut off ({error}); copy it again; "
                "nothing of it was stored"
            ) from None
    try:
        return content.decode("ascii"), sha256
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PrecogError(
            f"{path}, line {line}: byte {error.start} is not ASCII text; expected a CSV file; copy "
            "it again; nothing of it was stored"
        ) from None


def snapshot(path: Path, dataset: str, league: str, sha256: str, rows: int) -> SourceSnapshot:
    """The retrieval behind a file, for ``source_snapshots``."""
    return SourceSnapshot(
        source=SOURCE,
        dataset=dataset,
        league=league,
        uri=str(path),
        sha256=sha256,
        row_count=rows,
        fetched_at=datetime.now(UTC),
        published_at=None,
        licence=LICENCE,
    )


def _only(folder: Path, patterns: tuple[str, ...], what: str) -> Path:
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found) or "none"
    raise PrecogError(
        f"{folder} must hold exactly one file of {what} ({' or '.join(patterns)}); found {names}"
    )
