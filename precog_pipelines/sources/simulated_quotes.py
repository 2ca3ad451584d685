"""Simulated quotes for the sample, which has results but no market.

**The generator sees the result.** A price is the posterior of someone who rates teams by Elo and
then hears a noisy rumour of how the game will end. That makes it calibrated by construction and
better than any rating, as closing prices are, but it is information nobody had: simulated quotes
are never a feature, and P&L on them only shows that the machine runs.

The rumour is a Brownian path over the last day, X_t ~ N(± d·t/2, t) for a home win or loss, so
that the log-odds at time t are logit(Elo) + d·X_t (Bayes for two drifts). d = 0.46 puts the Brier
score of the mid at kickoff at 0.21 over 2009 to 2019, near the 0.211 of real closing lines.

A game's random numbers depend on its key alone: one season gives the quotes that all would.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from precog_pipelines.sources.protocols import ClosingPrice, Quote, SourceGame

HOURS = 24
SIGNAL = 0.46
MATERIAL_CENTS = 1
MATERIAL_VOLUME = 10

_QUOTES = HOURS + 1
_STEPS = [timedelta(hours=hour - HOURS) for hour in range(_QUOTES)]
_NORMALS = HOURS + 1 + 2 * 2 * _QUOTES + 2 * _QUOTES  # path, interest, sizes, volumes
_UNIFORMS = _QUOTES + 2 * _QUOTES  # spread, wider
_CENTS = tuple(Decimal(cent) / 100 for cent in range(101))
_MEAN, _K, _HOME, _REVERSION = 1505.0, 20.0, 48.0, 1 / 3
_SEED = b"precog simulated quotes v1:"


class SimulatedQuotes:
    """QuoteSource of the sample: two mirror markets a game, hourly over the last 24 h."""

    source = "simulated"
    platform_id = "simulated"
    label = "SIMULATED quotes (generated from the results; not market prices)"

    def __init__(self, history: Sequence[SourceGame]) -> None:
        """``history``: every game of the source, since the ratings run through all of them."""
        self._prior = elo_priors(history)

    def quotes(self, games: Sequence[SourceGame]) -> Iterator[Quote]:
        """25 quotes for each market of each finished game that has a kickoff."""
        played = [g for g in games if g.home_result is not None and g.kickoff_at is not None]
        if not played:
            return
        books = {
            name: values.tolist()
            for name, values in _books(played, [self._prior[g.game_key] for g in played]).items()
        }
        for i, game in enumerate(played):
            key = game.game_key
            kickoff_at = cast(datetime, game.kickoff_at)
            times = [kickoff_at + step for step in _STEPS]
            for team in ("home", "away"):
                bids, asks, sizes, volumes, interests = (
                    books[f"{team}_{name}"][i]
                    for name in ("bid", "ask", "sizes", "volume", "interest")
                )
                yield from _rows(key, team, times, (bids, asks, *sizes, volumes, interests))

    def closing_prices(self, games: Sequence[SourceGame]) -> Iterator[ClosingPrice]:
        """None: the last quote is the closing price."""
        return iter(())


def elo_priors(history: Sequence[SourceGame]) -> dict[str, float]:
    """P(home wins) before each finished game, from the results of earlier games only.

    A plain Elo of the generator's own (K 20, home 48, reversion 1/3, margin as in models.md §1),
    so that a change of the model under test never changes the quotes it is tested on.
    """
    ratings: dict[str, float] = {}
    season_of: dict[str, int] = {}
    priors: dict[str, float] = {}
    finished = [g for g in history if g.home_result is not None and g.kickoff_at is not None]
    for game in sorted(finished, key=lambda g: (g.kickoff_at, g.game_key)):
        for team in (game.home, game.away):
            if season_of.get(team, game.season) != game.season:
                ratings[team] += _REVERSION * (_MEAN - ratings[team])
            season_of[team] = game.season
        home, away = (ratings.setdefault(team, _MEAN) for team in (game.home, game.away))
        gap = home - away + (0.0 if game.neutral_site else _HOME)
        expected = 1 / (1 + 10 ** (-gap / 400))
        priors[game.game_key] = expected
        result = float(game.home_result or 0.0)
        margin = abs((game.home_score or 0) - (game.away_score or 0))
        winner_gap = gap if result == 1 else -gap if result == 0 else 0.0
        weight = math.log(max(margin, 1) + 1) * 2.2 / (0.001 * winner_gap + 2.2)
        shift = _K * weight * (result - expected)
        ratings[game.home] = home + shift
        ratings[game.away] = away - shift
    return priors


def _draws(games: Sequence[SourceGame]) -> tuple[Any, Any]:
    """Normal and uniform numbers of each game, shape (games, n), from a generator of its own."""
    import numpy as np

    normal = np.empty((len(games), _NORMALS))
    uniform = np.empty((len(games), _UNIFORMS))
    for i, game in enumerate(games):
        digest = hashlib.sha256(_SEED + game.game_key.encode()).digest()
        random = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
        random.standard_normal(out=normal[i])
        random.random(out=uniform[i])
    return normal, uniform


def _books(games: Sequence[SourceGame], priors: Sequence[float]) -> dict[str, Any]:
    """Integer arrays of both markets: ``home_bid`` ... in cents and counts.

    Shapes are (games, 25), sizes (games, 2, 25) with bid before ask.
    """
    import numpy as np

    normal, uniform = _draws(games)
    path_z, interest_z, size_z, volume_z = np.split(
        normal, np.cumsum((HOURS, 1, 2 * 2 * _QUOTES)), axis=1
    )
    spread_u, wider_u = np.split(uniform, (_QUOTES,), axis=1)
    wider = wider_u.reshape(-1, 2, _QUOTES) < 0.1

    prior = np.asarray(priors)
    result = np.array([float(game.home_result or 0.0) for game in games])
    drift = SIGNAL * (result - 0.5)[:, None] / HOURS
    path = np.cumsum(drift + path_z * math.sqrt(1 / HOURS), axis=1)
    log_odds = np.log(prior / (1 - prior))[:, None]
    heard = np.concatenate([np.zeros((len(games), 1)), path], axis=1)
    price = 1 / (1 + np.exp(-(log_odds + SIGNAL * heard)))

    # Mostly one or two cents wide; one hour in twenty is three. The two markets of a game are one
    # book seen from both sides, except that the away side is sometimes a cent wider.
    spread = 1 + np.searchsorted((0.60, 0.95), spread_u)
    home_bid = np.clip(np.rint(100 * price - spread / 2), 1, 99 - spread).astype(int)
    home_ask = home_bid + spread
    books = {
        "home_bid": home_bid,
        "home_ask": home_ask,
        "away_bid": np.maximum(100 - home_ask - wider[:, 0], 1),
        "away_ask": np.minimum(100 - home_bid + wider[:, 1], 99),
    }

    interest = np.exp(0.4 * interest_z)
    sizes = np.exp(6.0 + 0.7 * size_z.reshape(-1, 2, 2, _QUOTES)) * interest[:, None, None]
    hourly = 400 * interest[:, None] + np.sqrt(400 * interest[:, None]) * volume_z.reshape(
        -1, 2, _QUOTES
    )
    traded = 2_000 + np.cumsum(np.maximum(np.rint(hourly), 0), axis=2).astype(int)
    for i, team in enumerate(("home", "away")):
        books[f"{team}_sizes"] = 10 + np.ceil(sizes[:, i]).astype(int)
        books[f"{team}_volume"] = traded[:, i]
        books[f"{team}_interest"] = traded[:, i] * 6 // 10
    return books


def _rows(
    key: str, team: Any, times: list[datetime], columns: Sequence[list[int]]
) -> Iterator[Quote]:
    """Cents and counts as quotes, each with the reason a recorder would have written it for."""
    last_bid = last_ask = last_volume = -MATERIAL_VOLUME
    for at, bid, ask, bid_size, ask_size, volume, interest in zip(times, *columns, strict=True):
        if max(abs(bid - last_bid), abs(ask - last_ask)) >= MATERIAL_CENTS:
            reason = "price"
        elif volume - last_volume >= MATERIAL_VOLUME:
            reason = "volume"
        else:
            reason = "heartbeat"
        last_bid, last_ask, last_volume = bid, ask, volume
        yield Quote(
            key, team, at, _CENTS[bid], _CENTS[ask], Decimal(bid_size), Decimal(ask_size),
            Decimal(volume), Decimal(interest), reason,  # type: ignore[arg-type]
        )  # fmt: skip
