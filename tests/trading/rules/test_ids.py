"""Trading rules §9: ids that depend on what a thing is and on nothing else."""

from itertools import combinations

import pytest

from precog_trading.rules.ids import client_order_id, decision_key, edge_key

DECISION = {
    "environment": "paper",
    "run_key": "",
    "tick_id": "t:2019-09-08T15:00:00+00:00",
    "market": "kalshi:G100-HOME",
    "side": "yes",
    "purpose": "entry",
    "strategy": "pre_game@v1.0",
    "model": "nfl-elo@v1.0",
    "method": "nfl_pre_game@v1.0",
}
ORDER = {
    "environment": "paper",
    "strategy": "pre_game@v1.0",
    "model": "nfl-elo@v1.0",
    "market": "kalshi:G100-HOME",
    "side": "yes",
    "purpose": "entry",
    "decision_key": "0" * 64,
    "attempt": 1,
}


def test_9_a_decision_key_is_sixty_four_hex_digits_that_never_change() -> None:
    """The value is pinned: another one would orphan every stored decision."""
    assert decision_key(**DECISION) == (
        "057119ba760e7e3dff0ca7b21c84c863dec59c3e88352f2e080463abfbf9bc38"
    )


@pytest.mark.requirement("LEDGER-001")
def test_9_an_order_id_is_thirty_two_hex_digits() -> None:
    found = client_order_id(**ORDER)  # type: ignore[arg-type]
    assert len(found) == 32
    assert set(found) <= set("0123456789abcdef")
    assert found == client_order_id(**ORDER)  # type: ignore[arg-type]


@pytest.mark.parametrize("part", [*DECISION, "exit_condition", "position_key"])
def test_9_every_part_of_a_decision_changes_its_key(part: str) -> None:
    assert decision_key(**{**DECISION, part: "other"}) != decision_key(**DECISION)


@pytest.mark.requirement("LEDGER-001")
@pytest.mark.parametrize("part", list(ORDER))
def test_9_every_part_of_an_order_changes_its_id(part: str) -> None:
    changed = {**ORDER, part: 2 if part == "attempt" else "other"}
    assert client_order_id(**changed) != client_order_id(**ORDER)  # type: ignore[arg-type]


def test_9_parts_do_not_run_into_each_other() -> None:
    """ "a" beside "bc" is another decision than "ab" beside "c"."""
    shifted = [
        decision_key(**{**DECISION, "market": a, "side": b, "purpose": c})
        for a, b, c in (("a", "bc", ""), ("ab", "c", ""), ("", "a", "bc"), ('a","bc', "", ""))
    ]
    assert all(left != right for left, right in combinations(shifted, 2))


def test_an_edge_key_names_its_five_parts() -> None:
    assert edge_key("kalshi:G1", "no", "s@v1.0", "m@v1.0", None) == "kalshi:G1:no:s@v1.0:m@v1.0:-"
