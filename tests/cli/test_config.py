"""`aiclient config`, and `--config`, `--profile` and `--env-file` of the other commands."""

from __future__ import annotations

import json

import pytest

from aiclient import logs
from aiclient.cli import main
from aiclient.testutil import LoopbackServer

KEY = "k-0123456789abcdef"


@pytest.fixture
def said(capsys, monkeypatch):
    """Run a command in an environment without a key; returns (exit code, output, errors)."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def run(*arguments):
        code = main(list(arguments))
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def server():
    with LoopbackServer(reply="Paris", api_key=KEY) as server:
        yield server


@pytest.fixture
def path(tmp_path, server):
    """A configuration of the server, whose key is in a variable, with a profile for another model."""
    path = tmp_path / "ai.json"
    provider = {"provider": "compatible", "base_url": server.base_url, "model": "one", "api_key": "env:CLI_TEST_KEY"}
    changed = {"providers": {"here": {"model": "two"}}}
    path.write_text(json.dumps({"providers": {"here": provider}, "profiles": {"dev": changed}}))
    return str(path)


@pytest.fixture
def env_file(tmp_path):
    path = tmp_path / ".env"
    path.write_text(f"CLI_TEST_KEY={KEY}\n")
    path.chmod(0o600)
    return str(path)


def test_the_schema_is_printed(said):
    assert "providers" in json.loads(said("config", "schema")[1])["properties"]


def test_a_configuration_that_will_do(said, path, env_file):
    code, out, _ = said("config", "check", path, "--env-file", env_file)
    assert code == 0
    assert out.startswith("it will do:\n\nClient (")
    assert json.loads(said("config", "check", path, "--env-file", env_file, "--json")[1])["ok"]


@pytest.mark.parametrize("command", [["config", "check"], ["explain", "--config"], ["check", "--config"]])
def test_looking_at_a_configuration_leaves_no_log_file(said, tmp_path, command):
    log, path = tmp_path / "calls.log", tmp_path / "ai.json"
    path.write_text(json.dumps({"model": "mock:x", "logging": {"file": str(log), "console": False}}))
    assert said(*command, str(path))[0] == 0
    logs.reset()
    assert not log.exists()


def test_a_configuration_that_lacks_its_key_is_wrong_set_up(said, path):
    code, out, err = said("config", "check", path)
    assert (code, out) == (2, "")
    assert "CLI_TEST_KEY" in err


def test_what_holds_is_shown_without_the_secret_and_without_a_key(said, path, env_file):
    code, out, _ = said("config", "show", path, "--profile", "dev", "--env-file", env_file)
    assert code == 0
    assert json.loads(out)["providers"]["here"]["model"] == "two"
    assert KEY not in out


def test_a_mistake_is_told_with_a_suggestion(said, tmp_path):
    path = tmp_path / "ai.json"
    path.write_text('{"provdiers": {}}')
    code, _, err = said("config", "check", str(path))
    assert code == 2
    assert "providers" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("options", "model"), [([], "one"), (["--profile", "dev"], "two")])
def test_a_question_goes_where_the_configuration_says(said, server, path, env_file, options, model):
    assert said("ask", "Hi", "--config", path, "--env-file", env_file, *options)[:2] == (0, "Paris\n")
    assert server.requests[-1].json["model"] == model


def test_the_chain_of_a_configuration_is_drawn(said, path, env_file):
    assert "one" in said("explain", "--config", path, "--env-file", env_file)[1]


def test_a_configuration_and_an_address_contradict_each_other(said, path):
    code, _, err = said("ask", "Hi", "--config", path, "--base-url", "http://127.0.0.1:1/v1")
    assert code == 2
    assert "--base-url with --config" in err


def test_an_env_file_alone_is_enough(said, server, tmp_path):
    path = tmp_path / ".env"
    path.write_text(f"AI_PROVIDER=compatible\nAI_BASE_URL={server.base_url}\nAI_API_KEY={KEY}\nAI_DEFAULT_MODEL=m\n")
    path.chmod(0o600)
    assert said("ask", "Hi", "--env-file", str(path))[:2] == (0, "Paris\n")
