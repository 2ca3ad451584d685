"""The download, against a real HTTP server on loopback: answers, pauses, failures, bad content."""

import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from precog_core.errors import PrecogError
from precog_pipelines.sources.config import NflverseSection
from precog_pipelines.sources.nflverse_games import NflverseDownload

PATH = "/releases/schedules/games.parquet"


class Host:
    """Answers each request with the next (status, body); the last one repeats."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.requests: list[str] = []
        self.released = threading.Event()
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                host.requests.append(self.path)
                status, body = host.answers[min(len(host.requests), len(host.answers)) - 1]
                if status == 0:  # never answers, until the test is over
                    host.released.wait(30)
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/releases"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def source(self, **settings: Any) -> NflverseDownload:
        return NflverseDownload(NflverseSection(base_url=self.url, wait_max_s=0, **settings))

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def host() -> Iterator[Host]:
    running = Host()
    yield running
    running.close()


@pytest.fixture
def parquet(game_row: Callable[..., dict[str, str]]) -> Callable[..., bytes]:
    """A published file with numbers as numbers, as nflverse writes it."""
    import polars as pl

    def build(**changes: Any) -> bytes:
        frame = pl.DataFrame(
            [
                game_row(**changes),
                game_row(game_id="2019_01_GB_CHI", season=2019, gameday="2019-09-05",
                         away_team="GB", home_team="CHI", away_score="", home_score="",
                         result="", away_moneyline="", home_moneyline=""),
            ]
        )  # fmt: skip
        numbers = ("season", "week", "away_score", "home_score", "result")
        frame = frame.with_columns(pl.col(numbers).replace("", None).cast(pl.Int32, strict=False))
        lines = ("away_moneyline", "home_moneyline")
        frame = frame.with_columns(pl.col(lines).replace("", None).cast(pl.Float64))
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        return buffer.getvalue()

    return build


def test_a_published_file_is_read_as_a_file_on_disk_would_be(host: Host, parquet: Any) -> None:
    host.answers = [(200, parquet())]
    source = host.source()
    played, fixture = source.games("nfl").games
    assert (played.game_key, played.home_score, played.home_moneyline) == (
        "nfl:2018:2018-09-09:LV@LA", 24, -170,
    )  # fmt: skip
    assert (fixture.game_key, fixture.is_final) == ("nfl:2019:2019-09-05:GB@CHI", False)
    snapshot = source.games("nfl", [2018]).snapshot
    assert snapshot.uri == host.url + "/schedules/games.parquet"
    assert (snapshot.source, snapshot.row_count) == ("nflverse", 2)
    assert host.requests == [PATH]  # once, however often it is asked


def test_a_new_provider_downloads_again_and_the_same_content_has_the_same_name(
    host: Host, parquet: Any
) -> None:
    host.answers = [(200, parquet()), (200, parquet()), (200, parquet(home_score=31, result=14))]
    digests = [host.source().games("nfl").snapshot.sha256 for _ in range(3)]
    assert digests[0] == digests[1] != digests[2]
    assert len(host.requests) == 3


def test_a_passing_failure_is_tried_again(host: Host, parquet: Any) -> None:
    host.answers = [(503, b"busy"), (429, b"slow down"), (200, parquet())]
    assert host.source().seasons("nfl") == [2018, 2019]
    assert len(host.requests) == 3


def test_attempts_are_bounded(host: Host) -> None:
    host.answers = [(500, b"broken")]
    with pytest.raises(PrecogError, match=r"cannot download the nflverse schedule: .*500 Server"):
        host.source(attempts=3).seasons("nfl")
    assert len(host.requests) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [((404, b"gone"), "404 Client Error"), ((200, b"no parquet"), "Failed to parse data")],
)
def test_a_refusal_or_unreadable_content_is_not_tried_again(
    host: Host, answer: tuple[int, bytes], words: str
) -> None:
    host.answers = [answer]
    with pytest.raises(PrecogError, match=f"{words}.*or give a file: precog up --games FILE"):
        host.source().seasons("nfl")
    assert len(host.requests) == 1


def test_a_server_that_never_answers_times_out(host: Host) -> None:
    host.answers = [(0, b"")]
    with pytest.raises(PrecogError, match=r"timed out.*1 attempts at most, 1 s each"):
        host.source(attempts=1, timeout_s=1).seasons("nfl")


def test_an_unreachable_host_is_named(host: Host) -> None:
    url = host.url
    host.close()
    with pytest.raises(PrecogError, match="cannot download .*sources.nflverse.base_url"):
        NflverseDownload(NflverseSection(base_url=url, attempts=1)).seasons("nfl")


def test_a_bad_row_in_the_download_is_refused_like_one_in_a_file(host: Host, parquet: Any) -> None:
    host.answers = [(200, parquet(home_team="XYZ"))]
    with pytest.raises(PrecogError, match=r"games\.parquet, line 2, column home_team: 'XYZ'"):
        host.source().seasons("nfl")
