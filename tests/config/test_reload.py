"""Another configuration between two calls: what is kept, what is let go, and that no call fails for it."""

from __future__ import annotations

import asyncio
import json
import threading
import warnings

import pytest

from aiclient import AIClientWarning, AsyncClient, Client, ClientClosedError, ConfigError, MissingAPIKeyError
from aiclient.config import Config
from aiclient.middleware import Concurrency, middleware
from aiclient.testutil import LoopbackServer, MockProvider

pytestmark = pytest.mark.anyio

A = {"providers": {"main": {"provider": "mock", "reply": "a a a"}}, "use": ["circuit_breaker"]}
B = {
    "providers": {"main": {"provider": "mock", "reply": "b"}},
    "use": ["circuit_breaker", {"rate_limit": {"requests": 1000}}],
}


def client_of(config, **options):
    return AsyncClient.from_config(config, environ={}, **options)


async def test_the_next_call_goes_by_the_new_configuration():
    async with client_of(A) as client:
        before = await client.chat("hi")
        await client.reload(B)
        after = await client.chat("hi")
    assert (before.message.content, after.message.content, client.config) == ("a a a", "b", Config.of(B))


async def test_layers_that_are_said_alike_keep_their_state():
    async with client_of(A) as client:
        (breaker,) = client.middleware
        breaker.trip("main")
        await client.reload(B)
        assert client.middleware[0] is breaker
        assert [type(layer).__name__ for layer in client.middleware] == ["CircuitBreaker", "RateLimit"]
        await client.reload(A)
        assert client.middleware == (breaker,)


async def test_a_layer_that_is_said_otherwise_is_a_new_one():
    async with client_of(A) as client:
        (breaker,) = client.middleware
        await client.reload({**A, "use": [{"circuit_breaker": {"failures": 9}}]})
        assert (client.middleware[0] is breaker, "failures=9" in repr(client.middleware[0])) == (False, True)


async def test_what_was_spent_stays_spent_when_the_budget_is_another():
    config = {**A, "prices": {"main:*": {"input": 0, "output": 1_000_000}}}
    async with client_of({**config, "budgets": [{"usd": 10}]}) as client:
        await client.new_request().user("hi").max_tokens(5).do()
        await client.reload({**config, "budgets": [{"usd": 4}, {"usd": 9, "per": "user"}]})
        (budget, *_) = client.middleware
        assert (budget.spent, budget.remaining) == (3, 1)


async def test_of_two_that_are_alike_each_keeps_its_place():
    config = {"model": "mock:x", "use": ["circuit_breaker", "tracing", "circuit_breaker"]}
    async with client_of(config) as client:
        before = client.middleware
        await client.reload({**config, "timeout": 5})
        assert client.middleware == before
        await client.reload({**config, "use": ["circuit_breaker"]})
        assert client.middleware == before[:1]


async def test_a_branch_is_kept_with_all_that_is_in_it_and_made_anew_when_a_part_changes():
    def config(attempts, of_b="b"):
        target = {"provider": "b", "use": [{"retry": {"attempts": attempts}}]}
        providers = {"a": {"provider": "mock"}, "b": {"provider": "mock", "reply": of_b}}
        return {"providers": providers, "use": [{"fallback": {"targets": [target]}}]}

    async with client_of(config(2)) as client:
        (before,) = client.middleware
        await client.reload({**config(2), "max_attempts": 3})
        assert client.middleware == (before,)
        await client.reload(config(3))
        assert client.middleware != (before,)


async def test_a_provider_that_is_no_longer_there_is_closed_and_the_others_are_not():
    config = {
        "providers": {"a": {"provider": "mock", "priority": 1}, "b": {"provider": "mock", "priority": 2}},
        "each": [],
    }
    async with client_of(config) as client:
        a, b = (target for target in client.inner.targets)
        leaves = [a.inner, b.inner]
        await client.reload({"providers": {"a": {"provider": "mock"}}, "each": []})
        assert [leaf.closed for leaf in leaves] == [0, 1]
    assert [leaf.closed for leaf in leaves] == [1, 1]


async def test_a_client_made_in_code_takes_a_configuration_and_keeps_its_own_layers_inside():
    provider, own = MockProvider("of code"), Concurrency(3)
    async with AsyncClient(provider).use(own) as client:
        await client.reload(A)
        assert client.middleware[1:] == (own,) and provider.closed == 1
        await client.reload(B)
        assert client.middleware[2:] == (own,)


async def test_a_derived_client_works_by_what_its_parent_works_by():
    async with client_of(A) as client:
        derived = client.derive()
        await client.reload(B)
        assert (await derived.chat("hi")).message.content == "b"


async def test_limits_prices_and_attempts_are_those_of_the_new_configuration():
    seen = []

    @middleware(stream="open")
    async def look(request, call_next):
        seen.append((request.context.timeouts.total, request.context.extra_attempts, request.context.strict))
        return await call_next(request)

    async with client_of(A) as client:
        client.use(look)
        await client.chat("hi")
        await client.reload(
            {
                **A,
                "timeout": 7,
                "max_attempts": 2,
                "strict": True,
                "prices": {"mock-model": {"input": 1e6, "output": 0}},
            }
        )
        assert (await client.chat("hi")).cost.usd > 0
    assert seen == [(600, 5, False), (7, 1, True)]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"mdel": "x"}, ConfigError),
        ({"model": "mock:x", "use": [{"retry": {"attempts": 0}}]}, ConfigError),
        ({"model": "openai:x"}, MissingAPIKeyError),
        ({"model": "mock:x", "logging": {"file": "/nowhere/at/all/a.log"}}, ConfigError),
        ({"model": "mock:x", "use": [{"fallback": {"targets": ["openai:x"]}}]}, MissingAPIKeyError),
    ],
)
async def test_a_bad_configuration_changes_nothing(monkeypatch, bad, error):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    async with client_of(A) as client:
        before = client.middleware, client.inner, client.config
        with pytest.raises(error):
            await client.reload(bad)
        assert (client.middleware, client.inner, client.config) == before
        assert (await client.chat("hi")).message.content == "a a a"


async def test_where_warnings_are_errors_a_bad_order_changes_nothing():
    async with client_of(A) as client:
        before = client.middleware, client.inner, client.config
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(AIClientWarning):
                await client.reload({"model": "mock:x", "use": ["retry", "retry"]})
        assert (client.middleware, client.inner, client.config) == before


async def test_a_closed_client_is_not_reloaded():
    client = client_of(A)
    await client.close()
    with pytest.raises(ClientClosedError):
        await client.reload(B)


async def test_without_a_source_the_file_is_read_again_with_the_same_profile(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**A, "profiles": {"dev": {"timeout": 3}}}))
    async with client_of(path, profile="dev") as client:
        path.write_text(json.dumps({**B, "profiles": {"dev": {"timeout": 4}}}))
        await client.reload()
        assert (client.config.timeout, (await client.chat("hi")).message.content) == (4, "b")


async def test_a_key_in_a_file_that_changed_makes_a_new_provider(tmp_path):
    (tmp_path / "key").write_text("sk-the-first-key")
    config = {"providers": {"openai": {"api_key": f"file:{tmp_path / 'key'}", "model": "x"}}, "each": []}
    async with client_of(config) as client:
        scope = client.inner.inner.info.scope
        await client.reload(config)
        same = client.inner.inner.info.scope
        (tmp_path / "key").write_text("sk-the-second-key")
        await client.reload(config)
        assert (scope == same, scope == client.inner.inner.info.scope) == (True, False)


async def test_a_store_of_the_configuration_is_closed_when_it_is_no_longer_there(tmp_path):
    config = {"model": "mock:x", "cache": {"store": {"sqlite": str(tmp_path / "c.db")}, "sampled": True}}
    async with client_of(config) as client:
        (store,) = client._setup.stores
        await client.chat("hi")
        assert store._file._connection is not None
        await client.reload({"model": "mock:x"})
        assert store._file._connection is None
        await client.reload(config)
        (store,) = client._setup.stores
        await client.chat("hi")
    assert store._file._connection is None


# --- calls under way ---


async def test_a_stream_ends_on_the_chain_on_which_it_began():
    async with client_of(A) as client:
        async with client.chat_stream("hi") as stream:
            first = await anext(aiter(stream))
            await client.reload(B)
            rest = [chunk.content async for chunk in stream]
        assert first.content + "".join(rest) == "a a a"
        assert (await client.chat("hi")).message.content == "b"


async def test_calls_and_streams_under_load_never_fail_while_it_is_reloaded():
    async with client_of(A) as client:
        answers = set()
        done = asyncio.Event()

        async def ask():
            while not done.is_set():
                answers.add((await client.chat("hi")).message.content)
                async with client.chat_stream("hi") as stream:
                    async for _ in stream:
                        await asyncio.sleep(0)
                answers.add(stream.response.message.content)

        workers = [asyncio.ensure_future(ask()) for _ in range(20)]
        for number in range(40):
            await client.reload(B if number % 2 == 0 else A)
            for _ in range(5):
                await asyncio.sleep(0)
        done.set()
        await asyncio.gather(*workers)
    assert answers == {"a a a", "b"}


async def test_over_http_no_call_fails_while_providers_come_and_go():
    with LoopbackServer(reply="one") as one, LoopbackServer(reply="two") as two:
        configs = [
            {"providers": {"main": {"provider": "compatible", "base_url": server.base_url, "model": "m"}}, "each": []}
            for server in (one, two)
        ]
        async with client_of(configs[0]) as client:
            answers = []

            async def ask():
                for _ in range(10):
                    async with client.chat_stream("hi") as stream:
                        async for _ in stream:
                            pass
                    answers.append(stream.response.message.content)

            workers = [asyncio.ensure_future(ask()) for _ in range(8)]
            for number in range(1, 21):
                await asyncio.wait(workers, timeout=0.005)
                await client.reload(configs[number % 2])
                answers.append((await client.chat("hi")).message.content)
            await asyncio.gather(*workers)
    assert (len(answers), set(answers)) == (100, {"one", "two"})


async def test_a_reload_that_is_cancelled_leaves_one_set_up_or_the_other(at_every_step):
    def scene():
        client = client_of(A)
        work = client.reload(B)

        def verify(_):
            whole = {"a a a": 1, "b": 2}
            assert len(client.middleware) == whole[client.config.providers["main"].options["reply"]]

        return work, verify

    await at_every_step(scene)


def test_threads_that_share_a_sync_client_never_see_a_failed_call():
    with Client.from_config(A, environ={}) as client:
        answers, problems = set(), []

        def ask():
            try:
                answers.update(client.chat("hi").message.content for _ in range(30))
            except Exception as error:  # of a thread: asserted to be none below
                problems.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(20):
            client.reload(B if number % 2 == 0 else A)
        for thread in threads:
            thread.join()
        assert (problems, answers <= {"a a a", "b"}, client.config == Config.of(A)) == ([], True, True)
