"""Time from an empty home to the summary, and per stage: `precog bootstrap` or `precog up`.

    python benchmarks/bootstrap.py [--games FILE] [--served] [--runs 3] [--json]

Each run uses a fresh home in a temporary folder. Installation is not measured. The machine matters:
quote medians, and compare only figures of one call.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", type=Path, help="an nflverse games.csv; default: the sample")
    parser.add_argument("--served", action="store_true", help="through the servers of precog up")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    results = [one_run(options.games, options.served) for _ in range(options.runs)]
    stages = {
        name: round(statistics.median(run["stages"][name] for run in results), 1)
        for name in results[0]["stages"]
    }
    outcome = {
        "served": options.served,
        "games": results[0]["games"],
        "runs": options.runs,
        "wall_seconds": round(statistics.median(run["wall"] for run in results), 1),
        "wall_seconds_all": [run["wall"] for run in results],
        "stage_seconds": stages,
        "processors": os.cpu_count(),
    }
    if options.json:
        print(json.dumps(outcome))
        return
    print(
        f"{outcome['games']:,} games, {outcome['processors']} processors, median of {options.runs}"
    )
    for name, seconds in stages.items():
        print(f"  {name:<12} {seconds:>7.1f} s")
    print(f"  {'wall':<12} {outcome['wall_seconds']:>7.1f} s   all: {outcome['wall_seconds_all']}")


def one_run(games: Path | None, served: bool) -> dict:
    """Wall seconds of one bootstrap in a fresh home, with its own seconds per stage."""
    with tempfile.TemporaryDirectory(prefix="precog-bench-") as folder:
        environment = {**os.environ, "PRECOG_HOME": str(Path(folder) / "home")}
        arguments = ["up", "--exit-when-done"] if served else ["bootstrap"]
        if served:
            arguments += ["--port", str(free_port()), "--mlflow-port", str(free_port())]
        if games:
            arguments += ["--games", str(games.resolve())]
        started = time.perf_counter()
        precog(arguments, environment)
        wall = round(time.perf_counter() - started, 1)
        summary = json.loads(precog(["summary", "--json"], environment))
        return {"wall": wall, "stages": summary["stage_seconds"], "games": summary["games"]}


def precog(arguments: list[str], environment: dict[str, str]) -> str:
    """Output of one `precog` command; its errors end the benchmark."""
    command = [str(Path(sys.executable).with_name("precog")), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def free_port() -> int:
    """A loopback port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
