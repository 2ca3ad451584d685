"""Recorded quotes are read strictly: a wrong cell is refused with file, line, column and remedy."""

import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precog_core.errors import PrecogError
from precog_core.kalshi.config import QuotesSection
from precog_core.kalshi.quote_filter import MarketQuote, write_reason
from precog_pipelines.sources.kalshi_recorded.bars import (
    QuoteRule,
    require_known_markets,
    require_same_recording,
)
from precog_pipelines.sources.kalshi_recorded.candles_file import CandlesFile, read_candles_file
from precog_pipelines.sources.kalshi_recorded.files import RecordedFolder
from precog_pipelines.sources.kalshi_recorded.games import RecordedGames
from precog_pipelines.sources.kalshi_recorded.settings import candle_half_spread
from tests.sources.recording import (
    BARS,
    CANDLES_HEADER,
    GAMES_HEADER,
    TIP_OFF,
    a_market,
    as_csv,
    write_recording,
)

HALF = Decimal("0.01")


@pytest.fixture
def games_of(tmp_path: Path) -> Callable[..., RecordedGames]:
    def build(*markets: Any) -> RecordedGames:
        return RecordedGames(write_recording(tmp_path, markets or (a_market(),)), "nba")

    return build


@pytest.fixture
def candles_of(tmp_path: Path) -> Callable[[bytes], CandlesFile]:
    def build(content: bytes) -> CandlesFile:
        path = tmp_path / "x_candles_1m.csv"
        path.write_bytes(content)
        return read_candles_file(path)

    return build


def candle_lines(**changes: Any) -> bytes:
    _, bars = a_market()
    bars[3] |= {key: str(value) for key, value in changes.items()}
    return as_csv(CANDLES_HEADER, bars)


def test_a_game_is_read_with_the_season_named_by_its_last_year(games_of: Any) -> None:
    source = games_of(
        a_market(),
        a_market("OKC", "IND", "OKC", (91, 103), datetime(2025, 6, 20, 0, 30, tzinfo=UTC)),
    )
    assert source.seasons("nba") == [2025, 2026]
    (game,) = source.games("nba", [2026]).games
    assert (game.away, game.home, game.season, game.game_type) == ("BOS", "MIA", 2026, "regular")
    assert (game.game_date, game.kickoff_at) == (date(2025, 11, 1), TIP_OFF)
    assert (game.away_score, game.home_score, game.neutral_site) == (99, 104, False)
    (finals,) = source.games("nba", [2025]).games
    assert finals.game_type == "postseason"
    snapshot = source.games("nba").snapshot
    assert (snapshot.source, snapshot.dataset, snapshot.row_count) == (
        "kalshi_recorded",
        "games",
        2,
    )
    (market,) = source.markets("nba", [2026])
    assert (market.yes_team, market.yes_won, market.outcome) == ("MIA", True, "MIA")
    with pytest.raises(PrecogError, match="no game source for league nfl; .* has nba only"):
        source.seasons("nfl")


def test_a_game_before_the_season_is_preseason(games_of: Any) -> None:
    source = games_of(a_market(tip_off=datetime(2025, 10, 11, 0, 0, tzinfo=UTC)))
    assert [game.game_type for game in source.games("nba").games] == ["preseason"]


def test_two_markets_of_one_event_are_one_game(games_of: Any) -> None:
    source = games_of(a_market(), a_market(yes="BOS"))
    assert len(source.games("nba").games) == 1
    assert len(source.markets("nba", [2026])) == 2


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("event_ticker", "", "a value"),
        ("ticker", "KXNBAGAME-25NOV01BOSMIA", "the event ticker .* a dash and a team"),
        ("game_date", "2025-11-31", "a date YYYY-MM-DD"),
        ("game_date", "2025-11-02", "an instant on 2025-11-02 in America/New_York"),
        ("away", "SEA", "a team that Kalshi is known to name"),
        ("home", "BOS", "another team than the away team BOS"),
        ("yes_team", "NYK", "one of the teams BOS and MIA"),
        ("tipoff_utc", "2025-11-02T00:00:00", "a time in UTC"),
        ("tipoff_utc", "2025-11-02T02:00:00+02:00", "a time in UTC"),
        ("tipoff_utc", "soon", "a time such as"),
        ("away_pts", "ninety", "a whole number from 0 to 250"),
        ("home_pts", "99", "a different number of points"),
        ("home_win", "0", r"what the points say \(1\)"),
        ("yes_won", "0", "what the points say for MIA"),
        ("yes_won", "yes", "one of 0, 1"),
        ("n_candles", "0", "a whole number from 1"),
        ("last_ts", "1500000000", "at or after first_ts"),
    ],
)
def test_a_wrong_cell_of_a_game_is_refused(
    games_of: Any, column: str, value: str, words: str
) -> None:
    with pytest.raises(PrecogError, match=rf"_games.csv, line 3, column \w+: .* {words}.*nothing"):
        games_of(a_market("LAL", "DEN", "DEN"), a_market(**{column: value})).seasons("nba")


def test_a_market_twice_and_two_results_of_one_game_are_refused(games_of: Any) -> None:
    with pytest.raises(PrecogError, match="line 3, column ticker: .* stands in line 2"):
        games_of(a_market(), a_market()).seasons("nba")
    with pytest.raises(PrecogError, match="line 3, column event_ticker: .* as in an earlier line"):
        games_of(a_market(), a_market(yes="BOS", points=(90, 104))).seasons("nba")


def test_a_folder_must_hold_one_file_of_each_kind(tmp_path: Path) -> None:
    with pytest.raises(PrecogError, match="is no folder"):
        RecordedFolder.open(tmp_path / "absent")
    with pytest.raises(PrecogError, match=r"exactly one file of games \(.*\); found none"):
        RecordedFolder.open(tmp_path)
    write_recording(tmp_path, [a_market()])
    (tmp_path / "other_games.csv").write_text("")
    with pytest.raises(PrecogError, match=r"found made_up_games\.csv, other_games\.csv"):
        RecordedFolder.open(tmp_path)


def test_bars_are_read_in_order_of_time(candles_of: Any) -> None:
    game, bars = a_market()
    read = candles_of(as_csv(CANDLES_HEADER, reversed(bars)))
    assert [bar[4] for bar in read.bars[game["ticker"]]] == [close for _, close, _ in BARS]
    assert read.rows == len(BARS)
    assert candles_of(as_csv(CANDLES_HEADER, bars).replace(b"\n", b"\r\n")).bars == read.bars


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ticker": ""}, "column ticker: '' is not a market's ticker"),
        ({"timestamp": "soon"}, "column timestamp: 'soon' is not a whole number"),
        ({"timestamp": "1762029030"}, "column timestamp: .* is not the end of a minute"),
        ({"close": "0.61"}, "column close: '0.61' is not a whole number"),
        ({"open": ""}, "column open: '' is not a whole number"),
        ({"low": 0}, "column low: '0' is not a price of 1 to 99 cents"),
        ({"high": 100}, "column high: '100' is not a price of 1 to 99 cents"),
        ({"high": 59}, "column high: '59' is not the highest price"),
        ({"low": 61, "high": 61}, "column low: '61' is not the lowest price"),
        ({"volume": 0}, "column volume: '0' is not above zero"),
        ({"volume": -1}, "column volume: '-1' is not a whole number"),
    ],
)
def test_a_wrong_cell_of_a_candle_is_refused(
    candles_of: Any, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(PrecogError, match=rf"line 5, {words}.*; nothing of it was stored"):
        candles_of(candle_lines(**changes))


def test_a_damaged_file_of_candles_is_refused(candles_of: Any, tmp_path: Path) -> None:
    good = candle_lines()
    with pytest.raises(PrecogError, match="line 1: the header is .* is it the right file"):
        candles_of(good.replace(b"volume", b"size"))
    with pytest.raises(PrecogError, match="line 11: the last line .* cut off"):
        candles_of(good[:-3])
    with pytest.raises(PrecogError, match="line 3: 6 cells, expected 7"):
        candles_of(good.replace(b",55,3\n", b",3\n"))
    with pytest.raises(PrecogError, match="line 12, column timestamp: .* line 11 has this minute"):
        candles_of(good + good.splitlines(keepends=True)[-1])
    with pytest.raises(PrecogError, match="has no candles"):
        candles_of(good.splitlines(keepends=True)[0])
    with pytest.raises(PrecogError, match=r"line 3: byte \d+ is not ASCII"):
        candles_of(good.replace(b",55,3\n", b",55,\xd9\xa3\n"))
    with pytest.raises(PrecogError, match="cannot read"):
        read_candles_file(tmp_path / "absent.csv")
    packed = tmp_path / "y_candles_1m.csv.gz"
    packed.write_bytes(gzip.compress(good)[:-40])
    with pytest.raises(PrecogError, match="compressed file is damaged or cut off"):
        read_candles_file(packed)


def test_two_files_that_do_not_belong_together_are_refused(games_of: Any) -> None:
    source = games_of(a_market(), a_market("LAL", "DEN", "DEN"))
    candles = read_candles_file(RecordedFolder.open(source.folder).candles)
    markets = source.markets("nba", [2026])
    require_same_recording(markets, candles)
    require_known_markets(markets, candles)
    with pytest.raises(PrecogError, match="1 markets are not in the file of games, such as .*-DEN"):
        require_known_markets(markets[:1], candles)
    del candles.bars[markets[1].ticker][-1]
    with pytest.raises(PrecogError, match="-DEN has 9 candles .* says n_candles 10"):
        require_same_recording(markets, candles)
    del candles.bars[markets[1].ticker]
    with pytest.raises(PrecogError, match="has 0 candles"):
        require_same_recording(markets, candles)


def test_an_assumed_side_at_zero_or_one_has_no_quote() -> None:
    rule = QuoteRule(QuotesSection(), candle_half_spread())
    assert rule.book(1) == (None, Decimal("0.02"))
    assert rule.book(99) == (Decimal("0.98"), None)
    assert rule.book(50) == (Decimal("0.49"), Decimal("0.51"))


def test_bars_that_say_nothing_new_are_no_quotes() -> None:
    bars = [(int(m * 60), c, c, c, c, v) for m, c, v in BARS]
    found = list(QuoteRule(QuotesSection(), HALF).reasons(bars))
    assert [reason for reason, _ in found] == [
        "price", None, "heartbeat", "price", "price", "heartbeat", "price", "price", "price", None,
    ]  # fmt: skip
    assert [volume for _, volume in found] == [5, 8, 9, 21, 61, 70, 170, 670, 1570, 1574]


@given(
    st.lists(
        st.tuples(st.integers(1, 8), st.integers(1, 99), st.integers(1, 30)),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(["0.01", "0.02", "0.05"]),
    st.sampled_from(["0.02", "0.5"]),
)
@settings(max_examples=60, deadline=None)
def test_the_rule_on_cents_is_the_rule_of_live_quotes(
    steps: list[tuple[int, int, int]], min_move: str, fraction: str
) -> None:
    section = QuotesSection(min_move=Decimal(min_move), min_move_fraction=Decimal(fraction))
    rule = QuoteRule(section, HALF)
    end = TIP_OFF
    bars, stored, expected, volume = [], None, [], 0
    for minutes, cents, contracts in steps:
        end += timedelta(minutes=minutes)
        volume += contracts
        bars.append((int(end.timestamp()), cents, cents, cents, cents, contracts))
        bid, ask = rule.book(cents)
        quote = MarketQuote(1, end, bid, ask, None, None, None, Decimal(volume), None)
        reason = write_reason(stored, quote, section)
        stored = quote if reason else stored
        expected.append((reason, volume))
    assert list(rule.reasons(bars)) == expected


def test_the_header_of_games_needs_its_columns(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, [a_market()])
    header = [name for name in GAMES_HEADER if name != "yes_won"]
    game = {key: value for key, value in a_market()[0].items() if key != "yes_won"}
    (folder / "made_up_games.csv").write_bytes(as_csv(header, [game]))
    with pytest.raises(PrecogError, match="line 1: the header has no column 'yes_won'"):
        RecordedGames(folder, "nba").seasons("nba")
