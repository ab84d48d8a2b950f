"""`aiclient serve`: what it says, how it fails, how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys

import pytest

from aiclient import Client, ConfigError
from aiclient.cli import main, serve
from aiclient.providers import CompatibleProvider
from aiclient.testutil.faults import Fault, cut, overloaded, rate_limited, server_error, stall


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate_limited", rate_limited(retry_after=1)),
        ("rate_limited:0.5", rate_limited(retry_after="0.5")),
        ("overloaded", overloaded()),
        ("overloaded:2", overloaded(retry_after="2")),
        ("server_error", server_error()),
        ("server_error:502", server_error(502)),
        ("cut", cut()),
        ("cut:40", cut(after=40)),
        ("stall:40", stall(after=40)),
        ("delay:0.5", Fault(delay=0.5)),
    ],
)
def test_faults_have_short_names(text, expected):
    assert serve.fault(text) == expected


@pytest.mark.parametrize(
    "text",
    ["nonsense", "cut:many", "cut:-1", "delay:soon", "delay:nan", "server_error:99999", "server_error:200", "", ":3"],
)
def test_a_fault_that_does_not_exist_is_wrong_usage(text, capsys):
    assert main(["serve", "--fault", text]) == 2
    assert f"--fault {text!r}" in capsys.readouterr().err


def test_a_port_that_is_taken_is_wrong_usage(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    err = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1 port {port}" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_does_not_exist_is_wrong_usage(port, capsys):
    assert main(["serve", "--port", port]) == 2
    assert "cannot listen" in capsys.readouterr().err


def test_a_wrong_fault_is_a_config_error_without_a_cause():
    with pytest.raises(ConfigError) as caught:
        serve.fault("cut:many")
    assert caught.value.__context__ is None


def test_it_serves_until_it_is_interrupted(monkeypatch, capsys):
    answers = []

    def visit():
        url = capsys.readouterr().out.split()[8]
        with Client(CompatibleProvider(url, api_key="key-12345", model="any")) as client:
            answers.append(client.chat("hi").message.content)
        raise KeyboardInterrupt

    monkeypatch.setattr(serve, "_wait_for_ctrl_c", visit)
    assert main(["serve", "--reply", "Paris", "--api-key", "key-12345"]) == 0
    assert answers == ["Paris"]
    assert capsys.readouterr().out == "\nstopped\n"


def test_with_json_it_says_where_it_listens_and_nothing_else(monkeypatch, capsys):
    monkeypatch.setattr(serve, "_wait_for_ctrl_c", lambda: None)
    assert main(["serve", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["base_url"].startswith("http://127.0.0.1:")


def test_the_welcome_shows_how_to_ask_and_never_the_key():
    text = serve._welcome("http://h/v1", "key-12345")
    assert 'AI_API_KEY=... aiclient ask "Hello" -m any --base-url http://h/v1' in text
    assert "key-12345" not in text
    assert "AI_API_KEY" not in serve._welcome("http://h/v1", None)


@pytest.mark.usefixtures("ctrl_c_works")
def test_as_a_process_it_serves_plays_its_faults_and_ends_on_ctrl_c():
    command = [sys.executable, "-m", "aiclient", "serve", "--reply", "Paris", "--fault", "rate_limited:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as serving:
        url = serving.stdout.readline().split()[-1]
        ask = [sys.executable, "-m", "aiclient", "ask", "hi", "-m", "any", "--base-url", url, "--json"]
        answer = subprocess.run(ask, capture_output=True, text=True, timeout=30, check=False)
        serving.send_signal(signal.SIGINT)
        out, err = serving.communicate(timeout=10)
    assert '"content": "Paris"' in answer.stdout
    assert '"rate_limit"' in answer.stdout
    assert (serving.returncode, err) == (0, "")
    assert out.endswith("stopped\n")
