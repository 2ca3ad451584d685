"""Which names hold secrets, and how texts are shown without them."""

import os
import re
from collections.abc import Sequence
from functools import lru_cache

MASK = "********"
_NAME = re.compile(
    r"(password|passwd|secret|token|private_?key|api_?key|access_?key|key_?id|credential|passphrase|alert_[a-z]+_url)",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?P<start>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?=@)", re.IGNORECASE)
_ASSIGNED = re.compile(
    rf"(?P<start>[\"']?\b[\w-]*{_NAME.pattern}[\w-]*[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<start>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]+")
_PEM = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_SHORTEST_SECRET = 6


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a variable, key or header of this name is never shown."""
    return _NAME.search(name) is not None


def secret_values() -> list[str]:
    """The values of the environment's secret variables, long enough to be looked for."""
    values = [os.environ.get(name, "") for name in os.environ if is_secret_name(name)]
    return [value for value in values if len(value) >= _SHORTEST_SECRET]


def masked(text: str, values: Sequence[str] | None = None) -> str:
    """``text`` without passwords in URLs, tokens, private keys and values of secret variables.

    ``values`` are those of the variables (default: looked up), for who masks many texts at once.
    """
    text = _PEM.sub(MASK, text)
    for pattern in (_URL_PASSWORD, _BEARER, _ASSIGNED):
        text = pattern.sub(lambda match: match["start"] + MASK, text)
    for value in secret_values() if values is None else values:
        text = text.replace(value, MASK)
    return text
