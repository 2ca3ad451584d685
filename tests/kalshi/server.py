"""A Kalshi of our own on loopback: real HTTP, real paging, and every failure we can think of.

It knows the venue's read endpoints over plain lists that a test fills, filters and pages as the
venue does, and takes scripted answers for a path: a status, a body cut in half, a dead or a silent
connection. It answers POST and DELETE as well, so that replies to orders can be classified.
"""

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.kalshi import payloads

PREFIX = "/trade-api/v2"
# Filters of a request are not the statuses of an answer.
_FILTERS = {
    "unopened": {"initialized"},
    "open": {"active", "inactive"},
    "closed": {"closed", "determined", "disputed", "amended"},
    "settled": {"finalized"},
}
Fault = Literal["cut_body", "cut_json", "reset", "hang", "drip"]


@dataclass(frozen=True)
class Reply:
    """One scripted answer. ``body`` is bytes, or an object to send as JSON."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


TOO_MANY = Reply(429, {"error": "too many requests"})
UNAVAILABLE = Reply(503, {"error": {"code": "service_unavailable", "message": "no"}})


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    at: float


class FakeKalshi:
    """The venue. Lists hold bodies; ``script`` overrides a path; ``seen`` records requests."""

    def __init__(self) -> None:
        self._release = threading.Event()
        self.reset()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def reset(self) -> None:
        """An empty venue; connections that hang are let go."""
        self._release.set()
        self._release = threading.Event()
        self.page_size = 1000
        self.series: dict[str, Any] = {}
        self.fee_changes: list[Any] = []
        self.events: list[Any] = []
        self.markets: list[Any] = []
        self.books: dict[str, Any] = {}
        self.candles: dict[str, list[Any]] = defaultdict(list)
        self.trades: list[Any] = []
        self.archived_markets: list[Any] = []
        self.archived_candles: dict[str, list[Any]] = defaultdict(list)
        self.archived_trades: list[Any] = []
        self.orders: list[Any] = []
        self.fills: list[Any] = []
        self.settlements: list[Any] = []
        self.cutoff = dict(payloads.CUTOFF)
        self.seen: list[Seen] = []
        self._scripts: dict[str, deque[Reply]] = defaultdict(deque)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{PREFIX}"

    def __enter__(self) -> "FakeKalshi":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def script(self, path: str, *replies: Reply) -> None:
        """Answer the next requests for ``path`` so; after them the venue answers itself."""
        self._scripts[path].extend(replies)

    def forget_script(self, path: str) -> None:
        """From now on the venue answers for ``path`` itself."""
        self._scripts[path].clear()

    def asked(self, path: str) -> list[Seen]:
        """The requests for ``path``, oldest first."""
        return [seen for seen in self.seen if seen.path == path]

    def list_event(self, event: Any, *markets: Any) -> None:
        """List an event and its markets."""
        self.events.append(event)
        self.markets.extend(markets)

    def answer(self, path: str, query: dict[str, str]) -> Reply:
        """What the venue says to GET ``path``."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match parts:
            case ["exchange", "status"]:
                return Reply(200, payloads.STATUS)
            case ["historical", "cutoff"]:
                return Reply(200, self.cutoff)
            case ["series", "fee_changes"]:
                found = _where(self.fee_changes, query, "series_ticker")
                return Reply(200, {"series_fee_change_arr": found})
            case ["series", ticker] if ticker in self.series:
                return Reply(200, {"series": self.series[ticker]})
            case ["series", _, "markets", ticker, "candlesticks"]:
                return _bars(ticker, self.candles[ticker], query)
            case ["historical", "markets", ticker, "candlesticks"]:
                return _bars(ticker, self.archived_candles[ticker], query)
            case ["events"]:
                return self._events(query)
            case ["events", ticker]:
                return _one("event", [e for e in self.events if e["event_ticker"] == ticker])
            case ["markets"]:
                return self._markets(query)
            case ["historical", "markets"]:
                found = [m for m in self.archived_markets if _in_series(m, query)]
                return self._page("markets", found, query)
            case ["markets", "trades"]:
                return self._page("trades", _tape(self.trades, query), query)
            case ["historical", "trades"]:
                return self._page("trades", _tape(self.archived_trades, query), query)
            case ["markets", ticker]:
                return _one("market", [m for m in self.markets if m.get("ticker") == ticker])
            case ["markets", ticker, "orderbook"] if ticker in self.books:
                return Reply(200, self.books[ticker])
            case ["account", "limits"]:
                return Reply(200, payloads.LIMITS)
            case ["portfolio", "balance"]:
                return Reply(200, {"balance": 124318, "portfolio_value": 570})
            case ["portfolio", "orders", order_id]:
                return _one("order", [o for o in self.orders if o["order_id"] == order_id])
            case ["portfolio", ("orders" | "fills" | "settlements") as name]:
                return self._page(name, _where(getattr(self, name), query, "ticker"), query)
        return Reply(404, {"error": {"code": "not_found", "message": "not found"}})

    def _events(self, query: dict[str, str]) -> Reply:
        refused = _refused_status(query)
        if refused:
            return refused
        events = []
        for event in _where(self.events, query, "series_ticker"):
            nested = [m for m in self.markets if m.get("event_ticker") == event["event_ticker"]]
            wanted = _FILTERS.get(query.get("status", ""))
            if wanted and not any(m.get("status") in wanted for m in nested):
                continue
            least = int(query.get("min_close_ts", 0))
            if least and nested and not any(_ts(m["close_time"]) >= least for m in nested):
                continue
            with_markets = query.get("with_nested_markets") == "true"
            events.append(event | {"markets": nested} if with_markets else event)
        return self._page("events", events, query)

    def _markets(self, query: dict[str, str]) -> Reply:
        refused = _refused_status(query)
        if refused:
            return refused
        wanted = _FILTERS.get(query.get("status", ""))
        found = [
            m
            for m in _where(self.markets, query, "event_ticker")
            if _in_series(m, query)
            and (wanted is None or m.get("status") in wanted)
            and (not query.get("tickers") or m.get("ticker") in query["tickers"].split(","))
        ]
        return self._page("markets", found, query)

    def _page(self, name: str, items: list[Any], query: dict[str, str]) -> Reply:
        start = int(query.get("cursor") or 0)
        end = start + min(self.page_size, int(query.get("limit", 100)))
        cursor = str(end) if end < len(items) else ""
        return Reply(200, {name: items[start:end], "cursor": cursor})

    def _handler(venue) -> type[BaseHTTPRequestHandler]:  # type: ignore[misc]
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one piece; two would wait for each other

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._serve()

            def do_DELETE(self) -> None:
                self._serve()

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                path = parts.path.removeprefix(PREFIX)
                query = dict(parse_qsl(parts.query))
                headers = {name.lower(): value for name, value in self.headers.items()}
                venue.seen.append(Seen(self.command, path, query, headers, time.monotonic()))
                script = venue._scripts[path]
                reply = script.popleft() if script else venue.answer(path, query)
                self._send(reply)

            def _send(self, reply: Reply) -> None:
                content, release = reply.content(), venue._release
                if reply.fault == "reset":
                    self.close_connection = True
                    return
                if reply.fault == "hang":
                    release.wait(20)
                    self.close_connection = True
                    return
                if reply.fault == "cut_json":
                    content = content[: len(content) // 2]
                self.send_response(reply.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if reply.fault == "cut_body":
                    content = content[: len(content) // 2]
                    self.close_connection = True
                if reply.fault == "drip":
                    self._drip(content, release)
                else:
                    self.wfile.write(content)
                    self.wfile.flush()

            def _drip(self, content: bytes, release: threading.Event) -> None:
                for byte in content:
                    if release.wait(0.03):
                        break
                    try:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                    except OSError:  # the client gave up, as it should
                        break
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler


def _where(items: Iterable[Any], query: dict[str, str], name: str) -> list[Any]:
    wanted = query.get(name)
    return [item for item in items if wanted is None or item.get(name) == wanted]


def _in_series(market: Any, query: dict[str, str]) -> bool:
    wanted = query.get("series_ticker")
    return wanted is None or str(market.get("ticker")).partition("-")[0] == wanted


def _tape(trades: list[Any], query: dict[str, str]) -> list[Any]:
    least, most = int(query.get("min_ts", 0)), int(query.get("max_ts", 10**11))
    return [t for t in _where(trades, query, "ticker") if least <= _ts(t["created_time"]) <= most]


def _bars(ticker: str, candles: list[Any], query: dict[str, str]) -> Reply:
    first, last = int(query["start_ts"]), int(query["end_ts"])
    found = [c for c in candles if first <= c["end_period_ts"] <= last]
    return Reply(200, {"ticker": ticker, "candlesticks": found})


def _one(name: str, found: list[Any]) -> Reply:
    if found:
        return Reply(200, {name: found[0]})
    return Reply(404, {"error": {"code": "not_found", "message": f"no such {name}"}})


def _refused_status(query: dict[str, str]) -> Reply | None:
    status = query.get("status")
    if status is None or status in _FILTERS:
        return None
    details = {"message": "bad request", "details": "invalid status filter"}
    return Reply(400, {"error": {"code": "bad_request", **details}})


def _ts(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
