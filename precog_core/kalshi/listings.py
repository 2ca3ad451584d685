"""What a listing gives, and how its objects are read one by one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from precog_core.kalshi.errors import KalshiPayloadError
from precog_core.kalshi.fields import Fields

Item = TypeVar("Item")
Reject = Callable[[KalshiPayloadError], None]


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """What a listing gave. ``complete`` is False when anything may be missing; ``why`` says why.

    ``rejected`` are the objects that could not be read, each with its error.
    """

    items: tuple[Item, ...]
    complete: bool
    why: str | None = None
    rejected: tuple[KalshiPayloadError, ...] = ()


def asked_for(
    given: str, wanted: str | None, endpoint: str, field: str, about: str | None = None
) -> None:
    """Raise for an object of something else: the venue ignores a filter it does not know."""
    if wanted is not None and given != wanted:
        raise KalshiPayloadError(
            endpoint, about or given, field, f"is of {given!r}; asked for was {wanted!r}"
        )


def elements(content: Any, endpoint: str, name: str) -> list[Any]:
    """The list ``name`` of an answer."""
    return list(Fields(content, endpoint, None).items(name))


def cursor_of(content: Any, endpoint: str) -> str:
    """Where the next page starts; empty at the end."""
    fields = Fields(content, endpoint, None)
    return fields.optional(fields.any_text, "cursor") or ""


def each(found: Iterable[Any], read: Callable[[Any, Reject], Item], reject: Reject) -> list[Item]:
    """``read`` of every element; one that cannot be read goes to ``reject``."""
    items: list[Item] = []
    for element in found:
        try:
            items.append(read(element, reject))
        except KalshiPayloadError as error:
            reject(error)
    return items


def listing_of(items: Iterable[Item], rejected: list[KalshiPayloadError]) -> Listing[Item]:
    """A listing that came to its end: complete unless something was rejected."""
    if not rejected:
        return Listing(tuple(items), True)
    why = f"{len(rejected)} of its objects could not be read"
    return Listing(tuple(items), False, why, tuple(rejected))
