"""Beside the keeper of the servers: writes down what is wrong, and shows alerts on the terminal.

In a thread of its own, because it asks the very servers that may have died: a database that is away
answers a request after half a minute, and until then nobody would have started it again.
"""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg_pool import PoolTimeout
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from precog_core.database import Database
from precog_core.errors import PrecogError
from precog_platform.alert_console import TELL_EVERY_S, tell_alerts
from precog_platform.clock import forget_the_future, jumped
from precog_platform.graphql import DagsterClient
from precog_platform.health import CHECK_EVERY_S, note_health
from precog_platform.instance import close_lost_runs
from precog_platform.keeper import Restart
from precog_platform.launchers import PIPELINES, TRADING
from precog_platform.troubles import Silence, Trouble, full_disks

_log = logging.getLogger(__name__)
_AWAY = (psycopg.OperationalError, PoolTimeout, PrecogError, SQLAlchemyError)
_SOON_S = 2.0
_STOP_S = 5.0


@dataclass
class Reporter:
    """What the supervisor of a home tells: restarts, troubles, jumps of the clock, alerts."""

    database: Database
    client: DagsterClient
    home: Path
    console: Console
    _silence: Silence = field(default_factory=Silence)
    _restarts: list[tuple[Restart, datetime]] = field(default_factory=list)
    _jumps: list[Trouble] = field(default_factory=list)
    _set_back: bool = False
    _next_note: float = 0.0
    _next_telling: float = 0.0
    _wake: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _failure: BaseException | None = None

    def hear(self, restarts: Sequence[Restart], jump_s: float = 0) -> None:
        """Take over restarts and a jump of the clock, to be written once the database answers.

        Raises whatever ended the reporter, which must not end unnoticed.
        """
        if self._failure is not None:
            raise self._failure
        if restarts:
            now = datetime.now(UTC)
            self._restarts.extend((restart, now) for restart in restarts)
        if jump_s:
            self._jumps.append(jumped(jump_s))
            self._set_back = self._set_back or jump_s < 0
        if restarts or jump_s:
            self._wake.set()

    @contextmanager
    def reporting(self) -> Iterator["Reporter"]:
        """Report until the block ends."""
        thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._wake.set()
            thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self.turn()
                self._wake.wait(1.0)
        except BaseException as error:  # noqa: BLE001 - raised again by hear()
            if not self._stop.is_set():  # at the end the database is closed under a late request
                self._failure = error

    def turn(self) -> None:
        """One look: note and tell what is due. What cannot be written now is written later."""
        now = time.monotonic()
        if self._wake.is_set() or now >= self._next_note:
            self._wake.clear()
            self._next_note = time.monotonic() + (CHECK_EVERY_S if self._note() else _SOON_S)
        if now >= self._next_telling:
            self._next_telling = now + TELL_EVERY_S
            try:
                tell_alerts(self.database, self.console)
            except _AWAY as error:
                _log.warning("alerts are shown here later: %s", error)

    def _note(self) -> bool:
        restarts, jumps = list(self._restarts), list(self._jumps)
        try:
            self._tell_dagster(restarts)
            # After a restart the webserver may not answer yet; the next look asks it.
            wrong = [] if restarts else self._silence.troubles(self.client)
            wrong += full_disks(self.home)
            seen = [restart for restart, _ in restarts]
            note_health(self.database, seen, datetime.now(UTC), [*jumps, *wrong])
        except _AWAY as error:
            _log.warning("the state of the servers is written later: %s", error)
            return False
        del self._restarts[: len(restarts)]
        del self._jumps[: len(jumps)]
        return True

    def _tell_dagster(self, restarts: Sequence[tuple[Restart, datetime]]) -> None:
        """What Dagster itself would find out late or never: lost runs, a clock that was set."""
        locations = [(r.name, at) for r, at in restarts if r.name in (PIPELINES, TRADING)]
        if not locations and not self._set_back:
            return
        import dagster as dg

        with dg.DagsterInstance.get() as instance:
            for name, died_at in locations:
                close_lost_runs(instance, name, died_at)
            if self._set_back:
                forget_the_future(instance, self.database, datetime.now(UTC))
        self._set_back = False
