"""Settings in four layers (SYS-002), decimals exact (SYS-003), errors that name file and key."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, model_validator

from precog_core.config import (
    explain,
    get_override,
    load_section,
    reset_override,
    section_names,
    set_override,
    settings,
)
from precog_core.database import Database
from precog_core.errors import PrecogError


class Kelly(BaseModel):
    """Kelly settings of one league."""

    model_config = ConfigDict(extra="forbid")

    fraction: Annotated[Decimal, Field(gt=0, le=Decimal("0.5"))] = Decimal("0.25")
    rounding: Literal["down", "nearest"] = "down"
    teams: tuple[str, ...] = ()


class Trading(BaseModel):
    """A section with every kind of value."""

    model_config = ConfigDict(extra="forbid")

    kelly: dict[str, Kelly] = {}
    cap_usd: Annotated[Decimal, Field(ge=0)] = Decimal("500")
    positions: Annotated[int, Field(ge=1, le=20)] = 20
    enabled: bool = True
    note: str | None = None
    edge_low: Decimal = Decimal("0.05")
    edge_high: Decimal = Decimal("0.15")

    @model_validator(mode="after")
    def _ordered(self) -> "Trading":
        if self.edge_low >= self.edge_high:
            raise ValueError("edge_low must be below edge_high")
        return self


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of settings with one section, ``trading``."""
    path = tmp_path / "config"
    path.mkdir()
    (path / "trading.yaml").write_text("")
    return path


def write(folder: Path, text: str) -> None:
    (folder / "trading.yaml").write_text(text)


def load(folder: Path, conn: psycopg.Connection | None = None) -> Trading:
    return load_section("trading", Trading, conn, folder)


def refused(folder: Path, conn: psycopg.Connection | None = None) -> str:
    with pytest.raises(PrecogError) as caught:
        load(folder, conn)
    return str(caught.value)


def test_an_empty_file_means_the_defaults(folder: Path) -> None:
    assert load(folder) == Trading()


@pytest.mark.requirement("SYS-003")
@given(
    st.decimals(
        min_value=Decimal("0.0001"), max_value=Decimal("0.5"), allow_nan=False, places=12
    ).filter(bool)
)
def test_a_decimal_is_exactly_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, number: Decimal
) -> None:
    folder = tmp_path_factory.mktemp("config")
    write(folder, f"kelly: {{nfl: {{fraction: {number:f}}}}}")
    read = load(folder).kelly["nfl"].fraction
    assert read == number
    assert str(read) == f"{number:f}"


def test_yaml_words_that_other_readers_change_stay_text(folder: Path) -> None:
    write(folder, "kelly: {NO: {teams: [NO, on, 12:30, 010, 1_000, 2019-01-02]}}\nnote: 1.10")
    trading = load(folder)
    assert trading.kelly["NO"].teams == ("NO", "on", "12:30", "010", "1_000", "2019-01-02")
    assert trading.note == "1.10"


def test_quoted_words_are_text_and_bare_ones_are_values(folder: Path) -> None:
    write(folder, "note: 'null'\nenabled: false")
    assert load(folder).note == "null"
    assert load(folder).enabled is False
    write(folder, "note: null")
    assert load(folder).note is None


def test_a_home_file_replaces_single_keys_of_the_shipped_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped = load_section("system", SystemLike)
    (tmp_path / "home" / "config").mkdir(parents=True)
    (tmp_path / "home" / "config" / "system.yaml").write_text("logging: {retention_d: 3}\n")
    changed = load_section("system", SystemLike)
    assert changed.logging["retention_d"] == "3"
    assert changed.logging["level"] == shipped.logging["level"] == "info"
    where = explain("system.logging.retention_d").winner.where
    assert where == f"{tmp_path / 'home' / 'config' / 'system.yaml'}, line 1"


class SystemLike(BaseModel):
    """The shipped system section, read as plain text."""

    logging: dict[str, str]


LAYERS = ("yaml", "environment", "override")


@pytest.mark.requirement("SYS-002")
@pytest.mark.parametrize("present", range(8))
def test_the_strongest_layer_present_wins(
    folder: Path, db: Database, monkeypatch: pytest.MonkeyPatch, present: int
) -> None:
    chosen = [layer for bit, layer in enumerate(LAYERS) if present >> bit & 1]
    values = {"yaml": "0.10", "environment": "0.20", "override": "0.30"}
    if "yaml" in chosen:
        write(folder, f"kelly:\n  nfl:\n    fraction: {values['yaml']}\n    rounding: nearest")
    if "environment" in chosen:
        monkeypatch.setenv("PRECOG__TRADING__KELLY__NFL__FRACTION", values["environment"])
    with db.transaction() as conn:
        if "override" in chosen:
            key = "trading.kelly.nfl.fraction"
            set_override(conn, key, Decimal(values["override"]), "test", "tester")
        trading = load(folder, conn)
        if not chosen:
            assert trading.kelly == {}
            return
        kelly = trading.kelly["nfl"]
        assert kelly.fraction == Decimal(values[chosen[-1]])
        assert kelly.rounding == ("nearest" if "yaml" in chosen else "down")
        told = explain("trading.kelly.nfl.fraction", conn, folder)
    assert [layer.layer for layer in told.layers] == chosen
    assert told.winner.layer == chosen[-1]


@pytest.mark.requirement("SYS-002")
@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["nfl", "nba"]), st.sampled_from(["fraction", "rounding"])),
        st.sets(st.sampled_from(["yaml", "environment"])),
        max_size=4,
    )
)
def test_each_key_is_decided_by_its_own_strongest_layer(
    tmp_path_factory: pytest.TempPathFactory,
    layers: dict[tuple[str, str], set[str]],
) -> None:
    text = {
        ("fraction", "yaml"): "0.10",
        ("fraction", "environment"): "0.20",
        ("rounding", "yaml"): "nearest",
        ("rounding", "environment"): "down",
    }
    folder = tmp_path_factory.mktemp("config")
    lines: dict[str, list[str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        for (league, name), sources in layers.items():
            if "yaml" in sources:
                lines.setdefault(league, []).append(f"{name}: {text[name, 'yaml']}")
            if "environment" in sources:
                variable = f"PRECOG__TRADING__KELLY__{league.upper()}__{name.upper()}"
                patch.setenv(variable, text[name, "environment"])
        leagues = ", ".join(f"{league}: {{{', '.join(pairs)}}}" for league, pairs in lines.items())
        write(folder, f"kelly: {{{leagues}}}")
        trading = load(folder)
    for (league, name), sources in layers.items():
        if sources:
            winner = "environment" if "environment" in sources else "yaml"
            assert str(getattr(trading.kelly[league], name)) == text[name, winner]


def test_lists_and_null_can_be_set_by_a_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder, "note: text\nkelly: {NFL: {teams: [ARI]}}")
    monkeypatch.setenv("PRECOG__TRADING__NOTE", "null")
    monkeypatch.setenv("PRECOG__TRADING__KELLY__NFL__TEAMS", "[KC, NO]")
    monkeypatch.setenv("PRECOG__TRADING__POSITIONS", "")  # an empty variable is an unset one
    trading = load(folder)
    assert trading.note is None
    assert trading.kelly["NFL"].teams == ("KC", "NO")
    assert trading.positions == 20


@pytest.mark.requirement("SYS-002")
def test_every_wrong_key_is_named_with_its_line_and_what_is_allowed(folder: Path) -> None:
    write(
        folder,
        "kelly:\n  nfl:\n    fraction: 0.51\n    rounding: up\n    fractoin: 0.1\npositions: 1.5\n",
    )
    file = folder / "trading.yaml"
    assert refused(folder).splitlines() == [
        f"{file}, line 3: trading.kelly.nfl.fraction is '0.51'; expected a number above 0 and at "
        "most 0.5",
        f"{file}, line 4: trading.kelly.nfl.rounding is 'up'; expected 'down' or 'nearest'",
        f"{file}, line 5: trading.kelly.nfl.fractoin is no setting; did you mean fraction?",
        f"{file}, line 6: trading.positions is '1.5'; expected a whole number at least 1 and at "
        "most 20",
    ]


def test_a_rule_across_keys_is_reported_in_its_own_words(folder: Path) -> None:
    write(folder, "edge_low: 0.2")
    assert refused(folder).endswith("edge_low must be below edge_high")


def test_a_wrong_variable_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECOG__TRADING__CAP_USD", "-1")
    assert refused(folder) == (
        "environment variable PRECOG__TRADING__CAP_USD: trading.cap_usd is '-1'; expected a number "
        "at least 0"
    )


def test_an_unknown_variable_is_refused_and_not_ignored(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECOG__TRADING__CAP_EUR", "1")
    message = refused(folder)
    assert (
        "PRECOG__TRADING__CAP_EUR: trading.cap_eur is no setting; did you mean cap_usd?" in message
    )
    monkeypatch.delenv("PRECOG__TRADING__CAP_EUR")
    monkeypatch.setenv("PRECOG__TRADIN__CAP_USD", "1")
    assert "there is no section 'tradin'; sections are trading" in refused(folder)
    monkeypatch.delenv("PRECOG__TRADIN__CAP_USD")
    monkeypatch.setenv("PRECOG__TRADING", "1")
    assert "PRECOG__TRADING names no setting" in refused(folder)


def test_a_wrong_override_is_named_with_its_author(folder: Path, db: Database) -> None:
    with db.transaction() as conn:
        set_override(conn, "trading.kelly.nfl.fraction", Decimal("0.9"), "a try", "ann")
        set_override(conn, "trading.colour", "red", "a try", "bob")
        message = refused(folder, conn)
    assert message.splitlines() == [
        "override trading.kelly.nfl.fraction by ann: trading.kelly.nfl.fraction is 0.9; expected "
        "a number above 0 and at most 0.5",
        "override trading.colour by bob: trading.colour is no setting; settings there are kelly, "
        "cap_usd, positions, enabled, note, edge_low, edge_high",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kelly: {nfl: {fraction: 0.1\nnote: a", "line 2, column 5: not valid YAML"),
        ("note: a\nnote: b", "line 2: note stands twice, first on line 1; keep one"),
        ("- a\n- b", "expected a mapping of settings at the top"),
        ("? [a, b]\n: c", "line 1: a key must be one word"),
        ("kelly: 3", "trading.kelly is '3'; expected a mapping"),
        ("kelly: {nfl: 3}", "trading.kelly.nfl is '3'; expected a mapping with fraction"),
        ("enabled: perhaps", "trading.enabled is 'perhaps'; expected true or false"),
        ("cap_usd: NaN", "trading.cap_usd is 'NaN'; expected a number at least 0"),
        ("note: \x00", "not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(folder: Path, text: str, words: str) -> None:
    write(folder, text)
    message = refused(folder)
    assert str(folder / "trading.yaml") in message
    assert words in message


def test_a_missing_required_key_says_where_it_belongs(tmp_path: Path) -> None:
    class Needs(BaseModel):
        leagues: list[str]

    with pytest.raises(PrecogError) as caught:
        load_section("trading", Needs, config_dir=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / 'trading.yaml'}: trading.leagues is missing; expected a list"
    )


class Era(BaseModel):
    """Points from a season on."""

    model_config = ConfigDict(extra="forbid")

    from_season: Annotated[int, Field(ge=1900)]
    label: Annotated[str, Field(max_length=3)] = ""


class Nested(BaseModel):
    """Mappings, lists and alternatives."""

    model_config = ConfigDict(extra="forbid")

    shares: dict[str, Annotated[Decimal, Field(ge=0, le=1)]] = {}
    eras: list[Era] = []
    step: Annotated[Decimal, Field(gt=0)] | None = None
    limit: Decimal | Literal["none"] = "none"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shares: {nfl: 2}", "x.shares.nfl is '2'; expected a number at least 0 and at most 1"),
        (
            "eras:\n  - {from_season: 1899}",
            "x.eras.0.from_season is '1899'; expected a whole number at least 1900",
        ),
        ("eras: [{from_season: 2000, label: late}]", "should have at most 3 characters"),
        ("eras: [{from_saeson: 2000}]", "x.eras.0.from_saeson is no setting; did you mean from_s"),
        ("eras: [{}]", "x.eras.0.from_season is missing; expected a whole number at least 1900"),
        ("eras: [3]", "x.eras.0 is '3'; expected a mapping with from_season, label"),
        ("eras: 3", "x.eras is '3'; expected a list"),
        ("step: 0", "x.step is '0'; expected a number above 0"),
        ("limit: some", "x.limit is 'some'; "),
        ("shares: {nfl: {a: 1}}", "x.shares.nfl is {'a': '1'}; expected a number at least 0"),
    ],
)
def test_a_wrong_value_deep_inside_is_named_with_its_place(
    tmp_path: Path, text: str, words: str
) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(PrecogError) as caught:
        load_section("x", Nested, config_dir=tmp_path)
    assert words in str(caught.value)
    assert str(tmp_path / "x.yaml") in str(caught.value)


def test_a_wrong_item_of_a_list_is_named_with_its_own_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("eras:\n  - from_season: 2000\n  - label: abc\n    from_season: 5\n")
    with pytest.raises(PrecogError, match=rf"{file}, line 4: x.eras.1.from_season is '5'"):
        load_section("x", Nested, config_dir=tmp_path)
    monkeypatch.setenv("PRECOG__X__ERAS", "[{from_season: 6}]")
    with pytest.raises(PrecogError, match=r"variable PRECOG__X__ERAS: x.eras.0.from_season is '6'"):
        load_section("x", Nested, config_dir=tmp_path)


@pytest.mark.requirement("SYS-002")
def test_the_value_of_a_secret_is_not_repeated(tmp_path: Path) -> None:
    class Venue(BaseModel):
        api_key: Annotated[str, Field(max_length=3)]

    (tmp_path / "venue.yaml").write_text("api_key: abcdef123456")
    with pytest.raises(PrecogError) as caught:
        load_section("venue", Venue, config_dir=tmp_path)
    assert "abcdef" not in str(caught.value)
    assert "venue.api_key is (hidden)" in str(caught.value)


def test_settings_lists_defaults_and_what_replaced_them(folder: Path) -> None:
    write(folder, "positions: 5\nkelly: {nfl: {fraction: 0.1}}")
    found = {setting.key: setting for setting in settings("trading", None, folder, Trading)}
    assert found["trading.cap_usd"].winner.layer == "default"
    assert found["trading.cap_usd"].winner.value == Decimal("500")
    assert [layer.value for layer in found["trading.positions"].layers] == [20, "5"]
    assert found["trading.kelly.nfl.fraction"].winner.value == "0.1"
    assert "trading.kelly" not in found


def test_explaining_an_unknown_key_says_what_there_is(folder: Path) -> None:
    write(folder, "kelly: {nfl: {fraction: 0.1}}")
    with pytest.raises(PrecogError, match=r"it has trading.kelly.nfl.fraction"):
        explain("trading.kelly", None, folder)
    with pytest.raises(PrecogError, match="there is no section 'trade'"):
        explain("trade.kelly", None, folder)
    with pytest.raises(PrecogError, match="not set by any layer; see `precog config show trading`"):
        explain("trading.cap", None, folder)
    assert section_names(folder) == ["trading"]


@pytest.mark.requirement("SYS-003")
@pytest.mark.parametrize(
    "value", [Decimal("0.10"), 3, True, "0.10", None, ["a", {"b": False}], {"a": "0.5"}]
)
def test_an_override_comes_back_as_it_went_in(db: Database, value: object) -> None:
    with db.transaction() as conn:
        assert set_override(conn, "trading.x", value, "why", "ann") is True
        back = get_override(conn, "trading.x")
        assert back == value
        assert type(back) is type(value)
        assert set_override(conn, "trading.x", value, "again", "bob") is False


def test_decimals_inside_an_override_are_kept_as_text(db: Database) -> None:
    with db.transaction() as conn:
        set_override(conn, "trading.x", {"a": [Decimal("1E-7")]}, "why", "ann")
        row = conn.execute("SELECT override_value::TEXT FROM config_overrides").fetchone()
    assert row == ('{"a": ["0.0000001"]}',)


@pytest.mark.requirement("SYS-003")
@pytest.mark.parametrize("value", [0.1, [0.1], {"a": 0.1}, Decimal("NaN"), {1: 2}, object()])
def test_a_value_without_exact_meaning_is_refused(db: Database, value: object) -> None:
    with db.transaction() as conn, pytest.raises(PrecogError, match=r"trading.x cannot hold"):
        set_override(conn, "trading.x", value, "why", "ann")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key": "trading"}, "is no setting"),
        ({"key": "Trading.x y"}, "is no setting"),
        ({"reason": " "}, "needs a reason"),
        ({"applied_by": ""}, "needs a reason and the name"),
        ({"expires_at": dt.datetime(2999, 1, 1)}, "has no time zone"),  # noqa: DTZ001
        ({"expires_at": dt.datetime(2000, 1, 1, tzinfo=dt.UTC)}, "has passed"),
    ],
)
def test_an_override_needs_a_key_a_reason_an_author_and_a_future(
    db: Database, change: dict[str, object], words: str
) -> None:
    arguments = {"key": "trading.x", "value": 1, "reason": "why", "applied_by": "ann", **change}
    with db.transaction() as conn, pytest.raises(PrecogError, match=words):
        set_override(conn, **arguments)  # type: ignore[arg-type]


def test_a_replaced_override_stays_as_history(db: Database) -> None:
    with db.transaction() as conn:
        set_override(conn, "trading.x", 1, "first", "ann")
        set_override(conn, "trading.x", 2, "second", "bob")
        set_override(conn, "trading.x.y", 3, "another key", "ann")
        rows = conn.execute(
            "SELECT config_key, override_value, active, reason FROM config_overrides "
            "ORDER BY override_id"
        ).fetchall()
        assert rows == [
            ("trading.x", 1, False, "first"),
            ("trading.x", 2, True, "second"),
            ("trading.x.y", 3, True, "another key"),
        ]
        assert reset_override(conn, "trading.x") is True
        assert reset_override(conn, "trading.x") is False
        assert get_override(conn, "trading.x") is None
        assert get_override(conn, "trading.x.y") == 3


def test_an_expired_override_is_out_of_force_and_can_be_replaced(db: Database) -> None:
    with db.transaction() as conn:
        set_override(conn, "trading.x", 1, "for a moment", "ann")
        conn.execute(
            "UPDATE config_overrides SET applied_at = now() - INTERVAL '2 s', "
            "expires_at = now() - INTERVAL '1 s'"
        )
        assert get_override(conn, "trading.x") is None
        assert set_override(conn, "trading.x", 1, "again", "ann") is True
        assert get_override(conn, "trading.x") == 1


def test_two_writers_of_one_key_leave_one_row_in_force(db: Database) -> None:
    with db.connect() as first, db.connect() as second:
        set_override(first, "trading.x", 1, "first", "ann")
        second.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            set_override(second, "trading.x", 2, "second", "bob")
        second.rollback()
        first.commit()
        set_override(second, "trading.x", 2, "second", "bob")
        second.commit()
        assert get_override(first, "trading.x") == 2
