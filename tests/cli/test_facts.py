"""`models`, `cost`, `check`, `status`, `explain`, `bench`: what they say, as text and as JSON, and their exit codes."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys

import pytest

from aiclient import AsyncClient
from aiclient.cli import main
from aiclient.ledger.ledger import Ledger
from aiclient.middleware import Budget
from aiclient.redis_store import RedisStore
from aiclient.sqlite_store import SQLiteStore
from aiclient.testutil import LoopbackServer, MockProvider


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def said(capsys):
    """Run a command; returns (exit code, output, errors)."""

    def run(*arguments):
        code = main(list(arguments))
        return (code, *capsys.readouterr())

    return run


def test_models_are_listed_with_their_prices(said):
    code, out, _ = said("models", "openai")
    assert code == 0
    assert "openai:gpt-5-mini " in out
    assert "anthropic:" not in out
    assert "US dollars per million tokens" in out


def test_models_as_json(said):
    found = json.loads(said("models", "openai", "--json")[1])
    (one,) = [model for model in found if model["name"] == "gpt-5-mini"]
    assert float(one["prices"]["input"]) > 0
    assert "tools" in one["capabilities"]


@pytest.mark.parametrize(("name", "says"), [("opnai", "did you mean openai?"), ("qqq", "there are anthropic")])
def test_a_provider_that_is_not_in_the_table(said, name, says):
    code, _, err = said("models", name)
    assert code == 2
    assert says in err


def test_an_estimate_is_a_range(said):
    code, out, _ = said("cost", "estimate", "Hello", "-m", "openai:gpt-5-mini", "--max-tokens", "10")
    assert code == 0
    assert out.startswith("$0.0")
    assert out.endswith("up to 10 out\n")


def test_an_estimate_as_json_counts_files_and_the_system_prompt(said, tmp_path):
    (tmp_path / "a.txt").write_text("word " * 1000)
    bare = ["cost", "estimate", "Hello", "-m", "openai:gpt-5-mini", "--json", "--output-tokens", "5"]
    short = json.loads(said(*bare)[1])
    long = json.loads(said(*bare, "-f", str(tmp_path / "a.txt"), "--system", "Be brief.")[1])
    assert long["prompt_tokens"] > short["prompt_tokens"] + 500
    assert float(long["low_usd"]) > float(short["low_usd"])


def test_an_estimate_of_a_model_that_nobody_knows_is_wrong_usage(said):
    code, _, err = said("cost", "estimate", "Hello", "-m", "openai:gpt-5-mni")
    assert code == 2
    assert "did you mean gpt-5-mini" in err
    assert "AI_DEFAULT_MODEL" not in err  # which this command does not read


def spend(store):
    """Write the books of one call."""

    async def main():
        budget = Budget(usd=1, ledger=Ledger(store=store, patience=30))
        async with AsyncClient(MockProvider("hi"), prices={"mock-model": {"input": 5, "output": 5}}) as client:
            await client.use(budget).new_request().user("Hello").max_tokens(10).tags(team="maps").do()
        await store.close()

    asyncio.run(main())


@pytest.fixture
def books(tmp_path):
    path = tmp_path / "ledger.sqlite"
    spend(SQLiteStore(path))
    return str(path)


def test_a_report_is_what_the_books_hold(said, books):
    code, out, _ = said("cost", "report", books, "--by", "team")
    assert code == 0
    assert out.splitlines()[1].startswith("maps,")
    assert json.loads(said("cost", "report", books, "--json", "--by", "team")[1])[0]["team"] == "maps"


def test_a_report_at_a_terminal_is_a_table(books, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    assert main(["cost", "report", books, "--by", "team"]) == 0
    assert "────" in terminal.getvalue()
    assert "maps" in terminal.getvalue()


def test_a_report_of_no_books_is_wrong_usage_and_makes_none(said, tmp_path):
    assert said("cost", "report", str(tmp_path / "none"))[0] == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["{url}", "env:THE_BOOKS"])
def test_a_report_of_books_on_a_server_is_what_they_hold(said, redis_room, monkeypatch, place):
    monkeypatch.setenv("THE_BOOKS", redis_room.url)
    spend(RedisStore(redis_room.url, prefix=redis_room.prefix, timeout=30))
    place = place.format(url=redis_room.url)
    code, out, _ = said("cost", "report", place, "--by", "team", "--prefix", redis_room.prefix)
    assert code == 0
    assert out.splitlines()[1].startswith("maps,")


def test_a_variable_of_books_that_is_not_set_is_wrong_usage(said):
    code, _, err = said("cost", "report", "env:NOT_SET")
    assert code == 2
    assert "NOT_SET" in err


@pytest.mark.parametrize("command", ["check", "status", "explain"])
def test_a_service_that_is_well(said, command):
    with LoopbackServer() as server:
        where = ["-m", "any", "--base-url", server.base_url]
        code, out, _ = said(command, *where)
        assert code in (0, 1)
        assert out
        assert json.loads(said(command, *where, "--json")[1])


def test_check_finds_a_wrong_key(said, monkeypatch):
    monkeypatch.setenv("AI_API_KEY", "k-000000000")
    with LoopbackServer(api_key="k-123456789") as server:
        code, out, _ = said("check", "-m", "any", "--base-url", server.base_url)
    assert code == 1
    assert "FAILED" in out
    assert "k-000000000" not in out


@pytest.fixture
def one_key(monkeypatch, tmp_path):
    """An environment in which the credentials of one provider are found, for a service that is played here."""
    found = [name for name in os.environ if name.endswith(("_API_KEY", "_TOKEN")) or name.startswith(("AI_", "AWS_"))]
    for name in [*found, "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with LoopbackServer(api_key="sk-0123456789") as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        yield


@pytest.mark.usefixtures("one_key")
def test_check_all_looks_at_every_provider_that_has_credentials(said):
    code, out, err = said("check", "--all", "--json")
    found = json.loads(out)["checks"]
    assert code == 0
    assert [(one["provider"], one["name"]) for one in found][:2] == [("openai", "key"), ("openai", "reachable")]
    assert len({(one["provider"], one["name"]) for one in found}) == len(found)
    assert "anthropic" in err


@pytest.mark.usefixtures("one_key")
def test_check_all_without_any_credentials_is_wrong_set_up(said, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    code, _, err = said("check", "--all")
    assert code == 2
    assert "set OPENAI_API_KEY" in err


def test_check_all_and_one_model_contradict_each_other(said):
    code, _, err = said("check", "--all", "-m", "openai:gpt-5-mini")
    assert code == 2
    assert "--all" in err


def test_status_of_a_service_that_is_away(said):
    assert said("status", "-m", "any", "--base-url", "http://127.0.0.1:1/v1")[0] == 1
    assert said("status", "-m", "any", "--base-url", "http://127.0.0.1:1/v1", "--quiet")[0] == 0


def test_explain_draws_the_chain(said):
    assert "MockProvider" in said("explain", "-m", "mock")[1]


def test_a_missing_key_is_wrong_set_up(said, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    code, _, err = said("explain", "-m", "openai:gpt-5-mini")
    assert code == 2
    assert "OPENAI_API_KEY" in err


def test_bench_compares_both(said):
    assert "ratio" in said("bench", "--calls", "2")[1]
    assert json.loads(said("bench", "--calls", "2", "--json")[1])["ratio"] > 0
    assert said("bench", "--calls", "0")[0] == 2


@pytest.mark.parametrize("command", ["models", "cost", "check", "status", "explain", "bench", "chat", "bulk"])
def test_every_command_has_help(said, command):
    assert said(command, "--help")[1].startswith(f"usage: aiclient {command}")
