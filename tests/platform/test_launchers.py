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

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for `command &`
    try:
        with dg.DagsterInstance.ephemeral() as instance:
            assert _execute(some_job, instance=instance).success
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
