"""The canonical file of a dataset: fixed order, explicit types, fixed options, no surrogate ids.

Equal content must give equal bytes in any home, because the SHA-256 of the file is the dataset's
identity. Pandas metadata and clock times therefore stay out of it.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precog_core.paths import home
from precog_pipelines.features.registry import Feature

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LABEL = "home_win"
KEY_COLUMNS = (
    "game_key", "season", "game_type", "kickoff_at", "decision_at", "result_known_at", LABEL,
)  # fmt: skip
_INSTANTS = ("kickoff_at", "decision_at", "result_known_at")


def canonical_table(frame: "pd.DataFrame", features: Sequence[Feature]) -> "pa.Table":
    """The canonical Arrow table: explicit types, feature versions, no pandas metadata."""
    import pyarrow as pa

    instant = pa.timestamp("us", tz="UTC")
    types: dict[str, pa.DataType] = {
        "game_key": pa.string(),
        "season": pa.int32(),
        "game_type": pa.string(),
        LABEL: pa.int8(),
        **dict.fromkeys(_INSTANTS, instant),
    }
    fields = [pa.field(column, types[column]) for column in KEY_COLUMNS]
    fields += [
        pa.field(feature.name, pa.float64(), metadata={"version": feature.version})
        for feature in features
    ]
    columns = []
    for field in fields:
        values = frame[field.name]
        if field.type == instant:
            # Arrow's own way from a zoned column goes through a deprecated one of pandas.
            naive = values.dt.tz_convert(None).to_numpy()
            columns.append(pa.array(naive, pa.timestamp("us"), from_pandas=True).cast(instant))
        else:
            columns.append(pa.array(values.to_numpy(), field.type, from_pandas=True))
    return pa.table(columns, schema=pa.schema(fields))


def write_parquet(table: "pa.Table", path: Path) -> None:
    """Write and flush to the disk; the caller renames the complete file into place."""
    import pyarrow.parquet as pq

    with path.open("wb") as out:
        pq.write_table(table, out, compression="zstd", version="2.6", row_group_size=1 << 20)
        out.flush()
        os.fsync(out.fileno())


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stored_path(path: Path) -> str:
    """Relative to the home where it lies inside, so that a home can be moved."""
    resolved = path.resolve()
    return str(resolved.relative_to(home())) if resolved.is_relative_to(home()) else str(resolved)


def resolved_path(stored: str) -> Path:
    """Where a stored path lies now."""
    return home() / stored
