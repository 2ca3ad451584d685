"""The commands this package adds to `precog`."""

import typer


def register(app: typer.Typer) -> None:
    """Add this package's commands to the `precog` command line."""
