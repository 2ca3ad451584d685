"""States of the sets beyond v1.0 at each moment: ratings with uncertainty, and market prices."""

import numpy as np
from numpy.typing import NDArray

from precog_pipelines.features.facts import GameFacts, GlickoFacts, QuoteFacts, StrengthFacts
from precog_pipelines.features.quarterback import (
    QuarterbackConfig,
    QuarterbackStates,
    Questions,
    StarterFacts,
    quarterback_states,
)
from precog_pipelines.features.situation import (
    NEVER,
    Floats,
    GlickoPair,
    GlickoStates,
    MarketStates,
    StrengthPair,
    StrengthStates,
)
from precog_pipelines.features.timeline import Moments, Timeline, take
from precog_pipelines.ratings.elo import Era, era_of
from precog_pipelines.ratings.glicko import MEAN, SCALE

_Numbers = NDArray[np.int64]


def home_advantage(
    eras: tuple[Era, ...], season: _Numbers, neutral: NDArray[np.bool_]
) -> Floats:  # fmt: skip
    """Home advantage by the era of each season, 0 at a neutral site."""
    seasons, place = np.unique(season, return_inverse=True)
    points = np.array([era_of(eras, int(s)).home_advantage for s in seasons], dtype=np.float64)
    return np.where(neutral, 0.0, points[place] if len(seasons) else 0.0)


def glicko(facts: GlickoFacts, games: GameFacts, moments: Moments) -> GlickoPair:
    """Both teams as they would enter the game; ``GlickoParameters.entering`` over columns."""
    parameters = facts.parameters
    timeline = Timeline(facts.team_id, facts.known_at)
    season, day = games.season[moments.game], games.day[moments.game]

    def side(team_id: _Numbers) -> GlickoStates:
        last = timeline.known(team_id, moments.at).newest()
        rating = take(facts.rating, last, MEAN)
        reverted = MEAN * parameters.reversion + rating * (1.0 - parameters.reversion)
        volatility = take(facts.volatility, last, parameters.volatility)
        missed = np.maximum((day - take(facts.day, last, 0)) / parameters.period_d - 1.0, 0.0)
        grown = np.sqrt(
            take(facts.deviation, last, parameters.deviation) ** 2
            + missed * (SCALE * volatility) ** 2
        )
        return GlickoStates(
            rating=np.where(
                (last >= 0) & (take(facts.season, last, 0) != season), reverted, rating
            ),
            deviation=np.where(
                last >= 0, np.minimum(grown, parameters.deviation), parameters.deviation
            ),
            volatility=volatility,
            known_at=take(facts.known_at, last, NEVER),
        )

    return GlickoPair(
        side(games.home_team_id[moments.game]),
        side(games.away_team_id[moments.game]),
        home_advantage(parameters.eras, season, games.neutral[moments.game]),
    )


def strength(facts: StrengthFacts, games: GameFacts, moments: Moments) -> StrengthPair:
    """Both teams as they would enter the game; ``StrengthParameters.entering`` over columns."""
    parameters = facts.parameters
    timeline = Timeline(facts.team_id, facts.known_at)
    season = games.season[moments.game]

    def side(team_id: _Numbers) -> StrengthStates:
        last = timeline.known(team_id, moments.at).newest()
        new_season = take(facts.season, last, 0) != season
        kept = np.where(new_season, 1.0 - parameters.reversion, 1.0)
        drift = np.where(new_season, parameters.season_drift, parameters.drift)
        deviation = np.sqrt((kept * take(facts.deviation, last, 0.0)) ** 2 + drift**2)
        return StrengthStates(
            points=take(facts.points, last, 0.0) * kept,
            deviation=np.where(last >= 0, deviation, parameters.deviation),
            known_at=take(facts.known_at, last, NEVER),
        )

    return StrengthPair(
        side(games.home_team_id[moments.game]),
        side(games.away_team_id[moments.game]),
        home_advantage(parameters.eras, season, games.neutral[moments.game]),
        parameters.noise,
    )


def market(facts: QuoteFacts, games: GameFacts, moments: Moments) -> MarketStates:
    """The first and the last price of each game known at the moment."""
    game_id = games.game_id[moments.game]
    last = Timeline(facts.game_id, facts.known_at).known(game_id, moments.at).newest()
    # Backwards in time the newest is the first.
    reversed_facts = Timeline(facts.game_id[::-1], facts.known_at[::-1])
    backwards = reversed_facts.known(game_id, moments.at).newest()
    first = np.where(backwards >= 0, len(facts.game_id) - 1 - backwards, -1)
    return MarketStates(
        opening=take(facts.price, first, np.nan),
        latest=take(facts.price, last, np.nan),
        known_at=np.maximum(take(facts.known_at, first, NEVER), take(facts.known_at, last, NEVER)),
    )


def quarterback(
    facts: StarterFacts,
    config: QuarterbackConfig,
    games: GameFacts,
    moments: Moments,
    played: Floats,
) -> QuarterbackStates:
    """Points and quarterbacks; ``played`` games this season of the team that has played more."""
    season = games.season[moments.game]
    seasons, place = np.unique(season, return_inverse=True)
    in_season = np.array([config.games_of(int(one)) for one in seasons], dtype=np.float64)
    last = played >= in_season[place] - 1 if len(seasons) else np.zeros(0, dtype=np.bool_)
    questions = Questions(
        at=moments.at,
        season=season,
        home_team_id=games.home_team_id[moments.game],
        away_team_id=games.away_team_id[moments.game],
        neutral=games.neutral[moments.game],
        finale=last & ~games.postseason[moments.game],
    )
    return quarterback_states(facts, questions, config)
