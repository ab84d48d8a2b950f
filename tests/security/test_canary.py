"""A secret that is planted as key, in prompts, answers, tools and sessions is found nowhere, whatever goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pickle

import attrs
import pytest

from aiclient import AsyncClient, Client, RedisStore, SQLiteStore, errors
from aiclient.cli import main
from aiclient.ledger.ledger import Ledger
from aiclient.middleware import (
    Budget,
    Cache,
    CircuitBreaker,
    DryRun,
    Fallback,
    MemoryMetrics,
    Metrics,
    RateLimit,
    Validate,
)
from aiclient.testutil.server import Fault, LoopbackServer

from ..faults.wires import KEY, MODEL, OPENAI, WIRES
from . import planted
from .cases import matrix, repetitions
from .scene import errors_of, frames_of, play

pytestmark = pytest.mark.anyio

CASE = ("row", "path", "wire")


TOLD_BY_SERVICES = {"error", "frames", "repr and str"}
"""Who is told what the words of the caller's own error are."""


def leaks(given, names=planted.SECRETS):
    """Who was given which secret."""
    return {who: which for who, text in given.items() if (which := planted.found(text, names))}


@pytest.mark.sampled(20)
@pytest.mark.parametrize(CASE, list(matrix()))
async def test_whatever_goes_wrong_nobody_is_told_a_secret(row, path, wire, tmp_path):
    assert leaks(await play(row, path, wire, tmp_path)) == {}


@pytest.mark.sampled(9)
@pytest.mark.parametrize(CASE, list(repetitions(WIRES)))
async def test_a_service_that_repeats_all_it_was_sent_tells_nobody(row, path, wire, tmp_path):
    """What it says is what its error says, to the caller alone; the key is not even in that."""
    given = await play(row, path, wire, tmp_path)
    assert leaks(given, {"key": KEY}) == {}
    assert leaks(given).keys() <= TOLD_BY_SERVICES


# --- each of those who look on ---

WATCHERS = [
    "attempts",
    "error",
    "frames",
    "ledger",
    "log file",
    "logs",
    "metrics in memory",
    "metrics of OpenTelemetry",
    "metrics of Prometheus",
    "repr and str",
    "spans",
    "warnings",
]
SHOWS_CONTENT = {"log file", "logs", "spans"}
FAILING = next(case.values for case in matrix() if case.values[0].number == 3 and case.values[1] == "chat")
ANSWERING = next(case.values for case in repetitions([OPENAI]) if case.id.startswith("an answer whose"))


@pytest.fixture(scope="module", params=[FAILING, ANSWERING], ids=["fails", "answers"])
def scenes(request, tmp_path_factory):
    """What everybody was given, without content and with it."""
    return tuple(
        asyncio.run(play(*request.param, tmp_path_factory.mktemp("logs"), content=content)) for content in (False, True)
    )


def test_all_that_look_on_are_here(scenes):
    assert sorted(scenes[0]) == WATCHERS


@pytest.mark.parametrize("who", WATCHERS)
def test_content_appears_only_where_it_is_asked_for(scenes, who):
    plain, told = scenes
    assert planted.found(plain[who]) == []
    assert planted.found(told[who], planted.WHO | {"key": KEY}) == []
    assert bool(planted.found(told[who])) is (who in SHOWS_CONTENT)


@pytest.mark.parametrize("who", sorted(set(WATCHERS) - {"warnings", "error", "frames"}))
def test_everybody_was_told_something(scenes, who):
    assert "openai" in scenes[0][who] or MODEL in scenes[0][who]


@pytest.mark.parametrize("name", planted.SECRETS)
def test_every_form_of_a_secret_would_be_found(name):
    text = planted.SECRETS[name]
    assert all(planted.found(f"x{form}y") == [name] for form in planted.forms(text))
    assert planted.found(planted.SECRETS[name][:-4]) == []


# --- other ways to ask, and layers that have words of their own ---


class Refusing:
    """A service that refuses, unless its status is 200, and repeats the key in its words."""

    def __init__(self, status):
        fault = Fault(status=status, body={"error": {"message": f"no: {KEY}"}})
        self.server = LoopbackServer(faults=[fault] * (9 if status != 200 else 0), reply=planted.ANSWER)

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__(None, None, None)

    def provider(self):
        return OPENAI.make(self.server.url)


@attrs.frozen
class City:
    name: str


def refused(value):
    raise ValueError(f"not {value}")


ASKING = {
    "text": lambda client: client.chat(planted.PROMPT),
    "dicts": lambda client: client.chat([{"role": "user", "content": planted.PROMPT}]),
    "builder": lambda client: client.new_request().system(planted.SYSTEM).user(planted.PROMPT).do(),
    "embed": lambda client: client.embed([planted.PROMPT]),
    "stream": lambda client: list(client.chat_stream(planted.PROMPT).__enter__()),
    "built stream": lambda client: list(client.new_request().user(planted.PROMPT).stream().__enter__()),
    "typed": lambda client: client.new_request().user(planted.PROMPT).output(City).do(),
    "streamed by a session": lambda client: list(client.session().stream(planted.PROMPT).__enter__()),
    "session": lambda client: client.session(system=planted.SYSTEM, id=planted.SESSION).chat(planted.PROMPT),
    "fallback": lambda client: client.use(Fallback(client._async._stack.leaf)).chat(planted.PROMPT),
}


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING.keys())
def test_however_it_is_asked_the_error_and_its_frames_hold_nothing(ask, status):
    with Refusing(status) as service, Client(service.provider()) as client:
        with pytest.raises(errors.AIClientError) as caught:
            ask(client)
    pickled = pickle.dumps(caught.value, 0).decode("latin-1")
    assert planted.found("".join([*errors_of(caught.value), *frames_of(caught.value), pickled])) == []


@pytest.mark.parametrize("of", ["client", "session"])
def test_the_outcomes_of_many_calls_hold_no_prompt_but_as_their_items(of):
    with Refusing(500) as service, Client(service.provider()) as client:
        ask = client.map if of == "client" else client.session(system=planted.SYSTEM).batch_generate
        outcomes = list(ask([planted.PROMPT, planted.request()]))
    assert len(outcomes) == 2
    for outcome in outcomes:
        assert planted.found("".join([*errors_of(outcome.error), *frames_of(outcome.error)])) == []


@pytest.mark.parametrize("prompt", [[{"content": planted.PROMPT}], [{"role": "user", "text": planted.PROMPT}]], ids=str)
async def test_what_is_wrong_with_a_prompt_is_said_without_it(prompt):
    async with AsyncClient(OPENAI.make("http://127.0.0.1:9")) as client:
        caught = await asyncio.create_task(refusal(client.chat(prompt)))
    assert planted.found("".join(errors_of(caught))) == []


async def refusal(call):
    """Return what a call is refused with."""
    with pytest.raises(errors.InvalidMessageError) as caught:
        await call
    return caught.value


def test_an_answer_that_is_not_what_was_asked_for_is_in_no_error_and_no_frame():
    with Refusing(200) as service, Client(service.provider()) as client:
        client.use(Validate(refused))
        with pytest.raises(errors.ResponseValidationError) as caught:
            client.chat(planted.PROMPT)
    assert planted.found("".join(frames_of(caught.value)), {"key": KEY, "prompt": planted.PROMPT}) == []


async def test_what_is_dry_run_or_previewed_shows_no_key():
    async with AsyncClient(OPENAI.make("http://127.0.0.1:9")) as client:
        report = await client.dry_run(planted.request())
        shown = f"{report!r}{attrs.asdict(report)!r}{report.to_dict()!r}{pickle.dumps(report, 0)!r}"
        shown += repr((await client.use(DryRun()).chat(planted.request())).to_dict())
    assert planted.found(shown, {"key": KEY}) == []
    assert planted.found(repr(report)) == []


async def test_a_session_that_is_saved_holds_no_key_and_shows_no_content(tmp_path):
    with LoopbackServer(reply=planted.ANSWER) as server:
        async with AsyncClient(OPENAI.make(server.url)) as client, client.session(system=planted.SYSTEM) as session:
            await session.chat(planted.PROMPT)
            saved = session.export_to_dict()
            session.export_to_json(tmp_path / "session.json")
            shown = f"{session!r}{session.summary()}{session.summary()!r}"
    written = (tmp_path / "session.json").read_text("utf-8")
    assert planted.found(f"{saved!r}{written}", {"key": KEY}) == []
    assert planted.found(f"{saved!r}{written}") == ["answer", "prompt", "system"]  # what a session is saved for
    assert planted.found(shown) == []


# --- what a client says of itself, and what it keeps ---


async def standing(client, _):
    status = await client.status(ask=True)
    return f"{status!r}{status}{json.dumps(status.to_dict())}"


async def checked(client, _):
    report = await client.check(extra=[lambda: f"bad {KEY}"])
    return f"{report!r}{report}{json.dumps(report.to_dict())}"


async def in_bulk(client, _):
    result = await client.map([planted.request(), planted.PROMPT], concurrency=2)
    failed = [*result.errors] if hasattr(result, "errors") else []
    return f"{result!r}{result}{failed!r}"


async def drawn(client, _):
    return f"{client!r}{client.explain()}{client.middleware!r}"


async def ledger_file(client, folder):
    async with SQLiteStore(folder / "ledger.db") as store:
        budget = Budget(tokens=10**9, per="user", ledger=Ledger(store=store))
        with contextlib.suppress(errors.AIClientError):  # what is kept of a failure is tested too
            await client.derive(budget).chat(planted.request())
    return "".join(path.read_bytes().decode("latin-1") for path in folder.iterdir())


OWN = {"status": standing, "check": checked, "bulk": in_bulk, "explain": drawn, "ledger file": ledger_file}


@pytest.mark.parametrize("status", [401, 500, 200])
@pytest.mark.parametrize("name", OWN)
async def test_what_a_client_says_of_itself_and_keeps_holds_nothing(name, status, tmp_path):
    with Refusing(status) as service:
        async with AsyncClient(service.provider()) as client:
            client.use(Metrics(MemoryMetrics()), CircuitBreaker(), RateLimit(tokens=10**9))
            with contextlib.suppress(errors.AIClientError):  # what is kept of a failure is tested too
                await client.chat(planted.request())
            said = await OWN[name](client, tmp_path)
    wanted = set(planted.SECRETS) - ({"user", "session"} if name == "ledger file" else set())  # whose account it is
    assert said and planted.found(said, wanted) == []


async def test_what_a_cache_keeps_holds_no_key(tmp_path):
    with LoopbackServer(reply=planted.ANSWER) as server:
        async with SQLiteStore(tmp_path / "answers.db") as store, AsyncClient(OPENAI.make(server.url)) as client:
            await client.use(Cache(store=store, sampled=True)).chat(planted.request())
    kept = "".join(path.read_bytes().decode("latin-1") for path in tmp_path.iterdir())
    assert planted.found(kept, {"answer", "key", "user", "session"}) == ["answer"]  # what it is for


async def test_what_is_kept_on_a_server_holds_no_key_and_of_content_the_cached_answer(redis_room):
    with LoopbackServer(reply=planted.ANSWER) as server:
        async with (
            RedisStore(redis_room.url, prefix=redis_room.prefix, timeout=30) as store,
            AsyncClient(OPENAI.make(server.url)) as client,
        ):
            budget = Budget(tokens=10**9, ledger=Ledger(store=store, patience=30))
            await client.use(budget, Cache(store=store, sampled=True, patience=30)).chat(planted.request())
    kept = "".join(f"{key}{redis_room.call('HGETALL', key)}" for key in redis_room.keys("v:"))
    assert planted.found(kept, {"answer", "key"}) == ["answer"]


@pytest.mark.parametrize("status", [400, 401, 500, 200])
@pytest.mark.parametrize("options", [[], ["--json"], ["--no-stream"], ["--log-level", "debug"]], ids=" ".join)
def test_the_command_line_shows_no_key_and_of_content_the_answer(status, options, monkeypatch, capsys):
    monkeypatch.setenv("AI_API_KEY", KEY)
    monkeypatch.setenv("AI_MAX_RETRIES", "0")
    with Refusing(status) as service:
        url = f"{service.server.url}/v1"
        code = main(["ask", planted.PROMPT, "--system", planted.SYSTEM, "-m", "any", "--base-url", url, *options])
    printed = capsys.readouterr()
    assert code == (0 if status == 200 else 1)
    assert planted.found(printed.err) == []
    assert planted.found(printed.out) == (["answer"] if status == 200 else [])
