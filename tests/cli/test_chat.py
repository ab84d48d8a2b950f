"""`aiclient chat`: a conversation, its commands, what fails in it."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys

import pytest

from aiclient.cli import main
from aiclient.history import load
from aiclient.testutil import LoopbackServer
from aiclient.testutil.faults import server_error, stall


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("AI_MAX_RETRIES", "0")
    with LoopbackServer(reply=lambda messages: f"{len(messages)} heard") as server:
        yield server


@pytest.fixture
def talk(server, monkeypatch, capsys):
    """Say some lines; returns (exit code, output, errors)."""

    def say(*lines, options=()):
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        code = main(["chat", "-m", "any", "--base-url", server.base_url, *options])
        return (code, *capsys.readouterr())

    return say


def test_what_was_said_is_remembered(talk):
    assert talk("one", "", "two", options=["--system", "Be brief."]) == (0, "2 heard\n4 heard\n", "")


def test_reset_forgets_it_and_keeps_the_system_prompt(talk):
    assert talk("one", "/reset", "two", options=["--system", "x"])[1] == "2 heard\nforgotten\n2 heard\n"


def test_the_history_is_what_was_said(talk):
    out = talk("one", "/history", options=["--system", "Be brief."])[1]
    assert out.endswith("system: Be brief.\nuser: one\nassistant: 2 heard\n")


def test_with_json_an_answer_is_a_line_and_all_else_is_on_standard_error(talk):
    code, out, err = talk("one", "/cost", "two", "/reset", options=["--json"])
    assert code == 0
    assert [json.loads(line)["content"] for line in out.splitlines()] == ["1 heard", "3 heard"]
    assert err.endswith("forgotten\n")


def test_quit_ends_it(talk):
    assert talk("one", "/quit", "two")[1] == "1 heard\n"


def test_a_conversation_is_saved_and_gone_on_with(talk, tmp_path):
    path = tmp_path / "talk.json"
    assert talk("one", f"/save {path}")[1].endswith(f"2 messages saved to {path}\n")
    assert [message.role for message in load(path)] == ["user", "assistant"]
    assert talk(f"/load {path}", "two")[1] == f"2 messages from {path}\n3 heard\n"


def test_another_model_goes_on_with_the_conversation(talk, server):
    talk("one", "/model other", "two")
    assert [request.json["model"] for request in server.requests] == ["any", "other"]
    assert len(server.requests[1].json["messages"]) == 3


def test_the_cost_says_what_is_not_known(talk):
    assert "1 calls of unknown price" in talk("one", "/cost")[1]


def test_help_names_every_command(talk):
    out = talk("/help")[1]
    assert all(name in out for name in ("/model", "/cost", "/save", "/load", "/reset", "/quit"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("/cots", "did you mean /cost?"),
        ("/xyz", "/help shows"),
        ("/model", "needs a name"),
        ("/save", "needs the path"),
        ("/load", "needs the path"),
        ("/load none.json", "none.json"),
        ("/save none/x.json", "none"),
        ("/load .", "'.'"),
    ],
)
def test_a_command_that_fails_says_so_and_the_talk_goes_on(talk, line, says):
    code, out, err = talk(line, "one")
    assert (code, out) == (0, "1 heard\n")
    assert says in err
    assert err.count("\n") == 1


def test_a_message_that_is_not_answered_is_forgotten(talk, server):
    server.script(server_error())
    code, out, err = talk("one", "two")
    assert (code, out) == (0, "1 heard\n")
    assert "[server" in err


def test_a_last_message_that_is_not_answered_is_exit_one(talk, server):
    server.script(server_error())
    assert talk("one")[0] == 1


def test_a_wrong_model_is_wrong_usage(capsys):
    assert main(["chat", "-m", "opanai:x"]) == 2
    assert "did you mean openai:?" in capsys.readouterr().err


@pytest.mark.usefixtures("ctrl_c_works")
def test_ctrl_c_in_a_pipe_ends_it_with_130(server):
    server.script(stall(after=900))
    command = [sys.executable, "-m", "aiclient", "chat", "-m", "any", "--base-url", server.base_url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        running.stdin.write("one\n")
        running.stdin.flush()
        assert running.stdout.read(7) == "1 heard"
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=10)
    assert (running.returncode, err) == (130, "")


@pytest.mark.parametrize(("errors", "code", "answers"), [("surrogateescape", 0, 2), ("strict", 2, 0)])
def test_a_line_that_is_no_text_is_not_sent(server, monkeypatch, capsys, errors, code, answers):
    lines = io.TextIOWrapper(io.BytesIO(b"one\n\xff\ntwo\n"), encoding="utf-8", errors=errors)
    monkeypatch.setattr(sys, "stdin", lines)
    assert main(["chat", "-m", "any", "--base-url", server.base_url]) == code
    out, err = capsys.readouterr()
    assert (out.count("heard"), len(server.requests)) == (answers, answers)
    assert "is not text in" in err


@pytest.mark.parametrize("command", ["/save", "/load"])
def test_a_path_that_can_be_none_is_said_to_be(talk, command):
    code, out, err = talk(f"{command} a\0b", "one")
    assert (code, out.endswith("1 heard\n"), err.count("aiclient: ")) == (0, True, 1)
