"""Tables: drawn for a person at a terminal where `rich` is installed, plain text for everybody else, and JSON untouched."""

from __future__ import annotations

import contextlib
import io
import json
import sys

import pytest

from aiclient.cli import main
from aiclient.cli.tables import drawn
from aiclient.testutil import LoopbackServer


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Do something at a wide terminal with colours; returns what came of it, and what was shown."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "140")

    def at(do, *arguments, **options):
        with contextlib.redirect_stdout(Terminal()) as out:
            return do(*arguments, **options), out.getvalue()

    return at


@pytest.fixture
def without_rich(monkeypatch):
    for name in ("rich", "rich.box", "rich.console", "rich.table", "rich.text"):
        monkeypatch.setitem(sys.modules, name, None)


def test_a_terminal_gets_borders_and_colours(terminal):
    done, shown = terminal(drawn, ("", "what"), [("FAILED", "a key"), ("ok", None)])
    assert done
    assert "─────" in shown
    assert "\x1b[1;31mFAILED" in shown
    assert shown.count("\n") == 4


def test_no_color_leaves_the_borders_alone(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    _, shown = terminal(drawn, ("", "what"), [("FAILED", "a key")])
    assert "─────" in shown
    assert "\x1b[1;31m" not in shown


def test_numbers_stand_to_the_right(terminal):
    _, shown = terminal(drawn, ("name", "calls"), [("a", 7), ("b", 1234)], right=["calls"])
    assert "    7" in shown


@pytest.mark.parametrize("text", ["[bold]x[/bold]", ":smile:", "\x1b[31mred", "\u202etxt.exe", "https://example.com"])
def test_what_others_wrote_is_shown_and_not_obeyed(terminal, text):
    _, shown = terminal(drawn, ("name",), [(text,)])
    assert text.translate({0x1B: "\\x1b", 0x202E: "\\u202e"}) in shown


def test_a_terminal_that_does_not_move_its_cursor_gets_plain_text(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert terminal(drawn, ("name",), [("a",)]) == (False, "")


@pytest.mark.usefixtures("without_rich")
def test_without_rich_it_is_plain_text(terminal):
    assert terminal(drawn, ("name",), [("a",)]) == (False, "")


def test_a_pipe_gets_plain_text(capsys):
    assert not drawn(("name",), [("a",)])
    assert capsys.readouterr().out == ""


COMMANDS = {
    "models": ["models", "openai"],
    "check": ["check", "-m", "any"],
    "status": ["status", "-m", "any"],
}


@pytest.fixture(params=COMMANDS)
def command(request):
    with LoopbackServer() as server:
        where = [] if request.param == "models" else ["--base-url", server.base_url]
        yield [*COMMANDS[request.param], *where]


def test_a_command_draws_what_it_finds(terminal, command):
    _, shown = terminal(main, command)
    assert "─────" in shown


@pytest.mark.usefixtures("without_rich")
def test_a_command_without_rich_prints_plain_text(terminal, command):
    _, shown = terminal(main, command)
    assert shown
    assert "─" not in shown
    assert "\x1b" not in shown


def test_json_is_json_at_a_terminal_too(terminal, command):
    _, shown = terminal(main, [*command, "--json"])
    assert json.loads(shown)
