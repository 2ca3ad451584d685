"""Methods side by side: what each pair returned per position, and whether that can be chance."""

import math
from collections.abc import Sequence
from typing import Any

import psycopg

from precog_core.errors import PrecogError
from precog_trading.ledger.statements import Row, rows

_FEWEST_RUNS = 2


def compare(
    conn: psycopg.Connection, environment: str, names: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Every pair of methods with trades in paper or live; of ``names`` only, if any are given.

    Raises PrecogError for a name that no method has.
    """
    known = {row["method_name"] for row in rows(conn, "methods", "methods", status=None)}
    for name in names:
        if name not in known:
            raise PrecogError(
                f"there is no method {name}; expected one of {', '.join(sorted(known)) or 'none'}"
            )
    return [
        _pair(row)
        for row in rows(conn, "methods", "comparison", environment=environment)
        if not names or {row["method_a_name"], row["method_b_name"]} <= set(names)
    ]


def compare_runs(
    conn: psycopg.Connection, names: Sequence[str] = (), run_ids: Sequence[int] = ()
) -> list[dict[str, Any]]:
    """Every pair of backtests: ``run_ids``, else the newest completed one of each method.

    Each pair says its runs, and ``same_games`` whether both replayed one league and period: else a
    difference may be that of the games. Raises PrecogError for a run or name without a completed
    backtest, and for fewer than two runs.
    """
    if run_ids and names:
        raise PrecogError("name the methods or their runs, not both")
    if run_ids:
        found = rows(conn, "methods", "completed_runs", run_ids=list(run_ids))
        missing = [str(n) for n in run_ids if n not in {row["backtest_run_id"] for row in found}]
        if missing:
            raise PrecogError(f"backtest run {missing[0]} is not there or not completed")
        chosen = list(dict.fromkeys(run_ids))
    else:
        found = rows(conn, "methods", "latest_runs", names=list(names) or None)
        for name in names:
            if name not in {row["method_name"] for row in found}:
                raise PrecogError(
                    f"method {name} has no completed backtest; run "
                    f"`precog backtest --method {name}` first (docs/backtest.md)"
                )
        chosen = [row["backtest_run_id"] for row in found]
    if len(chosen) < _FEWEST_RUNS:
        raise PrecogError(
            f"a comparison takes two completed backtests, there is {len(chosen)}; run "
            "`precog backtest` for another method, or name two runs with --run"
        )
    return [
        {
            **_pair(row),
            **{name: row[name] for name in ("run_a", "run_b", "same_games")},
        }
        for row in rows(conn, "methods", "run_comparison", run_ids=chosen)
    ]


def _pair(row: Row) -> dict[str, Any]:
    """Differences, n, standard error, z and a verdict.

    ``z`` is the difference of mean returns over its standard error (Welch); |z| above 1.96 is
    significant at 5 %, before any correction for looking at several pairs.
    """
    error = row["standard_error"]
    z = None if not error else row["mean_return_difference"] / error
    p_value = None if z is None else math.erfc(abs(z) / math.sqrt(2))
    return {
        "a": f"{row['method_a_name']} {row['method_a_version']}",
        "b": f"{row['method_b_name']} {row['method_b_version']}",
        **{
            name: row[name]
            for name in (
                "n_a", "n_b", "win_rate_difference", "roi_difference", "mean_return_difference",
                "standard_error",
            )
        },
        "z": z,
        "p_value": p_value,
        "verdict": _verdict(z, p_value),
    }  # fmt: skip


def _verdict(z: float | None, p_value: float | None) -> str:
    if z is None or p_value is None:
        return "too few trades to tell"
    if p_value > 0.05:
        return "cannot be told apart"
    return "a is better" if z > 0 else "b is better"
