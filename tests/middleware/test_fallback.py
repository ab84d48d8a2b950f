"""Asking the next target when one fails."""

from __future__ import annotations

import asyncio
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.client import AsyncClient
from aiclient.composition import compose, destinations
from aiclient.context import CallContext, Timeouts
from aiclient.errors import (
    AllProvidersFailedError,
    AuthenticationError,
    BudgetExceededError,
    CircuitOpenError,
    ConfigError,
    ConnectError,
    ContextLengthError,
    DryRunStop,
    ModelNotFoundError,
    OverloadedError,
    ProtocolError,
    QuotaExceededError,
    RateLimitError,
    ResponseValidationError,
    ServerError,
    StreamInterruptedError,
    TimeoutError,
)
from aiclient.explain import explain
from aiclient.layer import Layer, Wrapper
from aiclient.messages import Message
from aiclient.middleware import Fallback, Retry, Target
from aiclient.opening import collect
from aiclient.provider import BaseProvider, opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.response import EmbeddingResponse
from aiclient.stream import ChatStream
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")])
HEAD, A, LAST = ChatStreamChunk(id="r1"), ChatStreamChunk(content="a"), ChatStreamChunk(finish_reason="stop", last=True)


class Script(MockProvider):
    """Gives its replies to embeddings too, as the model's name, and remembers what it was asked."""

    def __init__(self, reply=None, *, name="a", **more):
        super().__init__(reply, name=name, **more)
        self.asked = []

    async def chat(self, request, /):
        self.asked.append(request)
        return await super().chat(request)

    async def chat_stream(self, request, /):
        self.asked.append(request)
        return await super().chat_stream(request)

    async def embeddings(self, request, /):
        self.asked.append(request)
        answer = await super().chat(ChatRequest([Message("user", request.input[0])]))
        return EmbeddingResponse([[1.0]], model=answer.message.content)


def call_context(clock, **more):
    return CallContext(clock=clock, timeouts=Timeouts(total=None), **more)


async def chat(provider, context, model=None):
    request = ChatRequest(REQUEST.messages, ChatOptions(model=model, temperature=0.5))
    return (await opened(request, provider.chat, context)).message.content


async def stream(provider, context, model=None):
    request = ChatRequest(REQUEST.messages, ChatOptions(model=model, temperature=0.5))
    return (await collect(opened(request, provider.chat_stream, context))).message.content


async def embed(provider, context, model=None):
    return (await opened(EmbeddingRequest("hi", model, 3), provider.embeddings, context)).model


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])


def named(*providers):
    """Targets that name a model, so that embeddings may go there too."""
    return [Target(provider, model="m") for provider in providers]


def chained(primary, *others, **options):
    return chain([Fallback(*named(*others), **options)], primary)


def trio(a, b="b", c="c"):
    return Script(a, name="a"), Script(b, name="b"), Script(c, name="c")


# --- who is asked ---


@PATHS
async def test_a_success_asks_nobody_else(call, clock):
    a, b, c = trio("a")
    context = call_context(clock)
    assert await call(chained(a, b, c), context) == "a"
    assert (a.calls, b.calls, c.calls, context.extra_attempts) == (1, 0, 0, 5)


@PATHS
@pytest.mark.parametrize(
    "error",
    [
        ServerError(),
        OverloadedError(),
        RateLimitError(),
        QuotaExceededError(),
        ModelNotFoundError(),
        ConnectError(),
        TimeoutError(phase="first_output"),
        ProtocolError(),
        CircuitOpenError(),
        RateLimitError(kind="local"),
    ],
    ids=lambda error: f"{type(error).__name__}-{error.kind}",
)
async def test_an_error_that_another_may_not_have_leads_to_the_next(call, clock, error):
    a, b, c = trio(error)
    assert await call(chained(a, b, c), call_context(clock)) == "b"
    assert (a.calls, b.calls, c.calls) == (1, 1, 0)


@PATHS
@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError(),
        ContextLengthError(),
        BudgetExceededError(),
        ResponseValidationError(),
        TimeoutError(phase="total"),
        ConfigError(),
        StreamInterruptedError(kind="server"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_that_everyone_would_have_is_raised_unchanged(call, clock, error):
    a, b, c = trio(error)
    with pytest.raises(type(error)):
        await call(chained(a, b, c), call_context(clock))
    assert (a.calls, b.calls) == (1, 0)


@PATHS
async def test_the_third_is_asked_when_the_second_fails_too(call, clock):
    a, b, c = trio(ServerError(), OverloadedError())
    assert await call(chained(a, b, c), call_context(clock)) == "c"


@PATHS
async def test_a_bug_leads_nowhere(call, clock):
    def bug(_):
        raise KeyError("x")

    a, b, _ = trio(bug)
    with pytest.raises(KeyError):
        await call(chained(a, b, on=lambda error: True), call_context(clock))
    assert b.calls == 0


@PATHS
@pytest.mark.parametrize(
    ("on", "error", "further"),
    [
        ({"authentication"}, AuthenticationError(), 1),
        ({"authentication"}, ServerError(), 0),
        (lambda error: error.status_code == 418, ServerError(status_code=418), 1),
        (lambda error: error.status_code == 418, ServerError(status_code=500), 0),
        ({"server"}, CircuitOpenError(), 1),
        ({"rate_limit", "authentication"}, CircuitOpenError(), 0),
        ({"server"}, AllProvidersFailedError(errors=[CircuitOpenError()]), 1),
        ({"policy"}, BudgetExceededError(), 1),
        ({"policy"}, DryRunStop(), 0),
        (lambda error: True, StreamInterruptedError(kind="server"), 0),
        (lambda error: True, DryRunStop(), 0),
    ],
    ids=range(11),
)
async def test_which_errors_lead_on_is_the_users_to_say(call, clock, on, error, further):
    a, b, _ = trio(error)
    await asyncio.gather(call(chained(a, b, on=on), call_context(clock)), return_exceptions=True)
    assert (a.calls, b.calls) == (1, further)


@PATHS
@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (ContextLengthError(), [1, 0, 0]),
        (RateLimitError(), [0, 1, 0]),
        (ServerError(status_code=418), [0, 0, 1]),
        (ServerError(), [0, 0, 0]),
        (CircuitOpenError(), [0, 0, 0]),
    ],
    ids=["category", "other", "function", "none", "open"],
)
async def test_a_target_may_say_which_errors_lead_to_it(call, clock, error, asked):
    a, b, c = trio(error)
    d = Script("d", name="d")
    targets = [
        Target(b, model="m", when={"context_length"}),
        Target(c, model="m", when=("rate_limit", "quota")),
        Target(d, model="m", when=lambda error: error.status_code == 418),
    ]
    await asyncio.gather(call(chain([Fallback(*targets)], a), call_context(clock)), return_exceptions=True)
    assert [mock.calls for mock in (b, c, d)] == asked


@PATHS
async def test_the_last_error_decides_who_is_next(call, clock):
    a, b, c = trio(ServerError(), ContextLengthError())
    fallback = Fallback(Target(b, model="m"), Target(c, model="m", when={"context_length"}))
    assert await call(chain([fallback], a), call_context(clock)) == "c"


# --- what is asked ---


@PATHS
@pytest.mark.parametrize(
    ("model", "options", "asked"),
    [
        ("theirs", {"model": "mine"}, "mine"),
        (None, {"model": "mine"}, "mine"),
        ("theirs", {"keep_model": True}, "theirs"),
        ("theirs", {"model": "mine", "keep_model": True}, "theirs"),
        (None, {"model": "mine", "keep_model": True}, "mine"),
    ],
    ids=range(5),
)
async def test_a_model_that_the_request_names_is_the_primarys_unless_kept(call, clock, model, options, asked):
    a, b, _ = trio(ServerError())
    await call(chain([Fallback(Target(b, **options))], a), call_context(clock), model)
    assert (a.asked[0].model, b.asked[0].model) == (model, asked)


@pytest.mark.parametrize("call", [chat, stream])
async def test_a_target_without_a_model_is_asked_for_its_own_default(call, clock):
    a, b, _ = trio(ServerError())
    await call(chain([Fallback(b)], a), call_context(clock), "theirs")
    assert b.asked[0].model is None


@PATHS
async def test_every_target_gets_the_original_request_and_the_same_context(call, clock):
    a, b, _ = trio(ServerError())
    spoiling = Wrapping(lambda request: ChatRequest([Message("user", "spoilt")], context=request.context))
    context = call_context(clock)
    primary = compose([spoiling], a)
    await call(chained(primary, b), context)
    assert b.asked[0].context is context
    assert getattr(b.asked[0], "messages", REQUEST.messages) == REQUEST.messages
    assert getattr(b.asked[0], "options", None) is None or b.asked[0].options.temperature == 0.5
    assert getattr(b.asked[0], "dimensions", 3) == 3


class Wrapping(Layer):
    """Changes chat requests on their way in."""

    def __init__(self, change):
        self.change = change

    async def around(self, request, inner, call_next):
        return await call_next(self.change(request) if isinstance(request, ChatRequest) else request)


async def test_vectors_of_another_model_are_not_given_unless_it_is_named(clock):
    a, b, c = trio(ServerError("mine"))
    with pytest.raises(ServerError, match="mine"):
        await embed(chain([Fallback(b, Target(c, keep_model=True))], a), call_context(clock))
    assert (b.calls, c.calls) == (0, 0)


# --- streams ---


@pytest.mark.parametrize(
    "broken",
    [(ServerError(),), (HEAD, ServerError()), (), (HEAD,)],
    ids=["at-once", "after-a-preamble", "empty", "truncated-preamble"],
)
async def test_a_stream_that_fails_before_its_first_output_is_replaced_unnoticed(clock, broken):
    a, b, _ = trio(broken, (HEAD, A, A, LAST))
    async with await opened(REQUEST, chained(a, b).chat_stream, call_context(clock)) as open_stream:
        assert [chunk async for chunk in open_stream] == [HEAD, A, A, LAST]
    assert open_stream.response.provider == "b"


@pytest.mark.parametrize(
    "broken",
    [(A, ServerError()), (A,), (ChatStreamChunk(reasoning="hm"), ServerError())],
    ids=["error", "truncated", "reasoning"],
)
async def test_after_its_first_output_a_stream_is_interrupted_and_nobody_else_is_asked(clock, broken):
    a, b, _ = trio(broken)
    with pytest.raises(StreamInterruptedError) as caught:
        await stream(chained(a, b), call_context(clock))
    assert b.calls == 0 and caught.value.partial is not None


class Source:
    """Chunks of a stream whose closing is counted."""

    def __init__(self, *chunks):
        self.chunks, self.closed = iter(chunks), 0

    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            return chunk
        raise StopAsyncIteration

    async def aclose(self):
        self.closed += 1
        await asyncio.sleep(0)


async def test_a_stream_that_failed_is_closed_before_the_next_is_asked(clock):
    source, closed = Source(HEAD, ServerError()), []

    def second(_):
        closed.append(source.closed)
        return (A, LAST)

    a, b = Script(name="a", chat_stream_func=lambda _: ChatStream(source)), Script(second, name="b")
    assert await stream(chained(a, b), call_context(clock)) == "a"
    assert closed == [1]


async def test_a_stream_is_closed_though_an_onlooker_has_a_bug(clock):
    source = Source(A, LAST)

    def look(_):
        opened_stream = ChatStream(source)
        opened_stream.on_first_output(lambda: {}["missing"])
        return opened_stream

    with pytest.raises(KeyError):
        await stream(Fallback(Script(name="b"))(Script(name="a", chat_stream_func=look)), call_context(clock))
    assert source.closed == 1


# --- what comes out when all fail ---


@PATHS
async def test_the_error_of_the_only_one_asked_is_the_very_same(call, clock):
    error = AuthenticationError("the key is wrong")

    class Failing(Layer):
        async def around(self, request, inner, call_next):
            raise error

    with pytest.raises(AuthenticationError) as caught:
        await call(chained(Failing()(MockProvider()), Script(name="b")), call_context(clock))
    assert caught.value is error and error.__cause__ is None and error.__context__ is None


@PATHS
async def test_several_failures_are_one_error_that_means_what_the_first_means(call, clock):
    a, b, c = trio(
        RateLimitError("slow\ndown", status_code=429, code="busy", request_id="r1", retry_after=7),
        ServerError("broken", status_code=500, retry_after=1),
        AuthenticationError("key"),
    )
    with pytest.raises(AllProvidersFailedError) as caught:
        await call(chained(a, b, c), call_context(clock))
    error = caught.value
    assert [type(one) for one in error.errors] == [RateLimitError, ServerError, AuthenticationError]
    assert error.__cause__ is error.errors[0] and error.__context__ is None
    assert (error.category, error.retryable, error.retry_after) == ("rate_limit", True, 7)
    assert (error.provider, error.model) == ("a", "mock-model")
    assert (error.status_code, error.code, error.request_id) == (429, "busy", "r1")
    assert [attempt.provider for attempt in error.attempts] == ["a", "b", "c"]
    assert str(error) == (
        "every target failed: a (RateLimitError 429), b:m (ServerError 500), c:m (AuthenticationError)"
    )


async def test_the_words_of_services_are_not_in_the_message_which_is_logged(clock):
    a, b, _ = trio(ServerError("you said: my secret"), ServerError("you said: my secret"))
    with pytest.raises(AllProvidersFailedError) as caught:
        await chat(chained(a, b), call_context(clock))
    assert "secret" not in str(caught.value)


async def test_the_error_of_all_survives_pickling(clock):
    a, b, _ = trio(ServerError("one"), OverloadedError("two"))
    with pytest.raises(AllProvidersFailedError) as caught:
        await chat(chained(a, b), call_context(clock))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert [str(error) for error in copy.errors] == ["one", "two"] and copy.category == "server"


@PATHS
@pytest.mark.parametrize(
    ("errors", "retry_after"),
    [
        ([CircuitOpenError(retry_after=9), CircuitOpenError(retry_after=4), CircuitOpenError(retry_after=6)], 4),
        ([CircuitOpenError(), CircuitOpenError(retry_after=4), RateLimitError(kind="local", retry_after=5)], 4),
        ([CircuitOpenError(), CircuitOpenError(), CircuitOpenError()], None),
        ([CircuitOpenError(retry_after=9), CircuitOpenError(retry_after=4), ServerError()], 9),
    ],
    ids=["all-open", "one-unknown", "unknown", "one-was-asked"],
)
async def test_with_all_circuits_open_it_is_worth_coming_back_when_the_first_of_them_closes(
    call, clock, errors, retry_after
):
    with pytest.raises(AllProvidersFailedError) as caught:
        await call(chained(*trio(*errors)), call_context(clock))
    assert caught.value.retry_after == retry_after


async def test_errors_are_freed_without_the_garbage_collector(clock):
    import gc
    import weakref

    class Held:
        pass

    gc.collect()
    gc.disable()
    try:
        held = Held()
        seen = weakref.ref(held)
        a, b, _ = trio(ServerError(), ServerError())
        provider = chained(a, b)
        request = ChatRequest([Message("user", "hi")], context=call_context(clock))
        request.context.tags = {"held": held}
        del held
        with pytest.raises(AllProvidersFailedError):
            await provider.chat(request)
        for mock in (a, b):
            mock.requests.clear()
            mock.asked.clear()
        del request
        assert seen() is None
    finally:
        gc.enable()


# --- attempts left, time, dry runs ---


@PATHS
@pytest.mark.parametrize(
    ("extras", "asked", "left", "error"),
    [
        (0, [1, 0, 0], 0, ServerError),
        (1, [1, 1, 0], 0, AllProvidersFailedError),
        (2, [1, 1, 1], 0, AllProvidersFailedError),
        (5, [1, 1, 1], 3, AllProvidersFailedError),
    ],
)
async def test_every_further_target_takes_one_of_the_attempts_left(call, clock, extras, asked, left, error):
    mocks = trio(ServerError(), ServerError(), ServerError())
    context = call_context(clock, extra_attempts=extras)
    with pytest.raises(error):
        await call(chained(*mocks), context)
    assert [mock.calls for mock in mocks] == asked and context.extra_attempts == left


@PATHS
async def test_without_a_journal_a_failure_is_still_not_taken_for_a_refusal(call, clock):
    a, b, _ = trio(ServerError("down"))
    with pytest.raises(ServerError, match="down"):
        await call(Fallback(*named(b))(a), call_context(clock, extra_attempts=0))
    assert b.calls == 0


class Refusing(Layer):
    """A breaker whose circuit is open."""

    async def around(self, request, inner, call_next):
        raise CircuitOpenError("open", provider=inner.name, retry_after=3)


@PATHS
async def test_an_open_circuit_takes_no_attempt(call, clock):
    a, b, c = trio("a", "b", "c")
    context = call_context(clock, extra_attempts=0)
    primary, second = (chain([Refusing()], mock) for mock in (a, b))
    assert await call(chained(primary, second, c), context) == "c"
    assert (a.calls, b.calls, context.extra_attempts) == (0, 0, 0)


@PATHS
async def test_after_a_refusal_the_attempt_that_was_taken_is_still_there(call, clock):
    a, b, c = trio(ServerError())
    context = call_context(clock, extra_attempts=1)
    assert await call(chained(a, chain([Refusing()], b), c), context) == "c"


@PATHS
async def test_a_refusal_after_something_was_sent_is_not_free(call, clock):
    """A Retry inside sent the call once, then the circuit opened."""
    opening = Opens()
    a, b, _ = trio(ServerError())
    context = call_context(clock, extra_attempts=1)
    with pytest.raises(CircuitOpenError):
        await call(chained(chain([Retry(2, base=0), opening], a), b), context)
    assert (a.calls, b.calls) == (1, 0)


class Opens(Layer):
    """A breaker that opens at the first failure."""

    def __init__(self):
        self.open = False

    async def around(self, request, inner, call_next):
        if self.open:
            raise CircuitOpenError("open")
        self.open = True
        return await call_next(request)


@PATHS
async def test_nobody_else_is_asked_when_the_time_is_over(call, clock):
    def late(_):
        clock.advance(10)
        raise ServerError("late")

    a, b, _ = trio(late)
    context = CallContext(clock=clock, timeouts=Timeouts(total=10))
    with pytest.raises(ServerError, match="late"):
        await call(Fallback(*named(b), each=[])(a), context)
    assert b.calls == 0 and context.extra_attempts == 5


@PATHS
async def test_a_dry_run_ends_at_the_target_that_would_be_asked(call, clock):
    a, b, _ = trio("a")
    with pytest.raises(DryRunStop) as caught:
        await call(chained(chain([Refusing()], a), b), call_context(clock, dry_run=True))
    assert caught.value.provider == "b" and b.calls == 0


class Again(Layer):
    """A layer outside that is not content with the first answer, as validation is."""

    def __init__(self, tries=3):
        self.tries = tries

    async def around(self, request, inner, call_next):
        for left in reversed(range(self.tries)):
            try:
                result = await call_next(request)
                if isinstance(result, ChatStream):
                    await result.commit()
                    await result.close()
                failed = ResponseValidationError("not what was asked for")
            except (ServerError, AllProvidersFailedError) as error:
                failed = error
            if not left or not request.context.take_extra():
                break
        raise failed


@PATHS
@pytest.mark.parametrize("extras", range(9))
async def test_a_validation_around_a_fallback_around_retries_sends_no_more_than_the_attempts_left(call, clock, extras):
    a, b, _ = trio(ServerError(), ServerError())
    context = call_context(clock, extra_attempts=extras)
    fallback = Fallback(*named(b), each=[Retry(3, base=0)])
    with pytest.raises((ServerError, AllProvidersFailedError)) as caught:
        await call(chain([Again(), fallback, Retry(3, base=0)], a), context)
    assert a.calls + b.calls == 1 + extras == len(caught.value.attempts) and context.extra_attempts == 0


LEAVES = st.sampled_from([ServerError(), RateLimitError(), CircuitOpenError(), AuthenticationError(), "yes"])
LAYERS = st.sampled_from(["retry", "again", "refuse once"])


class RefuseOnce(Opens):
    """Refuses its first call here, then lets all through."""

    async def around(self, request, inner, call_next):
        if not self.open:
            self.open = True
            raise CircuitOpenError("open")
        return await call_next(request)


def layer_of(word):
    return {"retry": lambda: Retry(3, base=0), "again": Again, "refuse once": RefuseOnce}[word]()


NESTS = st.recursive(
    LEAVES,
    lambda inside: st.tuples(st.lists(LAYERS, max_size=2), st.lists(inside, min_size=1, max_size=3)),
    max_leaves=8,
)


def build(nest, leaves):
    """Build a provider from a drawing: a leaf, or (layers, branches)."""
    if not isinstance(nest, tuple):
        leaves.append(Script(nest, name=f"leaf{len(leaves)}"))
        return chain([], leaves[-1])
    layers, branches = nest
    first, *others = [build(branch, leaves) for branch in branches]
    fallback = [Fallback(*named(*others), each=[Retry(2, base=0)])] if others else []
    return compose([*map(layer_of, layers), *fallback], first)


@PATHS
@given(nest=NESTS, extras=st.integers(0, 6))
def test_no_nesting_sends_more_than_one_and_the_attempts_left(call, nest, extras):
    from aiclient.testutil.clock import FakeClock

    leaves, context = [], call_context(FakeClock(), extra_attempts=extras)
    provider = chain([], build(nest, leaves))

    async def run():
        return await asyncio.gather(call(provider, context), return_exceptions=True)

    asyncio.run(run())
    reached = sum(leaf.calls for leaf in leaves)
    assert reached <= 1 + extras - context.extra_attempts
    assert context.extra_attempts >= 0


# --- events, cancellation, users ---


@PATHS
async def test_observers_hear_who_is_next_and_why(call, clock):
    context, events = call_context(clock), []
    context.observe(lambda event: events.append(event) if event.kind == "fallback" else None)
    a, b, c = trio(ServerError(), RateLimitError())
    await call(chained(a, b, c), context)
    assert [(event.provider, event.detail, event.category) for event in events] == [
        ("a", "b:m", "server"),
        ("b:m", "c:m", "rate_limit"),
    ]


@PATHS
async def test_a_cancellation_asks_nobody_else(call, clock):
    begun = asyncio.Event()

    async def hang(_):
        begun.set()
        await asyncio.get_running_loop().create_future()

    a, b, _ = trio(hang)
    task = asyncio.create_task(call(chained(a, b), call_context(clock)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert b.calls == 0


class Slow(BaseProvider):
    """Takes some turns of the loop for everything."""

    def __init__(self, name, *chunks):
        self.name, self.chunks, self.sources, self.asked = name, chunks, [], 0

    async def chat(self, request, /):
        self.asked += 1
        return await collect(self._open())

    async def chat_stream(self, request, /):
        self.asked += 1
        return await self._open()

    async def _open(self):
        await asyncio.sleep(0)
        self.sources.append(Source(*self.chunks))
        return ChatStream(self.sources[-1])


@pytest.mark.parametrize("call", [chat, stream], ids=["chat", "stream"])
async def test_a_cancellation_at_any_step_leaves_nothing_open(call, at_every_step, clock):
    def scene():
        a, b = Slow("a", HEAD, ServerError()), Slow("b", HEAD, A, LAST)
        context = call_context(clock)

        def verify(task):
            sources = a.sources + b.sources
            assert [source.closed for source in sources] == [1] * len(sources)
            assert a.asked <= 1 and b.asked <= 1
            assert len(context.journal) == context.started == a.asked + b.asked
            assert task.cancelled() or task.result() == "a"

        return call(chain([Fallback(b)], a), context), verify

    assert await at_every_step(scene) > 20


@PATHS
async def test_two_users_of_one_fallback_do_not_see_each_other(call, clock):
    gate = asyncio.Event()

    async def wait(_):
        await gate.wait()
        raise ServerError

    a, b, _ = trio([wait, "second"], "first")
    fallback = Fallback(*named(b))
    slow = asyncio.create_task(call(chain([fallback], a), call_context(clock)))
    await asyncio.sleep(0)
    quick = call(chain([fallback], a), call_context(clock))
    assert await quick == "second"
    gate.set()
    assert await slow == "first"


# --- what is put together ---


def test_every_branch_is_drawn_and_a_destination():
    a, b, c = trio("a")
    provider = chain([Fallback(b, Target(c, model="m"), each=[Retry()])], a)
    assert explain(provider).splitlines() == [
        "Fallback(b, c:m)",
        "└─ journal",
        "   └─ Script (a, model mock-model)",
        "└─ Retry(attempts=3, base=0.5, cap=8)",
        "   └─ journal",
        "      └─ Script (b, model mock-model)",
        "└─ Retry(attempts=3, base=0.5, cap=8)",
        "   └─ journal",
        "      └─ Script (c, model mock-model)",
    ]
    assert [info.name for info in destinations(provider)] == ["a", "b", "c"]


async def test_a_client_closes_every_target(clock):
    a, b, c = trio("a")
    async with AsyncClient(a).use(Fallback(b, c)):
        pass
    assert (a.closed, b.closed, c.closed) == (1, 1, 1)


def test_a_client_validates_every_target():
    class Wrong(Script):
        def validate_config(self):
            raise ConfigError("no key")

    client = AsyncClient(Script()).use(Fallback(Wrong(name="b")))
    with pytest.raises(ConfigError, match="no key"):
        client.validate_config()


@PATHS
async def test_the_layers_of_each_are_the_same_instances_around_every_target(call, clock):
    seen = []

    class Sees(Layer):
        async def around(self, request, inner, call_next):
            seen.append((self, inner.name))
            return await call_next(request)

    sees = Sees()
    await call(chained(*trio(ServerError(), ServerError()), each=[sees]), call_context(clock))
    assert seen == [(sees, "b"), (sees, "c")]


# --- options ---


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Fallback(), r"Fallback\(\) needs at least one target"),
        (lambda: Fallback("openai:gpt-5"), r"aiclient\.provider_for\('openai:gpt-5'\) makes one"),
        (lambda: Fallback(MockProvider), "not the class MockProvider"),
        (lambda: Fallback(42), "a target must be a provider, or Target.*, not int"),
        (lambda: Fallback(Target("openai")), r"aiclient\.provider_for\('openai'\)"),
        (lambda: Fallback(Script(name="b", model=None)), r"the target 'b' has no model: .*Target\(b, model=\.\.\.\)"),
        (lambda: Fallback(Script(), each=Retry()), r"each=Retry.* must be a list of layers"),
        (lambda: Fallback(Script(), each=[Retry]), "layer 0 is the class Retry"),
        (lambda: Fallback(Script(), on="server"), "on='server' must be a set of categories"),
        (lambda: Fallback(Script(), on={"servr"}), "on={'servr'} must be a set of categories"),
        (lambda: Fallback(Script(), on=5), "on=5 must be a set of categories"),
        (lambda: Fallback(Script(), on=chat), "on=.* must be an ordinary function"),
        (lambda: Target(Script(), when={"servr"}), "when={'servr'} must be a set of categories"),
        (lambda: Target(Script(), model=" "), "of a target, model=' ' must be the name of a model"),
        (lambda: Target(Script(), keep_model=1), "keep_model=1 must be True or False"),
        (lambda: Fallback(Script(name="b"), Script(name="b")), "two targets are called 'b': .* with name="),
        (lambda: Fallback(Script(name="b"))(Script(name="b")), "two targets are called 'b': .* with name="),
        (lambda: Fallback(ONE, ONE), "the target 'one' stands there twice, with the same model"),
        (lambda: Fallback(Target(ONE, model="mock-model"))(ONE), "the target 'one' stands there twice"),
    ],
    ids=range(19),
)
def test_what_cannot_work_is_refused_when_it_is_put_together(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


ONE = Script(name="one")


async def test_one_provider_may_stand_there_for_several_models(clock):
    mock = Script([ServerError(), ServerError(), "yes"], name="one")
    provider = chain([Fallback(Target(mock, model="small"), Target(mock, model="tiny"))], mock)
    assert await chat(provider, call_context(clock)) == "yes"
    assert [request.model for request in mock.asked] == [None, "small", "tiny"]


class NamesOne(Layer):
    """A layer that names a model, as Defaults does."""

    slot = "defaults"


@pytest.mark.parametrize(
    "target",
    [
        Target(Script(name="b", model=None), model="m"),
        Target(Script(name="b", model=None), keep_model=True),
        Wrapper(BaseProvider()),
        NamesOne()(Script(name="b", model=None)),
    ],
    ids=["named", "kept", "unknown", "defaults"],
)
def test_a_target_is_not_refused_for_want_of_a_model_that_it_may_have(target):
    assert Fallback(target)(Script())


def test_equal_names_are_found_in_nested_branches_too():
    nested = Fallback(Script(name="c"))(Script(name="b"))
    with pytest.raises(ConfigError, match="two targets are called 'c'"):
        Fallback(nested)(Script(name="c"))


def test_a_client_is_unchanged_when_a_fallback_is_refused():
    client = AsyncClient(Script(name="b"))
    with pytest.raises(ConfigError, match="two targets are called 'b'"):
        client.use(Fallback(Script(name="b")))
    assert client.middleware == ()
