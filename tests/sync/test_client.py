"""The sync facade: one loop thread, the same outcomes as in async, interruption, fork."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import signal
import threading
import warnings

import pytest

import aiclient
from aiclient import (
    ChatStream,
    ChatStreamChunk,
    Client,
    ClientClosedError,
    Layer,
    Ledger,
    MemoryStore,
    ServerError,
    StreamClosedError,
    StreamInterruptedError,
)
from aiclient.middleware import Budget, Cache, CircuitBreaker, Concurrency, LoadBalance, RateLimit, Retry, SingleFlight
from aiclient.testutil import FakeClock, MockProvider

LAST = ChatStreamChunk(finish_reason="stop", last=True)


class Ends(Layer):
    """Collects how calls ended."""

    def __init__(self):
        self.outcomes = []
        self.errors = []

    async def around(self, request, inner, call_next):
        return await aiclient.observed(call_next(request), self.tell)

    async def tell(self, end):
        self.outcomes.append(end.outcome)
        self.errors.append(end.error)


class Counting:
    """A source that counts what was pulled from it, giving the loop a turn for each chunk."""

    def __init__(self, total=100_000):
        self.pulled = 0
        self.total = total
        self.closed = 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        self.pulled += 1
        return LAST if self.pulled > self.total else ChatStreamChunk(content="x")

    async def aclose(self):
        self.closed += 1


def streaming(source):
    return MockProvider(chat_stream_func=lambda request: ChatStream(source))


def loop_threads():
    return [thread for thread in threading.enumerate() if thread.name == "aiclient"]


@pytest.fixture
def client():
    with Client(MockProvider("one two three")) as client:
        yield client


def test_a_request_can_be_estimated_before_it_is_sent():
    with Client(MockProvider("hi"), prices={"mock-model": {"input": 1000, "output": 2000}}) as client:
        found = client.new_request().user("two words").max_tokens(100).estimate(output_tokens=3)
        assert (found.output_tokens, client.estimate("two words").prompt_tokens) == (3, found.prompt_tokens)


def test_a_call_answers(client):
    assert client.new_request().user("hi").do().message.content == "one two three"
    assert client.chat("hi").provider == "mock"


def test_a_stream_gives_its_text_and_its_response(client):
    with client.new_request().user("hi").stream() as stream:
        assert list(stream.text) == ["one ", "two ", "three"]
    assert stream.response.usage.completion_tokens == 3


def test_embed_answers(client):
    assert len(client.embed("hi").vector) == 8


def test_nothing_runs_before_the_first_call():
    before = len(loop_threads())
    Client(MockProvider())
    assert len(loop_threads()) == before


def test_layers_and_retries_work_as_in_async():
    clock = FakeClock()
    with Client(MockProvider([ServerError("no"), "yes"])).use(Retry(clock=clock)) as client:
        assert len(client.chat("hi").attempts) == 2
    assert len(clock.slept) == 1


def test_errors_arrive_as_they_are():
    with Client(MockProvider(ServerError("no", status_code=500))) as client, pytest.raises(ServerError) as caught:
        client.chat("hi")
    assert caught.value.attempts[0].status_code == 500


def test_a_stream_that_cannot_be_opened_raises_where_it_is_opened():
    with Client(MockProvider(ServerError("no"))) as client, pytest.raises(ServerError):
        client.chat_stream("hi")


def test_a_stream_that_breaks_off_gives_what_came_and_then_its_error():
    mock = MockProvider((ChatStreamChunk(content="half"), ServerError("cut")))
    with Client(mock) as client, client.chat_stream("hi") as stream:
        assert next(stream).content == "half"
        with pytest.raises(StreamInterruptedError) as caught:
            next(stream)
        assert caught.value.partial.message.content == "half"
        with pytest.raises(StreamInterruptedError):
            _ = stream.response


def test_an_early_break_is_abandoned_and_closes_the_source():
    source, ends = Counting(), Ends()
    with Client(streaming(source)).use(ends) as client:
        with client.chat_stream("hi") as stream:
            next(stream)
        assert ends.outcomes == ["abandoned"]
        assert source.closed == 1
        assert list(stream) == []


def test_the_pump_reads_at_most_64_chunks_ahead():
    source = Counting()
    with Client(streaming(source)) as client, client.chat_stream("hi") as stream:
        for _ in range(100):
            next(stream)
        client.chat_stream  # noqa: B018  # keeps the client alive: its thread ends with it
        assert source.pulled <= 100 + 64 + 1


def test_partial_may_run_ahead_and_never_raises():
    source = Counting(total=10)
    with Client(streaming(source)) as client, client.chat_stream("hi") as stream:
        next(stream)
        assert set(stream.partial.message.content) == {"x"}
        assert len(list(stream)) == 10


def test_closing_a_stream_after_its_end_does_nothing(client):
    with client.chat_stream("hi") as stream:
        list(stream)
    stream.close()
    assert stream.response.finish_reason == "stop"


def test_a_dropped_stream_warns():
    with Client(streaming(Counting())) as client:
        stream = client.chat_stream("hi")
        next(stream)
        with pytest.warns(ResourceWarning, match="unclosed Stream"):
            del stream
            gc.collect()


def test_one_hundred_threads_share_one_loop_thread():
    before = len(loop_threads())
    answers = []
    with Client(MockProvider(lambda request: request.messages[0].content)) as client:

        def work(number):
            answers.extend(client.chat(f"{number}-{call}").message.content for call in range(10))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(loop_threads()) == before + 1
    assert sorted(answers) == sorted(f"{number}-{call}" for number in range(100) for call in range(10))


def test_it_works_where_an_event_loop_is_running():
    async def main():
        with Client(MockProvider("fine")) as client:
            return client.chat("hi").message.content

    assert asyncio.run(main()) == "fine"


def test_context_variables_are_seen_inside():
    variable = contextvars.ContextVar("variable", default="unset")
    with Client(MockProvider(lambda request: variable.get())) as client:
        variable.set("set by the caller")
        assert client.chat("hi").message.content == "set by the caller"


def test_calling_it_on_its_own_loop_thread_is_an_error_and_not_a_deadlock():
    holder = []
    client = Client(MockProvider(lambda request: holder[0].chat("again")))
    holder.append(client)
    with pytest.raises(aiclient.AIClientError, match="own event loop"):
        client.chat("hi")
    client.close()


def test_a_closed_client_refuses_calls_and_its_thread_is_gone():
    before = len(loop_threads())
    client = Client(MockProvider())
    client.chat("hi")
    client.close()
    client.close()
    assert len(loop_threads()) == before
    with pytest.raises(ClientClosedError):
        client.chat("hi")
    with pytest.raises(ClientClosedError):
        client.chat_stream("hi")
    assert len(loop_threads()) == before


def test_a_client_that_is_dropped_takes_its_thread_along():
    before = len(loop_threads())
    client = Client(MockProvider())
    client.chat("hi")
    del client
    gc.collect()
    assert len(loop_threads()) == before


def test_a_derived_client_shares_the_thread_and_does_not_end_it():
    with Client(MockProvider()) as parent:
        parent.chat("hi")
        before = len(loop_threads())
        with parent.derive(Ends()) as child:
            child.chat("hi")
            assert len(loop_threads()) == before
        assert parent.chat("hi").message.content == "Mock response"


def test_what_was_derived_from_a_client_that_is_dropped_goes_on():
    derived = Client(MockProvider("fine")).derive()
    gc.collect()
    assert derived.chat("hi").message.content == "fine"


def test_a_stream_of_a_client_that_is_dropped_goes_on():
    with Client(MockProvider("word " * 200)).chat_stream("hi") as stream:
        gc.collect()
        assert len(list(stream.text)) == 200


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_gets_a_thread_of_its_own():
    with Client(MockProvider("fine")) as client:
        client.chat("hi")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of fork with threads: that is the point
            child = os.fork()
        if child == 0:
            ok = False
            try:
                ok = client.chat("hi").message.content == "fine"
            finally:
                os._exit(0 if ok else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert client.chat("hi").message.content == "fine"


def _in_a_forked_child(work):
    """Return the exit status of a child that does `work`: 0 if that is true, -14 if it hangs for ten seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        ok = False
        try:
            signal.alarm(10)
            ok = work()
        finally:
            os._exit(0 if ok else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_waits_for_nothing_that_its_parent_has_open():
    long = [ChatStreamChunk(content="word ")] * 500
    with Client(MockProvider((*long, LAST))) as client, client.chat_stream("hi") as stream:

        def leave():
            with stream, pytest.raises(StreamClosedError, match="process"):
                list(stream)
            client.close(grace=5)
            return stream.partial.message.content != ""

        assert _in_a_forked_child(leave) == 0
        assert len(list(stream.text)) == 500


class Held(Layer):
    """Says when a call is inside, and keeps it there."""

    def __init__(self):
        self.inside, self.release = threading.Event(), threading.Event()

    async def around(self, request, inner, call_next):
        self.inside.set()
        while not self.release.is_set():  # noqa: ASYNC110  # a thread sets it
            await asyncio.sleep(0)
        return await call_next(request)


STATEFUL = {
    "budget": lambda: Budget(tokens=100_000),
    "shared_budget": lambda: Budget(tokens=100_000, ledger=Ledger(store=MemoryStore())),
    "concurrency": lambda: Concurrency(1),
    "single_flight": lambda: SingleFlight(sampled=True),
    "load_balance": lambda: LoadBalance(MockProvider(name="spare"), by="in_flight"),
    "breaker": CircuitBreaker,
    "cache": lambda: Cache(sampled=True),
    "retry": Retry,
    "rate_limit": lambda: RateLimit(requests=1, per=60),
}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("layer", STATEFUL.values(), ids=STATEFUL)
def test_a_forked_child_waits_for_no_call_of_its_parent(layer):
    held = Held()
    with Client(MockProvider("fine")).use(layer(), held) as client:
        caller = threading.Thread(target=client.chat, args=("hi",))
        caller.start()
        held.inside.wait()

        def call():
            held.release = threading.Event()
            held.release.set()
            return client.chat("hi").message.content in {"fine", "Mock response"}

        status = _in_a_forked_child(call)
        held.release.set()
        caller.join()
    assert status == 0


def _locks(thing):
    """Find the locks of a layer, and of what it is made of."""
    if type(thing).__module__.startswith("aiclient") and hasattr(thing, "__dict__"):
        if hasattr(thing, "_lock"):
            yield thing._lock
        for part in vars(thing).values():
            yield from _locks(part)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("layer", STATEFUL.values(), ids=STATEFUL)
def test_a_lock_that_a_thread_of_the_parent_held_is_free_in_a_forked_child(layer):
    made = layer()
    with Client(MockProvider("fine")).use(made) as client:
        client.chat("hello")
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(lock) for lock in set(_locks(made))]
            status = _in_a_forked_child(lambda: client.chat("hi").message.content in {"fine", "Mock response"})
    assert status == 0 and held


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_an_exit_that_is_raised_inside_a_call_reaches_its_caller_and_spares_the_next(ending):
    heard = []

    def leave(_):
        raise ending

    def calls(client):
        with pytest.raises(ending):
            client.chat("hi")
        heard.append(client.embed("hi").vector)
        client.close()

    caller = threading.Thread(target=calls, args=(Client(MockProvider(leave)),), daemon=True)
    caller.start()
    caller.join(5)
    assert len(heard) == 1 and not caller.is_alive()


class Interrupted(BaseException):
    """What the signal handler raises in these tests, as Ctrl-C raises KeyboardInterrupt."""


@pytest.fixture
def interrupt_me():
    """Return a function that interrupts the main thread, as Ctrl-C does."""

    def handler(*_):
        raise Interrupted

    old = signal.signal(signal.SIGUSR1, handler)
    yield lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, old)


def test_an_interrupted_call_is_cancelled_before_the_interruption_goes_on(interrupt_me):
    cancelled = []

    async def hang(request):
        interrupt_me()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with Client(MockProvider(hang)) as client:
        with pytest.raises(Interrupted):
            client.chat("hi")
        assert cancelled == [True]


def test_an_interrupted_stream_ends_as_cancelled(interrupt_me):
    reading = threading.Event()

    class Hanging(Counting):
        async def __anext__(self):
            if self.pulled:
                while not reading.is_set():  # noqa: ASYNC110  # a thread sets it
                    await asyncio.sleep(0)
                interrupt_me()
                await asyncio.Event().wait()
            return await super().__anext__()

    source, ends = Hanging(), Ends()
    with Client(streaming(source)).use(ends) as client:
        with pytest.raises(Interrupted), client.chat_stream("hi") as stream:
            for _ in stream:
                reading.set()
        assert ends.outcomes == ["cancelled"], ends.errors
        assert source.closed == 1


def test_closing_the_client_ends_a_stream_that_is_open():
    source = Counting()
    client = Client(streaming(source))
    with client.chat_stream("hi") as stream:
        next(stream)
        client.close()
        with pytest.raises(ClientClosedError):
            list(stream)
    assert source.closed == 1


def test_the_surface_is_that_of_the_async_client(client):
    surface = {name for name in dir(aiclient.AsyncClient) if not name.startswith("_")}
    assert surface - {name for name in dir(Client) if not name.startswith("_")} == {"aclose", "inner"}
    assert repr(client) == "Client(mock, 0 layers)"
    assert client.explain().startswith("Client (mock)")
    retry = Retry()
    assert client.use(retry).middleware == (retry,)
    assert client.remove(retry).middleware == ()
