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
from typing import Any

from precog_pipelines.sources.protocols import ClosingPrice, Quote, SourceGame

HOURS = 24
SIGNAL = 0.46
MATERIAL_CENTS = 1
MATERIAL_VOLUME = 10

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
        for game in games:
            if game.home_result is not None and game.kickoff_at is not None:
                yield from _game_quotes(game, self._prior[game.game_key])

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


def _game_quotes(game: SourceGame, prior: float) -> Iterator[Quote]:
    import numpy as np

    digest = hashlib.sha256(_SEED + game.game_key.encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    times = _hours_before(game.kickoff_at)  # type: ignore[arg-type]

    drift = SIGNAL * (float(game.home_result or 0.0) - 0.5)
    steps = random.normal(drift / HOURS, math.sqrt(1 / HOURS), HOURS)
    path = np.concatenate(([0.0], np.cumsum(steps)))
    price = 1 / (1 + np.exp(-(math.log(prior / (1 - prior)) + SIGNAL * path)))

    # Mostly one or two cents wide; one hour in twenty is three. The two markets of a game are one
    # book seen from both sides, except that the away side is sometimes a cent wider.
    spread = random.choice((1, 2, 3), size=HOURS + 1, p=(0.60, 0.35, 0.05))
    home_bid = np.clip(np.rint(100 * price - spread / 2), 1, 99 - spread).astype(int)
    home_ask = home_bid + spread
    wider = random.random((2, HOURS + 1)) < 0.1
    away_bid = np.maximum(100 - home_ask - wider[0], 1)
    away_ask = np.minimum(100 - home_bid + wider[1], 99)

    interest = math.exp(random.normal(0.0, 0.4))
    for team, bid, ask in (("home", home_bid, home_ask), ("away", away_bid, away_ask)):
        sizes = np.ceil(random.lognormal(6.0, 0.7, (2, HOURS + 1)) * interest).astype(int) + 10
        traded = np.cumsum(random.poisson(400 * interest, HOURS + 1)) + 2_000
        held = (traded * 0.6).astype(int)
        yield from _rows(game.game_key, team, times, bid, ask, sizes, traded, held)


def _rows(
    key: str,
    team: Any,
    times: list[datetime],
    bid: Any,
    ask: Any,
    sizes: Any,
    traded: Any,
    held: Any,
) -> Iterator[Quote]:
    """Cents and counts as quotes, each with the reason a recorder would have written it for."""
    bids, asks, volumes, interests = bid.tolist(), ask.tolist(), traded.tolist(), held.tolist()
    bid_sizes, ask_sizes = sizes[0].tolist(), sizes[1].tolist()
    for i, at in enumerate(times):
        if i == 0 or max(abs(bids[i] - bids[i - 1]), abs(asks[i] - asks[i - 1])) >= MATERIAL_CENTS:
            reason = "price"
        elif volumes[i] - volumes[i - 1] >= MATERIAL_VOLUME:
            reason = "volume"
        else:
            reason = "heartbeat"
        yield Quote(
            key, team, at, _CENTS[bids[i]], _CENTS[asks[i]],
            Decimal(bid_sizes[i]), Decimal(ask_sizes[i]),
            Decimal(volumes[i]), Decimal(interests[i]), reason,  # type: ignore[arg-type]
        )  # fmt: skip


def _hours_before(kickoff_at: datetime) -> list[datetime]:
    """The 25 full hours from kickoff - 24 h to kickoff."""
    return [kickoff_at - timedelta(hours=HOURS - hour) for hour in range(HOURS + 1)]
