"""``precog methods``: list, create, activate, compare, export, import, and the other steps."""

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from precog_core.errors import PrecogError

if TYPE_CHECKING:
    from precog_trading.methods.lifecycle import Condition

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
By = Annotated[str | None, typer.Option("--by", help="Who; default: the user of this session.")]
Name = Annotated[str, typer.Argument(help="Name of the method.")]
Version = Annotated[str, typer.Argument(help="Its version, such as v1.0.")]
Notes = Annotated[str, typer.Option("--notes", "--reason", help="Why; kept with the method.")]

ComparedIn = Literal["paper", "demo", "live", "backtest"]

methods = typer.Typer(
    no_args_is_help=True,
    help="Methods: a strategy, a model and their risk as one version whose results count together.",
)


@methods.callback()
def _methods() -> None:
    """Methods: a strategy, a model and their risk as one version."""


@methods.command("list")
def list_(
    status: Annotated[
        str | None, typer.Option(help="Only draft, testing, active or deprecated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every method with its parts and its record."""
    from precog_trading.ledger.statements import rows

    with _connection() as conn:
        found = rows(conn, "methods", "methods", status=status)
    if as_json:
        return _print_json({"methods": found})
    return _print_table(
        [
            {
                "method": f"{row['method_name']} {row['method_version']}",
                "status": row["status"],
                "strategy": f"{row['strategy_name']} {row['strategy_version']}",
                "model": f"{row['model_name']} {row['model_version']}",
                "template": row["template_name"],
                "paper trades": row["paper_trades"],
                "paper ROI": row["paper_roi"],
                "net": row["net_pnl"],
                "sharpe": row["sharpe"] and round(row["sharpe"], 3),
            }
            for row in found
        ]
    )


@methods.command("templates")
def templates(as_json: AsJson = False) -> None:
    """Show the presets a method can start from (config/methods.yaml)."""
    content = {
        name: template.model_dump(mode="json", exclude_none=True)
        for name, template in _configured().templates.items()
    }
    if as_json:
        return _print_json({"templates": content})
    for name, template in content.items():
        typer.echo(f"{name:<14}{template['description']}")
        for part in ("risk", "position_mgmt"):
            typer.echo(f"{'':<14}{part}: {json.dumps(template[part])}")
    return None


@methods.command("create")
def create(
    name: Name,
    strategy: Annotated[str, typer.Option(help="A strategy, or strategy@version.")],
    model: Annotated[str, typer.Option(help="A model, or model@version.")],
    template: Annotated[str | None, typer.Option(help="See `precog methods templates`.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A value of its own, such as risk.kelly=0.12; repeatable."),
    ] = None,
    major: Annotated[
        bool, typer.Option("--major", help="Next major version: another idea, not a tuning.")
    ] = False,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Create a draft: a template with values of your own. It trades once it is released."""
    from dataclasses import asdict

    from precog_trading.methods.create import create_method

    overrides = dict(_assignment(text) for text in set_ or ())
    with _connection() as conn:
        created = create_method(
            conn,
            _configured(conn),
            name=name,
            strategy=strategy,
            model=model,
            template=template,
            overrides=overrides,
            major=major,
            description=description,
            who=by or getpass.getuser(),
        )
    if as_json:
        return _print_json(asdict(created))
    typer.echo(f"{created.name} {created.version} is a draft (hash {created.config_hash})")
    if created.duplicates:
        typer.echo(f"the same content as {', '.join(created.duplicates)}")
    typer.echo(f"precog methods release {created.name} {created.version}   # trade it on paper")
    return None


@methods.command("release")
def release(
    name: Name, version: Version, notes: Notes = "released for paper trading", by: By = None
) -> None:
    """Let a draft trade on paper (draft to testing)."""
    _move(name, version, "testing", notes, by)


@methods.command("activate")
def activate(name: Name, version: Version, notes: Notes, by: By = None) -> None:
    """Let a method trade live, if it has shown enough (testing to active); your name is kept.

    It needs 10 finished paper trades with a positive return, an active strategy and model
    (`precog strategies activate`, `precog models activate`), no open leak alarm and complete
    attribution. Exit 1 names what is missing.
    """
    _move(name, version, "active", notes, by)


@methods.command("withdraw")
def withdraw(name: Name, version: Version, notes: Notes, by: By = None) -> None:
    """Take a method out of paper trading (testing to draft)."""
    _move(name, version, "draft", notes, by)


@methods.command("deprecate")
def deprecate(name: Name, version: Version, notes: Notes, by: By = None) -> None:
    """End a method for good (active to deprecated)."""
    _move(name, version, "deprecated", notes, by)


@methods.command("compare")
def compare(
    names: Annotated[
        list[str] | None, typer.Argument(help="Only these methods; default: all that traded.")
    ] = None,
    environment: Annotated[
        ComparedIn,
        typer.Option(help="Which account; backtest: the newest completed run of each method."),
    ] = "paper",
    run: Annotated[
        list[int] | None,
        typer.Option("--run", help="A backtest run by its id; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare every pair of methods that traded: differences, standard error, significance."""
    from precog_trading.methods.comparison import compare as compare_methods
    from precog_trading.methods.comparison import compare_runs

    if run:
        environment = "backtest"
    with _connection() as conn:
        if environment == "backtest":
            found = compare_runs(conn, names or (), run or ())
        else:
            found = compare_methods(conn, environment, names or ())
    if as_json:
        return _print_json({"environment": environment, "pairs": found})
    _print_table(
        [
            {
                "a": pair["a"],
                "b": pair["b"],
                **({"runs": f"{pair['run_a']} / {pair['run_b']}"} if "run_a" in pair else {}),
                "n": f"{pair['n_a']} / {pair['n_b']}",
                "ROI a - b": pair["roi_difference"],
                "return a - b": _rounded(pair["mean_return_difference"]),
                "std. error": _rounded(pair["standard_error"]),
                "p": _rounded(pair["p_value"]),
                "verdict": pair["verdict"],
            }
            for pair in found
        ]
    )
    if not all(pair.get("same_games", True) for pair in found):
        typer.echo("Some runs replayed other periods or leagues: they differ by their games too.")
    return None


@methods.command("export")
def export(
    name: Name,
    version: Version,
    to: Annotated[Path | None, typer.Option(help="A file; default: the terminal.")] = None,
) -> None:
    """Write a method as JSON that another home can import."""
    from precog_trading.methods.create import export_method

    with _connection() as conn:
        text = json.dumps(export_method(conn, name, version), indent=2)
    if to is None:
        typer.echo(text)
        return
    to.write_text(text + "\n", encoding="utf-8")
    typer.echo(f"wrote {to}")


@methods.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A file written by `precog methods export`.")],
    by: By = None,
) -> None:
    """Create a draft from an export; the same content has the same hash here as there."""
    from precog_trading.methods.create import import_method

    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PrecogError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PrecogError(f"{file} is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise PrecogError(f"{file}: expected one JSON object, as `precog methods export` writes")
    with _connection() as conn:
        created = import_method(conn, content, by or getpass.getuser())
    if created is None:
        typer.echo(f"{content['name']} {content['version']} is here already, with the same content")
        return
    typer.echo(f"{created.name} {created.version} is a draft (hash {created.config_hash})")


def _move(name: str, version: str, to: str, notes: str, by: str | None) -> None:
    from precog_core.config import load_section
    from precog_trading.config import TradingConfig
    from precog_trading.methods.lifecycle import move

    with _connection() as conn:
        settings = load_section("trading", TradingConfig, conn=conn).promotion
        asked: tuple[Condition, ...] = move(
            conn, name, version, to, who=by or getpass.getuser(), notes=notes, settings=settings
        )
    for condition in asked:
        typer.echo(f"passed: {condition.text}")
    typer.echo(f"{name} {version} is {to}")


def _configured(conn: Any = None) -> Any:
    from precog_core.config import load_section
    from precog_trading.versions import MethodsConfig

    return load_section("methods", MethodsConfig, conn=conn)


def _assignment(text: str) -> tuple[str, Any]:
    from precog_core.yaml_text import read_value

    key, sign, replacement = text.partition("=")
    if not sign or not key:
        raise PrecogError(f"--set {text!r} is no assignment; expected one such as risk.kelly=0.12")
    return key.strip(), read_value(replacement.strip(), f"--set {key}")


def _connection() -> Any:
    from precog_trading.commands import connection

    return connection()


def _print_json(content: Any) -> None:
    from precog_trading.ledger.statements import as_json

    typer.echo(as_json(content))


def _print_table(found: list[dict[str, Any]]) -> None:
    from precog_trading.reports.tables import print_table

    print_table(found, {name: name for name in found[0]} if found else {})


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
