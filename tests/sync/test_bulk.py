"""Many calls from synchronous code: input and progress in the caller's thread, the calls on the loop's."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from aiclient import Client, ClientClosedError, ConfigError, ServerError
from aiclient.testutil import MockProvider


@pytest.fixture
def client():
    with Client(MockProvider(lambda request: request.messages[-1].content.upper())) as client:
        yield client


def test_a_sync_client_answers_many_prompts_in_order(client):
    result = client.map(["a", "b", "c"], concurrency=2)
    assert [item.value.message.content for item in result] == ["A", "B", "C"]


def test_the_input_is_read_and_the_progress_told_in_the_callers_thread(client):
    threads = set()

    def prompts():
        for word in "abc":
            threads.add(threading.current_thread())
            yield word

    totals = []

    def told(progress):
        threads.add(threading.current_thread())
        totals.append((progress.done, progress.total))

    client.map(prompts(), on_progress=told)
    assert threads == {threading.current_thread()}
    assert sorted(done for done, _ in totals) == [1, 2, 3]


def test_the_total_of_a_list_is_known(client):
    totals = []
    client.map(["a", "b"], on_progress=lambda progress: totals.append(progress.total))
    assert totals == [2, 2]


def test_the_input_may_itself_ask_the_client(client):
    result = client.map((client.chat(word).message.content + "!" for word in "ab"), concurrency=2)
    assert [item.value.message.content for item in result] == ["A!", "B!"]


def test_what_reading_the_input_raises_comes_out_as_it_is(client):
    def broken():
        yield "a"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        client.map(broken())


def test_a_failing_progress_function_ends_nothing(client, caplog):
    def bad(progress):
        raise ValueError("no")

    assert len(client.map(["a", "b"], on_progress=bad).values) == 2
    assert [record.getMessage() for record in caplog.records] == ["on_progress raised ValueError; the work goes on"]


def test_an_async_input_is_read_on_the_loop(client):
    async def prompts():
        yield "a"

    assert len(client.map(prompts()).values) == 1


def test_raise_raises_the_first_failure():
    with Client(MockProvider(ServerError("no"))) as client, pytest.raises(ServerError):
        client.map(["a"], on_error="raise")


def test_wrong_arguments_are_refused_before_the_thread_starts():
    client = Client(MockProvider())
    with pytest.raises(ConfigError, match="concurrency"):
        client.map([], concurrency=0)
    with pytest.raises(ConfigError, match="items of str"):
        client.map("text")


def test_a_closed_client_says_so(client):
    client.close()
    with pytest.raises(ClientClosedError):
        client.map(["a"])


def test_ctrl_c_while_the_calls_run_cancels_them_and_waits_for_their_end(ctrl_c_works):
    ended = []

    async def waits(request):
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await never()
        finally:
            ended.append(True)

    async def never():
        import asyncio

        await asyncio.Event().wait()

    with Client(MockProvider(chat_func=waits)) as client:
        with pytest.raises(KeyboardInterrupt):
            client.map(["a"])
        assert ended == [True]


def test_an_interruption_inside_the_input_cancels_the_calls(client):
    def prompts():
        yield "a"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.map(prompts())


def test_two_threads_share_a_client(client):
    results = {}

    def run(name):
        results[name] = [item.value.message.content for item in client.map([name] * 20, concurrency=3)]

    threads = [threading.Thread(target=run, args=(name,)) for name in "xy"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert results == {"x": ["X"] * 20, "y": ["Y"] * 20}
