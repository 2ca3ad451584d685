"""The file of candles: trade prices of one-minute bars, in whole cents of the YES side.

Each line is checked by itself (a bar's high is its highest price) and against the others (no bar
twice). 428,000 lines take about a second. A frame library would turn a column with one bad cell
into text and could not say in which line it stood.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from precog_core.errors import PrecogError
from precog_pipelines.sources.kalshi_recorded.files import read_text

COLUMNS = ("ticker", "timestamp", "open", "high", "low", "close", "volume")
PERIOD_S = 60
REMEDY = "correct the line or copy the file again; nothing of it was stored"
_EARLIEST, _LATEST = 1_500_000_000, 4_000_000_000
_MAX_CENTS = 99


Bar = tuple[int, ...]
"""One minute in which a market traded: end, open, high, low, close, volume.

``end`` is its inclusive end in unix seconds UTC, prices are cents, volume counts contracts.
"""


@dataclass(frozen=True, slots=True)
class CandlesFile:
    """The bars of every market, each market's in order of time."""

    path: Path
    sha256: str
    bars: dict[str, list[Bar]]

    @property
    def rows(self) -> int:
        return sum(len(bars) for bars in self.bars.values())


def read_candles_file(path: Path) -> CandlesFile:
    """Every bar of the file, checked.

    Raises PrecogError naming file, line, column, value, what was expected and what to do; a file
    with one bad line gives nothing at all.
    """
    text, digest = read_text(path)
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].split(",") != list(COLUMNS):
        raise PrecogError(
            f"{path}, line 1: the header is {lines[0][:200]!r}; expected {','.join(COLUMNS)}; is "
            "it the right file?"
        )
    if lines.pop():
        raise PrecogError(
            f"{path}, line {len(lines) + 1}: the last line does not end with a line break, so the "
            "file was probably cut off; copy it again; nothing of it was stored"
        )
    bars: dict[str, list[Bar]] = {}
    for line, content in enumerate(lines[1:], start=2):
        ticker, *numbers = content.split(",")
        # Plain tuples in the loop: a class per bar doubles the time.
        if len(numbers) != len(COLUMNS) - 1 or not ticker or not "".join(numbers).isdigit():
            raise _refusal(path, line, content)
        try:
            end, open_, high, low, close, volume = bar = tuple(map(int, numbers))
        except ValueError:  # an empty cell
            raise _refusal(path, line, content) from None
        if not (
            1 <= low <= open_ <= high <= _MAX_CENTS
            and low <= close <= high
            and volume > 0
            and end % PERIOD_S == 0
            and _EARLIEST < end < _LATEST
        ):
            raise _refusal(path, line, content)
        try:
            bars[ticker].append(bar)
        except KeyError:
            bars[ticker] = [bar]
    if not bars:
        raise PrecogError(f"{path} has no candles; expected one line per minute that traded")
    for ticker, of_market in bars.items():
        of_market.sort()
        for before, after in pairwise(of_market):
            if before[0] == after[0]:
                raise _repeated(path, lines, ticker, after[0])
    return CandlesFile(path, digest, bars)


def _repeated(path: Path, lines: list[str], ticker: str, end: int) -> PrecogError:
    start = f"{ticker},{end},"
    first, second = [n for n, line in enumerate(lines, start=1) if line.startswith(start)][:2]
    expected = f"new: line {first} has this minute of {ticker} already"
    return _wrong(path, second, "timestamp", str(end), expected)


def _refusal(path: Path, line: int, content: str) -> PrecogError:
    """What is wrong with a line that failed a check: the first wrong column."""
    cells = content.split(",")
    if len(cells) != len(COLUMNS):
        return PrecogError(
            f"{path}, line {line}: {len(cells)} cells, expected {len(COLUMNS)}; the line is "
            "damaged or the file was cut off; copy it again; nothing of it was stored"
        )
    given = dict(zip(COLUMNS, cells, strict=True))
    if not given["ticker"]:
        return _wrong(path, line, "ticker", "", "a market's ticker (it is empty)")
    for column in COLUMNS[1:]:
        if not given[column].isdigit():
            return _wrong(path, line, column, given[column], "a whole number")
    number = {column: int(given[column]) for column in COLUMNS[1:]}
    end = number["timestamp"]
    if end % PERIOD_S or not _EARLIEST < end < _LATEST:
        expected = "the end of a minute in unix seconds"
        return _wrong(path, line, "timestamp", given["timestamp"], expected)
    for column in ("open", "high", "low", "close"):
        if not 1 <= number[column] <= _MAX_CENTS:
            return _wrong(path, line, column, given[column], f"a price of 1 to {_MAX_CENTS} cents")
    if number["high"] < max(number["open"], number["close"], number["low"]):
        return _wrong(path, line, "high", given["high"], "the highest price of its bar")
    if number["low"] > min(number["open"], number["close"]):
        return _wrong(path, line, "low", given["low"], "the lowest price of its bar")
    return _wrong(
        path, line, "volume", given["volume"], "above zero: a bar is a minute that traded"
    )


def _wrong(path: Path, line: int, column: str, value: str, expected: str) -> PrecogError:
    return PrecogError(
        f"{path}, line {line}, column {column}: {value!r} is not {expected}; {REMEDY}"
    )
