"""Which source produced this code: the git commit that every fit and dataset records."""

import subprocess
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_BUNDLED = _PACKAGE / "_bundled" / "GIT_SHA"
UNKNOWN_SHA = "0" * 40


@cache
def git_sha() -> str:
    """40 hex digits: the wheel's build commit, else HEAD of the checkout, else forty zeros."""
    if _BUNDLED.exists():
        return _BUNDLED.read_text().split()[0]
    return _git("rev-parse", "HEAD") or UNKNOWN_SHA


@cache
def git_dirty() -> bool:
    """True when tracked files differ from the commit, so that ``git_sha`` is only an origin."""
    if _BUNDLED.exists():
        return "dirty" in _BUNDLED.read_text()
    return bool(_git("status", "--porcelain", "--untracked-files=no"))


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(_PACKAGE.parent), *arguments],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
