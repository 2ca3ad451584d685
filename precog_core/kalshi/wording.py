"""The settlement wording of a market, without what names its one game.

Two markets settle alike when their rules read alike but for teams and date. A wording is recognised
by the hash of that text: a person has read it, and the rules priced are those it says.
"""

import hashlib
import re

_DATE = re.compile(r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* \d{1,2}, \d{4}\b")
_WINNER = re.compile(r"^If .+? wins\b")
_GAME = re.compile(
    r"\bthe (?:(?!\bthe ).)+? (?:at|vs\.?) .+? (?=(?:professional|college|men's|women's) )"
)
_CLOCK = re.compile(r" at \d{1,2}:\d{2} [AP]M [A-Z]{2,4}\b")
_SPACE = re.compile(r"\s+")


def wording(primary: str, secondary: str) -> str:
    """Both rules as one line; ``<team>``, ``<game>``, ``<date>`` stand for what differs by game."""
    text = f"{_WINNER.sub('If <team> wins', primary.strip())} {secondary.strip()}"
    text = _GAME.sub("the <game> ", _CLOCK.sub("", _DATE.sub("<date>", text)))
    return _SPACE.sub(" ", text).strip()


def wording_hash(primary: str, secondary: str) -> str:
    """SHA-256 of :func:`wording`, hexadecimal."""
    return hashlib.sha256(wording(primary, secondary).encode()).hexdigest()
