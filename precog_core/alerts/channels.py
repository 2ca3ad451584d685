"""The ways of telling: each takes a notice and returns, or raises ChannelError with the reason.

Email, SMS, Slack and webhook go through Apprise, so that any of its hundred services can stand in
for ours by another address. Apprise answers with true or false; why it failed is read from its log,
without the parts of the address, which hold the secrets.
"""

import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from precog_core.alerts.config import Remote, address_variable, addresses
from precog_core.alerts.messages import Notice
from precog_core.alerts.rules import Severity
from precog_core.errors import PrecogError
from precog_core.paths import home
from precog_core.secrets import MASK, masked

if TYPE_CHECKING:
    from apprise import NotifyBase

Channel = Callable[[Notice], None]
_NOTIFY_TYPE: dict[Severity, str] = {
    "critical": "failure",
    "high": "failure",
    "medium": "warning",
    "low": "info",
}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SHORTEST_SECRET = 4
_LONGEST_REASON = 500


class ChannelError(PrecogError):
    """A delivery failed; the text says why, without secrets."""


def open_channels(
    console: Callable[[str], None] | None, timeout_s: float
) -> dict[str, Channel | ChannelError]:
    """The channels that exist here: the file, a console if given, and those with an address.

    An address that Apprise cannot read stands as the error each delivery on it fails with: the
    other channels go on, and the log of deliveries says what to correct.
    """
    channels: dict[str, Channel | ChannelError] = {"file": FileChannel()}
    if console is not None:
        channels["console"] = console_channel(console)
    for channel, address in addresses().items():
        try:
            channels[channel] = remote_channel(channel, address, timeout_s)
        except ChannelError as error:
            channels[channel] = error
    return channels


class FileChannel:
    """Appends one JSON object per notification to ``$PRECOG_HOME/logs/alerts-<month>.jsonl``."""

    def __call__(self, notice: Notice) -> None:
        """Append. Raises ChannelError when the disk refuses."""
        told_at = datetime.now(UTC)
        line = json.dumps({"told_at": told_at.isoformat(), **notice.as_dict()}, ensure_ascii=False)
        path = alert_file(told_at)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            try:
                # One write, which the kernel keeps whole beside those of other processes.
                os.write(descriptor, line.encode() + b"\n")
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ChannelError(f"{path}: {error.strerror or error}") from error


def alert_file(at: datetime) -> Path:
    """The file for notifications of that moment, one per UTC month."""
    return home() / "logs" / f"alerts-{at.astimezone(UTC):%Y-%m}.jsonl"


def console_channel(write: Callable[[str], None]) -> Channel:
    """A channel that gives ``write`` one line per notification."""

    def tell(notice: Notice) -> None:
        write(f"{notice.title}: {notice.message}")

    return tell


def remote_channel(channel: Remote, address: str, timeout_s: float) -> Channel:
    """The channel behind an Apprise address.

    Raises ChannelError when the address cannot be read, or would send unencrypted or to an
    unverified server over a network.
    """
    plugin = _plugin(channel, address, timeout_s)

    def tell(notice: Notice) -> None:
        short = channel == "sms"
        with _ApprisesWords() as words:
            sent = plugin.notify(
                body=notice.short if short else notice.text,
                title="" if short else notice.title,
                notify_type=_NOTIFY_TYPE[notice.severity],
                body_format="text",
            )
        if not sent:
            raise ChannelError(_without_address(words.reason(), address))

    return tell


def _plugin(channel: Remote, address: str, timeout_s: float) -> "NotifyBase":
    from apprise import Apprise, AppriseAsset

    variable = address_variable(channel)
    # Nothing is kept on disk, and no answer may lead a message with secrets elsewhere.
    asset = AppriseAsset(app_id="Precog", storage_mode="memory", http_redirects=False)
    with _ApprisesWords() as words:
        plugin = Apprise.instantiate(address, asset=asset)
    if plugin is None:
        reason = _without_address(words.reason(), address)
        raise ChannelError(f"{variable} is no address Apprise can use: {reason}")
    host = str(getattr(plugin, "smtp_host", None) or plugin.host or "")
    if host not in _LOOPBACK:
        if _is_plain(plugin):
            raise ChannelError(
                f"{variable} would send unencrypted; use mailtos:// or jsons://, http only on "
                "this machine"
            )
        if not plugin.verify_certificate:
            raise ChannelError(f"{variable} turns certificate checks off; remove verify=no")
    plugin.request_rate_per_sec = 0  # our limits say how much; Apprise would sleep instead
    plugin.socket_connect_timeout = plugin.socket_read_timeout = timeout_s
    return plugin


def _is_plain(plugin: "NotifyBase") -> bool:
    if getattr(plugin, "secure_mode", None) == "insecure":
        return True
    encrypted = plugin.secure_protocol or ()
    return plugin.schema not in ((encrypted,) if isinstance(encrypted, str) else encrypted)


class _ApprisesWords(logging.Handler):
    """Collects what Apprise says about a failure: warnings, errors and socket exceptions."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self._logger = logging.getLogger("apprise")
        self._level = self._logger.level

    def __enter__(self) -> "_ApprisesWords":
        # The reason of a broken connection is a debug message there.
        self._level = self._logger.level
        self._propagate = self._logger.propagate
        self._logger.setLevel(logging.DEBUG)
        self._logger.propagate = False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *unused: Any) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagate
        self._logger.setLevel(self._level)

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.WARNING or "Exception" in text:
            self.lines.append(text.strip())

    def reason(self) -> str:
        """What was said, on one line."""
        return "; ".join(self.lines) or "Apprise gives no reason"


def _without_address(text: str, address: str) -> str:
    parts = urlsplit(address)
    values = [parts.username, parts.password, parts.netloc.rpartition("@")[0]]
    values += parts.path.split("/")
    values += [value for _, value in parse_qsl(parts.query)]
    for value in sorted({v for v in values if v}, key=len, reverse=True):
        for written in (value, unquote(value)):
            if len(written) >= _SHORTEST_SECRET:
                text = text.replace(written, MASK)
    return masked(text.replace(address, MASK))[:_LONGEST_REASON]
