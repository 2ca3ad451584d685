"""GET requests: within the limits, signed when asked, repeated only where that can help.

Only reads go through here, so repeating is always safe. Repeated: 429, 5xx, timeouts, dead
connections and answers that were cut off. Never repeated: any other status, and an answer that is
complete but wrong.
"""

import json
import ssl
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from precog_core.errors import PrecogError
from precog_core.kalshi.config import LOOPBACK, KalshiConfig
from precog_core.kalshi.credentials import Credentials
from precog_core.kalshi.errors import KalshiPayloadError, KalshiRefused, KalshiUnavailable
from precog_core.kalshi.limits import HostLimits, shared_limits
from precog_core.kalshi.outcomes import error_of

USER_AGENT = "precog"
_SHOWN = 200
Params = Mapping[str, str | int | bool | None]


class _Passing(Exception):
    """A failure that another attempt may not meet; ``retry_after`` in seconds where given."""

    def __init__(self, reason: str, retry_after: float = 0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Transport:
    """Connections to one host. ``clock`` and ``sleep`` are in seconds, ``now_ms`` is Unix time."""

    def __init__(
        self,
        config: KalshiConfig,
        credentials: Credentials | None = None,
        *,
        limits: HostLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        largest_answer: int = 64 * 1024 * 1024,
    ) -> None:
        parts = urlsplit(config.rest_base)
        self._config = config
        self._credentials = credentials
        self._path = parts.path
        self._clock = clock
        self._sleep = sleep
        self._now_ms = now_ms
        self._largest_answer = largest_answer
        self.limits = limits or shared_limits(parts.netloc, config)
        self._http = httpx.Client(
            base_url=f"{parts.scheme}://{parts.netloc}",
            timeout=config.timeout_s,
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            verify=_trust_store(),
            trust_env=parts.hostname not in LOOPBACK,  # a proxy cannot reach this machine's own
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, params: Params | None = None, *, signed: bool = False) -> Any:
        """The JSON object at ``path`` (without ``/trade-api/v2``), numbers as Decimal.

        Raises KalshiRefused for a definite no, KalshiUnavailable when the retries are used up,
        KalshiPayloadError for an answer that is not a JSON object.
        """
        endpoint = f"GET {path}"
        if signed and self._credentials is None:
            raise PrecogError(
                f"{endpoint} needs a Kalshi key for {self._config.env}; set "
                f"{'KALSHI_DEMO_' if self._config.env == 'demo' else 'KALSHI_'}KEY_ID and "
                "…PRIVATE_KEY_PATH"
            )
        query = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in (params or {}).items()
            if value is not None
        }
        retrying = Retrying(
            stop=stop_after_attempt(1 + self._config.retry.retries),
            wait=self._pause,
            retry=retry_if_exception_type(_Passing),
            sleep=self._sleep,
            reraise=False,
            retry_error_callback=lambda state: _give_up(endpoint, state),
        )
        return retrying(self._once, endpoint, self._path + path, query, signed)

    def _once(self, endpoint: str, path: str, query: Mapping[str, str], signed: bool) -> Any:
        self.limits.read.take(self._config.request_cost)
        headers: dict[str, str] = {}
        if signed and self._credentials is not None:
            headers = self._credentials.headers("GET", path, self._now_ms())
        try:
            status, retry_after, body = self._fetch(path, query, headers)
        except httpx.RequestError as error:
            raise _Passing(f"{type(error).__name__}: {error}") from error
        if status == 429:
            self.limits.read.drain()
            self._refuse_long_pause(endpoint, retry_after)
            raise _Passing("HTTP 429, too many requests", retry_after)
        if status >= 500:
            self._refuse_long_pause(endpoint, retry_after)
            raise _Passing(f"HTTP {status} {_shown(body)}", retry_after)
        try:
            content = json.loads(body, parse_float=Decimal, parse_constant=_no_constant)
        except ValueError as error:
            if status == 200:
                raise _Passing(f"an answer that is no JSON or was cut off ({error})") from error
            raise KalshiRefused(endpoint, status, None, _shown(body)) from error
        if status != 200:
            code, message = error_of(content)
            raise KalshiRefused(endpoint, status, code, message if code else _shown(body))
        if not isinstance(content, dict):
            raise KalshiPayloadError(
                endpoint, None, "(the whole answer)", f"is {type(content).__name__}, not an object"
            )
        return content

    def _fetch(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[int, float, bytes]:
        """Status, Retry-After in seconds (0 when absent) and the complete body."""
        started = self._clock()
        with self._http.stream("GET", path, params=query, headers=headers) as response:
            pieces: list[bytes] = []
            size = 0
            for piece in response.iter_bytes():
                pieces.append(piece)
                size += len(piece)
                # A server that sends a byte now and then never meets the timeout of a read.
                if self._clock() - started > self._config.deadline_s:
                    raise httpx.ReadTimeout(f"no complete answer in {self._config.deadline_s:g} s")
                if size > self._largest_answer:
                    raise httpx.ReadError(f"more than {self._largest_answer} bytes")
            return (
                response.status_code,
                _seconds(response.headers.get("Retry-After")),
                b"".join(pieces),
            )

    def _pause(self, state: RetryCallState) -> float:
        retry = self._config.retry
        pause = wait_random_exponential(multiplier=retry.base_s, max=retry.max_s)(state)
        error = state.outcome.exception() if state.outcome else None
        return max(pause, error.retry_after if isinstance(error, _Passing) else 0)

    def _refuse_long_pause(self, endpoint: str, retry_after: float) -> None:
        if retry_after > self._config.retry.longest_retry_after_s:
            raise KalshiUnavailable(
                endpoint, 1, f"the venue asks for a pause of {retry_after:g} s (Retry-After)"
            )


@cache
def _trust_store() -> ssl.SSLContext:
    """The authorities that hosts are checked against; reading them takes 50 ms, so once."""
    return httpx.create_ssl_context()


def _give_up(endpoint: str, state: RetryCallState) -> NoReturn:
    error = state.outcome.exception() if state.outcome else None
    raise KalshiUnavailable(endpoint, state.attempt_number, str(error)) from error


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _seconds(header: str | None) -> float:
    """Retry-After in seconds; its other form, a date, is not used by the venue and read as 0."""
    return float(header) if header and header.isascii() and header.isdigit() else 0.0


def _shown(body: bytes) -> str:
    text = body[:_SHOWN].decode("utf-8", "replace").strip()
    return text or "(empty)"
