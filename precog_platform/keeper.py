"""Keeps the servers of a home running after its bootstrap: what died is started again.

During the bootstrap a dead server ends the command, because a person is there and repeating the
command continues it. Afterwards nobody watches, so the supervisor restarts what dies: PostgreSQL
at its own address, every server with its own arguments and port, so that what is connected to it
finds it again. What keeps dying ends the command after all, with its log.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from precog_core.database.server import EmbeddedServer
from precog_core.errors import PrecogError
from precog_platform.processes import Supervisor, ending

RESTARTS = 5
"""Restarts of one server within ``WINDOW`` after which it is given up."""
WINDOW = timedelta(minutes=10)
POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class Restart:
    """A server that was started again, why, and how often within the window."""

    name: str
    reason: str
    number: int


@dataclass
class Keeper:
    """Starts again what dies. ``embedded`` is None when the database is somebody else's."""

    supervisor: Supervisor
    embedded: EmbeddedServer | None
    clock: Callable[[], float] = time.monotonic
    _restarts: dict[str, deque[float]] = field(default_factory=dict)

    def look(self) -> list[Restart]:
        """Restart what has died since the last look, PostgreSQL first; says what it did.

        Raises PrecogError when something keeps dying.
        """
        done: list[Restart] = []
        if self.embedded is not None and self.embedded.address() is None:
            number = self._count(POSTGRESQL, self.embedded.log)
            self.embedded.revive()
            done.append(Restart(POSTGRESQL, "ended unexpectedly", number))
        for server in self.supervisor.servers:
            code = server.process.poll()
            if code is None:
                continue
            number = self._count(server.name, server.log)
            self.supervisor.restart(server)
            done.append(Restart(server.name, f"ended unexpectedly ({ending(code)})", number))
        return done

    def renew(self, name: str) -> None:
        """Start a server that runs afresh, on purpose: it does not count as one that died."""
        self.supervisor.restart(self.supervisor.server(name))

    def _count(self, name: str, log: Path) -> int:
        now = self.clock()
        recent = self._restarts.setdefault(name, deque())
        while recent and now - recent[0] > WINDOW.total_seconds():
            recent.popleft()
        if len(recent) >= RESTARTS:
            raise PrecogError(
                f"{name} ended {RESTARTS + 1} times within {WINDOW.total_seconds() / 60:.0f} "
                f"minutes and is not started again; the reason is at the end of {log}"
            )
        recent.append(now)
        return len(recent)
