"""Every command in the documentation is run, or at least understood; every page is in the site."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_core.paths import home
from precog_trading.tick.runner import run_pending
from tests.conftest import REPOSITORY
from tests.ops.command_line import command, invoke
from tests.trading import season
from tests.trading.season import FIRST_SUNDAY, HOUR

DOCS = REPOSITORY / "docs"
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Understood here and run elsewhere: they start servers, wait, use the network, or need a home that
# a bootstrap has filled.
_ELSEWHERE = {
    "up": "tests/end_to_end/test_up.py",
    "bootstrap": "tests/end_to_end/test_bootstrap.py",
    "summary": "tests/end_to_end/test_bootstrap.py",
    "ratings": "tests/ratings/test_commands.py",
    "strategies activate": "tests/ops/test_lives.py",
    "models activate": "tests/ops/test_lives.py",
    "models compare": "tests/training/test_commands.py",
    "models rollback": "tests/training/test_rollback.py",
    "models tune": "tests/training/test_tuning.py",
    "matrix show": "tests/matrices/test_matrices.py",
    "logs --follow": "tests/ops/test_inspection.py",
    "restore": "tests/ops/test_archive.py",
    "db psql": "tests/core/test_cli.py",
    "kalshi": "tests/kalshi/test_check_command.py",
    "monitor": "tests/trading/monitor/test_monitor_commands.py",
    "breakers rearm": "tests/trading/monitor/test_monitor_commands.py",
    "close": "tests/trading/monitor/test_monitor_commands.py",
}
# Exit codes that are the answer: the made-up world of this test has no MLflow records.
_FAILS_HERE = {"explain": 1, "doctor": (0, 1)}


def commands() -> list[tuple[str, str]]:
    """(page, arguments) of every ``$ precog …`` line of a console block, in reading order."""
    found = []
    for page in sorted(DOCS.rglob("*.md")):
        for block in _BLOCK.findall(page.read_text()):
            for line in block.splitlines():
                if line.startswith("$ precog "):
                    name = page.relative_to(DOCS).as_posix()
                    found.append((name, line.removeprefix("$ precog ").strip()))
    return found


def elsewhere(arguments: str) -> str | None:
    return next((test for name, test in _ELSEWHERE.items() if arguments.startswith(name)), None)


def understood(app: click.Command, arguments: list[str]) -> None:
    """Parse down to the last command without running it; click raises for what it does not know."""
    context = app.make_context("precog", list(arguments), resilient_parsing=False)
    while isinstance(context.command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        assert command is not None, name
        context = command.make_context(name, rest, parent=context)


@pytest.fixture
def small_world(all_databases: Database) -> Database:
    """Teams, two games and one settled position: what the commands of the pages talk about."""
    with all_databases.transaction() as conn:
        league = season.create_league(conn)
        game = season.add_game(conn, league, FIRST_SUNDAY, "KC", "BUF", (24, 17))
        season.add_prediction(conn, league, game, "0.62")
        season.add_quote(conn, game.home, game.kickoff - 2 * HOUR, "0.49", "0.50")
    run_pending(all_databases)
    return all_databases


@pytest.mark.requirement("UX-004")
def test_every_command_of_the_pages_works(
    small_world: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    home().mkdir(parents=True, exist_ok=True)
    found = commands()
    assert len(found) > 40
    wrong = []
    for page, text in found:
        arguments = shlex.split(text, comments=True)
        if elsewhere(text) is not None:
            understood(command(), arguments)
            continue
        result = invoke(arguments)
        allowed = _FAILS_HERE.get(arguments[0], 0)
        codes = allowed if isinstance(allowed, tuple) else (allowed,)
        told = isinstance(result.exception, PrecogError)
        if result.exit_code not in codes or told:
            wrong.append(f"{page}: precog {text}: {result.exception!r} {result.output[-300:]}")
    assert wrong == []


def test_what_is_run_elsewhere_is_there() -> None:
    for test in _ELSEWHERE.values():
        assert (REPOSITORY / test).is_file(), test


class _Loader(yaml.SafeLoader):
    """mkdocs.yml names a Python function for Mermaid; here it is only a word."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, suffix, node: suffix)


def _prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def _leads(page: Path, target: str) -> bool:
    """As `mkdocs build --strict` sees it: to a file of the site, and to a heading that is there."""
    name, _, anchor = target.partition("#")
    to = (page.parent / name).resolve() if name else page
    if not (to.is_file() and to.is_relative_to(DOCS)):
        return False
    headings = re.findall(r"^#+ (.*)$", _prose(to), re.MULTILINE) if anchor else ()
    plain = {re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings}
    return not anchor or anchor in {re.sub(r"[-\s]+", "-", heading) for heading in plain}


@pytest.mark.requirement("UX-004")
def test_every_page_is_in_the_site_and_every_link_leads_somewhere() -> None:
    site = yaml.load((REPOSITORY / "mkdocs.yml").read_text(), _Loader)  # noqa: S506
    listed: set[str] = set()

    def collect(entry: object) -> None:
        if isinstance(entry, str):
            listed.add(entry)
        elif isinstance(entry, dict):
            for value in entry.values():
                collect(value)
        elif isinstance(entry, list):
            for value in entry:
                collect(value)

    collect(site["nav"])
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert pages == listed
    broken = [
        f"{page}: {target}"
        for page in sorted(pages)
        for target in re.findall(r"\]\(([^)\s]+)\)", _prose(DOCS / page))
        if not target.startswith(("http://", "https://")) and not _leads(DOCS / page, target)
    ]
    assert broken == []


@pytest.mark.requirement("ML-004", "UX-004")
@pytest.mark.parametrize("page", ["probability", "elo", "kelly", "evaluation"])
def test_the_examples_of_the_concept_pages_are_true(page: str) -> None:
    blocks = re.findall(
        r"^```python\n(.*?)^```",
        (DOCS / f"concepts/{page}.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, f"docs/concepts/{page}.md", "exec"), names)  # noqa: S102


@pytest.mark.requirement("ML-004")
def test_the_four_guides_are_there() -> None:
    for guide in ("concepts/probability", "concepts/elo", "concepts/evaluation", "ml-roadmap"):
        assert len((DOCS / f"{guide}.md").read_text().split()) > 150, guide


@pytest.mark.requirement("UX-004")
def test_the_feature_of_the_guide_registers_and_computes() -> None:
    from precog_pipelines.features import registry

    text = (DOCS / "add-a-feature.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    before = list(registry._REGISTRY)
    try:
        exec(compile(block, "docs/add-a-feature.md", "exec"), dict(vars(registry)))  # noqa: S102
        (added,) = [f for f in registry._REGISTRY if f not in before]
    finally:
        registry._REGISTRY[:] = before
    assert (added.name, added.version, added.lowest, added.highest) == (
        "rest_advantage_capped", "v1.0", -3, 3,
    )  # fmt: skip
    assert added.calculation.startswith("Days of rest the home team has more")
