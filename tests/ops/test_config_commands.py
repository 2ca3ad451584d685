"""`precog config` and `.env`, as a user changes a setting: typed, explained, audited, no secret."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from precog_core.config import load_section
from precog_core.config_commands import typed_value
from precog_core.database import Database
from precog_core.env_files import load_env_files, parse_env
from precog_core.errors import PrecogError
from precog_core.overrides import get_override
from precog_core.paths import home
from precog_trading.config import TradingConfig
from tests.ops.command_line import invoke

KEY = "trading.edge.shrink_to_market"


def precog(*arguments: str, code: int = 0) -> str:
    result = invoke(arguments)
    if isinstance(result.exception, PrecogError):
        assert code == 1, result.exception
        return str(result.exception)
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


@pytest.mark.requirement("SYS-002", "SYS-003")
def test_an_override_is_set_explained_audited_and_reset(
    all_databases: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECOG__TRADING__EDGE__SHRINK_TO_MARKET", "0.15")
    said = precog("config", "set", KEY, "0.20", "--reason", "closer to the market", "--by", "ann",
                  "--expires", "2h")  # fmt: skip
    assert f"{KEY} = 0.20 until " in said
    assert "nothing changed" not in said
    with all_databases.connection() as conn:
        stored = get_override(conn, KEY)
        assert (stored, type(stored)) == (Decimal("0.20"), Decimal)
        in_force = load_section("trading", TradingConfig, conn).edge.shrink_to_market
        assert str(in_force) == "0.20"
    found = json.loads(precog("config", "explain", KEY, "--json"))
    assert (found["value"], found["won_by"]) == ("0.20", "override")
    assert [layer["layer"] for layer in found["layers"]] == [
        "override", "environment", "yaml", "default",
    ]  # fmt: skip
    assert [layer["in_force"] for layer in found["layers"]] == [True, False, False, False]
    shown = precog("config", "show", "trading")
    assert f"{KEY} = 0.20  # override {KEY} by ann" in shown

    precog("config", "set", KEY, "0.25", "--reason", "again", "--by", "ben")
    assert "no longer overridden" in precog("config", "reset", KEY, "--by", "cy")
    assert "was not overridden" in precog("config", "reset", KEY)
    assert json.loads(precog("config", "explain", KEY, "--json"))["won_by"] == "environment"
    past = json.loads(precog("config", "history", KEY, "--json"))["overrides"]
    assert [(p["value"], p["applied_by"], p["reason"], p["state"]) for p in past] == [
        ("0.25", "ben", "again", "ended"), ("0.20", "ann", "closer to the market", "ended"),
    ]  # fmt: skip
    assert all(p["ended_at"] for p in past)
    assert "by ben: again (ended" in precog("config", "history")


@pytest.mark.requirement("SYS-002")
def test_an_override_the_next_start_would_refuse_is_not_stored(all_databases: Database) -> None:
    reason = ("--reason", "x")
    assert "at most" in precog("config", "set", KEY, "9", *reason, code=1)
    assert "is no setting" in precog("config", "set", "trading.nonsense", "1", *reason, code=1)
    assert "no section 'nowhere'" in precog("config", "set", "nowhere.a", "1", *reason, code=1)
    assert "has passed" in precog(
        "config", "set", KEY, "0.2", *reason, "--expires", "2020-01-01T00:00:00Z", code=1
    )
    refused = precog("config", "set", "kalshi.api_key", "hunter2secret", *reason, code=1)
    assert "is a secret" in refused
    assert "hunter2secret" not in refused
    assert "none" in precog("config", "history")


@pytest.mark.requirement("SYS-002")
def test_validate_names_every_wrong_key_with_file_and_line(
    all_databases: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert json.loads(precog("config", "validate", "--json"))["valid"] is True
    folder = home() / "config"
    folder.mkdir(parents=True)
    (folder / "trading.yaml").write_text("edge:\n  shrink_to_market: 7\n  shrink: 0.1\n")
    (home() / ".env").write_text("GOOD=1\nno assignment\n")
    found = json.loads(precog("config", "validate", "--json", code=1))
    problems = "\n".join(found["problems"])
    assert f"{home()}/.env, line 2: expected NAME=value" in problems
    assert f"{folder}/trading.yaml, line 2: trading.edge.shrink_to_market is '7'" in problems
    assert f"{folder}/trading.yaml, line 3: trading.edge.shrink is no setting" in problems
    assert "no assignment" not in problems
    (folder / "trading.yaml").unlink()
    (home() / ".env").unlink()
    (folder / "methods.yaml").write_text("methods: {nfl_pre_game: {strategy: late_underdog}}\n")
    (folder / "strategies.yaml").write_text("strategies: {pre_game: {config: {earlyest_h: 3}}}\n")
    (wrong,) = json.loads(precog("config", "validate", "--json", code=1))["problems"]
    assert (
        "strategies.strategies.pre_game: strategy type pre_game has no setting earlyest_h" in wrong
    )
    (folder / "strategies.yaml").unlink()
    said = precog("config", "validate", code=1)
    assert "methods.nfl_pre_game.strategy is 'late_underdog'; expected one of pre_game" in said


@pytest.mark.requirement("SYS-002")
def test_env_files_are_taken_over_below_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home().mkdir(parents=True)
    Path(".env").write_text("# mine\nexport PRECOG_TEST_A='one # two'\nPRECOG_TEST_B=2 # note\n")
    (home() / ".env").write_text('PRECOG_TEST_B=3\nPRECOG_TEST_C="a\\nb"\nPRECOG_TEST_D=\n')
    monkeypatch.setenv("PRECOG_TEST_A", "mine")
    for name in "BCD":
        monkeypatch.delenv(f"PRECOG_TEST_{name}", raising=False)
    import os

    before = dict(os.environ)
    try:
        assert len(load_env_files()) == 2
        found = {name: os.environ[f"PRECOG_TEST_{name}"] for name in "ABCD"}
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
    assert found == {"A": "mine", "B": "2", "C": "a\nb", "D": ""}


@pytest.mark.requirement("SYS-002")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\n\nsecret without name", "line 3: expected NAME=value"),
        ("1A=2", "line 1: expected NAME=value"),
        ("A=1\nA=2", "line 2: A stands twice, first on line 1"),
        ('A="open', 'line 1: A: the " is never closed'),
        ("A='a' b", "line 1: A: there is text after the closing '"),
        ('A="\\q"', "line 1: A: \\q means nothing"),
    ],
)
def test_a_bad_line_is_named_by_its_number_and_never_shown(text: str, message: str) -> None:
    with pytest.raises(PrecogError) as raised:
        parse_env(text, "x/.env")
    assert message in str(raised.value)
    assert "secret without" not in str(raised.value)


@settings(max_examples=40)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n'"), max_size=20))
def test_what_stands_in_single_quotes_is_the_value(value: str) -> None:
    assert parse_env(f"A='{value}'\nB=1", "x") == {"A": value, "B": "1"}


@pytest.mark.requirement("SYS-003")
@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-10, max_value=10))
@example(Decimal("0.10"))
def test_a_decimal_typed_is_the_decimal_stored(value: Decimal) -> None:
    text = f"{value:f}"
    assert str(typed_value(text)) == text


def test_other_values_are_what_they_look_like() -> None:
    assert [typed_value(t) for t in ("20", "true", "null", "abc", "[a, 0.5]", "1e5")] == [
        20, True, None, "abc", ["a", "0.5"], "1e5",
    ]  # fmt: skip
