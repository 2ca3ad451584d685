"""JSON logs with run and tick id, secrets masked, rotated and kept seven days (SYS-006)."""

import datetime as dt
import json
import logging
import multiprocessing
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from precog_core.logging import DailyFiles, configure_logging, log_context, log_folder
from precog_core.secrets import MASK, is_secret_name, masked
from precog_core.system import LoggingConfig, SystemConfig, system_config

LOG = logging.getLogger("precog_core.test")


@pytest.fixture(autouse=True)
def _no_handlers_left() -> Iterator[None]:
    yield
    for name in (
        "precog_core",
        "precog_dagster",
        "precog_pipelines",
        "precog_trading",
        "precog_platform",
    ):
        logger = logging.getLogger(name)
        for handler in [h for h in logger.handlers if isinstance(h, DailyFiles)]:
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(logging.NOTSET)


def events(folder: Path) -> list[dict[str, Any]]:
    lines = [
        line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()
    ]
    return [json.loads(line) for line in lines]


@pytest.mark.requirement("SYS-006")
def test_an_event_is_one_json_line_with_its_ids(tmp_path: Path) -> None:
    configure_logging(LoggingConfig(), tmp_path)
    with log_context(run_id="r1"), log_context(tick_id="t:1", other=None):
        LOG.info("order %s\nsent", 7, extra={"price": Decimal("0.55"), "tags": ("a", {"b": 1})})
    LOG.info("after")
    first, second = events(tmp_path)
    assert first["message"] == "order 7\nsent"
    assert (first["run_id"], first["tick_id"]) == ("r1", "t:1")
    assert (first["level"], first["logger"]) == ("info", "precog_core.test")
    assert (first["price"], first["tags"]) == ("0.55", ["a", {"b": 1}])
    assert dt.datetime.fromisoformat(first["ts"]).utcoffset() == dt.timedelta(0)
    assert "other" not in first
    assert "run_id" not in second


def test_an_exception_is_logged_with_its_traceback(tmp_path: Path) -> None:
    configure_logging(LoggingConfig(), tmp_path)
    try:
        raise ValueError("password=hunter22")
    except ValueError:
        LOG.exception("failed")
    (event,) = events(tmp_path)
    assert "Traceback" in event["exception"]
    assert "hunter22" not in event["exception"]


def test_the_level_of_the_settings_decides_what_is_kept(tmp_path: Path) -> None:
    configure_logging(LoggingConfig(level="warning"), tmp_path)
    LOG.info("no")
    LOG.warning("yes")
    assert [event["message"] for event in events(tmp_path)] == ["yes"]


def test_configuring_again_does_not_write_twice(tmp_path: Path) -> None:
    configure_logging(LoggingConfig(), tmp_path / "a")
    configure_logging(LoggingConfig(), tmp_path / "b")
    LOG.info("once")
    assert not (tmp_path / "a").exists()
    assert len(events(tmp_path / "b")) == 1
    assert log_folder() == tmp_path / "b"


def test_no_folder_appears_before_the_first_event(tmp_path: Path) -> None:
    folder = configure_logging()
    assert folder == tmp_path / "home" / "logs"
    assert not folder.exists()


@pytest.mark.requirement("SYS-006")
def test_a_full_file_is_followed_by_the_next_part(tmp_path: Path) -> None:
    handler = DailyFiles(tmp_path, max_bytes=100, retention_d=7)
    for number in range(4):
        record = logging.makeLogRecord({"msg": f"{number}" * 60, "created": 1_700_000_000.0})
        handler.emit(record)
    handler.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["precog-2023-11-14.0.jsonl", "precog-2023-11-14.1.jsonl"]
    assert [len(path.read_text().splitlines()) for path in sorted(tmp_path.iterdir())] == [2, 2]


@pytest.mark.requirement("SYS-006")
def test_files_older_than_the_retention_are_deleted_and_others_kept(tmp_path: Path) -> None:
    for name in ("precog-2023-11-06.0.jsonl", "precog-2023-11-07.0.jsonl", "precog-notes.jsonl"):
        (tmp_path / name).write_text("x\n")
    handler = DailyFiles(tmp_path, max_bytes=100, retention_d=7)
    handler.emit(logging.makeLogRecord({"msg": "x", "created": 1_700_000_000.0}))  # 2023-11-14
    handler.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "precog-2023-11-07.0.jsonl",
        "precog-2023-11-14.0.jsonl",
        "precog-notes.jsonl",
    ]


def _write_many(folder: str, name: str) -> None:
    configure_logging(LoggingConfig(), Path(folder))
    for number in range(200):
        LOG.info("%s-%s", name, number, extra={"padding": "x" * 500})


def test_processes_that_log_at_once_never_mix_their_lines(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write_many, args=(str(tmp_path), name)) for name in ("a", "b")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    messages = [event["message"] for event in events(tmp_path)]
    assert sorted(messages) == sorted(f"{name}-{n}" for name in "ab" for n in range(200))


def test_a_full_disk_does_not_stop_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    handler = DailyFiles(tmp_path / "file" / "logs", max_bytes=100, retention_d=7)
    handler.emit(logging.makeLogRecord({"msg": "x"}))
    assert "NotADirectoryError" in capsys.readouterr().err


@pytest.mark.requirement("SYS-006")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:hunter22@host/db", f"postgresql://u:{MASK}@host/db"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {MASK}"),
        ('{"api_key": "abc123", "n": 1}', f'{{"api_key": "{MASK}", "n": 1}}'),
        ("?token=abc&x=1", f"?token={MASK}&x=1"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----!",
            f"{MASK}!",
        ),
        ("nothing to hide at 12:30", "nothing to hide at 12:30"),
    ],
)
def test_secrets_are_masked_in_text(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_the_value_of_a_secret_variable_is_masked_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KALSHI_API_KEY", "zx81-spectrum")
    assert masked("signed with zx81-spectrum.") == f"signed with {MASK}."


def test_fields_named_like_secrets_are_masked(tmp_path: Path) -> None:
    configure_logging(LoggingConfig(), tmp_path)
    LOG.info("x", extra={"smtp_password": "abc", "call": {"access_key": ["abc"]}, "path": tmp_path})
    (event,) = events(tmp_path)
    assert event["smtp_password"] == MASK
    assert event["call"] == {"access_key": MASK}
    assert event["path"] == str(tmp_path)
    assert not is_secret_name("monkey")


@pytest.mark.requirement("SYS-006")
def test_the_shipped_settings_keep_logs_seven_days() -> None:
    assert system_config() == SystemConfig(
        logging=LoggingConfig(level="info", max_file_mb=20, retention_d=7)
    )
