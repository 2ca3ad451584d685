"""``precog backup`` and ``precog restore``."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print the manifest.")]


def backup(
    to: Annotated[
        Path | None, typer.Option(help="A new folder; default: backups/<time> in the home.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write everything of this home into one folder, also while Precog runs.

    All three databases, datasets, models, settings and reports; not the logs. Keep it on another
    disk. `precog restore` fills an empty home from it.
    """
    from precog_core.database import open_database
    from precog_core.paths import home
    from precog_core.progress import progress
    from precog_platform.archive import backup as write

    place = home()
    target = to or place / "backups" / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_database() as database, progress("Backup", quiet=as_json) as report:
        manifest = write(database, place, target.resolve(), report)
    if as_json:
        typer.echo(json.dumps(manifest))
        return
    rows = sum(manifest["rows"].values())
    typer.echo(f"wrote {target}: {rows:,} rows, {manifest['bytes'] / 1e6:.1f} MB")


def restore(
    source: Annotated[Path, typer.Argument(help="A folder that `precog backup` wrote.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Only recompute the hashes of the backup.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fill an empty home (PRECOG_HOME) from a backup; its hashes are verified first."""
    from precog_core.paths import home
    from precog_core.progress import progress
    from precog_platform import archive

    with progress("Restore", quiet=as_json) as report:
        manifest = (
            archive.verify(source) if verify else archive.restore(source.resolve(), home(), report)
        )
    if as_json:
        typer.echo(json.dumps(manifest))
        return
    done = "is complete and undamaged" if verify else f"was restored into {home()}"
    typer.echo(f"the backup of {manifest['created_at']} {done}")
