"""Parameter searches with Optuna: kept in a file, so that one that was stopped goes on."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precog_core.progress import Progress

if TYPE_CHECKING:
    import optuna


def open_study(path: Path, identity: str, seed: int, **sampler: Any) -> "optuna.Study":
    """The study of this identity in the file, begun or continued; it minimises.

    ``sampler``: further arguments of Optuna's TPESampler.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(path))),
        study_name=identity,
        direction="minimize",
        load_if_exists=True,
    )
    # Continued, it must not draw the first trials' numbers again.
    study.sampler = optuna.samplers.TPESampler(
        seed=seed + len(study.trials), multivariate=True, **sampler
    )
    return study


def continue_study(
    study: "optuna.Study",
    objective: "Callable[[optuna.Trial], float]",
    trials: int,
    progress: Progress,
) -> None:
    """Make the trials that are missing until ``trials`` are finished, each told to ``progress``."""
    done = sum(trial.state.is_finished() for trial in study.trials)
    progress(done, trials)
    finished = count(done + 1)
    study.optimize(
        objective,
        n_trials=max(trials - done, 0),
        callbacks=[lambda _study, _trial: progress(next(finished), trials)],
    )
