"""What `ask` is given besides a prompt: files, a schema, tools."""

from __future__ import annotations

import io
import json
import socket
import sys

import pytest

from aiclient import ChatResponse, Message, ToolCall, registry
from aiclient.cli import main
from aiclient.testutil import LoopbackServer, MockProvider

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 24


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("AI_MAX_RETRIES", "0")
    with LoopbackServer(reply="Paris") as server:
        yield server


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the user's own, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "cli_weather.py").write_text(
        'def forecast(city: str) -> str:\n    """Tell the weather."""\n    return "Sunny in " + city\n\nnumber = 5\n'
    )
    (tmp_path / "cli_broken.py").write_text("1 / 0\n")


def ask(server, *arguments):
    return main(["ask", *arguments, "-m", "any", "--base-url", server.base_url])


def content(server):
    return server.requests[-1].json["messages"][-1]["content"]


def test_a_text_is_put_before_the_question_under_its_name(server, tmp_path):
    (tmp_path / "notes.txt").write_text("one\n")
    (tmp_path / "more.txt").write_text("two\n")
    assert ask(server, "Sum up.", "-f", str(tmp_path / "notes.txt"), "--file", str(tmp_path / "more.txt")) == 0
    assert content(server) == "notes.txt:\n\none\n\n\nmore.txt:\n\ntwo\n\n\nSum up."


def test_a_picture_is_sent_as_one(server, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    assert ask(server, "What is it?", "-f", str(tmp_path / "a.png")) == 0
    assert [part["type"] for part in content(server)] == ["image_url", "text"]
    assert content(server)[0]["image_url"]["url"].startswith("data:image/png;base64,")


def test_a_schema_is_asked_for(server, tmp_path):
    (tmp_path / "s.json").write_text('{"type": "object", "properties": {"city": {"type": "string"}}}')
    assert ask(server, "Where?", "--schema", str(tmp_path / "s.json")) == 0
    assert server.requests[-1].json["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("name", "data", "option", "says"),
    [
        ("x.bin", b"\xff\xfe\x00\x01", "-f", "neither text in UTF-8 nor"),
        ("big.txt", b"a" * (5 << 20), "-f", "a text may have"),
        ("s.json", b"nope", "--schema", "is not JSON"),
        ("s.json", b"\xff", "--schema", "is not JSON"),
        ("s.json", b'{"type": "object", "type": "array"}', "--schema", "the key 'type' is given twice"),
        ("s.json", b"[" * 100_000, "--schema", "is not JSON"),
        ("s.json", b"[]", "--schema", "must hold a JSON schema"),
    ],
)
def test_a_file_that_will_not_do_is_wrong_usage(server, tmp_path, capsys, name, data, option, says):
    (tmp_path / name).write_bytes(data)
    assert ask(server, "Hi", option, str(tmp_path / name)) == 2
    assert says in capsys.readouterr().err
    assert server.requests == []


@pytest.mark.parametrize("option", ["-f", "--schema"])
def test_a_file_that_is_not_there_is_wrong_usage(server, capsys, option):
    assert ask(server, "Hi", option, "none") == 2
    assert "'none' cannot be read" in capsys.readouterr().err


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("how", [[], ["--no-stream"]])
def test_a_tool_of_the_current_folder_is_offered_and_the_answer_printed(server, capsys, how):
    assert ask(server, "Weather?", "--tool", "cli_weather:forecast", *how) == 0
    (offered,) = server.requests[0].json["tools"]
    assert offered["function"]["name"] == "forecast"
    assert capsys.readouterr().out == "Paris\n"


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize("how", [[], ["--no-stream"], ["--json"]])
def test_a_tool_that_the_model_asks_for_is_used_and_remarked_on(request, capsys, how):
    asks = ChatResponse(
        Message("assistant", None, tool_calls=[ToolCall("c1", "forecast", '{"city": "Bonn"}')]),
        finish_reason="tool_calls",
    )
    registry.register("asking", lambda **_: MockProvider([asks, "Sunny."]))
    request.addfinalizer(lambda: registry.unregister("asking"))
    assert main(["ask", "Weather?", "-m", "asking", "--tool", "cli_weather:forecast", *how]) == 0
    out, err = capsys.readouterr()
    assert "Sunny." in out
    assert "aiclient: forecast: ok\n" in err


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("forecast", "write module:function"),
        ("cli_weather:", "write module:function"),
        ("cli_wether:forecast", "could not be imported: ModuleNotFoundError"),
        ("cli_broken:x", "ZeroDivisionError"),
        ("cli_weather:forcast", "did you mean forecast?"),
        ("cli_weather:number", "can be no tool"),
    ],
)
def test_a_tool_that_is_none_is_wrong_usage(server, capsys, name, says):
    assert ask(server, "Hi", "--tool", name) == 2
    assert says in capsys.readouterr().err


def test_json_of_an_answer_with_a_file(server, tmp_path, capsys):
    (tmp_path / "n.txt").write_text("one")
    assert ask(server, "Hi", "-f", str(tmp_path / "n.txt"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["content"] == "Paris"


def test_a_schema_that_is_not_there_is_not_said_to_be_no_json(server, capsys):
    assert ask(server, "Hi", "--schema", "nowhere.json") == 2
    assert capsys.readouterr().err == "aiclient: 'nowhere.json' cannot be read: No such file or directory\n"


@pytest.mark.parametrize("option", ["-f", "--schema"])
def test_a_file_without_end_does_not_fill_the_memory(server, tmp_path, monkeypatch, capsys, option):
    monkeypatch.setattr("aiclient.cli.asking.MOST", 1 << 20)
    (tmp_path / "endless").write_bytes(b" " * ((1 << 20) + 1))
    assert ask(server, "Hi", option, str(tmp_path / "endless")) == 2
    assert "it is larger than 1 MiB" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "said"), [("ask", "it is larger than 1 MiB"), ("chat", "a line of standard input is longer than 1 MiB")]
)
def test_standard_input_without_end_does_not_fill_the_memory(monkeypatch, capsys, command, said):
    monkeypatch.setattr("aiclient.cli.asking.MOST", 1 << 20)
    monkeypatch.setattr("aiclient.cli.chat.MOST", 1 << 20)
    endless = io.StringIO("y" * (3 << 20))
    monkeypatch.setattr(sys, "stdin", endless)
    assert main([command, "-m", "mock"]) == 2
    assert said in capsys.readouterr().err
    assert endless.tell() == (1 << 20) + 1


def test_a_module_that_ends_the_process_while_it_is_imported_is_said_to(server, module, tmp_path, capsys):
    (tmp_path / "cli_leaving.py").write_text("raise SystemExit(7)\n")
    assert ask(server, "Hi", "--tool", "cli_leaving:forecast") == 2
    assert "cli_leaving could not be imported: SystemExit: 7" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="a folder that is in use stays there")
def test_a_folder_that_was_removed_is_no_reason_not_to_ask(server, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert ask(server, "Hi") == 0
    monkeypatch.chdir(tmp_path)


def test_letters_that_the_locale_does_not_have_arrive(server):
    assert ask(server, "gr\udcc3\udcbc\u00df", "--system", "\udcc3\udcbc") == 0
    assert content(server) == "gr\u00fc\u00df"


@pytest.mark.parametrize(("prompt", "system"), [("a\udcff", "x"), ("a", "\udcff")])
def test_bytes_that_are_no_text_are_not_sent(server, capsys, prompt, system):
    assert ask(server, prompt, "--system", system) == 2
    assert "is not text in UTF-8" in capsys.readouterr().err
    assert server.requests == []


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Run a command that takes `--system` in a folder of its own, with a line on standard input."""
    (tmp_path / "in.jsonl").write_text('{"prompt": "hi"}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO("hi\n"))
    return lambda command, system: main([*command, "--system", system])


BULK = ["in.jsonl", "-o", "out.jsonl"]


@pytest.mark.parametrize("command", [["chat"], ["bulk", "run", *BULK]], ids=["chat", "bulk"])
def test_instructions_of_every_command_arrive_as_they_were_meant(server, told, command):
    assert told([*command, "-m", "any", "--base-url", server.base_url], "gr\udcc3\udcbc\u00df") == 0
    assert server.requests[-1].json["messages"][0]["content"] == "gr\u00fc\u00df"


@pytest.mark.parametrize(
    "command",
    [
        ["chat", "-m", "mock"],
        ["bulk", "run", *BULK, "-m", "mock"],
        ["cost", "estimate", "hi", "-m", "openai:gpt-5.4-mini"],
    ],
    ids=["chat", "bulk", "estimate"],
)
def test_instructions_that_are_no_text_are_refused_by_every_command(told, capsys, command):
    assert told(command, "\udcff") == 2
    assert capsys.readouterr() == ("", "aiclient: --system is not text in UTF-8: invalid start byte\n")


def test_standard_input_that_is_no_text_is_not_sent(server, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\xff"), encoding="utf-8", errors="surrogateescape")
    )
    assert ask(server) == 2
    assert capsys.readouterr().err == "aiclient: standard input is not text in UTF-8: invalid start byte\n"


def test_standard_input_that_cannot_be_read_is_said_to_be(server, monkeypatch, capsys):
    class Broken(io.StringIO):
        def read(self, *_):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", Broken())
    assert ask(server) == 2
    assert capsys.readouterr().err == "aiclient: standard input cannot be read: Input/output error\n"


def test_where_nobody_listens_is_told_with_its_port(monkeypatch, capsys):
    monkeypatch.setenv("AI_MAX_RETRIES", "0")
    with socket.socket() as free:  # bound, and not listening: nobody else has it
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        assert main(["ask", "hi", "-m", "any", "--base-url", f"http://127.0.0.1:{port}/v1"]) == 1
    assert f"no connection to 127.0.0.1:{port}: refused" in capsys.readouterr().err
