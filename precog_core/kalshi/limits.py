"""Token buckets: never more requests than the venue allows, and a warning near the limit.

All clients of one process share the buckets of a host, because the venue counts the account and
not the object. A share below 1 of the venue's rate leaves room for a person's own requests and
for a second process.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from precog_core.kalshi.config import TIER_TOKENS, KalshiConfig

WINDOW_S = 10.0
WARN_SHARE = 0.8
WARN_EVERY_S = 60.0
_log = logging.getLogger(__name__)


class TokenBucket:
    """``rate`` tokens flow in per second, at most ``capacity`` are held; a call waits for its own.

    Between any two instants no more than ``capacity + rate * seconds`` tokens are handed out. Safe
    under threads: a waiting call has reserved its tokens, so later ones queue behind it.
    """

    def __init__(
        self,
        name: str,
        rate: float,
        capacity: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self.rate = rate
        self.capacity = capacity
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._tokens = capacity
        self._filled_at = clock()
        self._taken: deque[tuple[float, float]] = deque()
        self._warned_at = float("-inf")
        self.peak = 0.0  # the highest share since this bucket was made

    def take(self, tokens: float) -> float:
        """Wait until ``tokens`` are there and use them; returns the seconds waited."""
        if tokens > self.capacity:
            raise ValueError(
                f"{tokens} tokens can never be taken from {self.name}: {self.capacity}"
            )
        with self._lock:
            now = self._refill()
            self._tokens -= tokens
            wait = max(0.0, -self._tokens / self.rate)
            self._note(now + wait, tokens)
        if wait > 0:
            self._sleep(wait)
        return wait

    def drain(self) -> None:
        """Forget all tokens: the venue has just said that there are none."""
        with self._lock:
            self._refill()
            self._tokens = min(self._tokens, 0.0)

    def share(self) -> float:
        """Use over the last ten seconds as a share of what could have been used."""
        with self._lock:
            return self._share(self._clock())

    def _refill(self) -> float:
        now = self._clock()
        self._tokens = min(self.capacity, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        return now

    def _note(self, at: float, tokens: float) -> None:
        self._taken.append((at, tokens))
        share = self._share(at)
        self.peak = max(self.peak, share)
        if share >= WARN_SHARE and at - self._warned_at >= WARN_EVERY_S:
            self._warned_at = at
            _log.warning(
                "%s: %.0f %% of the request limit used in the last %.0f s; calls will have to wait",
                self.name,
                100 * share,
                WINDOW_S,
                extra={"alert_type": "rate_limit", "share": round(share, 3)},
            )

    def _share(self, now: float) -> float:
        while self._taken and self._taken[0][0] <= now - WINDOW_S:
            self._taken.popleft()
        return sum(tokens for at, tokens in self._taken if at <= now) / (self.rate * WINDOW_S)


class HostLimits:
    """The read and the write bucket of one host."""

    def __init__(
        self,
        host: str,
        config: KalshiConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        read, write = (tokens * config.rate_fraction for tokens in TIER_TOKENS[config.tier])
        self.read = TokenBucket(f"{host} reads", read, read, clock, sleep)
        self.write = TokenBucket(f"{host} writes", write, write, clock, sleep)


_shared: dict[tuple[str, str, float], HostLimits] = {}
_shared_lock = threading.Lock()


def shared_limits(host: str, config: KalshiConfig) -> HostLimits:
    """The limits of ``host`` in this process, the same for every client with these settings."""
    key = (host, config.tier, config.rate_fraction)
    with _shared_lock:
        if key not in _shared:
            _shared[key] = HostLimits(host, config)
        return _shared[key]
