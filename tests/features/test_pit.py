"""No feature sees the future: truncation and poison over every registered feature.

A new feature is covered the day it is registered, because the tests ask the registry.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import get_args

import numpy as np
import pytest

from precog_core.errors import PrecogError
from precog_pipelines.features.config import FeatureSet
from precog_pipelines.features.registry import Feature, registered
from tests.features.facts import (
    CONFIG,
    LEAGUE,
    NOW,
    Facts,
    build,
    differences,
    league_facts,
    poisoned,
    truncated,
)

# All sets: a feature that these facts cannot feed fails here until they can.
FEATURES = registered(LEAGUE, CONFIG, get_args(FeatureSet))


@cache
def facts() -> Facts:
    return league_facts()


@cache
def changed_by(tamper) -> dict[str, list[datetime]]:
    return differences(FEATURES, facts(), tamper)


@pytest.mark.requirement("PIT-002")
@pytest.mark.parametrize("feature", FEATURES, ids=lambda f: f.name)
def test_cutting_the_data_at_the_moment_changes_nothing(feature: Feature) -> None:
    assert changed_by(truncated)[feature.name] == []


@pytest.mark.requirement("PIT-003")
@pytest.mark.parametrize("feature", FEATURES, ids=lambda f: f.name)
def test_poisoning_everything_known_later_changes_nothing(feature: Feature) -> None:
    assert changed_by(poisoned)[feature.name] == []


@pytest.mark.requirement("PIT-002", "PIT-003")
@pytest.mark.parametrize("tamper", [truncated, poisoned])
def test_a_planted_leak_is_caught(tamper) -> None:
    seen: dict[str, float] = {}

    def remember(given: Facts) -> None:
        scores = [g.home_score for g in given.games if g.home_score is not None]
        seen["mean"] = sum(scores) / max(len(scores), 1)

    leak = replace(
        FEATURES[0], name="planted_leak", compute=lambda s: np.full(len(s.neutral), seen["mean"])
    )
    caught = differences([leak, FEATURES[1]], facts(), tamper, before_build=remember)
    assert len(caught["planted_leak"]) > 10
    assert caught[FEATURES[1].name] == []


@pytest.mark.parametrize("feature", FEATURES, ids=lambda f: f.name)
def test_every_value_is_in_its_range_known_in_time_and_varies(feature: Feature) -> None:
    values = build(facts(), [feature])
    assert len(values) == 2 * 240 - 8  # both moments, but one where the start is unknown
    for v in values:
        assert v.known_at <= v.event_ts
        if v.value is not None:
            assert feature.lowest is None or v.value >= feature.lowest
            assert feature.highest is None or v.value <= feature.highest
            if feature.data_type in ("int", "boolean"):
                assert v.value == int(v.value)
    assert len({v.value for v in values}) > 1


def test_a_game_is_seen_a_day_and_an_hour_before_its_start() -> None:
    games = {g.game_id: g for g in facts().games}
    for v in build(facts(), FEATURES[:1]):
        game = games[v.game_id]
        if game.kickoff_at is None:
            # Midnight Eastern in September is 04:00 UTC.
            assert (v.event_ts.date(), v.event_ts.hour) == (game.day, 4)
        else:
            assert game.kickoff_at - v.event_ts in (timedelta(hours=24), timedelta(hours=1))


def test_moments_that_lie_ahead_have_no_values_yet() -> None:
    game = next(g for g in facts().games if g.season == 2012)
    between = game.kickoff_at - timedelta(hours=2)
    values = build(facts(), FEATURES[:1], now=between)
    assert {v.event_ts for v in values if v.game_id == game.game_id} == {
        game.kickoff_at - timedelta(hours=24)
    }
    assert max(v.event_ts for v in values) <= between


def _with(changed, **fields) -> Facts:
    games = tuple(
        g._replace(**fields) if g.game_id == changed.game_id else g for g in facts().games
    )
    return Facts(games, facts().ratings, facts().quotes)


def test_a_game_announced_late_is_first_seen_when_it_is_announced() -> None:
    game = next(g for g in facts().games if g.season == 2012)
    for hours, moments in [(48, (24, 1)), (5, (5, 1)), (1, (1,)), (0.5, ())]:
        known_at = game.kickoff_at - timedelta(hours=hours)
        values = build(_with(game, known_at=known_at), FEATURES[:1])
        leads = sorted({v.event_ts for v in values if v.game_id == game.game_id})
        assert leads == [game.kickoff_at - timedelta(hours=h) for h in moments]
        for v in values:
            if v.game_id == game.game_id:
                assert v.known_at <= v.event_ts


def test_a_result_known_before_its_own_decision_is_refused() -> None:
    game = next(g for g in facts().games if g.season == 2012)
    early = game.kickoff_at - timedelta(hours=2)
    with pytest.raises(PrecogError, match="has its result known at .* not after its decision"):
        build(_with(game, result_known_at=early), FEATURES[:1])


@pytest.mark.requirement("PIT-005")
def test_a_late_result_counts_only_from_when_it_became_known() -> None:
    by_name = {f.name: f for f in FEATURES}
    names = ("games_played_home", "games_played_away", "rest_home", "rest_away")
    chosen = [by_name[name] for name in names]
    team = facts().games[-1].home_team_id
    own = [
        g for g in facts().games
        if g.season == 2013 and team in (g.home_team_id, g.away_team_id)
    ]  # fmt: skip
    late, after = own[3], own[4]

    def of_team(given: Facts) -> tuple[float, float]:
        side = 0 if after.home_team_id == team else 1
        decision = max(v.event_ts for v in build(given, chosen[:1]) if v.game_id == after.game_id)
        row = [
            v.value for v in build(given, chosen)
            if (v.game_id, v.event_ts) == (after.game_id, decision)
        ]  # fmt: skip
        return row[side], row[2 + side]

    assert of_team(facts()) == (4.0, min((after.day - late.day).days, 14))
    delayed = _with(late, result_known_at=after.kickoff_at + timedelta(days=1))
    assert of_team(delayed) == (3.0, min((after.day - own[2].day).days, 14))


def test_facts_arriving_out_of_order_are_still_counted_in_playing_order() -> None:
    by_name = {f.name: f for f in FEATURES}
    streaks = [by_name["streak_home"], by_name["streak_away"]]
    team = facts().games[-1].home_team_id
    own = [
        g for g in facts().games
        if g.season == 2013 and team in (g.home_team_id, g.away_team_id)
    ]  # fmt: skip
    first, second, third = own[0], own[1], own[2]

    def wins(game, won: bool) -> dict[str, int]:
        home = (game.home_team_id == team) == won
        return {"home_score": 20 if home else 3, "away_score": 3 if home else 20}

    changes = {
        # The first game's result arrives after the second's; the third sees loss, then win.
        first.game_id: wins(first, False)
        | {"result_known_at": second.result_known_at + timedelta(hours=1)},
        second.game_id: wins(second, True),
    }
    games = tuple(g._replace(**changes.get(g.game_id, {})) for g in facts().games)
    decision = third.kickoff_at - timedelta(hours=1)
    found = [
        v.value for v in build(Facts(games, facts().ratings), streaks)
        if (v.game_id, v.event_ts) == (third.game_id, decision)
    ]  # fmt: skip
    assert found[0 if third.home_team_id == team else 1] == 1.0


def test_a_revised_rating_replaces_the_old_one_only_once_it_is_known() -> None:
    elo_home = FEATURES[0]
    assert elo_home.name == "elo_home"
    last = facts().games[-1]
    own = [r for r in facts().ratings if r.team_id == last.home_team_id]
    at = last.kickoff_at - timedelta(hours=1)

    def rating(*extra) -> float:
        # A revision stands behind the row it revises, as the query orders them.
        ratings = []
        for r in facts().ratings:
            ratings.append(r)
            if r == own[-2]:
                ratings.extend(extra)
        values = build(Facts(facts().games, tuple(ratings)), [elo_home])
        return next(v.value for v in values if (v.game_id, v.event_ts) == (last.game_id, at))

    def revision(known_at: datetime):
        return own[-2]._replace(rating_after=2000.0, known_at=known_at)

    assert rating() == own[-2].rating_after
    assert rating(revision(at + timedelta(minutes=1))) == own[-2].rating_after
    assert rating(revision(at)) == 2000.0
    assert at < NOW
