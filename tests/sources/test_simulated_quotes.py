"""Simulated quotes: calibrated, two-sided, the same for a season alone as for all."""

import itertools
import statistics
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from precog_pipelines.sources.protocols import Quote, SourceGame
from precog_pipelines.sources.sample_games import SampleGames
from precog_pipelines.sources.simulated_quotes import SimulatedQuotes, elo_priors


@pytest.fixture(scope="module")
def history() -> tuple[SourceGame, ...]:
    return SampleGames().games("nfl").games


@pytest.fixture(scope="module")
def quotes(history: tuple[SourceGame, ...]) -> list[Quote]:
    return list(SimulatedQuotes(history).quotes(history))


@pytest.fixture(scope="module")
def mids(
    history: tuple[SourceGame, ...], quotes: list[Quote]
) -> dict[float, list[tuple[float, float]]]:
    """Hours before kickoff to (home mid, result), ties left out."""
    games = {game.game_key: game for game in history}
    found: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for quote in quotes:
        game = games[quote.game_key]
        if quote.team == "home" and game.home_result != 0.5:
            hours = (game.kickoff_at - quote.observed_at).total_seconds() / 3600
            mid = float(quote.yes_bid + quote.yes_ask) / 2
            found[hours].append((mid, float(game.home_result)))
    return found


def brier(pairs: list[tuple[float, float]]) -> float:
    return statistics.fmean((p - y) ** 2 for p, y in pairs)


def test_every_game_has_25_hourly_quotes_in_two_markets(
    history: tuple[SourceGame, ...], quotes: list[Quote]
) -> None:
    assert len(quotes) == 2926 * 2 * 25
    first = [q for q in quotes if q.game_key == history[0].game_key and q.team == "home"]
    assert [history[0].kickoff_at - q.observed_at for q in first] == [
        timedelta(hours=24 - hour) for hour in range(25)
    ]


def test_the_mid_at_kickoff_is_as_sharp_as_a_closing_line_and_sharpens_through_the_day(
    mids: dict[float, list[tuple[float, float]]],
) -> None:
    assert 0.205 <= brier(mids[0]) <= 0.215
    assert brier(mids[0]) < brier(mids[6]) < brier(mids[12]) < brier(mids[24])
    assert brier(mids[24]) > 0.217  # a day before it knows no more than ratings do


def test_the_mid_at_kickoff_is_calibrated(mids: dict[float, list[tuple[float, float]]]) -> None:
    bins: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for p, y in mids[0]:
        bins[min(int(p * 10), 9)].append((p, y))
    gap = sum(
        len(b) * abs(statistics.fmean(p for p, _ in b) - statistics.fmean(y for _, y in b))
        for b in bins.values()
    ) / len(mids[0])
    assert gap < 0.028  # 95th percentile of ECE under perfect calibration at n 2,700


def test_books_are_on_the_grid_uncrossed_and_mirrored_without_arbitrage(
    quotes: list[Quote],
) -> None:
    books: dict[tuple[object, object], dict[str, Quote]] = defaultdict(dict)
    for quote in quotes:
        assert Decimal("0.01") <= quote.yes_bid < quote.yes_ask <= Decimal("0.99")
        assert quote.yes_bid == round(quote.yes_bid, 2)
        assert min(quote.yes_bid_size, quote.yes_ask_size) >= 10
        books[quote.game_key, quote.observed_at][quote.team] = quote
    for pair in books.values():
        assert pair["home"].yes_bid + pair["away"].yes_bid < 1
        assert pair["home"].yes_ask + pair["away"].yes_ask > 1
    narrow = sum(q.yes_ask - q.yes_bid <= Decimal("0.02") for q in quotes)
    assert narrow / len(quotes) > 0.85


def test_volume_and_open_interest_only_grow(quotes: list[Quote]) -> None:
    before: dict[tuple[str, str], Quote] = {}
    for quote in quotes:
        last = before.get((quote.game_key, quote.team))
        if last is not None:
            assert quote.volume >= last.volume
            assert quote.open_interest >= last.open_interest
        assert quote.open_interest <= quote.volume
        before[quote.game_key, quote.team] = quote


def test_a_season_alone_gives_the_quotes_it_has_among_all(
    history: tuple[SourceGame, ...], quotes: list[Quote]
) -> None:
    season = [game for game in history if game.season == 2015]
    alone = list(SimulatedQuotes(history).quotes(season))
    keys = {game.game_key for game in season}
    assert alone == [quote for quote in quotes if quote.game_key in keys]


def test_the_prior_uses_no_result_from_the_game_on(history: tuple[SourceGame, ...]) -> None:
    cut = 1000
    ordered = sorted(history, key=lambda g: (g.kickoff_at, g.game_key))
    poisoned = [
        replace(game, home_score=99, away_score=0) if i >= cut else game
        for i, game in enumerate(ordered)
    ]
    before, after = elo_priors(ordered), elo_priors(poisoned)
    known = [game.game_key for game in ordered[: cut + 1]]
    assert {key: before[key] for key in known} == {key: after[key] for key in known}
    assert before != after


def test_a_fixture_without_a_result_gets_no_quotes(history: tuple[SourceGame, ...]) -> None:
    fixture = replace(history[0], home_score=None, away_score=None)
    assert list(SimulatedQuotes([fixture]).quotes([fixture])) == []


def test_each_quote_says_why_a_recorder_would_have_written_it(quotes: list[Quote]) -> None:
    game = [q for q in quotes if q.game_key == quotes[0].game_key and q.team == "home"]
    assert game[0].write_reason == "price"
    for last, quote in itertools.pairwise(game):
        moved = (quote.yes_bid, quote.yes_ask) != (last.yes_bid, last.yes_ask)
        assert quote.write_reason == ("price" if moved else "volume")
