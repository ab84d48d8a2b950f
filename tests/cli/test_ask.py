"""`aiclient ask`: answers, failures, exit codes; in process and as a process of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from aiclient import InvalidProviderError, UnsupportedFeatureError, registry, testutil
from aiclient.cli import main
from aiclient.cli.whom import environment
from aiclient.testutil import LoopbackServer
from aiclient.testutil.faults import Fault, cut, rate_limited, stall

VARIABLES = (
    "AI_PROVIDER", "AI_API_KEY", "AI_BASE_URL", "AI_DEFAULT_MODEL", "AI_TIMEOUT", "AI_MAX_RETRIES", "AI_RETRY_BACKOFF",
    "AI_CIRCUIT_BREAKER", "AI_CIRCUIT_BREAKER_THRESHOLD", "AI_RATE_LIMIT",
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID",
)  # fmt: skip


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with LoopbackServer(reply="Paris is it.") as running:
        yield running


@pytest.fixture
def ask(server):
    """Ask the loopback server."""

    def run(*arguments):
        return main(["ask", *arguments, "-m", "any", "--base-url", server.base_url])

    return run


def process(*arguments, environ=(), stdin=""):
    clean = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    command = [sys.executable, "-m", "aiclient", "ask", *arguments]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, timeout=30, env={**clean, **dict(environ)}, check=False
    )


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


# --- answers ---


@pytest.mark.parametrize("mode", ["--stream", "--no-stream"])
def test_the_answer_is_printed_and_ends_its_line(ask, server, mode, capsys):
    assert ask("Capital of France?", mode) == 0
    assert capsys.readouterr() == ("Paris is it.\n", "")
    assert server.requests[0].json.get("stream", False) is (mode == "--stream")


def test_what_happens_is_logged_where_it_is_asked_for(ask, capsys, tmp_path):
    file = tmp_path / "calls.log"
    assert ask("hi", "--log-level", "debug", "--log-file", str(file)) == 0
    out, err = capsys.readouterr()
    assert out == "Paris is it.\n"
    assert [line.split()[2] for line in err.splitlines()] == ["DEBUG", "INFO"]
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == [
        "attempt_ended",
        "chat_stream_completed",
    ]
    assert ask("hi") == 0
    assert capsys.readouterr().err == ""


def test_a_log_file_alone_prints_nothing(ask, capsys, tmp_path):
    assert ask("hi", "--log-file", str(tmp_path / "calls.log")) == 0
    assert capsys.readouterr() == ("Paris is it.\n", "")
    assert (tmp_path / "calls.log").read_text().count("\n") == 1


def test_a_log_level_that_is_none_is_wrong_usage(ask, capsys):
    assert ask("hi", "--log-level", "loud") == 2
    assert "argument --log-level: invalid choice: 'loud' (choose from 'debug'," in capsys.readouterr().err


def test_it_streams_unless_told_otherwise(ask, server):
    ask("hi")
    assert server.requests[0].json["stream"] is True


def test_the_prompt_and_the_system_message_are_sent(ask, server):
    ask("hi", "--system", "Be brief.")
    assert [(message["role"], message["content"]) for message in server.requests[0].json["messages"]] == [
        ("system", "Be brief."),
        ("user", "hi"),
    ]


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_without_a_prompt_standard_input_is_read(ask, server, arguments, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("from the pipe\n"))
    assert ask(*arguments) == 0
    assert server.requests[0].json["messages"][0]["content"] == "from the pipe"


def test_who_types_the_prompt_is_told_how_to_end_it(ask, monkeypatch, capsys):
    keyboard = Terminal("from the keyboard\n")
    monkeypatch.setattr(sys, "stdin", keyboard)
    assert ask() == 0
    assert capsys.readouterr().err == "aiclient: reading the prompt from the keyboard; Ctrl-D ends it\n"


def test_standard_input_that_is_no_text_is_wrong_usage(ask, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8"))
    assert ask() == 2
    assert capsys.readouterr().err == "aiclient: standard input is not text in utf-8: invalid start byte\n"


@pytest.mark.parametrize("mode", ["--stream", "--no-stream"])
def test_json_is_one_object_with_the_content(ask, server, mode, capsys):
    assert ask("hi", "--json", mode) == 0
    printed = capsys.readouterr().out
    answer = json.loads(printed)
    assert printed.count("\n") == 1
    assert (answer["content"], answer["finish_reason"], answer["usage"]["completion_tokens"]) == (
        "Paris is it.",
        "stop",
        3,
    )
    assert server.requests[0].json.get("stream", False) is (mode == "--stream")


def test_json_does_not_stream_unless_told_to(ask, server):
    ask("hi", "--json")
    assert "stream" not in server.requests[0].json or server.requests[0].json["stream"] is False


@pytest.mark.parametrize("mode", ["--stream", "--no-stream"])
def test_an_answer_that_ends_its_line_gets_no_second_end(mode, capsys):
    with LoopbackServer(reply="a\nb\n") as server:
        main(["ask", "hi", mode, "-m", "any", "--base-url", server.base_url])
    assert capsys.readouterr().out == "a\nb\n"


@pytest.mark.parametrize("mode", ["--stream", "--no-stream", "--json"])
def test_a_terminal_never_gets_control_characters(mode, monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    with LoopbackServer(reply="\x1b[2J\x9b1m\x7f\rdone") as server:
        assert main(["ask", "hi", mode, "-m", "any", "--base-url", server.base_url]) == 0
    assert [char for char in terminal.getvalue() if not char.isprintable() and char != "\n"] == []


def test_json_on_a_terminal_is_still_json(monkeypatch):
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    with LoopbackServer(reply="\x1b[2J\x7f \u4e2d") as server:
        main(["ask", "hi", "--json", "-m", "any", "--base-url", server.base_url])
    assert json.loads(terminal.getvalue())["content"] == "\x1b[2J\x7f \u4e2d"


def test_an_answer_that_was_cut_short_is_remarked_on(capsys):
    body = {
        "id": "1", "object": "chat.completion", "created": 1, "model": "any",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Par"}, "finish_reason": "length"}],
    }  # fmt: skip
    with LoopbackServer(faults=[Fault(body=body)]) as server:
        assert main(["ask", "hi", "--no-stream", "-m", "any", "--base-url", server.base_url]) == 0
    assert capsys.readouterr() == ("Par\n", "aiclient: the answer ended early: length\n")


# --- failures ---


def test_a_rate_limit_is_survived(ask, server, capsys):
    server.script(rate_limited(retry_after=0))
    assert ask("hi") == 0
    assert capsys.readouterr() == ("Paris is it.\n", "")
    assert len(server.requests) == 2


def test_a_service_that_keeps_failing_is_exit_one_and_one_line(ask, server, capsys):
    server.script(*[rate_limited(retry_after=0)] * 3)
    assert ask("hi") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "rate_limit" in err
    assert "HTTP 429, 3 attempts" in err


def test_a_cut_stream_keeps_what_came_on_a_line_of_its_own(ask, server, capsys):
    server.script(cut(after=900))
    assert ask("hi") == 1
    out, err = capsys.readouterr()
    assert out.startswith("Paris")
    assert out.endswith("\n")
    assert err.startswith("aiclient: the stream broke off after its first output")
    assert err.count("\n") == 1
    assert len(server.requests) == 1


def test_control_characters_in_a_services_error_are_written_out(ask, server, capsys):
    server.script(Fault(status=400, body={"error": {"message": "bad\x1b[31m\nthing", "type": "x"}}))
    assert ask("hi") == 1
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert err.count("\n") == 1


def test_a_refused_connection_is_exit_one(monkeypatch, capsys):
    monkeypatch.setenv("AI_MAX_RETRIES", "0")
    assert main(["ask", "hi", "-m", "any", "--base-url", f"http://127.0.0.1:{free_port()}/v1"]) == 1
    err = capsys.readouterr().err
    assert "connection" in err
    assert err.count("\n") == 1


def test_a_missing_key_is_one_line_that_names_the_variable(capsys):
    assert main(["ask", "hi", "-m", "openai:gpt-5-mini"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "OPENAI_API_KEY" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["hi", "-m", "opanai:gpt-5"], "did you mean openai:?"),
        (["hi", "-m", "gpt-5"], "names no provider; did you mean openai:gpt-5? Write provider:model"),
        (["hi", "-m", "openai:"], "aiclient: -m 'openai:' names no model"),
        (["hi", "-m", "any", "--base-url", "no address"], "--base-url 'no address' must begin with https://"),
        (["hi", "-m", "any", "--base-url", "me:secret@host:1"], "--base-url 'host:1' must begin with https://"),
        (["  ", "-m", "mock"], "there is nothing to ask: give a prompt"),
        (["hi", "--system", " ", "-m", "mock"], "a text that is not empty"),
    ],
)
def test_wrong_usage_is_exit_two_and_one_line(arguments, says, capsys):
    assert main(["ask", *arguments]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_a_wrong_variable_is_exit_two_and_names_it(monkeypatch, capsys):
    monkeypatch.setenv("AI_TIMEOUT", "soon")
    assert main(["ask", "hi", "-m", "mock"]) == 2
    assert "AI_TIMEOUT='soon'" in capsys.readouterr().err


def test_ctrl_c_is_130(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", type("Keyboard", (), {"read": interrupt, "isatty": interrupt})())
    assert main(["ask", "-m", "mock"]) == 130


# --- whom it asks ---


@pytest.mark.parametrize(
    ("environ", "model", "base_url", "expected"),
    [
        ({"AI_PROVIDER": "openai", "X": "1"}, None, None, {"AI_PROVIDER": "openai", "X": "1"}),
        ({}, "mock:a", None, {"AI_PROVIDER": "mock", "AI_DEFAULT_MODEL": "mock:a"}),
        (
            {"AI_API_KEY": "k"},
            "openai:a",
            None,
            {"AI_PROVIDER": "openai", "AI_DEFAULT_MODEL": "openai:a", "AI_API_KEY": "k"},
        ),
        (
            {"AI_PROVIDER": "OpenAI", "AI_API_KEY": "k", "AI_BASE_URL": "u"},
            "mock:a",
            None,
            {"AI_PROVIDER": "mock", "AI_DEFAULT_MODEL": "mock:a"},
        ),
        (
            {"AI_DEFAULT_MODEL": "mock:a", "AI_API_KEY": "k"},
            "openai:b",
            None,
            {"AI_PROVIDER": "openai", "AI_DEFAULT_MODEL": "openai:b"},
        ),
        (
            {"AI_PROVIDER": "openai", "AI_API_KEY": "k"},
            "llama3:8b",
            None,
            {"AI_PROVIDER": "openai", "AI_DEFAULT_MODEL": "llama3:8b", "AI_API_KEY": "k"},
        ),
        (
            {"AI_API_KEY": "k"},
            "openai/gpt",
            "http://h",
            {
                "AI_PROVIDER": "compatible",
                "AI_BASE_URL": "http://h",
                "AI_DEFAULT_MODEL": "openai/gpt",
                "AI_API_KEY": "k",
            },
        ),
        ({}, None, "http://h", {"AI_PROVIDER": "compatible", "AI_BASE_URL": "http://h"}),
    ],
)
def test_the_command_line_wins_over_the_environment_and_takes_no_others_key(environ, model, base_url, expected):
    assert environment(environ, model, base_url) == expected


def test_a_model_of_nobody_is_refused():
    with pytest.raises(InvalidProviderError):
        environment({}, "gpt-5", None)


def test_without_a_model_the_environment_says_whom(monkeypatch, capsys):
    monkeypatch.setenv("AI_PROVIDER", "mock")
    assert main(["ask", "hi"]) == 0
    assert capsys.readouterr().out == "Mock response\n"


def test_the_key_for_a_server_of_ones_own_is_optional(capsys):
    with LoopbackServer(api_key="k-123456789") as server:
        assert main(["ask", "hi", "-m", "any", "--base-url", server.base_url]) == 1
        assert "authentication" in capsys.readouterr().err
        with pytest.MonkeyPatch.context() as environ:
            environ.setenv("AI_API_KEY", "k-123456789")
            assert main(["ask", "hi", "-m", "any", "--base-url", server.base_url]) == 0


@pytest.fixture
def played():
    """Has another class stand for the provider `mock`."""
    yield lambda kind: registry.register("mock", kind, replace=True)
    registry.unregister("mock")


def test_what_was_not_honoured_is_remarked_on(played, capsys):
    from aiclient import CallWarning

    class Warned(testutil.MockProvider):
        async def chat(self, request, /):
            request.context.warnings.append(CallWarning("x", "temperature was not sent"))
            return await super().chat(request)

    played(Warned)
    assert main(["ask", "hi", "-m", "mock", "--no-stream"]) == 0
    assert capsys.readouterr().err == "aiclient: temperature was not sent\n"


def test_an_error_of_the_request_is_wrong_usage(played, capsys):
    class Unable(testutil.MockProvider):
        async def chat_stream(self, request, /):
            raise UnsupportedFeatureError("this provider does not stream")

    played(Unable)
    assert main(["ask", "hi", "-m", "mock"]) == 2
    assert capsys.readouterr().err == "aiclient: this provider does not stream\n"


# --- as a process ---


def test_a_process_answers(server):
    run = process("hi", "-m", "any", "--base-url", server.base_url)
    assert (run.returncode, run.stdout, run.stderr) == (0, "Paris is it.\n", "")


def test_a_process_reads_its_standard_input(server):
    run = process("-m", "any", "--base-url", server.base_url, stdin="piped\n")
    assert (run.returncode, run.stderr) == (0, "")
    assert server.requests[0].json["messages"][0]["content"] == "piped"


def test_a_process_survives_a_rate_limit(server):
    server.script(rate_limited(retry_after=0))
    run = process("hi", "-m", "any", "--base-url", server.base_url)
    assert (run.returncode, run.stdout, run.stderr) == (0, "Paris is it.\n", "")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["hi", "-m", "openai:gpt-5-mini"], 2, "OPENAI_API_KEY"),
        (["hi"], 2, "OPENAI_API_KEY"),
        (["hi", "-m", "opanai:x"], 2, "did you mean openai:?"),
        (["hi", "-m", "any", "--base-url", "http://127.0.0.1:1/v1"], 1, "connection"),
    ],
)
def test_a_process_fails_with_one_line_and_no_traceback(arguments, code, says):
    run = process(*arguments, environ={"AI_MAX_RETRIES": "0"})
    assert (run.returncode, run.stdout) == (code, "")
    assert says in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_process_says_where_a_stream_was_cut(server):
    server.script(cut(after=900))
    run = process("hi", "-m", "any", "--base-url", server.base_url)
    assert run.returncode == 1
    assert run.stdout.startswith("Paris")
    assert run.stderr.count("\n") == 1


@pytest.mark.usefixtures("ctrl_c_works")
def test_ctrl_c_ends_a_process_that_waits_and_closes_its_connection(server):
    server.script(stall(after=900))
    command = [sys.executable, "-m", "aiclient", "ask", "hi", "-m", "any", "--base-url", server.base_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout.read(5) == "Paris"
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=10)
    assert (running.returncode, err) == (130, "")
    server.wait_closed()


def test_a_reader_who_leaves_is_no_traceback(server):
    command = [sys.executable, "-m", "aiclient", "ask", "hi", "-m", "any", "--base-url", server.base_url]
    server.script(Fault(delay=0.3))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        running.stdout.close()
        err = running.stderr.read()
    assert (running.returncode, err) == (1, "")


def test_what_is_wrong_with_a_configuration_is_a_line_for_each(tmp_path):
    (tmp_path / "a.json").write_text('{"modl": "x", "use": ["rety"]}')
    run = process("hi", environ={"AICLIENT_CONFIG": str(tmp_path / "a.json")})
    assert (run.returncode, run.stdout, run.stderr.count("\naiclient: $.")) == (2, "", 2)


def test_a_variable_that_is_not_known_is_one_line():
    run = process("hi", "-m", "mock", environ={"AICLIENT_PROFLE": "5"})
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == "aiclient: the variable AICLIENT_PROFLE is not known; did you mean 'AICLIENT_PROFILE'?\n"


@pytest.mark.parametrize("prompt", [b"\xff\xfe", "\U0001f469".encode()])
def test_an_argument_that_is_no_text_is_no_traceback(server, prompt):
    command = [sys.executable, "-m", "aiclient", "ask", prompt, "-m", "any", "--base-url", server.base_url]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode in (0, 2)
    assert "Traceback" not in run.stderr


def test_who_names_no_model_is_told_where_it_is_named_and_of_a_variable_that_looks_like_it(capsys, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0")
    monkeypatch.setenv("AI_MODEL", "gpt-5-mini")
    assert main(["ask", "hi"]) == 2
    assert capsys.readouterr().err.splitlines()[1:] == [
        "aiclient: -m PROVIDER:MODEL says which model, and so does the variable AI_DEFAULT_MODEL",
        "aiclient: the variable AI_MODEL is not read; AI_DEFAULT_MODEL is",
    ]
