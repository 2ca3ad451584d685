"""Made-up NFL seasons for trading tests: games, markets, quotes and a champion's predictions.

Trading reads tables, so these rows are written straight into them, the way ingestion and the
predictions stage leave them: two mirror markets a game, prices simulated, everything back-filled.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from precog_core.database.copying import copy_rows

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)
FIRST_SUNDAY = datetime(2019, 9, 8, 17, tzinfo=UTC)
EIGHT_TEAMS = ("BUF", "KC", "GB", "DAL", "SF", "NE", "CHI", "SEA")
_GRID = [{"start": "0.00", "end": "1.00", "step": "0.01"}]


@dataclass(frozen=True)
class League:
    """What a season hangs on: teams by code, the champion and its training run, the series."""

    teams: dict[str, int]
    model_id: int
    training_run_id: int
    series_id: int
    platform_id: str


@dataclass(frozen=True)
class Game:
    """A game with its two markets: ``home`` pays when the home team wins, ``away`` its mirror."""

    game_id: int
    key: str
    kickoff: datetime
    event_id: int
    home: int
    away: int


def create_league(
    conn: psycopg.Connection,
    codes: Sequence[str] = ("BUF", "KC", "GB", "DAL"),
    platform_id: str = "simulated",
    champion: str = "nfl-xgboost",
) -> League:
    """Teams, a series and a champion model with one training run that ended long before."""
    teams = {
        code: _id(
            conn,
            "INSERT INTO teams (league, team_code, name) VALUES ('nfl', %s, %s) RETURNING team_id",
            code, f"Team {code}",
        )
        for code in codes
    }  # fmt: skip
    series_id = _id(
        conn,
        "INSERT INTO series (platform_id, series_ticker, category, league, title, frequency) "
        "VALUES (%s, 'SIMNFLGAME', 'sports', 'nfl', 'NFL winners', 'weekly') RETURNING series_id",
        platform_id,
    )
    model_id = create_model(conn, champion)
    conn.execute(
        "UPDATE probability_models SET status = 'testing', activated_at = now(), "
        "approved_by = 'bootstrap' WHERE model_id = %s",
        (model_id,),
    )
    return League(teams, model_id, create_training_run(conn, model_id), series_id, platform_id)


def create_model(conn: psycopg.Connection, name: str) -> int:
    """A model version in draft."""
    return _id(
        conn,
        "INSERT INTO probability_models (model_name, model_version, model_type, category, league, "
        "config) VALUES (%s, 'v1.0', 'ml', 'sports', 'nfl', '{}') RETURNING model_id",
        name,
    )


def create_training_run(conn: psycopg.Connection, model_id: int) -> int:
    """A finished fit of the model on made-up data."""
    dataset_id = _id(
        conn,
        "INSERT INTO training_datasets (dataset_name, dataset_version, league, season_from, "
        "season_to, label, as_of, manifest, git_sha, row_count, feature_count, parquet_path, "
        "sha256) VALUES (%s, 'v1', 'nfl', 2016, 2018, 'home_win', %s, '{}', %s, 1, 1, 'none', %s) "
        "RETURNING dataset_id",
        f"made-up-{model_id}", LONG_AGO, "0" * 40, "0" * 64,
    )  # fmt: skip
    return _id(
        conn,
        "INSERT INTO model_training_runs (model_id, dataset_id, mlflow_run_id, git_sha, seed, "
        "params, trained_until, started_at, completed_at, status) "
        "VALUES (%s, %s, %s, %s, 1, '{}', %s, %s, %s, 'completed') RETURNING training_run_id",
        model_id, dataset_id, f"run-{model_id}", "0" * 40, LONG_AGO, LONG_AGO, LONG_AGO,
    )  # fmt: skip


def add_game(
    conn: psycopg.Connection,
    league: League,
    kickoff: datetime,
    home: str,
    away: str,
    score: tuple[int, int] | None,
    season: int = 2019,
) -> Game:
    """A game with event and markets; a score is known 4 h after kickoff, None leaves it open."""
    key = f"nfl:{season}:{kickoff:%Y-%m-%d}:{away}@{home}"
    final = score is not None
    game_id = _id(
        conn,
        "INSERT INTO games (game_key, league, season, week, game_type, kickoff_at, home_team_id, "
        "away_team_id, home_score, away_score, status, source, source_game_id, known_at, "
        "result_known_at) VALUES (%s, 'nfl', %s, 1, 'regular', %s, %s, %s, %s, %s, %s, 'sample', "
        "%s, %s, %s) RETURNING game_id",
        key, season, kickoff, league.teams[home], league.teams[away], score and score[0],
        score and score[1], "final" if final else "scheduled", key, kickoff - 48 * HOUR,
        kickoff + 4 * HOUR if final else None,
    )  # fmt: skip
    event_id = _id(
        conn,
        "INSERT INTO events (platform_id, series_id, event_ticker, title, start_at, game_id) "
        "VALUES (%s, %s, %s, %s, %s, %s) RETURNING event_id",
        league.platform_id, league.series_id, f"SIM-{key}", key, kickoff, game_id,
    )  # fmt: skip
    markets = [_add_market(conn, league, event_id, key, code, kickoff) for code in (home, away)]
    return Game(game_id, key, kickoff, event_id, markets[0], markets[1])


def _add_market(
    conn: psycopg.Connection, league: League, event_id: int, key: str, code: str, kickoff: datetime
) -> int:
    market_id = _id(
        conn,
        "INSERT INTO markets (platform_id, event_id, ticker, market_type, yes_team_id) "
        "VALUES (%s, %s, %s, 'binary', %s) RETURNING market_id",
        league.platform_id, event_id, f"SIM-{key}-{code}", league.teams[code],
    )  # fmt: skip
    opens = kickoff - 48 * HOUR
    conn.execute(
        "INSERT INTO market_attributes (market_id, title, status, price_ranges, count_step, raw, "
        "event_ts, known_at, row_start_ts) VALUES (%s, %s, 'open', %s, 1, '{}', %s, %s, %s)",
        (market_id, f"{code} wins", Jsonb(_GRID), opens, opens, opens),
    )
    return market_id


def add_quote(
    conn: psycopg.Connection,
    market_id: int,
    at: datetime,
    bid: str | None,
    ask: str | None,
    size: str = "500",
    source: str = "simulated",
    known_at: datetime | None = None,
) -> None:
    """One quote in YES space, the same size on both sides."""
    conn.execute(
        "INSERT INTO market_snapshots (market_id, observed_at, yes_bid, yes_ask, yes_bid_size, "
        "yes_ask_size, write_reason, source, known_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, 'price', %s, %s)",
        (market_id, at, bid, ask, size, size, source, known_at or at),
    )


def add_prediction(
    conn: psycopg.Connection,
    league: League,
    game: Game,
    p_home: str,
    half_width: str = "0.03",
    at: datetime | None = None,
    training_run_id: int | None = None,
    model_id: int | None = None,
) -> int:
    """A prediction as of ``at`` (default 24 h before the start)."""
    p, h = Decimal(p_home), Decimal(half_width)
    when = at or game.kickoff - 24 * HOUR
    return _id(
        conn,
        "INSERT INTO predictions (game_id, model_id, training_run_id, p_home, p_low, p_high, "
        "trained_until, mlflow_run_id, event_ts, known_at) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, 'run', %s, %s) RETURNING prediction_id",
        game.game_id, model_id or league.model_id, training_run_id or league.training_run_id,
        p, p - h, p + h, LONG_AGO, when, when,
    )  # fmt: skip


def add_season(
    conn: psycopg.Connection,
    league: League,
    games: int,
    hours: Iterable[int] = range(24, 0, -1),
    seed: int = 1,
    week_of: int = 16,
) -> list[Game]:
    """A season of ``games``, ``week_of`` a week at a few kickoffs, quoted hourly, predicted twice.

    The league must have two teams for each game of a week.
    Prices wander around a latent probability that also draws the winner; the champion sees that
    probability with an error of its own, so some edges are there and some are not.
    """
    rng = random.Random(seed)
    codes = list(league.teams)
    hours = list(hours)
    quotes: list[tuple[Any, ...]] = []
    made: list[Game] = []
    for number in range(games):
        week, slot = divmod(number, week_of)
        kickoff = FIRST_SUNDAY + timedelta(days=7 * week) + (slot * 3 // week_of) * 3.5 * HOUR
        shift = (slot * 2) % len(codes)
        home, away = codes[shift], codes[(shift + 1 + week % (len(codes) - 1)) % len(codes)]
        p = rng.uniform(0.2, 0.8)
        tie = rng.random() < 0.01
        score = (20, 20) if tie else ((24, 17) if rng.random() < p else (17, 24))
        game = add_game(conn, league, kickoff + number * timedelta(days=0), home, away, score)
        for before, error in ((24, 0.07), (1, 0.05)):
            guess = min(max(p + rng.gauss(0, error), 0.05), 0.95)
            add_prediction(conn, league, game, f"{guess:.4f}", "0.0300", kickoff - before * HOUR)
        for hour in hours:
            at = kickoff - hour * HOUR
            mid = min(max(p + rng.gauss(0, 0.04), 0.05), 0.95)
            bid = Decimal(round(mid * 100) - 1) / 100
            ask = bid + Decimal("0.01")
            size = Decimal(rng.choice((50, 200, 500)))
            quotes.append((game.home, at, bid, ask, size, size, "price", "simulated", at))
            quotes.append((game.away, at, 1 - ask, 1 - bid, size, size, "price", "simulated", at))
        made.append(game)
    conn.execute(
        "SELECT ensure_snapshot_partitions(%s, %s)",
        (FIRST_SUNDAY - timedelta(days=2), max(game.kickoff for game in made)),
    )
    copy_rows(
        conn, "market_snapshots",
        ("market_id", "observed_at", "yes_bid", "yes_ask", "yes_bid_size", "yes_ask_size",
         "write_reason", "source", "known_at"),
        sorted(quotes, key=lambda row: row[:2]),
    )  # fmt: skip
    return made


def _id(conn: psycopg.Connection, sql: str, *params: Any) -> int:
    row = conn.execute(sql, params).fetchone()
    assert row is not None
    return int(row[0])
