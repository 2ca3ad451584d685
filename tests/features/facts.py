"""Facts of a made-up league as the builder takes them, and two ways to tamper with the future."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import numpy as np

from precog_pipelines.features.builder import FeatureValue, build_features, microseconds
from precog_pipelines.features.config import FeaturesConfig, features_config
from precog_pipelines.features.facts import (
    GameFacts,
    MoreFacts,
    QuoteFacts,
    RatingFacts,
    glicko_facts,
    strength_facts,
)
from precog_pipelines.features.quarterback import StarterFacts
from precog_pipelines.features.registry import Feature
from precog_pipelines.features.situation import NEVER
from precog_pipelines.ratings.chain import FinishedResult
from precog_pipelines.ratings.config import ratings_config
from precog_pipelines.ratings.elo import EloParameters, Era, MarginForm
from precog_pipelines.ratings.history import FinishedGame, rating_rows
from tests.synthetic_league import EASTERN, made_up_league

# A league that plays back to back and has divisions, so that every feature is in the registry.
LEAGUE = "nba"
QUARTERBACK = features_config().quarterback["nfl"].model_copy(update={"games_a_season": {2009: 6}})
CONFIG = FeaturesConfig(division_alignment_since={LEAGUE: 2010}, quarterback={LEAGUE: QUARTERBACK})
ELO = EloParameters(
    k=20, eras=(Era(None, 48.0), Era(2011, 30.0)), reversion=1 / 3, margin=MarginForm.FOOTBALL
)
NOW = datetime(2030, 1, 1, tzinfo=UTC)


class GameFact(NamedTuple):
    """A fixture and, once known, its result; instants are UTC."""

    game_id: int
    season: int
    day: date
    kickoff_at: datetime | None
    postseason: bool
    neutral: bool
    home_team_id: int
    away_team_id: int
    home_division: str | None
    away_division: str | None
    home_score: int | None
    away_score: int | None
    known_at: datetime
    result_known_at: datetime | None
    source_snapshot_id: int | None


class RatingFact(NamedTuple):
    """A team's rating after a game of ``season``, usable from ``known_at``."""

    team_id: int
    season: int
    rating_after: float
    known_at: datetime


class QuoteFact(NamedTuple):
    """The price that the home team wins, usable from ``known_at``."""

    game_id: int
    price: float
    known_at: datetime


@dataclass(frozen=True)
class Facts:
    """Games, the ratings that follow from them, and quotes; in playing and observed order."""

    games: tuple[GameFact, ...]
    ratings: tuple[RatingFact, ...] = field(default=())
    quotes: tuple[QuoteFact, ...] = field(default=())

    def rated(self) -> "Facts":
        """With ratings computed afresh from these games alone."""
        finished = [
            FinishedGame(
                g.game_id, g.season, g.home_team_id, g.away_team_id, g.home_score, g.away_score,
                g.neutral, g.kickoff_at or g.known_at, g.result_known_at,
            )
            for g in self.games
            if g.home_score is not None
        ]  # fmt: skip
        seasons = {g.game_id: g.season for g in self.games}
        return Facts(
            self.games,
            tuple(
                RatingFact(row.team_id, seasons[row.game_id], row.rating_after, row.known_at)
                for row in rating_rows(finished, ELO)
            ),
            self.quotes,
        )


def league_facts(seed: int = 7) -> Facts:
    """Every fact of five seasons, a preseason left out as the queries leave it out."""
    rows = [g.completed() for g in made_up_league(seed=seed) if g.game_type != "preseason"]
    rows.sort(key=lambda g: (g.day, g.start, g.key))
    teams = {code: n for n, code in enumerate(sorted({g.home for g in rows}), start=1)}
    games = (
        tuple(
            GameFact(
                game_id=n, season=g.season, day=g.day, kickoff_at=g.kickoff_at,
                postseason=g.game_type == "postseason", neutral=g.neutral,
                home_team_id=teams[g.home], away_team_id=teams[g.away],
                home_division="AB"[teams[g.home] % 2], away_division="AB"[teams[g.away] % 2],
                home_score=g.home_score, away_score=g.away_score, known_at=g.known_at,
                result_known_at=g.result_known_at, source_snapshot_id=g.season,
            )
            for n, g in enumerate(rows, start=1)
        )
    )  # fmt: skip
    return Facts(games, quotes=quotes_of(games)).rated()


def quotes_of(games: Sequence[GameFact]) -> tuple[QuoteFact, ...]:
    """Four quotes a game that know the result, the last one an hour into it."""
    return tuple(
        QuoteFact(g.game_id, 0.5 + (g.home_score - g.away_score) / 200 + n / 100, at)
        for g in games
        if g.kickoff_at is not None and g.home_score is not None
        for n, at in enumerate(g.kickoff_at + timedelta(hours=h) for h in (-40, -20, -0.5, 1))
    )


def build(facts: Facts, features: Sequence[Feature], *, now: datetime = NOW) -> list[FeatureValue]:
    """All values of ``facts``."""
    table = build_features(
        game_columns(facts.games), rating_columns(facts.ratings), features,
        parameters=ELO, config=CONFIG, now=now, more=more_facts(facts),
    )  # fmt: skip
    return list(table.rows())


def more_facts(facts: Facts) -> MoreFacts:
    """What the sets beyond v1.0 rest on."""
    results = [
        FinishedResult(
            g.season, (g.day - date(1970, 1, 1)).days, g.home_team_id, g.away_team_id,
            g.home_score - g.away_score, g.neutral, microseconds(g.result_known_at),
        )
        for g in facts.games
        if g.result_known_at is not None
    ]  # fmt: skip
    parameters = ratings_config().league(LEAGUE)
    played = sorted(
        (g for g in facts.games if g.result_known_at is not None), key=lambda g: g.result_known_at
    )

    def column(values: Iterable[int]) -> np.ndarray:
        return np.fromiter(values, dtype=np.int64)

    starters = StarterFacts(
        season=column(g.season for g in played),
        home_team_id=column(g.home_team_id for g in played),
        away_team_id=column(g.away_team_id for g in played),
        home_score=column(g.home_score for g in played),
        away_score=column(g.away_score for g in played),
        neutral=np.array([g.neutral for g in played], dtype=bool),
        # Who starts depends on the game, so that a later one cannot be guessed.
        home_starter=column(100 * g.home_team_id + g.home_score % 3 for g in played),
        away_starter=column(100 * g.away_team_id + g.away_score % 3 for g in played),
        known_at=column(microseconds(g.result_known_at) for g in played),
    )
    return MoreFacts(
        glicko_facts(results, parameters.glicko.parameters()),
        strength_facts(results, parameters.strength.parameters()),
        QuoteFacts(
            np.array([q.game_id for q in facts.quotes], dtype=np.int64),
            np.array([q.price for q in facts.quotes], dtype=float),
            np.array([microseconds(q.known_at) for q in facts.quotes], dtype=np.int64),
        ),
        (starters, QUARTERBACK),
    )


def game_columns(games: Sequence[GameFact]) -> GameFacts:
    """As ``features.facts.read_games`` gives them."""
    since = CONFIG.division_alignment_since[LEAGUE]

    def same_division(g: GameFact) -> float:
        unknown = g.season < since or g.home_division is None or g.away_division is None
        return float("nan") if unknown else float(g.home_division == g.away_division)

    def instants(values: Sequence[datetime | None]) -> np.ndarray:
        return np.array([NEVER if v is None else microseconds(v) for v in values], dtype=np.int64)

    def numbers(values: Sequence[int | None]) -> np.ndarray:
        return np.array([v or 0 for v in values], dtype=np.int64)

    return GameFacts(
        game_id=numbers([g.game_id for g in games]),
        season=numbers([g.season for g in games]),
        day=numbers([(g.day - date(1970, 1, 1)).days for g in games]),
        day_start_at=instants([datetime.combine(g.day, time(), tzinfo=EASTERN) for g in games]),
        kickoff_at=instants([g.kickoff_at for g in games]),
        postseason=np.array([g.postseason for g in games], dtype=bool),
        neutral=np.array([g.neutral for g in games], dtype=bool),
        home_team_id=numbers([g.home_team_id for g in games]),
        away_team_id=numbers([g.away_team_id for g in games]),
        same_division=np.array([same_division(g) for g in games], dtype=float),
        home_score=numbers([g.home_score for g in games]),
        away_score=numbers([g.away_score for g in games]),
        known_at=instants([g.known_at for g in games]),
        result_known_at=instants([g.result_known_at for g in games]),
        source_snapshot_id=numbers([g.source_snapshot_id for g in games]),
    )


def rating_columns(ratings: Sequence[RatingFact]) -> RatingFacts:
    """As ``features.facts.read_ratings`` gives them."""
    return RatingFacts(
        team_id=np.array([r.team_id for r in ratings], dtype=np.int64),
        season=np.array([r.season for r in ratings], dtype=np.int64),
        rating_after=np.array([r.rating_after for r in ratings], dtype=float),
        known_at=np.array([microseconds(r.known_at) for r in ratings], dtype=np.int64),
    )


def truncated(facts: Facts, at: datetime) -> Facts:
    """What a database would have held at ``at``, ratings computed from it."""
    games = tuple(
        g
        if g.result_known_at is not None and g.result_known_at <= at
        else g._replace(home_score=None, away_score=None, result_known_at=None)
        for g in facts.games
        if g.known_at <= at
    )
    return Facts(games, quotes=tuple(q for q in facts.quotes if q.known_at <= at)).rated()


def poisoned(facts: Facts, at: datetime) -> Facts:
    """Every fact known after ``at`` replaced by nonsense, still known when it was."""
    games = []
    for g in facts.games:
        if g.known_at > at:
            g = g._replace(
                home_team_id=g.away_team_id, away_team_id=g.home_team_id, neutral=not g.neutral,
                postseason=not g.postseason, day=g.day - timedelta(days=1), home_division="A",
                away_division="A",
            )  # fmt: skip
        if g.result_known_at is not None and g.result_known_at > at:
            g = g._replace(home_score=g.away_score * 3 + 7, away_score=g.home_score)
        games.append(g)
    ratings = tuple(
        r._replace(rating_after=3000.0 - r.rating_after) if r.known_at > at else r
        for r in facts.ratings
    )
    quotes = tuple(
        q._replace(price=1.0 - q.price / 2) if q.known_at > at else q for q in facts.quotes
    )
    return Facts(tuple(games), ratings, quotes)


def differences(
    features: Sequence[Feature],
    facts: Facts,
    tamper: Callable[[Facts, datetime], Facts],
    *,
    before_build: Callable[[Facts], None] = lambda facts: None,
    every: int = 17,
) -> dict[str, list[datetime]]:
    """By feature, the moments at which it changes when the future of that moment is tampered with.

    Every ``every``-th moment is tried, for all features in one build.
    """
    before_build(facts)
    honest = defaultdict(list)
    for value in build(facts, features):
        honest[value.game_id, value.event_ts].append(value)
    changed: dict[str, list[datetime]] = {feature.name: [] for feature in features}
    for (game_id, at), values in list(honest.items())[::every]:
        other_facts = tamper(facts, at)
        before_build(other_facts)
        found = [
            v
            for v in build(other_facts, features, now=at)
            if (v.game_id, v.event_ts) == (game_id, at)
        ]
        if len(found) != len(values):
            found = [None] * len(values)
        for feature, one, other in zip(features, values, found, strict=True):
            if other is None or (one.value, one.known_at) != (other.value, other.known_at):
                changed[feature.name].append(at)
    return changed
