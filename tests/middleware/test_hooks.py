"""Functions of one's own are told what happens, in order, and change nothing."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading

import attrs
import pytest

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.client import AsyncClient
from aiclient.context import CallContext, CallEvent
from aiclient.errors import ClientClosedError, ConfigError, ConnectError, ServerError, StreamInterruptedError
from aiclient.layer import Layer
from aiclient.messages import Message
from aiclient.middleware import DryRun, Fallback, HookContext, Hooks, Retry
from aiclient.opening import collect
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import ChatResponse, EmbeddingResponse
from aiclient.sync.client import Client
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")], ChatOptions(tags={"team": "a"}))
EMBED = EmbeddingRequest("hi", tags={"team": "a"})
A, B = ChatStreamChunk(content="a"), ChatStreamChunk(content="b")
LAST = ChatStreamChunk(finish_reason="stop", last=True)
EVENTS = ["before_request", "after_response", "on_error", "on_retry", "on_fallback", "on_chunk"]
AWAITED, PLAIN = EVENTS[:3], EVENTS[3:]


async def chat(provider, context=None):
    return await opened(REQUEST, provider.chat, context)


async def stream(provider, context=None):
    return await collect(opened(REQUEST, provider.chat_stream, context))


async def embed(provider, context=None):
    return await opened(EMBED, provider.embeddings, context)


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])
CHATS = pytest.mark.parametrize("call", [chat, stream], ids=["chat", "stream"])
KINDS = {chat: "chat", stream: "chat_stream", embed: "embeddings"}


class Heard:
    """Hooks on every event, and what they were told, in order."""

    def __init__(self, events=EVENTS):
        self.all = []
        self.hooks = Hooks(**{event: functools.partial(self._hear, event) for event in events})

    def _hear(self, event, context, thing):
        self.all.append((event, context, thing))

    @property
    def events(self):
        return [event for event, _, _ in self.all]

    def of(self, event):
        """The only (context, thing) of an event."""
        (found,) = [(context, thing) for name, context, thing in self.all if name == event]
        return found


@pytest.fixture
def heard():
    return Heard()


# --- what is told when ---


@PATHS
async def test_a_request_is_told_before_it_and_its_answer_after(call):
    heard = Heard(AWAITED)
    answer = await call(chain([heard.hooks], MockProvider("yes", name="p", model="m")))
    assert heard.events == ["before_request", "after_response"]
    assert heard.of("before_request")[1] == (EMBED if call is embed else REQUEST)
    told = heard.of("after_response")[1]
    assert attrs.evolve(told, attempts=answer.attempts) == answer and told.provider == "p"


@PATHS
async def test_a_failure_is_told_as_it_is(heard, call):
    with pytest.raises(ServerError) as caught:
        await call(chain([heard.hooks], MockProvider(ServerError("down"))))
    assert heard.events == ["before_request", "on_error"]
    assert heard.of("on_error")[1] is caught.value


@PATHS
async def test_a_request_is_told_before_anything_is_sent(call):
    mock = MockProvider("yes")
    sent = []
    await call(Hooks(before_request=lambda *_: sent.append(mock.calls))(mock))
    assert (sent, mock.calls) == ([0], 1)


async def test_a_request_is_told_without_the_context_of_its_call(heard):
    await chat(heard.hooks(MockProvider()), CallContext())
    assert heard.of("before_request")[1].context is None


async def test_every_chunk_is_told_when_it_is_handed_out_and_the_answer_at_the_end(heard):
    async with await opened(REQUEST, heard.hooks(MockProvider((A, B, LAST))).chat_stream) as open_stream:
        assert heard.events == ["before_request"]
        assert await anext(open_stream) == A
        assert heard.events == ["before_request", "on_chunk"]
        assert [chunk async for chunk in open_stream] == [B, LAST]
    assert heard.events == ["before_request", "on_chunk", "on_chunk", "on_chunk", "after_response"]
    assert [thing for event, _, thing in heard.all if event == "on_chunk"] == [A, B, LAST]
    assert heard.of("after_response")[1].message.content == "ab"


async def test_a_chunk_that_another_layer_has_read_ahead_is_told_when_it_is_handed_out(heard):
    class Ahead(Layer):
        async def chat_stream(self, request, inner):
            open_stream = await inner.chat_stream(request)
            await open_stream.commit()
            return open_stream

    provider = chain([Ahead(), heard.hooks], MockProvider((A, LAST)))
    async with await opened(REQUEST, provider.chat_stream) as open_stream:
        assert heard.events == ["before_request"]
        assert [chunk async for chunk in open_stream] == [A, LAST]
    assert heard.events.count("on_chunk") == 2


async def test_a_stream_that_fails_before_its_first_output_is_told_as_an_error(heard):
    with pytest.raises(ServerError):
        await stream(heard.hooks(MockProvider((ChatStreamChunk(id="r"), ServerError()))))
    assert heard.events == ["before_request", "on_chunk", "on_error"]


async def test_a_stream_that_fails_after_its_first_output_is_told_with_what_had_come(heard):
    with pytest.raises(StreamInterruptedError):
        await stream(heard.hooks(MockProvider((A, ServerError()))))
    assert heard.events == ["before_request", "on_chunk", "on_error"]
    error = heard.of("on_error")[1]
    assert isinstance(error, StreamInterruptedError) and error.partial.message.content == "a"


async def test_a_stream_that_is_left_early_has_no_end_that_is_told(heard):
    context = CallContext()
    async with await opened(REQUEST, heard.hooks(MockProvider((A, B, LAST))).chat_stream, context) as open_stream:
        await anext(open_stream)
    assert heard.events == ["before_request", "on_chunk"] and context.observers == []


async def test_a_stream_closed_from_elsewhere_has_no_end_that_is_told(heard):
    open_stream = await opened(REQUEST, heard.hooks(MockProvider((A, LAST))).chat_stream)
    await open_stream.interrupt(ClientClosedError("closed"))
    assert isinstance(open_stream.end.error, ClientClosedError) and heard.events == ["before_request"]


@PATHS
async def test_a_cancelled_call_has_no_end_that_is_told(heard, call):
    class Hangs(Layer):
        async def around(self, request, inner, call_next):
            await asyncio.Event().wait()

    context = CallContext()
    task = asyncio.create_task(call(chain([heard.hooks, Hangs()], MockProvider()), context))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert heard.events == ["before_request"] and context.observers == []


async def test_a_reader_who_is_cancelled_has_no_end_that_is_told(heard):
    open_stream = await opened(REQUEST, heard.hooks(MockProvider((A, LAST))).chat_stream)
    await open_stream.__aexit__(asyncio.CancelledError, asyncio.CancelledError(), None)
    assert open_stream.end.outcome == "cancelled" and heard.events == ["before_request"]


@PATHS
async def test_a_dry_run_is_no_error(heard, call):
    await call(chain([DryRun(), heard.hooks], MockProvider()))
    assert heard.events == ["before_request"]


async def test_a_bug_is_told_as_an_error(heard):
    def bug(_):
        raise KeyError("x")

    with pytest.raises(KeyError):
        await chat(heard.hooks(MockProvider(bug)))
    assert isinstance(heard.of("on_error")[1], KeyError)


async def test_the_end_of_the_program_is_not_told(heard):
    class Leaving(Layer):
        async def around(self, request, inner, call_next):
            raise GeneratorExit

    with pytest.raises(GeneratorExit):
        await chat(chain([heard.hooks, Leaving()], MockProvider()))
    assert heard.events == ["before_request"]


# --- retries and fallbacks ---


@CHATS
async def test_a_retry_inside_is_told_with_its_delay_and_reason(heard, clock, call):
    mock = MockProvider([ServerError(), "yes"], name="p", model="m")
    await call(chain([heard.hooks, Retry()], mock), CallContext(clock=clock))
    assert [event for event in heard.events if event != "on_chunk"] == ["before_request", "on_retry", "after_response"]
    context, event = heard.of("on_retry")
    assert (event.kind, event.category, event.delay, event.number) == ("retry", "server", clock.slept[0], 1)
    assert (context.attempt, context.provider, [attempt.number for attempt in context.journal]) == (1, "p", [1])
    assert heard.of("after_response")[0].attempt == 2


async def test_inside_retry_every_attempt_is_told_and_no_observer_is_left(heard, clock):
    context = CallContext(clock=clock)
    await chat(chain([Retry(), heard.hooks], MockProvider([ServerError(), ServerError(), "yes"])), context)
    assert heard.events == ["before_request", "on_error"] * 2 + ["before_request", "after_response"]
    assert context.observers == []


class Falling(Layer):
    """Says that it falls over, as a fallback does."""

    async def around(self, request, inner, call_next):
        request.context.emit(CallEvent("fallback", "second", "m2", category="server", detail="second"))
        return await call_next(request)


@CHATS
async def test_a_fallback_is_told_with_who_failed_and_who_is_next(heard, call):
    first, second = (
        MockProvider(ServerError(), name="first", model="m1"),
        MockProvider("yes", name="second", model="m2"),
    )
    await call(chain([heard.hooks, Fallback(second)], first))
    context, event = heard.of("on_fallback")
    assert (event.kind, event.provider, event.category, event.detail) == ("fallback", "first", "server", "second")
    assert (context.provider, context.attempt) == ("first", 1)
    assert heard.of("after_response")[0].provider == "second" and "on_error" not in heard.events


@pytest.mark.parametrize("kind", ["hedge", "breaker", "limit", "cache"])
async def test_other_events_are_not_told(heard, kind):
    class Emits(Layer):
        async def around(self, request, inner, call_next):
            request.context.emit(CallEvent(kind))
            return await call_next(request)

    await chat(chain([heard.hooks, Emits()], MockProvider()))
    assert heard.events == ["before_request", "after_response"]


# --- the context ---


@PATHS
async def test_a_hook_is_told_which_call_it_is_and_when(clock, call):
    class Slow(Layer):
        async def around(self, request, inner, call_next):
            clock.advance(2)
            return await call_next(request)

    heard = Heard(AWAITED)
    start = clock.time()
    context = CallContext(clock=clock, id="call-1")
    await call(chain([heard.hooks, Slow()], MockProvider("yes", name="p", model="m")), context)
    first, last = heard.of("before_request")[0], heard.of("after_response")[0]
    common = {"call_id": "call-1", "kind": KINDS[call], "provider": "p", "model": "m", "tags": {"team": "a"}}
    assert first == HookContext(**common, attempt=0, time=start, elapsed=0.0)
    assert last == HookContext(**common, attempt=1, time=start + 2, elapsed=2.0, journal=tuple(context.journal))


async def test_the_context_cannot_be_changed():
    def spoil(context, _):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            context.attempt = 9
        with pytest.raises(TypeError):
            context.tags["team"] = "b"
        spoiled.append(context)

    spoiled = []
    await chat(Hooks(before_request=spoil)(MockProvider()))
    assert len(spoiled) == 1


async def test_the_provider_that_was_asked_last_is_the_one_of_a_chunk(heard):
    class Other(Layer):
        async def chat_stream(self, request, inner):
            return await chain([], MockProvider((A, LAST), name="other", model="m2")).chat_stream(request)

    await stream(chain([heard.hooks, Other()], MockProvider(name="first", model="m1")))
    assert heard.of("before_request")[0].provider == "first"
    assert {(context.provider, context.model) for event, context, _ in heard.all if event == "on_chunk"} == {
        ("other", "m2")
    }


async def test_an_answer_and_an_error_say_themselves_who_they_are_from(heard):
    answers = iter([ChatResponse(Message("assistant"), provider="x", model="mx")])

    class Own(Layer):
        async def around(self, request, inner, call_next):
            for answer in answers:
                return answer
            raise ServerError(provider="y", model="my")

    provider = heard.hooks(Own()(MockProvider()))
    await chat(provider)
    with pytest.raises(ServerError):
        await chat(provider)
    found = [(context.provider, context.model) for event, context, _ in heard.all if event != "before_request"]
    assert found == [("x", "mx"), ("y", "my")]


# --- several, in order ---


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_takes_one_function_or_several(event):
    assert repr(Hooks(**{event: print})) == f"Hooks({event}=1)"
    assert repr(Hooks(**{event: [print, repr]})) == f"Hooks({event}=2)"
    assert repr(Hooks(**{event: None})) == "Hooks()"


async def test_several_are_told_in_the_order_of_registration():
    order = []
    hooks = Hooks(before_request=[lambda *_: order.append(1), lambda *_: order.append(2)])
    hooks.add("before_request", lambda *_: order.append(3)).add("before_request", lambda *_: order.append(4))
    await chat(hooks(MockProvider()))
    assert order == [1, 2, 3, 4]


async def test_async_functions_are_waited_for_in_their_turn():
    order = []

    async def slow(*_):
        await asyncio.sleep(0)
        order.append("slow")

    mock = MockProvider(lambda _: order.append("sent") or "yes")
    await chat(Hooks(before_request=[slow, lambda *_: order.append("quick")])(mock))
    assert order == ["slow", "quick", "sent"]


@PATHS
@pytest.mark.parametrize("event", AWAITED)
async def test_the_first_three_events_wait_for_what_is_returned(call, event):
    waited = []

    class Hook:
        async def __call__(self, context, thing):
            await asyncio.sleep(0)
            waited.append(type(thing).__name__)

    reply = {"on_error": ServerError()}.get(event, "yes")
    await asyncio.gather(call(Hooks(**{event: Hook()})(MockProvider(reply))), return_exceptions=True)
    assert len(waited) == 1


async def test_a_call_under_way_goes_on_with_the_hooks_it_began_with():
    heard, hooks = [], Hooks(before_request=lambda *_: hooks.add("after_response", lambda *_: heard.append("after")))
    await chat(hooks(MockProvider()))
    assert heard == []
    await chat(hooks(MockProvider()))
    assert heard == ["after"]


# --- what goes wrong in a hook ---


def bad(*_):
    raise ValueError("a customer's words")


async def bad_later(*_):
    await asyncio.sleep(0)
    raise ValueError("a customer's words")


async def own_cancellation(*_):
    raise asyncio.CancelledError


@PATHS
@pytest.mark.parametrize("event", ["before_request", "after_response"])
@pytest.mark.parametrize("hook", [bad, bad_later, own_cancellation])
async def test_a_hook_that_fails_is_logged_and_changes_nothing(caplog, call, event, hook):
    after = []
    answer = await call(
        chain([Hooks(**{event: [hook, lambda *_: after.append(event)]})], MockProvider("yes", name="p"))
    )
    assert answer.provider == "p" and after == [event]
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("aiclient.hooks", logging.ERROR)
    assert (record.aiclient["hook"], record.aiclient["event"]) == (hook.__name__, event)
    assert f"the hook {hook.__name__} for {event} raised {record.aiclient['error']} at " in record.getMessage()
    assert "customer" not in caplog.text and "test_hooks.py" in record.aiclient["trace"][-1]


@PATHS
@pytest.mark.parametrize("hook", [bad, bad_later, own_cancellation])
async def test_a_hook_that_fails_on_an_error_leaves_the_error(caplog, call, hook):
    with pytest.raises(ServerError, match="down") as caught:
        await call(Hooks(on_error=hook)(MockProvider(ServerError("down"))))
    assert len(caplog.records) == 1 and not hasattr(caught.value, "__notes__")


def cancelling(*_):
    raise asyncio.CancelledError


@pytest.mark.parametrize("hook", [bad, cancelling])
@pytest.mark.parametrize("event", ["on_retry", "on_fallback", "on_chunk"])
async def test_a_plain_hook_that_fails_changes_nothing_and_is_logged_once_for_a_call(caplog, clock, event, hook):
    after = []
    hooks = Hooks(**{event: [hook, lambda *_: after.append(event)]})
    mock = MockProvider([ServerError(), ServerError(), (A, B, LAST)])
    answer = await stream(chain([hooks, Retry(), Falling()], mock), CallContext(clock=clock))
    assert answer.message.content == "ab" and len(after) >= 2
    assert [record.aiclient["event"] for record in caplog.records] == [event]


@pytest.mark.parametrize("event", ["on_retry", "on_fallback", "on_chunk"])
async def test_a_plain_hook_that_turns_out_to_be_async_is_logged_and_leaves_no_warning(caplog, clock, event):
    async def late():
        raise AssertionError("never runs")

    hooks = Hooks(**{event: lambda *_: late()})
    await stream(chain([hooks, Retry(), Falling()], MockProvider([ServerError(), (A, LAST)])), CallContext(clock=clock))
    (record,) = caplog.records
    assert "did nothing: " in record.getMessage() and "give a plain one" in record.getMessage()


async def test_a_plain_hook_may_start_a_task():
    done = []

    async def work():
        done.append("worked")

    tasks = []
    await stream(Hooks(on_chunk=lambda *_: tasks.append(asyncio.ensure_future(work())))(MockProvider((A, LAST))))
    await asyncio.gather(*tasks)
    assert done == ["worked"] * 2


async def test_a_function_that_fails_on_two_events_is_logged_for_both(caplog):
    await chat(Hooks(before_request=bad, after_response=bad)(MockProvider()))
    assert [record.aiclient["event"] for record in caplog.records] == ["before_request", "after_response"]


async def test_an_object_that_cannot_be_hashed_may_be_a_hook(caplog):
    class Hook:
        __hash__ = None

        def __call__(self, *_):
            raise ValueError

    await chat(Hooks(before_request=Hook())(MockProvider()))
    assert caplog.records[0].aiclient["hook"].endswith("Hook")


async def test_a_partial_is_logged_by_the_name_of_its_function(caplog):
    await chat(Hooks(before_request=functools.partial(bad))(MockProvider()))
    assert caplog.records[0].aiclient["hook"] == "bad"


@PATHS
@pytest.mark.parametrize("event", ["before_request", "after_response"])
async def test_a_cancellation_while_a_hook_waits_goes_through(caplog, call, event):
    async def hangs(*_):
        await asyncio.Event().wait()

    context = CallContext()
    task = asyncio.create_task(call(chain([Hooks(**{event: hangs})], MockProvider("yes")), context))
    for _ in range(8):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert caplog.records == [] and context.observers == []


# --- cost, users, cancellation ---


@PATHS
async def test_without_hooks_the_call_passes_by(call):
    seen = []

    class Look(Layer):
        async def around(self, request, inner, call_next):
            seen.append(list(request.context.observers))
            return await call_next(request)

    await call(chain([Hooks(), Look()], MockProvider()))
    assert seen == [[]]


async def test_without_a_hook_for_chunks_nothing_is_attached_to_them():
    provider = Hooks(before_request=lambda *_: None)(MockProvider((A, LAST)))
    async with await opened(REQUEST, provider.chat_stream) as open_stream:
        assert open_stream._see == ()
    await stream(provider)


async def test_the_stream_is_handed_on_as_it_is(heard):
    given = await MockProvider("yes").chat_stream(REQUEST)
    assert await heard.hooks(MockProvider(chat_stream_func=lambda _: given)).chat_stream(REQUEST) is given
    await given.close()


@PATHS
async def test_two_users_at_once_are_told_apart(call):
    heard = Heard(AWAITED)
    provider = chain([heard.hooks], MockProvider())
    await asyncio.gather(call(provider, CallContext(id="one")), call(provider, CallContext(id="two")))
    for id_ in ("one", "two"):
        events = [event for event, context, _ in heard.all if context.call_id == id_]
        assert events == ["before_request", "after_response"]


def test_one_instance_serves_threads_with_a_loop_each_while_hooks_are_added():
    heard, hooks = [], Hooks(after_response=lambda context, _: heard.append(context.call_id))

    def calls():
        with Client(MockProvider("yes")).use(hooks) as client:
            for _ in range(20):
                client.chat("hi")
                hooks.add("on_chunk", lambda *_: None)

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(heard)) == 80 and repr(hooks) == "Hooks(after_response=1, on_chunk=80)"


def test_hooks_are_added_under_the_lock():
    hooks = Hooks()
    with hooks._lock:
        thread = threading.Thread(target=hooks.add, args=("on_chunk", print))
        thread.start()
        thread.join(0.05)
        assert thread.is_alive() and repr(hooks) == "Hooks()"
    thread.join()
    assert repr(hooks) == "Hooks(on_chunk=1)"


async def test_an_embeddings_answer_is_told_as_such(heard):
    async with AsyncClient(MockProvider()).use(heard.hooks) as client:
        await client.embed("hi")
    assert isinstance(heard.of("after_response")[1], EmbeddingResponse)


@PATHS
@pytest.mark.parametrize("reply", ["yes", ConnectError()], ids=["answer", "error"])
async def test_a_cancellation_at_any_step_tells_one_end_or_none_and_leaves_no_observer(
    at_every_step, clock, call, reply
):
    def scene():
        heard, context = Heard(PLAIN), CallContext(clock=clock)

        def hear(event):
            async def hook(moment, thing):
                await asyncio.sleep(0)
                heard.all.append((event, moment, thing))

            return hook

        for event in AWAITED:
            heard.hooks.add(event, hear(event))

        def verify(task):
            ends = [event for event in heard.events if event in ("after_response", "on_error")]
            assert len(ends) <= 1 and context.observers == []
            assert task.cancelled() or len(ends) == 1 or task.exception() is not None

        return call(chain([heard.hooks], MockProvider(reply)), context), verify

    assert await at_every_step(scene) > 12


# --- options ---


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("given", [5, "print", [5], [print, None]], ids=repr)
def test_what_is_no_function_is_refused(event, given):
    with pytest.raises(ConfigError, match=f"{event}(=.* must be a function or several| takes a function, not )"):
        Hooks(**{event: given})


class AsyncHook:
    async def __call__(self, *_):
        raise AssertionError


@pytest.mark.parametrize("event", PLAIN)
@pytest.mark.parametrize(
    "hook", [bad_later, functools.partial(bad_later), AsyncHook()], ids=["async", "partial", "object"]
)
def test_an_async_function_where_the_call_cannot_wait_is_refused_with_the_reason(event, hook):
    with pytest.raises(ConfigError, match=f"{event} is told where the call cannot wait.*give a plain one instead of"):
        Hooks(**{event: hook})
    with pytest.raises(ConfigError, match=f"{event} is told where the call cannot wait"):
        Hooks().add(event, hook)


@pytest.mark.parametrize(
    ("event", "hint"),
    [("on_retri", "did you mean 'on_retry'"), ("zzz", "there are before_request, after_"), (5, "there are")],
)
def test_an_unknown_event_is_refused_with_a_suggestion(event, hint):
    with pytest.raises(ConfigError, match=f"hooks have no event {event!r}; {hint}"):
        Hooks().add(event, print)


def test_a_refused_function_changes_nothing():
    hooks = Hooks(on_chunk=print)
    with pytest.raises(ConfigError):
        hooks.add("on_chunk", 5)
    assert repr(hooks) == "Hooks(on_chunk=1)"
