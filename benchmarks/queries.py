"""What people and pages wait for: season and version queries, the chain behind a trade, the status.

    python benchmarks/queries.py [--runs 20] [--json]

Reads the home of $PRECOG_HOME, which a bootstrap must have filled. Process start is not measured.
The requirements: a season in 500 ms, a version in 100 ms (PERF-002), a trade's chain in 200 ms
(TRACE-002).
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

from precog_core.database import Database, open_database
from precog_core.paths import home
from precog_platform.inspection.status import status
from precog_trading.explain.chain import explain_trade

_SEASON = """
SELECT g.game_key, g.kickoff_at, g.home_score, g.away_score, p.p_home
FROM games AS g
LEFT JOIN predictions AS p ON p.game_id = g.game_id
WHERE g.league = 'nfl' AND g.season = (SELECT max(season) FROM games WHERE league = 'nfl')
ORDER BY g.kickoff_at
"""
_VERSION = """
SELECT m.method_version, s.strategy_version, p.model_version, m.config_hash
FROM methods AS m
JOIN strategies AS s ON s.strategy_id = m.strategy_id
JOIN probability_models AS p ON p.model_id = m.model_id
WHERE m.method_name = 'nfl_pre_game'
ORDER BY m.method_id DESC
LIMIT 1
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    with open_database() as database:
        found = {name: measured(action, options.runs) for name, action in actions(database).items()}
    if options.json:
        print(json.dumps(found))
        return
    for name, (median_ms, slowest_ms) in found.items():
        print(f"{name:<22}{median_ms:>8.1f} ms median{slowest_ms:>9.1f} ms slowest")


def actions(database: Database) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""

    def query(text: str) -> Callable[[], object]:
        def ask() -> object:
            with database.connection() as conn:
                return conn.execute(text).fetchall()

        return ask

    def explain() -> object:
        with database.connection() as conn:
            return explain_trade(conn, database, 1)

    return {
        "season with predictions": query(_SEASON),
        "version of a method": query(_VERSION),
        "chain of a trade": explain,
        "status": lambda: status(database, home()),
    }


def measured(action: Callable[[], object], runs: int) -> tuple[float, float]:
    """Median and slowest of ``runs`` in milliseconds, the first call left out."""
    action()
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken), max(taken)


if __name__ == "__main__":
    main()
