"""Where files are, and which commit made the code."""

import re
from pathlib import Path

import pytest

from precog_core import build_info
from precog_core.paths import home, resource


def test_the_home_is_the_variable_or_a_hidden_folder_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert home() == tmp_path / "home"
    monkeypatch.setenv("PRECOG_HOME", "")
    monkeypatch.chdir(tmp_path)
    assert home() == tmp_path / ".precog"
    monkeypatch.setenv("PRECOG_HOME", "~/precog")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / "precog"


def test_shipped_files_are_found_and_a_missing_one_names_both_places() -> None:
    assert (resource("sql/migrations") / "000_bootstrap.sql").is_file()
    with pytest.raises(FileNotFoundError, match=r"'sql/nothing.sql' is neither in .* nor in"):
        resource("sql/nothing.sql")


def test_a_checkout_asks_git_and_a_wheel_reads_its_stamp(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert re.fullmatch("[0-9a-f]{40}", build_info.git_sha())
    stamp = tmp_path / "GIT_SHA"
    monkeypatch.setattr(build_info, "_BUNDLED", stamp)
    for text, dirty in (("a" * 40 + "\n", False), ("b" * 40 + " dirty\n", True)):
        stamp.write_text(text)
        build_info.git_sha.cache_clear()
        build_info.git_dirty.cache_clear()
        assert build_info.git_sha() == text[:40]
        assert build_info.git_dirty() is dirty
    build_info.git_sha.cache_clear()
    build_info.git_dirty.cache_clear()


def test_without_git_the_commit_is_forty_zeros(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build_info, "_PACKAGE", tmp_path / "precog_core")
    build_info.git_sha.cache_clear()
    assert build_info.git_sha() == build_info.UNKNOWN_SHA
    build_info.git_sha.cache_clear()
