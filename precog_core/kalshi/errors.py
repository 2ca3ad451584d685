"""What a read from Kalshi can end in, apart from an answer."""

from precog_core.errors import PrecogError


class KalshiError(PrecogError):
    """Any failure of the client; ``endpoint`` is method and path without the query."""

    def __init__(self, endpoint: str, message: str) -> None:
        super().__init__(message)
        self.endpoint = endpoint


class KalshiRefused(KalshiError):
    """The venue answered and said no: asking again in the same way would not help."""

    def __init__(self, endpoint: str, status: int, code: str | None, message: str) -> None:
        said = f"{code}: {message}" if code else message
        super().__init__(
            endpoint, f"Kalshi refused {endpoint} with HTTP {status} ({said}){_advice(status)}"
        )
        self.status = status
        self.code = code


class KalshiUnavailable(KalshiError):
    """No usable answer within the retries: overload, a failing server, a dead connection."""

    def __init__(self, endpoint: str, attempts: int, reason: str) -> None:
        tries = "once" if attempts == 1 else f"{attempts} times"
        super().__init__(
            endpoint,
            f"Kalshi gave no usable answer to {endpoint}, asked {tries}; the last: {reason}; "
            "nothing may be concluded from it; try again later",
        )
        self.attempts = attempts


class KalshiPayloadError(KalshiError):
    """An answer that is not what the API promises: a field is missing, malformed or unknown.

    ``ticker`` is the market, event or series the object is about, where it could be read.
    """

    def __init__(self, endpoint: str, ticker: str | None, field: str, problem: str) -> None:
        about = f" for {ticker}" if ticker else ""
        super().__init__(
            endpoint,
            f"{endpoint}{about}: field {field} {problem}; the answer is not used; if Kalshi has "
            "changed its API, Precog needs an update",
        )
        self.ticker = ticker
        self.field = field
        self.problem = problem


def _advice(status: int) -> str:
    if status == 401:
        return (
            "; check that the key belongs to this environment and may do this, that the private "
            "key is its PEM file, and that this machine's clock is right"
        )
    if status == 403:
        return "; the key lacks the permission, or the venue refuses this place"
    return ""
