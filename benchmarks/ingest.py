"""How long a received quote waits until trading can see it (SYS-005, PERF-002: p95 below 5 s).

    python benchmarks/ingest.py [--markets 200] [--json]

One look at every open market of a series: the listing, then a book per market under the request
limit of the basic tier, from a venue on loopback into an embedded server in a temporary home. A
quote is received when its book has arrived (its observed_at), and stored when another connection
sees its row, asked every 20 ms.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from precog_core.database import Database

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

LIMIT_S = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markets", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print one object")
    arguments = parser.parse_args()
    found = measure(arguments.markets)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name.replace('_', ' '):<22}{value}")


def measure(markets: int) -> dict[str, float]:
    """Seconds from receipt to storage of one look at ``markets`` markets."""
    from precog_core.database import open_database
    from precog_core.kalshi.client import KalshiClient
    from precog_core.kalshi.config import kalshi_config
    from precog_pipelines.sources.kalshi.markets import ingest_markets
    from precog_pipelines.sources.kalshi.quotes import ingest_quotes
    from tests.kalshi import payloads
    from tests.kalshi.server import FakeKalshi

    with tempfile.TemporaryDirectory() as folder, FakeKalshi() as venue:
        os.environ |= {"PRECOG_HOME": folder, "PRECOG__KALSHI__REST_URL": venue.url}
        venue.series["KXNFLGAME"] = payloads.series()
        close = (datetime.now(UTC) + timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for number in range(markets // 2):
            event = f"KXNFLGAME-26NOV29A{number:03d}B{number:03d}"
            names = (f"{event}-A{number:03d}", f"{event}-B{number:03d}")
            bodies = [payloads.market(name, close_time=close) for name in names]
            venue.list_event(payloads.event(event), *bodies)
            for name in names:
                venue.books[name] = payloads.order_book()
        with (
            open_database(Path(folder)) as database,
            KalshiClient.connect(kalshi_config()) as client,
        ):
            ingest_markets(client, database, lambda: datetime.now(UTC))
            watch = _Watch(database)
            began = time.perf_counter()
            report = ingest_quotes(client, database, lambda: datetime.now(UTC))
            took = time.perf_counter() - began
            waited = watch.stop()
    assert not report.problems, report.problems
    assert len(waited) == markets // 2 * 2, f"{len(waited)} of {markets} quotes stored"
    p95 = statistics.quantiles(waited, n=20)[-1]
    return {
        "markets": len(waited),
        "look_s": round(took, 2),
        "median_s": round(statistics.median(waited), 3),
        "p95_s": round(p95, 3),
        "slowest_s": round(max(waited), 3),
        "holds": p95 < LIMIT_S,
    }


class _Watch:
    """Sees rows as another process would: when they are committed."""

    def __init__(self, database: Database) -> None:
        self._conn = database.connect(autocommit=True)
        self._waited: dict[int, float] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        last = False
        while not last:
            last = self._done.is_set()  # one look after the end
            rows = self._conn.execute("SELECT market_id, observed_at FROM market_snapshots")
            now = datetime.now(UTC)
            for market_id, observed_at in rows.fetchall():
                self._waited.setdefault(market_id, (now - observed_at).total_seconds())
            time.sleep(0.02)

    def stop(self) -> list[float]:
        """Seconds that each quote waited."""
        self._done.set()
        self._thread.join()
        self._conn.close()
        return list(self._waited.values())


if __name__ == "__main__":
    main()
