"""Reads the fields of one object of an answer: the promised form, or an error naming the field.

Money and counts arrive as decimal strings and become ``Decimal``; a JSON number in such a place
is refused, because somebody has computed with it.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn, TypeVar

from precog_core.kalshi.errors import KalshiPayloadError

Value = TypeVar("Value")
_PRICE_PLACES = 6
_COUNT_PLACES = 2


class Fields:
    """One JSON object of the answer of ``endpoint``, about ``ticker``."""

    def __init__(self, content: Any, endpoint: str, ticker: str | None, path: str = "") -> None:
        self.endpoint = endpoint
        self.ticker = ticker
        self.path = path
        if not isinstance(content, dict):
            raise KalshiPayloadError(
                endpoint, ticker, path or "(object)", f"is {_kind(content)}, not an object"
            )
        self.content: dict[str, Any] = content

    @classmethod
    def about(cls, content: Any, endpoint: str, ticker_field: str, path: str = "") -> "Fields":
        """Fields of an object that names itself in ``ticker_field``."""
        fields = cls(content, endpoint, None, path)
        fields.ticker = fields.text(ticker_field)
        return fields

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.content.get(name) is not None

    def optional(self, read: Callable[[str], Value], name: str) -> Value | None:
        """``read(name)``, or None where the field is absent or null; a malformed one raises."""
        return read(name) if self.has(name) else None

    def text(self, name: str) -> str:
        """Text that is not empty."""
        value = self.any_text(name)
        return value if value else self.refuse(name, "is empty")

    def any_text(self, name: str) -> str:
        """Text, also the empty one."""
        value = self._present(name)
        return value if isinstance(value, str) else self._wrong(name, value, "text")

    def choice(self, name: str, allowed: Mapping[str, Value]) -> Value:
        """A word of a closed set, translated. An unknown word raises: its meaning is not known."""
        value = self.any_text(name)
        if value not in allowed:
            self.refuse(name, f"is {value!r}; known are {', '.join(map(repr, allowed))}")
        return allowed[value]

    def flag(self, name: str) -> bool:
        """true or false."""
        value = self._present(name)
        return value if isinstance(value, bool) else self._wrong(name, value, "true or false")

    def integer(self, name: str) -> int:
        """A whole JSON number."""
        value = self._present(name)
        if isinstance(value, bool) or not isinstance(value, int):
            self._wrong(name, value, "a whole number")
        return int(value)

    def rate(self, name: str) -> Decimal:
        """A JSON number from 0 on: the one kind of rate the API sends as a number."""
        value = self._present(name)
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or value < 0:
            self._wrong(name, value, "a number from 0 on")
        return Decimal(value)

    def dollars(self, name: str) -> Decimal:
        """A dollar string with at most six places; may be negative."""
        return self._decimal(name, self._present(name), _PRICE_PLACES)

    def price(self, name: str) -> Decimal:
        """A dollar string from 0 to 1."""
        return self._unit(name, self.dollars(name))

    def count(self, name: str) -> Decimal:
        """A contract count string from 0 on, with at most two places."""
        return self._not_negative(name, self._decimal(name, self._present(name), _COUNT_PLACES))

    def level(self, name: str, value: Any) -> tuple[Decimal, Decimal]:
        """A book level ``[price, count]``: 0 < price < 1, count > 0."""
        if not isinstance(value, list) or len(value) != 2:
            self._wrong(name, value, "a pair [price, count]")
        price = self._decimal(name, value[0], _PRICE_PLACES)
        count = self._decimal(name, value[1], _COUNT_PLACES)
        if not (0 < price < 1 and count > 0):
            self.refuse(
                name, f"has the level {value!r}; expected 0 < price < 1 and a count above 0"
            )
        return price, count

    def instant(self, name: str) -> datetime:
        """An ISO time with a zone, as UTC."""
        value = self.any_text(name)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self._wrong(name, value, "an ISO time")
        if moment.tzinfo is None:
            self._wrong(name, value, "an ISO time with a zone")
        return moment.astimezone(UTC)

    def unix_time(self, name: str) -> datetime:
        """Whole Unix seconds, as UTC."""
        value = self.integer(name)
        if not 0 < value < 10**11:
            self._wrong(name, value, "a Unix time in seconds")
        return datetime.fromtimestamp(value, UTC)

    def inner(self, name: str) -> "Fields":
        """A nested object."""
        return Fields(self._present(name), self.endpoint, self.ticker, self._full(name))

    def items(self, name: str) -> Iterator[Any]:
        """The elements of a list."""
        value = self._present(name)
        if not isinstance(value, list):
            self._wrong(name, value, "a list")
        yield from value

    def refuse(self, name: str, problem: str) -> NoReturn:
        """Raise the error about ``name``."""
        raise KalshiPayloadError(self.endpoint, self.ticker, self._full(name), problem)

    def _present(self, name: str) -> Any:
        if name not in self.content:
            self.refuse(name, "is missing")
        if self.content[name] is None:
            self.refuse(name, "is null")
        return self.content[name]

    def _decimal(self, name: str, value: Any, places: int) -> Decimal:
        expected = f"a decimal string with at most {places} places"
        if not isinstance(value, str):
            self._wrong(name, value, expected)
        try:
            number = Decimal(value)
        except InvalidOperation:
            self._wrong(name, value, expected)
        exponent = number.as_tuple().exponent
        if not isinstance(exponent, int) or "e" in value.lower() or "_" in value:
            self._wrong(name, value, expected)
        if -exponent > places and number != round(number, places):
            self._wrong(name, value, expected)
        return number

    def _unit(self, name: str, number: Decimal) -> Decimal:
        return number if 0 <= number <= 1 else self._wrong(name, str(number), "from 0 to 1")

    def _not_negative(self, name: str, number: Decimal) -> Decimal:
        return number if number >= 0 else self._wrong(name, str(number), "from 0 on")

    def _wrong(self, name: str, value: Any, expected: str) -> NoReturn:
        shown = repr(value)
        self.refuse(name, f"is {shown[:80]} ({_kind(value)}), not {expected}")

    def _full(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return names.get(type(value), "null" if value is None else "a number")
