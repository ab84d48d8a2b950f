"""The command line as a whole: usage, versions, imports, output that cannot hurt a terminal."""

from __future__ import annotations

import io
import runpy
import subprocess
import sys

import pytest

from aiclient import AuthenticationError, RateLimitError, __version__
from aiclient.cli import main
from aiclient.cli.terminal import complain, escaped, note, put
from aiclient.response import Attempt


class Terminal(io.StringIO):
    """Standard output as a terminal has it."""

    encoding = "utf-8"

    def isatty(self):
        return True


def test_help_names_the_commands(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("demo", "ask", "serve"))


def test_no_command_shows_the_help_and_is_wrong_usage(capsys):
    assert main([]) == 2
    assert "usage: aiclient" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [["ask", "--nonsense"], ["nonsense"], ["serve", "--port", "many"]])
def test_wrong_usage_is_two(argv, capsys):
    assert main(argv) == 2
    assert "usage: aiclient" in capsys.readouterr().err


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"aiclient {__version__}\n"


def test_the_module_is_the_command():
    run = subprocess.run([sys.executable, "-m", "aiclient", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout == f"aiclient {__version__}\n"


def test_the_module_ends_with_the_commands_exit_code(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["aiclient", "nonsense"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("aiclient", run_name="__main__")
    assert stop.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "command", "meant"),
    [
        (["ask", "--sistem", "Be brief.", "hi"], "ask", "--system"),
        (["ask", "hi", "--modle=openai:x"], "ask", "--model"),
        (["serve", "--prt", "3"], "serve", "--port"),
        (["bulk", "rum"], "bulk", "'run'"),
        (["bulk", "run", "in", "-o", "out", "--concurency", "3"], "bulk run", "--concurrency"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_near_one_and_the_usage_of_its_command(argv, command, meant, capsys):
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"usage: aiclient {command} ")
    assert f"; did you mean {meant}?" in err


def test_a_word_that_is_near_to_nothing_is_answered_without_a_guess(capsys):
    assert main(["models", "--zzzz"]) == 2
    assert capsys.readouterr().err.endswith("unrecognized arguments: --zzzz\n")


def test_a_reader_who_left_is_exit_one_and_nothing_is_written_after_that(monkeypatch, tmp_path, capsys):
    def leave(*_):
        raise BrokenPipeError

    path = tmp_path / "out"
    with path.open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr("aiclient.cli.serve.run", leave)
        assert main(["serve"]) == 1
        print("into the void", file=out, flush=True)
    assert path.read_text() == ""
    assert capsys.readouterr().err == ""


def test_help_loads_no_http_library_and_no_event_loop():
    code = (
        "import sys; from aiclient.cli import main; main(['--help']); "
        "print(sorted({'httpx', 'asyncio', 'attrs', 'cattrs'} & set(sys.modules)), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "plain\n\ttext \u00e9 \u4e2d \U0001f469\u200d\U0001f4bb",
            "plain\n\ttext \u00e9 \u4e2d \U0001f469\u200d\U0001f4bb",
        ),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("over\rwritten", r"over\rwritten"),
        ("\x9b2J", r"\x9b2J"),
        ("a\x08b\x7fc\x00", r"a\x08b\x7fc\x00"),
        ("\u202etxt.exe\u2066", r"\u202etxt.exe\u2066"),
        ("one\u2028two", r"one\u2028two"),
    ],
)
def test_what_moves_the_cursor_or_turns_the_text_is_written_out(text, shown):
    assert escaped(text) == shown


def test_a_pipe_gets_the_text_as_it_is_and_a_terminal_does_not(capsys):
    put("\x1b[31mred")
    assert capsys.readouterr().out == "\x1b[31mred"
    put("\x1b[31mred", terminal := Terminal())
    assert terminal.getvalue() == r"\x1b[31mred"


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", b"\\xe9 \\u4e2d \\udc80"), ("utf-8", b"\xc3\xa9 \xe4\xb8\xad \\udc80")]
)
def test_what_the_encoding_cannot_hold_is_written_out(encoding, shown):
    stream = io.TextIOWrapper(raw := io.BytesIO(), encoding=encoding)
    put("\u00e9 \u4e2d \udc80", stream)
    assert raw.getvalue() == shown


def test_a_note_is_one_line_and_never_raw(capsys):
    note("two\nlines \x1b[2J")
    assert capsys.readouterr().err == "aiclient: two\\nlines \\x1b[2J\n"


def test_a_failure_says_what_the_services_support_needs(capsys):
    error = RateLimitError("Slow down.", provider="openai", model="m", status_code=429, request_id="req_7")
    error.attempts = (Attempt(number=1, provider="openai"), Attempt(number=2, provider="openai"))
    complain(error)
    expected = "aiclient: Slow down. [rate_limit, openai m, HTTP 429, 2 attempts, request req_7]\n"
    assert capsys.readouterr().err == expected


def test_a_failure_that_knows_nothing_shows_its_category(capsys):
    complain(AuthenticationError("No."))
    assert capsys.readouterr().err == "aiclient: No. [authentication]\n"


# --- streams that are not there, and what is no text ---


def without(stream, *argv):
    """Run the command as `sh -c "... {stream}&-"` does."""
    command = f'exec "$0" -m aiclient "$@" {stream}&-'
    return subprocess.run(["sh", "-c", command, sys.executable, *argv], capture_output=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such shell")
@pytest.mark.parametrize(
    ("stream", "argv", "code", "said"),
    [
        ("<", ["ask", "-m", "mock"], 2, b"aiclient: "),
        ("<", ["chat", "-m", "mock"], 0, b""),
        (">", ["explain", "-m", "mock"], 1, b"aiclient: the output could not be written: Bad file descriptor\n"),
    ],
)
def test_a_stream_that_was_closed_before_is_no_traceback(stream, argv, code, said):
    run = without(stream, *argv)
    assert (run.returncode, run.stdout, b"Traceback" in run.stderr) == (code, b"", False)
    assert run.stderr.startswith(said)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such shell")
def test_what_goes_wrong_is_not_told_on_standard_output_when_there_is_no_other():
    run = without("2>", "explain", "-m", "nonsense")
    assert (run.returncode, run.stdout) == (2, b"")


@pytest.mark.parametrize(
    "place", ["aiclient.cli.make_parser", "aiclient.cli._guarded", "aiclient.cli.importlib.import_module"]
)
def test_ctrl_c_before_a_command_begins_is_130(monkeypatch, place):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupted)
    assert main(["models"]) == 130
