"""Token buckets: the law that no window gives more than it may, and the warning before that."""

import logging
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precog_core.kalshi.config import KalshiConfig
from precog_core.kalshi.limits import HostLimits, TokenBucket, shared_limits
from tests.kalshi.conftest import Clock, Connect
from tests.kalshi.server import FakeKalshi

RATE = CAPACITY = 160.0


@given(
    st.lists(
        st.tuples(st.floats(0, 5, allow_nan=False), st.integers(1, 160)), min_size=1, max_size=60
    )
)
def test_no_window_hands_out_more_than_capacity_and_inflow(
    calls: list[tuple[float, int]],
) -> None:
    """API-005: whatever the calls, a venue bucket of the same size never runs dry."""
    clock = Clock()
    bucket = TokenBucket("test", RATE, CAPACITY, clock, clock.sleep)
    given_out: list[tuple[float, int]] = []
    for pause, tokens in calls:
        clock.now += pause
        bucket.take(tokens)
        given_out.append((clock.now, tokens))
    for first in range(len(given_out)):
        total = 0
        for at, tokens in given_out[first:]:
            total += tokens
            assert total <= CAPACITY + RATE * (at - given_out[first][0]) + 1e-6


def test_a_full_bucket_does_not_wait_and_an_empty_one_waits_exactly() -> None:
    """API-005."""
    clock = Clock()
    bucket = TokenBucket("test", 100, 100, clock, clock.sleep)
    assert [bucket.take(50), bucket.take(50)] == [0, 0]
    assert bucket.take(25) == pytest.approx(0.25)
    assert clock.slept == [pytest.approx(0.25)]
    with pytest.raises(ValueError, match="can never be taken"):
        bucket.take(101)


def test_a_drained_bucket_starts_again_from_nothing() -> None:
    """API-005: after a 429 the venue's count is believed, not ours."""
    clock = Clock()
    bucket = TokenBucket("test", 100, 100, clock, clock.sleep)
    bucket.drain()
    assert bucket.take(10) == pytest.approx(0.1)


def test_threads_queue_behind_each_other() -> None:
    """API-005: a waiting call has reserved its tokens."""
    clock = Clock()
    clock.sleep = lambda seconds: waits.append(seconds)  # type: ignore[method-assign]
    waits: list[float] = []
    bucket = TokenBucket("test", 10, 10, clock, clock.sleep)
    threads = [threading.Thread(target=bucket.take, args=(10,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [pytest.approx(1), pytest.approx(2), pytest.approx(3)]


def test_use_of_four_fifths_is_warned_about_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """API-005: alert at 80 %."""
    clock = Clock()
    bucket = TokenBucket("kalshi reads", 10, 10, clock, clock.sleep)
    with caplog.at_level(logging.WARNING, logger="precog_core.kalshi.limits"):
        for _ in range(7):
            bucket.take(10)
        assert caplog.records == []
        assert bucket.share() == pytest.approx(0.7)
        for _ in range(20):
            bucket.take(10)
        assert len(caplog.records) == 1
        clock.now += 60
        for _ in range(12):
            bucket.take(10)
    assert len(caplog.records) == 2
    assert caplog.records[0].getMessage().startswith("kalshi reads: 80 % of the request limit")
    assert vars(caplog.records[0])["alert_type"] == "rate_limit"
    clock.now += 11
    assert bucket.share() == 0


def test_the_limits_are_the_tier_times_the_fraction() -> None:
    """API-005: without a key the account is taken as Basic."""
    limits = HostLimits("h", KalshiConfig())
    assert (limits.read.rate, limits.write.rate) == (160, 80)
    advanced = HostLimits("h", KalshiConfig(tier="advanced", rate_fraction=0.5))
    assert (advanced.read.capacity, advanced.write.capacity) == (150, 150)


def test_every_request_is_paid_for_also_a_repeated_one(
    connect: Connect, venue: FakeKalshi, clock: Clock
) -> None:
    """API-005: 40 reads of 10 tokens against 16 a second take the time they must."""
    client = connect()
    started = clock.now
    for _ in range(40):
        client.exchange_status()
    assert clock.now - started == pytest.approx((400 - 160) / 160)
    assert len(venue.seen) == 40


def test_limits_are_one_per_host_and_setting() -> None:
    """API-005: per host."""
    config = KalshiConfig()
    assert shared_limits("a.test", config) is shared_limits("a.test", config)
    assert shared_limits("a.test", config) is not shared_limits("b.test", config)
    other = KalshiConfig(tier="premier")
    assert shared_limits("a.test", config) is not shared_limits("a.test", other)
