"""Where `logs.configure` writes, and that what fails there fails nothing else."""

from __future__ import annotations

import json
import logging
import os
import stat
import sys

import pytest

from aiclient import logs
from aiclient.errors import ConfigError
from aiclient.secrets import SecretStr

LOGGER = logging.getLogger("aiclient.calls")
FIELDS = {"aiclient": {"event": "retry", "delay": 0.5, "model": None, "tags": {"team": "ä"}}}


@pytest.fixture(autouse=True)
def restored():
    logger = logging.getLogger("aiclient")
    before = list(logger.handlers), logger.level
    yield
    logs.reset()
    assert (list(logger.handlers), logger.level) == before


@pytest.fixture
def file(tmp_path):
    return tmp_path / "calls.log"


def lines(path):
    return path.read_text("utf-8").splitlines()


def test_a_console_gets_text_and_a_file_json(file, capsys):
    logs.configure("INFO", file=file)
    LOGGER.info("a %s", "message", extra=FIELDS)
    assert capsys.readouterr().err.endswith(
        "INFO aiclient.calls a message event='retry' delay=0.5 tags={'team': 'ä'}\n"
    )
    (line,) = lines(file)
    record = json.loads(line)
    assert line.isascii() and record.pop("time").endswith("+00:00")
    assert record == {"level": "INFO", "logger": "aiclient.calls", "message": "a message", **FIELDS["aiclient"]}


@pytest.mark.parametrize(("choice", "begins"), [(True, "{"), (False, "2")])
def test_one_form_may_be_chosen_for_both(file, capsys, choice, begins):
    logs.configure(file=file, json=choice)
    LOGGER.info("x")
    assert (capsys.readouterr().err[0], lines(file)[0][0]) == (begins, begins)


def test_a_file_alone_prints_nothing(file, capsys):
    logs.configure(console=False, file=file)
    LOGGER.info("x")
    assert capsys.readouterr() == ("", "") and len(lines(file)) == 1


def test_the_console_is_whatever_standard_error_is_at_the_moment(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", sys.stdout)
    logs.configure()
    monkeypatch.undo()
    LOGGER.info("x")
    assert capsys.readouterr().err.count("\n") == 1


def test_a_full_file_is_moved_aside_and_so_many_are_kept(file):
    logs.configure(console=False, file=file, rotate=400, keep=2, json=False)
    for number in range(40):
        LOGGER.info("record number %d", number)
    kept = sorted(file.parent.iterdir())
    assert [path.name for path in kept] == ["calls.log", "calls.log.1", "calls.log.2"]
    assert all(path.stat().st_size <= 400 for path in kept)
    assert lines(file)[-1].endswith("record number 39")
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in kept)


def test_without_a_limit_the_file_grows(file):
    logs.configure(console=False, file=file, rotate=None)
    for _ in range(100):
        LOGGER.info("x" * 1000)
    assert [path.name for path in file.parent.iterdir()] == ["calls.log"] and len(lines(file)) == 100


def test_a_file_is_appended_to(file):
    for word in ("one", "two"):
        logs.configure(console=False, file=file)
        LOGGER.info(word)
        logs.reset()
    assert [json.loads(line)["message"] for line in lines(file)] == ["one", "two"]


@pytest.mark.parametrize("form", [True, False])
def test_secrets_and_line_breaks_are_in_no_sink_whoever_logs_them(file, capsys, form):
    secret = SecretStr("canary-4711-value")
    logs.configure(file=file, json=form)
    try:
        raise ValueError(f"bad {secret.reveal()}\nWARNING forged")
    except ValueError:
        LOGGER.exception(
            "failed with %s", secret.reveal(), extra={"aiclient": {"url": f"?k={secret.reveal()}", "at": {1}}}
        )
    printed = capsys.readouterr().err + file.read_text("utf-8")
    assert printed.count("***") >= 6 and secret.reveal() not in printed
    assert printed.count("\n") == 2


@pytest.mark.linux
def test_a_full_disk_is_told_of_once_and_fails_nothing(capsys):
    logs.configure(console=False, file="/dev/full", rotate=None)
    for _ in range(3):
        LOGGER.info("x")
    printed = capsys.readouterr().err
    assert printed == (
        "aiclient: the log file /dev/full cannot be written: No space left on device; records are lost, calls go on\n"
    )


@pytest.mark.linux
def test_a_file_that_fails_does_not_keep_the_console_from_writing(capsys):
    logs.configure(file="/dev/full", rotate=None)
    LOGGER.info("seen")
    assert "INFO aiclient.calls seen" in capsys.readouterr().err


class Broken:
    def write(self, _):
        raise BrokenPipeError

    def flush(self):
        raise BrokenPipeError


@pytest.mark.parametrize("stderr", [Broken(), None], ids=["closed", "none"])
def test_a_console_that_is_gone_fails_nothing(monkeypatch, file, stderr):
    logs.configure(file=file)
    monkeypatch.setattr(sys, "stderr", stderr)
    LOGGER.info("x")
    assert len(lines(file)) == 1


def test_nothing_is_put_on_the_root_logger_and_its_handlers_still_see_the_records(caplog, file):
    before = list(logging.root.handlers), logging.root.level
    logs.configure(console=False, file=file)
    LOGGER.info("x")
    assert (list(logging.root.handlers), logging.root.level) == before
    assert [record.getMessage() for record in caplog.records] == ["x"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"level": "LOUD"},
            "level='LOUD' must be a number of at least 0, or one of CRITICAL, ERROR, WARNING, INFO, DEBUG",
        ),
        ({"level": -1}, "level=-1 must be a number of at least 0, or one of CRITICAL, ERROR, WARNING, INFO, DEBUG"),
        ({"console": "yes"}, "console='yes' must be True or False"),
        ({"json": "yes"}, "json='yes' must be True, False or None"),
        ({"rotate": 0}, "rotate=0 must be a number of bytes of at least 1, or None"),
        ({"keep": 0}, "keep=0 must be a whole number of at least 1"),
        ({"keep": True}, "keep=True must be a whole number of at least 1"),
        ({"file": ""}, "file='' must be a path, or None"),
        ({"file": 7}, "file=7 must be a path, or None"),
        (
            {"file": "missing/calls.log"},
            "file='missing/calls.log' cannot be opened for logging: No such file or directory",
        ),
        ({"file": "a\0b"}, r"file='a\x00b' cannot be opened for logging: embedded null byte"),
        ({"console": False}, "console=False and file=None: nothing would be written; logs.reset() ends the logging"),
    ],
)
def test_a_wrong_option_is_refused_by_name_and_what_was_set_up_stays(options, message, capsys, file):
    logs.configure("INFO")
    with pytest.raises(ConfigError) as caught:
        logs.configure(**options)
    LOGGER.info("still here")
    assert str(caught.value) == message and "still here" in capsys.readouterr().err


@pytest.mark.linux
def test_a_level_that_is_refused_leaves_no_file_open(file):
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ConfigError):
        logs.configure("LOUD", file=file)
    assert len(os.listdir("/proc/self/fd")) == before
