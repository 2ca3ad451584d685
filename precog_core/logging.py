"""JSON lines in ``$PRECOG_HOME/logs``: one object per event, with run and tick id, without secrets.

Many processes log at once, so a file is never renamed: its name carries the UTC day and a part
number, and whoever writes next moves on to the next name. Old files are deleted by age.
"""

import contextlib
import datetime as dt
import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from decimal import Decimal
from pathlib import Path
from typing import Any

from precog_core.paths import home
from precog_core.secrets import MASK, is_secret_name, masked, secret_values
from precog_core.system import LoggingConfig, system_config

PACKAGES = (
    "precog_core", "precog_dagster", "precog_pipelines", "precog_trading", "precog_platform",
)  # fmt: skip
LIBRARIES = ("psycopg.pool",)
"""Whose warnings belong into our files and not on the terminal: a server is away for a moment."""
JOURNAL = "precog_journal"
"""Logger of what happens by the thousand (decisions, orders): it goes to our files and nowhere
else, since Dagster stores every event of the packages' loggers in its database."""
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_context: ContextVar[dict[str, str]] = ContextVar("precog_log_context", default={})  # noqa: B039


_process: dict[str, str] = {}


def bind(**ids: str | None) -> None:
    """Stamp every event of this process with ``ids`` until told otherwise; None takes one away.

    For ids that belong to the whole process, such as the Dagster run of a worker: they also reach
    the threads it starts, which a context does not.
    """
    for name, value in ids.items():
        if value is None:
            _process.pop(name, None)
        else:
            _process[name] = value


@contextlib.contextmanager
def log_context(**ids: str | None) -> Iterator[None]:
    """Stamp every event of the block with ``ids``, such as ``run_id`` and ``tick_id``."""
    known = {name: value for name, value in ids.items() if value is not None}
    token = _context.set({**_context.get(), **known})
    try:
        yield
    finally:
        _context.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object per event: time (UTC), level, logger, message, ids, ``extra`` fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The event as one line; secrets masked in text and in fields named like one."""
        event: dict[str, Any] = {
            "ts": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **_process,
            **_context.get(),
        }
        event |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(_clean(event, secret_values()), ensure_ascii=False)


class DailyFiles(logging.Handler):
    """Appends to ``<folder>/precog-<UTC day>.<part>.jsonl``; safe under many processes."""

    def __init__(self, folder: Path, max_bytes: int, retention_d: int) -> None:
        super().__init__()
        self.folder = folder
        self.max_bytes = max_bytes
        self.retention_d = retention_d
        self._descriptor: int | None = None
        self._path: Path | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Append one line in a single write, which the kernel keeps whole."""
        try:
            line = self.format(record).encode() + b"\n"
            os.write(self._open(record.created), line)
        except (OSError, ValueError, TypeError):
            self.handleError(record)

    def path(self, created: float) -> Path:
        """The file for an event at ``created`` (Unix seconds): the first part with room."""
        day = dt.datetime.fromtimestamp(created, dt.UTC).date()
        part = 0
        while True:
            path = self.folder / f"precog-{day.isoformat()}.{part}.jsonl"
            if not path.exists() or path.stat().st_size < self.max_bytes:
                return path
            part += 1

    def close(self) -> None:
        """Close the open file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = self._path = None
        super().close()

    def _open(self, created: float) -> int:
        path = self.path(created)
        if self._descriptor is None or path != self._path or not path.exists():
            if self._descriptor is not None:
                os.close(self._descriptor)
            self.folder.mkdir(parents=True, exist_ok=True)
            self._delete_old(created)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            self._path = path
        return self._descriptor

    def _delete_old(self, created: float) -> None:
        oldest = dt.datetime.fromtimestamp(created, dt.UTC).date() - dt.timedelta(
            days=self.retention_d
        )
        for path in self.folder.glob("precog-*.jsonl"):
            with contextlib.suppress(ValueError, FileNotFoundError):
                if dt.date.fromisoformat(path.name[7:17]) < oldest:
                    path.unlink()


def configure_logging(config: LoggingConfig | None = None, folder: Path | None = None) -> Path:
    """Send the events of our packages to the log folder, which is returned; safe to call again.

    ``folder`` defaults to ``$PRECOG_HOME/logs``. No file appears before the first event.
    """
    config = config or system_config().logging
    folder = folder or home() / "logs"
    handler = DailyFiles(folder, config.max_file_mb * 1_000_000, config.retention_d)
    handler.setFormatter(JsonFormatter())
    logging.getLogger(JOURNAL).propagate = False
    for package in (*PACKAGES, *LIBRARIES, JOURNAL):
        logger = logging.getLogger(package)
        logger.setLevel(config.level.upper())
        for old in [h for h in logger.handlers if isinstance(h, DailyFiles)]:
            logger.removeHandler(old)
            old.close()
        logger.addHandler(handler)
    return folder


def log_folder() -> Path | None:
    """Where events of this process go; None when logging is not configured."""
    for handler in logging.getLogger(PACKAGES[0]).handlers:
        if isinstance(handler, DailyFiles):
            return handler.folder
    return None


def _clean(value: Any, secrets: Sequence[str], name: str = "") -> Any:
    """``value`` in JSON's types: secrets masked, decimals as text."""
    if is_secret_name(name):
        return MASK
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if value - value == 0 else str(value)
        case str():
            return masked(value, secrets)
        case dict():
            return {str(key): _clean(item, secrets, str(key)) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(item, secrets) for item in value]
        case Decimal():
            return str(value)
        case dt.date() | dt.datetime():
            return value.isoformat()
    return masked(str(value), secrets)
