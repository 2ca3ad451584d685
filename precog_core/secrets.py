"""Which names hold secrets, and how texts are shown without them."""

import os
import re

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


def is_secret_name(name: str) -> bool:
    """Whether a variable, key or header of this name is never shown."""
    return _NAME.search(name) is not None


def masked(text: str) -> str:
    """``text`` without passwords in URLs, tokens, private keys and values of secret variables."""
    text = _PEM.sub(MASK, text)
    for pattern in (_URL_PASSWORD, _BEARER, _ASSIGNED):
        text = pattern.sub(lambda match: match["start"] + MASK, text)
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and is_secret_name(name):
            text = text.replace(value, MASK)
    return text
