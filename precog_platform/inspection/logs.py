"""``precog logs``: the structured log files as lines for a person, oldest first."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LEVELS = ("debug", "info", "warning", "error", "critical")
_OWN = frozenset({"ts", "level", "logger", "message", "process", "exception"})


def events(
    folder: Path, *, level: str = "debug", run: str | None = None, text: str | None = None
) -> Iterator[dict[str, Any]]:
    """Every event of at least ``level``, of one run or tick (any id that begins with ``run``)."""
    for path in sorted(folder.glob("precog-*.jsonl"), key=_part):
        with path.open(encoding="utf-8") as file:
            for line in file:
                event = _event(line)
                if event is not None and _wanted(event, level, run, text):
                    yield event


def follow(folder: Path, **wanted: Any) -> Iterator[dict[str, Any]]:
    """Events as they are written, from now on; ends with Ctrl-C."""
    places = {path: path.stat().st_size for path in folder.glob("precog-*.jsonl")}
    while True:
        for path in sorted(folder.glob("precog-*.jsonl"), key=_part):
            with path.open(encoding="utf-8") as file:
                file.seek(places.get(path, 0))
                while line := file.readline():
                    if not line.endswith("\n"):
                        break  # the rest of the line is still being written
                    places[path] = file.tell()
                    event = _event(line)
                    if event is not None and _wanted(event, **wanted):
                        yield event
        time.sleep(0.5)


def line(event: dict[str, Any]) -> str:
    """Time, level, logger, message, then the ids and fields."""
    extra = " ".join(f"{k}={v}" for k, v in event.items() if k not in _OWN)
    text = f"{event['ts'][:19]} {event['level']:<8} {event['logger']}: {event['message']}"
    text += f"  {extra}" if extra else ""
    return text + (f"\n{event['exception']}" if "exception" in event else "")


def _event(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None  # torn by a full disk; the other lines are whole
    return found if isinstance(found, dict) and "ts" in found else None


def _wanted(
    event: dict[str, Any], level: str = "debug", run: str | None = None, text: str | None = None
) -> bool:
    at_least = _LEVELS.index(event.get("level", "info")) >= _LEVELS.index(level)
    ids = [str(value) for name, value in event.items() if name.endswith("_id")]
    of_run = run is None or any(value.startswith(run) for value in ids)
    return at_least and of_run and (text is None or text in json.dumps(event, ensure_ascii=False))


def _part(path: Path) -> tuple[str, int]:
    day, _, number = path.stem.removeprefix("precog-").rpartition(".")
    return day, int(number) if number.isdigit() else 0
