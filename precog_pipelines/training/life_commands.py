"""``precog models activate`` and ``deprecate``: the steps that only a person takes."""

import getpass
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from precog_pipelines.training.promotion import Reason

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead.")]
By = Annotated[str | None, typer.Option("--by", help="Who; default: the user of this session.")]
Name = Annotated[str, typer.Argument(help="Name of the model, such as nfl-elo.")]
Version = Annotated[str, typer.Argument(help="Its version, such as v1.0.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept with the model.")]


def register(models: typer.Typer) -> None:
    """Add these commands to ``precog models``."""
    models.command("activate")(activate)
    models.command("deprecate")(deprecate)


def activate(
    name: Name, version: Version, reason: Why, by: By = None, as_json: AsJson = False
) -> None:
    """Let a model trade live, if it beat the market (testing to active); your name is kept.

    It needs 100 settled out-of-sample predictions over 30 days beside the venue's price at the
    decision, Brier and log loss below that price, calibration, complete attribution and no open
    leak alarm (`promotion.*`). Exit 1 names what is missing.
    """
    _move(name, version, "active", reason, by, as_json)


def deprecate(
    name: Name, version: Version, reason: Why, by: By = None, as_json: AsJson = False
) -> None:
    """End an active model version for good (active to deprecated); only a new version follows."""
    _move(name, version, "deprecated", reason, by, as_json)


def _move(name: str, version: str, to: str, reason: str, by: str | None, as_json: bool) -> None:
    from precog_core.database import open_database
    from precog_pipelines.training.life import LiveGateRefused, live_gate, move

    who = by if by is not None else getpass.getuser()
    said: dict[str, Any] = {"model": name, "version": version, "reason": reason, "by": who}
    try:
        with open_database() as database, database.transaction() as conn:
            step = move(conn, name, version, to, who=who, reason=reason, config=live_gate(conn))
    except LiveGateRefused as refused:
        if as_json:
            _print({**said, "passed": False, "conditions": _plain(refused.reasons)})
        raise
    if as_json:
        return _print(
            {**said, "before": step.before, "status": to, "passed": True,
             "conditions": _plain(step.reasons), "methods": step.methods}
        )  # fmt: skip
    for each in step.reasons:
        typer.echo(f"passed: {each.text}")
    typer.echo(f"{name} {version} is {to}")
    if step.methods and to == "deprecated":
        typer.echo(f"these methods enter no more with it: {', '.join(step.methods)}")
    return None


def _plain(reasons: "tuple[Reason, ...]") -> list[dict[str, Any]]:
    return [asdict(each) for each in reasons]


def _print(content: dict[str, Any]) -> None:
    typer.echo(json.dumps(content, indent=2))
