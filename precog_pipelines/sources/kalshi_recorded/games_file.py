"""The file of games: one row per market, with the game it is about and how that ended.

Read are ticker, teams, scheduled tip-off and result. What the file also says about prices around
the tip-off is computed from the candles instead, and what came after the fact (last price, total
volume) is not a fact of any earlier moment.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from precog_core.errors import PrecogError
from precog_pipelines.sources.config import League
from precog_pipelines.sources.csv_rows import Row, read_rows
from precog_pipelines.sources.kalshi_recorded.files import read_text
from precog_pipelines.sources.protocols import SourceGame
from precog_pipelines.sources.teams import TeamDirectory

REQUIRED = (
    "event_ticker", "ticker", "game_date", "away", "home", "yes_team", "tipoff_utc", "away_pts",
    "home_pts", "home_win", "yes_won", "n_candles", "first_ts", "last_ts",
)  # fmt: skip
REMEDY = "correct the line or copy the file again; nothing of it was stored"
_MAX_POINTS = 250
_MAX_CANDLES = 100_000
_UNIX_RANGE = (1_500_000_000, 4_000_000_000)


@dataclass(frozen=True, slots=True)
class RecordedMarket:
    """One market of the file, and its game.

    ``yes_won`` is what the venue paid; ``candles`` counts its bars, which end from ``first_bar_at``
    to ``last_bar_at`` (UTC).
    """

    ticker: str
    event_ticker: str
    game: SourceGame
    yes_team: str
    yes_won: bool
    candles: int
    first_bar_at: datetime
    last_bar_at: datetime

    @property
    def outcome(self) -> str:
        """The last part of the ticker: the venue's code of the team that YES pays for."""
        return self.ticker.removeprefix(f"{self.event_ticker}-")


@dataclass(frozen=True, slots=True)
class GamesFile:
    """All markets of the file, in its order."""

    path: Path
    sha256: str
    markets: tuple[RecordedMarket, ...]


def read_games_file(path: Path, teams: TeamDirectory, league: League) -> GamesFile:
    """Every market of the file.

    Raises PrecogError naming file, line, column, value, what was expected and what to do; a file
    with one bad line gives nothing at all. Whether a ticker fits the game of its line is not
    judged here but by the matching, as for live markets.
    """
    text, digest = read_text(path)
    markets: list[RecordedMarket] = []
    lines: dict[str, int] = {}
    games: dict[str, SourceGame] = {}
    for row in read_rows(str(path), text.encode(), REQUIRED):
        market = _market(row, teams, league)
        if market.ticker in lines:
            raise row.refuse(
                "ticker", f"new: the same market stands in line {lines[market.ticker]}", REMEDY
            )
        lines[market.ticker] = row.line
        known = games.setdefault(market.event_ticker, market.game)
        if known != market.game:
            raise row.refuse(
                "event_ticker", "about the same game and result as in an earlier line", REMEDY
            )
        markets.append(market)
    if not markets:
        raise PrecogError(f"{path} has no markets; expected one line per market")
    return GamesFile(path, digest, tuple(markets))


def _market(row: Row, teams: TeamDirectory, league: League) -> RecordedMarket:
    game = _game(row, teams, league)
    event_ticker, ticker = row.text("event_ticker"), row.text("ticker")
    if not ticker.startswith(f"{event_ticker}-") or ticker == f"{event_ticker}-":
        raise row.refuse("ticker", f"the event ticker {event_ticker}, a dash and a team", REMEDY)
    yes_team = _team(row, "yes_team", teams)
    if yes_team not in (game.away, game.home):
        raise row.refuse("yes_team", f"one of the teams {game.away} and {game.home}", REMEDY)
    home_won = (game.home_score or 0) > (game.away_score or 0)
    yes_won = _flag(row, "yes_won")
    if _flag(row, "home_win") != home_won:
        raise row.refuse("home_win", f"what the points say ({int(home_won)})", REMEDY)
    if yes_won != (home_won == (yes_team == game.home)):
        raise row.refuse("yes_won", f"what the points say for {yes_team}", REMEDY)
    first, last = (_unix(row, column) for column in ("first_ts", "last_ts"))
    if last < first:
        raise row.refuse("last_ts", "at or after first_ts", REMEDY)
    return RecordedMarket(
        ticker=ticker,
        event_ticker=event_ticker,
        game=game,
        yes_team=yes_team,
        yes_won=yes_won,
        candles=row.integer("n_candles", 1, _MAX_CANDLES),
        first_bar_at=first,
        last_bar_at=last,
    )


def _game(row: Row, teams: TeamDirectory, league: League) -> SourceGame:
    day, tip_off = row.date("game_date"), _instant(row, "tipoff_utc")
    if tip_off.astimezone(league.zone).date() != day:
        raise row.refuse("tipoff_utc", f"an instant on {day} in {league.timezone}", REMEDY)
    away, home = (_team(row, column, teams) for column in ("away", "home"))
    if away == home:
        raise row.refuse("home", f"another team than the away team {away}", REMEDY)
    points = {side: row.integer(f"{side}_pts", 0, _MAX_POINTS) for side in ("away", "home")}
    if points["away"] == points["home"]:
        raise row.refuse("home_pts", "a different number of points than the other team's", REMEDY)
    return SourceGame(
        league=teams.league,
        season=league.season_of(day),
        week=None,
        game_type=league.game_type_of(day),
        game_date=day,
        kickoff_at=tip_off,
        away=away,
        home=home,
        # The file does not say where a game was played.
        neutral_site=False,
        away_score=points["away"],
        home_score=points["home"],
        source_game_id=row.text("event_ticker"),
    )


def _team(row: Row, column: str, teams: TeamDirectory) -> str:
    code = teams.code("kalshi", row[column])
    if code is None:
        raise row.refuse(
            column,
            f"a team that Kalshi is known to name ({', '.join(teams.names('kalshi'))})",
            "correct the line, or add the name under aliases in config/leagues.yaml; nothing of "
            "the file was stored",
        )
    return code


def _flag(row: Row, column: str) -> bool:
    return row.one_of(column, ("0", "1")) == "1"


def _instant(row: Row, column: str) -> datetime:
    try:
        instant = datetime.fromisoformat(row.text(column))
    except ValueError:
        raise row.refuse(column, "a time such as 2025-04-19T22:00:00+00:00", REMEDY) from None
    if instant.tzinfo is None or instant.utcoffset():
        raise row.refuse(column, "a time in UTC, ending with +00:00 or Z", REMEDY)
    return instant.astimezone(UTC)


def _unix(row: Row, column: str) -> datetime:
    return datetime.fromtimestamp(row.integer(column, *_UNIX_RANGE), UTC)
