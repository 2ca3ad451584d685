"""Tables in the terminal: whole cells, and the columns that fit."""

import io
from decimal import Decimal

import pytest
from rich.console import Console

from precog_trading.reports import tables

ROWS = [
    {"ticker": "NFLGAME-20FEB02SFKC-KC", "price": Decimal("0.3000"), "reason": "word " * 20},
    {"ticker": "NFLGAME-20JAN19TENKC-KC", "price": None, "reason": "short"},
]
HEADINGS = {"ticker": "ticker", "price": "price", "reason": "why"}


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, folding: str | None = None) -> str:
    file = io.StringIO()
    monkeypatch.setattr(
        tables, "Console",
        lambda **kind: Console(file=file, width=70, force_terminal=terminal, no_color=True, **kind),
    )  # fmt: skip
    tables.print_table(ROWS, HEADINGS, folding=folding)
    return file.getvalue()


def test_a_pipe_gets_every_column_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    heading, first, _ = shown(monkeypatch, terminal=False).splitlines()
    assert heading.split() == ["ticker", "price", "why"]
    assert first.split() == ["NFLGAME-20FEB02SFKC-KC", "0.3", *["word"] * 20]


def test_a_narrow_terminal_leaves_columns_out_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown(monkeypatch, terminal=True)
    assert "NFLGAME-20JAN19TENKC-KC" in said
    assert "word" not in said
    assert "a wider window also shows: why" in said


def test_a_long_text_may_take_several_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown(monkeypatch, terminal=True, folding="reason")
    assert said.count("word") == 20
    assert "a wider window" not in said
