"""Approving a league's champion: the gate applied, versions registered, aliases moved, one winner.

The database row of the model and the MLflow alias cannot change in one transaction. Each step is
idempotent and decided by facts that none of them changes, so a rerun after a kill ends in the same
state. The alias moves last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from precog_core.database import Database
from precog_core.database.queries import load_queries
from precog_core.errors import PrecogError
from precog_pipelines.tracking.models import (
    CHALLENGER,
    CHAMPION,
    Version,
    register,
    remove_alias,
    set_alias,
    tag_version,
    tags_of_version,
    version_by_alias,
)
from precog_pipelines.tracking.runs import Tracking, registered_name
from precog_pipelines.training.evaluation import Comparison, compare_pair
from precog_pipelines.training.judging import Candidate, Judgement, judge_league
from precog_pipelines.training.metrics import brier
from precog_pipelines.training.promotion import Contender, Reason, choose, gate, in_words
from precog_pipelines.training.records import out_of_sample, record_of_run
from precog_pipelines.training.rollback import CHAMPION_SINCE, withdrawal

APPROVED_BY = "bootstrap"


class GateRefused(PrecogError):
    """No candidate may become or stay champion; the message says why for each."""


@dataclass(frozen=True)
class Approval:
    """Who is champion now. ``moved``: an alias or a status changed.

    ``admitted`` False: the gate refused, and the league trades on paper by the stated exception.
    """

    league: str
    champion: Candidate
    version: Version
    challengers: Mapping[str, Version]
    reasons: Mapping[str, str]
    compared_with: str
    moved: bool
    admitted: bool = True


def approve(db: Database, tracking: Tracking, league: str) -> Approval:
    """Choose the champion of ``league`` among the newest fits and make it so.

    Where the gate refuses a league that has Elo alone (models.elo_alone), Elo becomes champion by
    that exception: for paper trading only, with the refusal and the reason on its row.

    Raises GateRefused, with the alias where it was, when no candidate passes; PrecogError when
    another model of the league is active in live trading.
    """
    judgement = judge_league(db, tracking, league)
    reference_name, references = _references(db, tracking, judgement)
    reasons = {
        candidate.name: gate(
            judged=candidate.evaluation.judged,
            reference_name=reference_name,
            reference=references[candidate.name],
            findings=candidate.findings,
            missing_tags=candidate.missing_tags,
            config=judgement.config.champion,
            predicts_in_time=candidate.predicts_in_time,
            withdrawn=withdrawal(
                tracking,
                registered_name(league, candidate.family),
                candidate.record.latest.mlflow_run_id,
            ),
        )
        for candidate in judgement.candidates
    }
    words = {
        candidate.name: in_words(candidate.title, reasons[candidate.name])
        for candidate in judgement.candidates
    }
    choice = choose(_contenders(judgement, reasons))
    champion = choice.champion or _elo_alone(judgement)
    if champion is None:
        raise GateRefused(
            f"no model of {league} may predict for trading; the champion stays as it was. "
            + " ".join(words.values())
        )
    if choice.champion is None:
        words[champion] += (
            f" It predicts for paper trading all the same, approved by {APPROVED_BY}: "
            f"{judgement.config.elo_alone[league]} (models.elo_alone.{league})."
        )
    challengers = [name for name in choice.challengers if name != champion]
    approval = _install(db, tracking, judgement, champion, challengers, words, reference_name)
    return replace(approval, admitted=choice.champion is not None)


def reigning(tracking: Tracking, league: str, families: list[str]) -> Version | None:
    """The version that holds the alias ``champion`` in ``league``, if any."""
    found = [
        version
        for family in families
        if (version := version_by_alias(tracking, registered_name(league, family), CHAMPION))
    ]
    return found[0] if found else None


def _elo_alone(judgement: Judgement) -> str | None:
    """Elo of a league that has nothing else, unless something about it is alarming."""
    if judgement.league not in judgement.config.elo_alone:
        return None
    return next(
        (c.name for c in judgement.candidates if c.family == "elo" and not c.has_alarm), None
    )


def _references(
    db: Database, tracking: Tracking, judgement: Judgement
) -> tuple[str, dict[str, Comparison | None]]:
    """What each candidate is compared with: the champion's record, else the home rate."""
    families = [candidate.family for candidate in judgement.candidates]
    version = reigning(tracking, judgement.league, families)
    if version is None:
        return "the home rate", {
            c.name: c.evaluation.judged.comparisons.get("home_rate")
            if c.evaluation.judged
            else None
            for c in judgement.candidates
        }
    record = record_of_run(db, tracking, version.run_id)
    own = out_of_sample(tracking, record).set_index("game_id")["p_home"]
    references: dict[str, Comparison | None] = {}
    for candidate in judgement.candidates:
        judged = candidate.evaluation.judged
        games = candidate.predictions
        games = games[games["game_id"].isin(own.index)]
        games = games[games["season"].isin(judged.seasons if judged else ())]
        references[candidate.name] = (
            compare_pair("champion", games["p_home"], games["game_id"].map(own), games["home_win"])
            if len(games)
            else None
        )
    return f"the champion {version.name} version {version.number}", references


def _contenders(judgement: Judgement, reasons: Mapping[str, tuple[Reason, ...]]) -> list[Contender]:
    shared: set[int] | None = None
    for candidate in judgement.candidates:
        # Its games are few, and it does not compete.
        if not candidate.predicts_in_time:
            continue
        judged = candidate.evaluation.judged
        games = candidate.predictions
        known = set(games[games["season"].isin(judged.seasons if judged else ())]["game_id"])
        shared = known if shared is None else shared & known
    contenders = []
    for candidate in judgement.candidates:
        games = candidate.predictions
        games = games[games["game_id"].isin(shared or ())]
        score = brier(games["p_home"], games["home_win"]) if len(games) else float("inf")
        contenders.append(
            Contender(
                candidate.name,
                score,
                reasons[candidate.name],
                candidate.has_alarm,
                candidate.predicts_in_time,
            )
        )
    return contenders


def _install(
    db: Database,
    tracking: Tracking,
    judgement: Judgement,
    champion: str,
    challengers: Sequence[str],
    words: Mapping[str, str],
    reference_name: str,
) -> Approval:
    league = judgement.league
    by_name = {candidate.name: candidate for candidate in judgement.candidates}
    winner = by_name[champion]
    _refuse_active_rival(db, league, winner)
    versions = {
        name: _registered(tracking, league, by_name[name], words[name])
        for name in (winner.name, *challengers)
    }
    moved = _set_statuses(db, league, winner, words[winner.name])
    families = {candidate.name: candidate.family for candidate in judgement.candidates}
    if CHAMPION_SINCE not in tags_of_version(tracking, versions[winner.name]):
        # What a rollback goes back to.
        since = datetime.now(UTC).isoformat()
        tag_version(tracking, versions[winner.name], CHAMPION_SINCE, since)
    moved |= set_alias(tracking, versions[winner.name], CHAMPION)
    for name, family in families.items():
        registered = registered_name(league, family)
        if name != winner.name:
            moved |= remove_alias(tracking, registered, CHAMPION)
        if name in challengers:
            moved |= set_alias(tracking, versions[name], CHALLENGER)
        else:
            moved |= remove_alias(tracking, registered, CHALLENGER)
    return Approval(
        league=league,
        champion=winner,
        version=versions[winner.name],
        challengers={name: versions[name] for name in challengers},
        reasons=words,
        compared_with=reference_name,
        moved=moved,
    )


def _registered(tracking: Tracking, league: str, candidate: Candidate, reasons: str) -> Version:
    return register(
        tracking,
        registered_name(league, candidate.family),
        candidate.record.latest.mlflow_run_id,
        description=f"{candidate.words()}\n\n{reasons}",
        tags={
            "model": candidate.title,
            "model_id": str(candidate.record.model_id),
            "season": str(candidate.record.latest.season),
            "training_run_id": str(candidate.record.latest.training_run_id),
        },
    )


def _set_statuses(db: Database, league: str, winner: Candidate, reasons: str) -> bool:
    """The winner may act on paper (testing), every other model goes back to draft."""
    queries, changed = load_queries("training"), 0
    with db.transaction() as conn:
        for model_id, _, _, _, status in queries.select_league_models(conn, league=league):
            is_winner = model_id == winner.record.model_id
            if is_winner and status == "draft":
                target, notes = "testing", reasons
            elif not is_winner and status == "testing":
                target, notes = "draft", f"{winner.title} took its place"
            else:
                continue
            changed += queries.set_model_status(
                conn, model_id=model_id, status=target, approved_by=APPROVED_BY, notes=notes
            )
    return changed > 0


def _refuse_active_rival(db: Database, league: str, winner: Candidate) -> None:
    with db.connection() as conn:
        models = list(load_queries("training").select_league_models(conn, league=league))
    for model_id, name, version, _, status in models:
        if status == "active" and model_id != winner.record.model_id:
            raise PrecogError(
                f"{winner.title} would become champion of {league}, but {name} {version} is active "
                "in live trading; deprecate it first, which only a person may do"
            )
