"""A wheel works outside the checkout: it carries its SQL, settings, workspace, data and commit."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from precog_core.database.migrations import read_migrations

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "precog_core",
    "precog_dagster",
    "precog_pipelines",
    "precog_trading",
    "precog_platform",
)
SHA = "0123456789abcdef0123456789abcdef01234567"

pytestmark = pytest.mark.slow


def run(*command: object, folder: Path) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PRECOG_", "PYTHON", "COV", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tree as a source distribution has it: a stamp, and no ``.git``."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("setup.py", "pyproject.toml", "workspace.yaml", "dagster.yaml"):
        shutil.copy2(ROOT / name, tree / name)
    for name in ("sql", "config", "sample", *PACKAGES):
        if (ROOT / name).exists():
            shutil.copytree(
                ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "_bundled")
            )
    (tree / "GIT_SHA").write_text(f"{SHA} dirty\n")
    program = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    run(sys.executable, "-c", program, folder, folder=tree)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment with the wheel and the libraries we have."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install")
    run(*pip, "--quiet", "--no-index", "--no-deps", "--ignore-installed", wheel, folder=folder)
    return folder / "bin"


def test_it_carries_every_file_of_the_packages_and_the_tree(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    expected = {"precog_core/_bundled/workspace.yaml", "precog_core/_bundled/dagster.yaml"}
    for name in ("sql", "config"):
        expected |= {f"precog_core/_bundled/{path}" for path in shipped(name)}
    for name in PACKAGES:
        expected |= {str(path) for path in shipped(name)}
    assert expected - inside == set()
    assert not [name for name in inside if "__pycache__" in name or name.startswith("tests")]


def shipped(name: str) -> list[Path]:
    return [
        path.relative_to(ROOT)
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "_bundled" not in path.parts
    ]


def test_it_runs_in_an_empty_folder(environment: Path, tmp_path: Path) -> None:
    version = run(environment / "precog", "--version", folder=tmp_path)
    assert re.fullmatch(rf"precog \S+ \({SHA[:12]}, modified\)\n", version)
    assert list(tmp_path.iterdir()) == []

    count = len(read_migrations())
    migrated = run(environment / "precog", "db", "migrate", folder=tmp_path)
    assert migrated.splitlines()[-1] == f"{count} applied"
    status = json.loads(run(environment / "precog", "db", "status", "--json", folder=tmp_path))
    assert (status["migrations_applied"], status["migrations_pending"]) == (count, [])
    assert [path.name for path in tmp_path.iterdir()] == [".precog"]
    assert not (tmp_path / ".precog" / "postgres" / "postmaster.pid").exists()


def test_its_files_come_from_the_wheel_and_not_from_a_checkout(
    environment: Path, tmp_path: Path
) -> None:
    program = (
        "import precog_core, precog_trading, precog_pipelines, precog_platform\n"
        "from precog_core.paths import resource\n"
        "print(precog_core.__file__)\n"
        "for name in ('sql/migrations', 'config', 'workspace.yaml', 'dagster.yaml'):\n"
        "    print(resource(name))\n"
    )
    for line in run(environment / "python", "-c", program, folder=tmp_path).splitlines():
        assert line.startswith(str(environment.parent))
