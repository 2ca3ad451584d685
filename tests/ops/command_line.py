"""The `precog` command as tests run it: in this process, built once."""

from collections.abc import Sequence
from functools import cache

import click
import click.testing
import typer.main

from precog_core.cli import build_app


@cache
def command() -> click.Command:
    """The whole command line."""
    return typer.main.get_command(build_app())


def invoke(arguments: Sequence[str]) -> click.testing.Result:
    """Run `precog ARGUMENTS` on a wide terminal."""
    runner = click.testing.CliRunner(env={"COLUMNS": "200"})
    return runner.invoke(command(), list(arguments))
