"""The chain as data: links with their facts, and what was recomputed to verify each.

A check that cannot be made here (a source file that is not kept) is neither true nor false, and
says so; it does not break the chain. A check that was made and failed does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison. ``ok`` None: it could not be made, for the reason in ``note``."""

    name: str
    ok: bool | None
    expected: Any = None
    found: Any = None
    note: str | None = None

    def as_dict(self) -> dict[str, Any]:
        content: dict[str, Any] = {"check": self.name, "ok": self.ok}
        if self.note is not None:
            content["note"] = self.note
        if self.expected is not None or self.found is not None:
            content |= {"expected": self.expected, "found": self.found}
        return content


@dataclass(frozen=True, slots=True)
class Link:
    """One step of the chain: what it is (``name``), its key, its facts and its checks."""

    name: str
    key: Any
    facts: Mapping[str, Any]
    checks: Sequence[Check] = ()

    @property
    def verified(self) -> bool:
        """No check of it failed."""
        return all(check.ok is not False for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        return {
            "link": self.name,
            "key": self.key,
            "verified": self.verified,
            "facts": dict(self.facts),
            "checks": [check.as_dict() for check in self.checks],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """A chain from the thing asked for to its sources, newest first."""

    what: str
    key: int
    links: Sequence[Link]
    words: str
    gates: Sequence[Mapping[str, Any]] = field(default=())
    """the rows of the gate with their values, see :mod:`precog_trading.explain.gates`"""

    @property
    def verified(self) -> bool:
        """Every link is there and no check failed."""
        return all(link.verified for link in self.links)

    @property
    def broken(self) -> list[str]:
        """Each failed check as ``link: check (expected …, found …)``."""
        return [
            f"{link.name} {link.key}: {check.name}"
            + (f" ({check.note})" if check.note else "")
            + (
                f"; expected {check.expected}, found {check.found}"
                if check.expected is not None or check.found is not None
                else ""
            )
            for link in self.links
            for check in link.checks
            if check.ok is False
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: decimals and times are kept, the printer turns them into text."""
        return {
            f"{self.what}_id": self.key,
            "verified": self.verified,
            "broken": self.broken,
            "words": self.words,
            "chain": [link.as_dict() for link in self.links],
            "gates": [dict(gate) for gate in self.gates],
        }


def equal(name: str, expected: Any, found: Any) -> Check:
    """Whether what was recomputed is what is stored; both are shown when not."""
    if expected == found:
        return Check(name, True)
    return Check(name, False, expected, found)


def holds(name: str, condition: bool, note: str | None = None) -> Check:
    """Whether a rule holds; ``note`` says what is wrong when it does not."""
    return Check(name, condition, note=None if condition else note)


def unknown(name: str, note: str) -> Check:
    """A check that cannot be made here."""
    return Check(name, None, note=note)


def missing(name: str, key: Any, note: str) -> Link:
    """A link that should be there and is not: the chain is broken."""
    return Link(name, key, {}, (Check("present", False, note=note),))
