"""Which games a home is filled from: chosen once, kept, refused when it changes."""

from pathlib import Path

import pytest

from precog_core.errors import PrecogError
from precog_platform.bootstrap import StageBook
from precog_platform.provider import NFLVERSE_FILE, SAMPLE, Choice, choose


@pytest.fixture
def book(tmp_path: Path) -> StageBook:
    return StageBook(tmp_path)


@pytest.fixture
def games(tmp_path: Path) -> Path:
    path = tmp_path / "games.csv"
    path.write_text("game_id\n")
    return path


def test_a_new_home_uses_the_sample_unless_told_otherwise(book: StageBook) -> None:
    assert choose(None, None, book) == Choice(SAMPLE)


def test_a_games_file_is_known_by_its_content(book: StageBook, games: Path) -> None:
    choice = choose(games, None, book)
    assert choice.provider == NFLVERSE_FILE
    assert choice.path == games.resolve()
    book.source = choice.as_dict()
    assert choose(None, None, book) == choice
    games.write_text("game_id,season\n")
    with pytest.raises(PrecogError, match=r"this home was filled from games\.csv"):
        choose(games, None, book)


def test_a_moved_file_with_the_same_content_is_the_same_source(
    book: StageBook, games: Path
) -> None:
    book.source = choose(games, None, book).as_dict()
    moved = games.rename(games.with_name("elsewhere.csv"))
    assert choose(moved, None, book).sha256 == book.source["sha256"]


def test_another_source_on_a_filled_home_is_refused(book: StageBook) -> None:
    book.source = Choice(SAMPLE).as_dict()
    with pytest.raises(PrecogError, match="'sample', not the source 'nflverse'"):
        choose(None, "nflverse", book)


@pytest.mark.parametrize(
    ("games_name", "source", "message"),
    [
        ("absent.csv", None, "no such file"),
        ("absent.csv", "sample", "cannot be combined"),
        (None, "espn", "unknown source 'espn'"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(
    book: StageBook, tmp_path: Path, games_name: str | None, source: str | None, message: str
) -> None:
    path = tmp_path / games_name if games_name else None
    with pytest.raises(PrecogError, match=message):
        choose(path, source, book)


def test_the_stage_book_survives_and_a_torn_write_leaves_the_old_one(tmp_path: Path) -> None:
    book = StageBook(tmp_path)
    book.source, book.seconds = {"provider": SAMPLE}, {"history": 1.5}
    book.save()
    (tmp_path / "bootstrap.new").write_text('{"source": {"prov')  # a crash in the middle
    again = StageBook(tmp_path)
    assert (again.source, again.seconds, again.complete) == (book.source, book.seconds, False)
