"""Searching Elo's parameters: K, home advantage by era, reversion, and how a margin counts.

The target is the log loss of every season's games, each predicted from its past, which is what Elo
does anyway. Seasons after the window are not looked at until the search is over, and then once:
parameters chosen on the seasons they are judged by always look good. Trials are kept in a file, so
a search that was stopped goes on, and the same games with the same window continue the same search.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precog_core.build_info import git_dirty, git_sha
from precog_core.errors import PrecogError
from precog_core.progress import Progress, unseen
from precog_pipelines.ratings.config import LeagueElo
from precog_pipelines.ratings.elo import EloParameters, Era, MarginForm
from precog_pipelines.ratings.history import FinishedGame
from precog_pipelines.ratings.kernel import GameColumns, score_columns
from precog_pipelines.searches import continue_study, open_study

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from matplotlib.figure import Figure

    from precog_pipelines.tracking.runs import Tracking

BURN_IN_SEASONS = 3
_SEASONS_OF_AN_ERA = 3
_SPACE_VERSION = 1
_RANDOM_TRIALS = 50


@dataclass(frozen=True)
class Score:
    """Errors of one set of parameters over some seasons; NaN without games."""

    n: int
    log_loss: float
    brier: float


@dataclass(frozen=True)
class Found:
    """What a search ended with. ``held_out`` scores are of the seasons after the window."""

    identity: str
    window: tuple[int, int]
    trials: int
    best: EloParameters
    best_params: dict[str, Any]
    configured: Score
    found: Score
    held_out: tuple[int, int] | None
    held_out_configured: Score
    held_out_found: Score
    table: "pd.DataFrame"


def columns_of(games: Sequence[FinishedGame]) -> GameColumns:
    """Stored games as the kernel takes them."""
    import pandas as pd

    frame = pd.DataFrame(
        [(g.season, g.home_team_id, g.away_team_id, g.home_score, g.away_score, g.neutral_site)
         for g in games],
        columns=["season", "home", "away", "home_score", "away_score", "neutral"],
    )  # fmt: skip
    return GameColumns.of_frame(frame)


def search(
    games: GameColumns,
    elo: LeagueElo,
    *,
    trials: int,
    folder: Path,
    name: str,
    first: int | None = None,
    last: int | None = None,
    seed: int = 42,
    progress: Progress = unseen,
) -> Found:
    """Continue the search of these games and this window until it has ``trials`` trials.

    ``first`` is by default the season after the burn-in, ``last`` the season before the last one,
    which is then held out. Raises PrecogError for a window without games.
    """
    import optuna

    configured = elo.parameters()
    scored = score_columns(games, configured)
    known = [int(season) for season in scored.seasons]
    if len(known) <= BURN_IN_SEASONS:
        raise PrecogError(
            f"a search needs more than {BURN_IN_SEASONS} seasons of results; there are {known}"
        )
    window = (first or known[BURN_IN_SEASONS], last or known[-2])
    if not scored.over(*window)[0]:
        raise PrecogError(
            f"no decided game in seasons {window[0]} to {window[1]}; results are stored from "
            f"{known[0]} to {known[-1]}"
        )
    searched = _searched_eras(configured, known, window)
    identity = _identity(games, configured, window, searched)
    study = open_study(
        folder / f"{name}-{identity[:12]}.journal", identity, seed, n_startup_trials=_RANDOM_TRIALS
    )
    if not study.trials:
        study.enqueue_trial(_as_trial(configured, searched))

    def objective(trial: "optuna.Trial") -> float:
        parameters = _suggested(trial, configured, searched)
        _, log_loss, brier = score_columns(games, parameters).over(*window)
        trial.set_user_attr("brier", brier)
        return log_loss

    continue_study(study, objective, trials, progress)
    best = _suggested(
        optuna.trial.FixedTrial(study.best_params), configured, searched
    )  # fmt: skip
    held_out = (window[1] + 1, known[-1]) if window[1] < known[-1] else None

    def score(parameters: EloParameters, seasons: tuple[int, int] | None) -> Score:
        span = seasons or (1, 0)
        return Score(*score_columns(games, parameters).over(*span))

    return Found(
        identity=identity,
        window=window,
        trials=len(study.trials),
        best=best,
        best_params=study.best_params,
        configured=score(configured, window),
        found=score(best, window),
        held_out=held_out,
        held_out_configured=score(configured, held_out),
        held_out_found=score(best, held_out),
        table=_trials_table(study),
    )


def yaml_of(found: Found) -> str:
    """The parameters as ``config/elo.yaml`` takes them, four digits."""
    eras = [
        f"{{points: {era.home_advantage:.4g}}}"
        if era.from_season is None
        else f"{{from_season: {era.from_season}, points: {era.home_advantage:.4g}}}"
        for era in found.best.eras
    ]
    lines = [
        f"k: {found.best.k:.4g}",
        f"home_advantage: [{', '.join(eras)}]",
        f"reversion: {found.best.reversion:.4g}",
        f"margin: {found.best.margin.value}",
    ]
    if found.best.margin is not MarginForm.NONE:
        lines.append(f"margin_power: {found.best.margin_power:.4g}")
    return "\n".join(lines) + "\n"


def record_search(tracking: "Tracking", league: str, found: Found) -> str:
    """One MLflow run for the whole search, found again when it is continued; returns its address.

    Parameters cannot change in MLflow, so the best ones are tags; trials are a table, not runs.
    """
    from precog_pipelines.tracking.runs import GROUP_TAG, IDENTITY_TAG, NOTE_TAG

    experiment_id = tracking.experiment(league, "elo")
    runs = tracking.runs_of_group(experiment_id, found.identity)
    existing = runs.get(found.identity)
    tags = {
        IDENTITY_TAG: found.identity,
        GROUP_TAG: found.identity,
        "league": league,
        "family": "elo",
        "precog.kind": "parameter search",
        "git_sha": git_sha(),
        "git_dirty": str(git_dirty()),
        NOTE_TAG: _note(found),
        **{f"best.{key}": f"{value}" for key, value in found.best_params.items()},
    }
    if existing is None:
        label = f"search {found.window[0]}-{found.window[1]}"
        run_id = tracking.start_run(experiment_id, label, tags)
        tracking.log(run_id, params={"first": found.window[0], "last": found.window[1]})
    else:
        run_id = existing.info.run_id
    metrics = {
        "configured_log_loss": found.configured.log_loss,
        "best_log_loss": found.found.log_loss,
        "configured_brier": found.configured.brier,
        "best_brier": found.found.brier,
        "held_out_configured_log_loss": found.held_out_configured.log_loss,
        "held_out_best_log_loss": found.held_out_found.log_loss,
        "held_out_configured_brier": found.held_out_configured.brier,
        "held_out_best_brier": found.held_out_found.brier,
    }
    tracking.log(
        run_id, metrics=[(key, value, found.trials) for key, value in metrics.items()], tags=tags
    )
    client = tracking.client()
    with tracking.active():
        client.log_figure(run_id, history_plot(found), "history.png")
        client.log_text(run_id, found.table.to_csv(index=False), "trials.csv")
        client.log_text(run_id, yaml_of(found), "best.yaml")
    tracking.finish(run_id)
    return tracking.run_url(experiment_id, run_id)


def history_plot(found: Found) -> "Figure":
    """Log loss of every trial and the best so far, with the configured parameters' as a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    values = found.table["log_loss"]
    axes.plot(found.table["trial"], values, ".", markersize=2, color="0.7", label="trial")
    axes.plot(found.table["trial"], values.cummin(), color="#1f77b4", label="best so far")
    axes.axhline(found.configured.log_loss, color="#d62728", linewidth=0.8, label="configured")
    low = values.min()
    axes.set_ylim(low - 0.1 * (values.median() - low + 1e-4), values.quantile(0.9))
    axes.set(
        xlabel="trial",
        ylabel="log loss (lower is better)",
        title=f"Elo parameters, seasons {found.window[0]} to {found.window[1]}",
    )
    axes.legend(frameon=False)
    return figure


def plot_png(found: Found) -> bytes:
    """``history_plot`` as PNG."""
    drawn = io.BytesIO()
    history_plot(found).savefig(drawn, format="png", dpi=100)
    return drawn.getvalue()


def _searched_eras(
    configured: EloParameters, known: Sequence[int], window: tuple[int, int]
) -> tuple[int | None, ...]:
    """Starts of the eras with enough seasons in the window; the others keep their number."""
    inside = [season for season in known if window[0] <= season <= window[1]]
    covered: dict[int | None, int] = {}
    for season in inside:
        begun = [
            era for era in configured.eras if era.from_season is None or era.from_season <= season
        ]
        era = max(begun, key=lambda e: (e.from_season is not None, e.from_season or 0))
        covered[era.from_season] = covered.get(era.from_season, 0) + 1
    return tuple(
        era.from_season
        for era in configured.eras
        if covered.get(era.from_season, 0) >= _SEASONS_OF_AN_ERA
    )


def _suggested(
    trial: "optuna.trial.BaseTrial", configured: EloParameters, searched: tuple[int | None, ...]
) -> EloParameters:
    eras = tuple(
        Era(era.from_season, trial.suggest_float(_era_name(era.from_season), 0.0, 150.0))
        if era.from_season in searched
        else era
        for era in configured.eras
    )
    return replace(
        configured,
        k=trial.suggest_float("k", 1.0, 50.0),
        eras=eras,
        reversion=trial.suggest_float("reversion", 0.0, 1.0),
        margin=MarginForm(trial.suggest_categorical("margin", [form.value for form in MarginForm])),
        margin_power=trial.suggest_float("margin_power", 0.0, 2.0),
    )


def _as_trial(configured: EloParameters, searched: tuple[int | None, ...]) -> dict[str, Any]:
    return {
        "k": configured.k,
        "reversion": configured.reversion,
        "margin": configured.margin.value,
        "margin_power": configured.margin_power,
    } | {
        _era_name(era.from_season): era.home_advantage
        for era in configured.eras
        if era.from_season in searched
    }


def _era_name(from_season: int | None) -> str:
    return "home_advantage" if from_season is None else f"home_advantage_{from_season}"


def _identity(
    games: GameColumns,
    configured: EloParameters,
    window: tuple[int, int],
    searched: tuple[int | None, ...],
) -> str:
    digest = hashlib.sha256()
    for column in (games.season, games.home, games.away, games.margin, games.neutral):
        digest.update(column.tobytes())
    eras = [list(era) for era in configured.eras]
    said = [_SPACE_VERSION, games.first_season, configured.mean, eras, window, searched]
    digest.update(json.dumps(said).encode())
    return digest.hexdigest()


def _trials_table(study: "optuna.Study") -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(
        [
            {"trial": t.number, "log_loss": t.value, "brier": t.user_attrs["brier"], **t.params}
            for t in study.trials
            if t.value is not None
        ]
    )


def _note(found: Found) -> str:
    lines = [
        f"{found.trials} trials over seasons {found.window[0]} to {found.window[1]}: log loss "
        f"{found.configured.log_loss:.5f} as configured, {found.found.log_loss:.5f} found.",
    ]
    if found.held_out:
        lines.append(
            f"Held out, {found.held_out[0]} to {found.held_out[1]} "
            f"({found.held_out_found.n} games): {found.held_out_configured.log_loss:.5f} as "
            f"configured, {found.held_out_found.log_loss:.5f} found."
        )
    return "\n\n".join([*lines, f"```yaml\n{yaml_of(found)}```"])
