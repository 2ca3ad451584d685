"""Dagster runs in our own process: what they may not leave behind."""

import signal

import dagster as dg

from precog_platform.launchers import _execute


def test_a_bootstrap_in_the_background_of_a_script_still_ends_on_sigterm() -> None:
    @dg.op
    def work() -> None: ...

    @dg.job
    def some_job() -> None:
        work()

    before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for `command &`
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # an earlier Dagster run here may have taken it
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            assert _execute(some_job, instance=instance).success
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
