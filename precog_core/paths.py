"""Where things are: the user's home folder and the files that ship with Precog.

Raw SQL, YAML and the Dagster workspace live at the top of the checkout, where people look for
them; a wheel carries the same files inside this package (``setup.py`` copies them). Everything
else asks here and never builds such a path itself.
"""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def home() -> Path:
    """The folder holding all state of one installation: ``$PRECOG_HOME``, default ``./.precog``."""
    return Path(os.environ.get("PRECOG_HOME") or ".precog").expanduser().resolve()


def resource(name: str) -> Path:
    """A shipped file or folder, such as ``sql/migrations``: from the checkout or from the wheel.

    Raises FileNotFoundError naming both places when neither has it.
    """
    bundled = _PACKAGE / "_bundled" / name
    checkout = _PACKAGE.parent / name
    for candidate in (bundled, checkout):
        if candidate.exists():
            return candidate
    raise FileNotFoundError(
        f"Precog's own file {name!r} is neither in {bundled.parent} (wheel) nor in "
        f"{checkout.parent} (checkout); reinstall the package"
    )
