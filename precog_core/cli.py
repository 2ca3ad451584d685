"""The ``precog`` command: what each package registers, and errors as sentences."""

import importlib.metadata
import logging
import sys
from typing import Annotated

import typer
from rich.console import Console
from typer.models import CommandInfo, TyperInfo

from precog_core.build_info import git_dirty, git_sha
from precog_core.env_files import load_env_files
from precog_core.errors import PrecogError
from precog_core.logging import configure_logging, log_folder
from precog_core.secrets import masked

_log = logging.getLogger("precog_core.cli")
# How `precog --help` groups what the packages register; anything else stands under "More".
_PANELS = {
    "Begin": ("up", "bootstrap", "status", "summary", "doctor", "logs"),
    "Trade": (
        "edges", "decisions", "wordings", "approve", "positions", "trades", "pnl", "methods",
        "strategies", "backtest", "monitor", "halt", "resume", "close", "breakers", "paper",
    ),
    "Ask why": ("explain", "ledger", "audit", "report"),
    "Data and models": ("games", "quotes", "ratings", "models", "elo", "matrix", "kalshi"),
    "Keep it running": ("alerts", "config", "db", "backup", "restore", "env", "requirements"),
}  # fmt: skip
UNEXPECTED_EXIT_CODE = 70  # EX_SOFTWARE of sysexits.h


def version_text() -> str:
    """Version and commit, such as ``precog 0.1.0 (0123456789ab, modified)``."""
    version = importlib.metadata.version("precog")
    return f"precog {version} ({git_sha()[:12]}{', modified' if git_dirty() else ''})"


def build_app() -> typer.Typer:
    """The application with the commands of every installed package, in their order of name."""
    app = typer.Typer(
        name="precog",
        help=(
            "Game results and market prices into calibrated probabilities and accountable trades."
            "\n\nBegin with `precog up`, then `precog status` and `precog explain trade 1`; "
            "docs/user-guide.md has a section per task. Exit codes: 0 done, 1 refused or a check "
            "failed, 2 a wrong option, 70 a defect."
        ),
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )

    @app.callback()
    def _root(
        version: Annotated[
            bool,
            typer.Option(
                "--version", callback=_print_version, is_eager=True, help="Version and commit."
            ),
        ] = False,
    ) -> None:
        """Options of ``precog`` itself."""

    for entry in sorted(importlib.metadata.entry_points(group="precog.commands")):
        entry.load()(app)
    _group(app)
    return app


def _group(app: typer.Typer) -> None:
    """Give every command its panel in the help, and the order of the panels."""
    place = {name: (panel, n) for panel, names in _PANELS.items() for n, name in enumerate(names)}
    panels = list(_PANELS)

    def position(each: CommandInfo | TyperInfo) -> tuple[int, int]:
        panel, n = place.get(str(each.name), ("More", 0))
        each.rich_help_panel = panel
        return (panels.index(panel) if panel in panels else len(panels), n)

    app.registered_commands.sort(key=position)
    app.registered_groups.sort(key=position)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(version_text())
        raise typer.Exit


def main() -> None:
    """Run the command line; exits with 0, the error's code, or 70 for an unexpected one.

    A PrecogError is printed as its sentence. Anything else is a defect: its type and message are
    printed, its traceback goes to the log.
    """
    try:
        load_env_files()
        configure_logging()
        build_app()()
    except PrecogError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001  the last boundary before the user
        _log.exception("unexpected error")
        folder = log_folder()
        details = f"; the details are in {folder}" if folder else ""
        _complain(f"unexpected {type(error).__name__}: {error}{details}")
        sys.exit(UNEXPECTED_EXIT_CODE)


def _complain(text: str) -> None:
    Console(stderr=True, soft_wrap=True).print(
        f"precog: {masked(text)}", style="red", markup=False, highlight=False
    )
