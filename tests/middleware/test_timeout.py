"""Shorter time limits for a part of a chain."""

from __future__ import annotations

import asyncio

import pytest

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.context import CallContext, Timeouts
from aiclient.errors import ConfigError, ServerError, StreamInterruptedError, TimeoutError
from aiclient.layer import Layer
from aiclient.messages import Message
from aiclient.middleware import Retry, Timeout
from aiclient.opening import collect
from aiclient.provider import opened
from aiclient.request import ChatRequest, EmbeddingRequest
from aiclient.response import EmbeddingResponse
from aiclient.stream import ChatStream
from aiclient.testutil.clock import FakeClock
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")])
A, LAST = ChatStreamChunk(content="a"), ChatStreamChunk(finish_reason="stop", last=True)


class Slow(MockProvider):
    """Takes some seconds to answer, to open a stream, and before each of its chunks."""

    def __init__(self, clock, answer=0.0, opening=0.0, chunks=(0.0, 0.0, 0.0)):
        super().__init__()
        self.clock = clock
        self.answer, self.opening, self.pauses = answer, opening, chunks
        self.begun = 0

    async def chat(self, request, /):
        self.begun += 1
        await self.clock.sleep(self.answer)
        return await super().chat(request)

    async def embeddings(self, request, /):
        self.begun += 1
        await self.clock.sleep(self.answer)
        return EmbeddingResponse([[1.0]], model="Mock response")

    async def chat_stream(self, request, /):
        self.begun += 1
        await self.clock.sleep(self.opening)
        return ChatStream(self.source())

    async def source(self):
        for seconds, chunk in zip(self.pauses, (A, A, LAST), strict=True):
            await self.clock.sleep(seconds)
            yield chunk


class Seen(Layer):
    """Notes the limits that hold where it stands."""

    def __init__(self):
        self.limits = []

    async def around(self, request, inner, call_next):
        context = request.context
        self.limits.append((context.timeouts, context.deadline))
        return await call_next(request)


async def chat(provider, context):
    return (await opened(REQUEST, provider.chat, context)).message.content


async def stream(provider, context):
    return (await collect(opened(REQUEST, provider.chat_stream, context))).message.content


async def embed(provider, context):
    return (await opened(EmbeddingRequest("hi"), provider.embeddings, context)).model


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])
WHOLE = pytest.mark.parametrize("call", [chat, embed], ids=["chat", "embeddings"])


def unlimited(clock, **more):
    return CallContext(clock=clock, timeouts=Timeouts(total=None), **more)


@WHOLE
@pytest.mark.parametrize("phase", ["total", "attempt"])
async def test_a_call_that_takes_longer_is_ended(call, clock, phase):
    with pytest.raises(TimeoutError) as caught:
        await call(chain([Timeout(**{phase: 5})], Slow(clock, answer=6)), unlimited(clock))
    assert caught.value.phase == phase


@WHOLE
async def test_a_call_that_is_quicker_is_left_alone(call, clock):
    assert await call(chain([Timeout(5, attempt=5)], Slow(clock, answer=4)), unlimited(clock)) == "Mock response"
    assert clock.pending == 0


@pytest.mark.parametrize(
    ("limits", "pauses", "error", "phase"),
    [
        ({"first_output": 5}, {"opening": 6}, TimeoutError, "first_output"),
        ({"first_output": 5}, {"chunks": (6, 0, 0)}, TimeoutError, "first_output"),
        ({"attempt": 5}, {"chunks": (3, 3, 0)}, StreamInterruptedError, "attempt"),
        ({"total": 5}, {"chunks": (3, 3, 0)}, StreamInterruptedError, "total"),
        ({"idle": 5}, {"chunks": (0, 6, 0)}, StreamInterruptedError, "idle"),
    ],
)
async def test_a_stream_is_held_to_the_limits_while_it_is_opened_and_read(clock, limits, pauses, error, phase):
    with pytest.raises(error) as caught:
        await stream(chain([Timeout(**limits)], Slow(clock, **pauses)), unlimited(clock))
    assert caught.value.phase == phase


@PATHS
async def test_a_limit_is_lowered_never_raised(call, clock):
    seen = Seen()
    before = Timeouts(total=10, attempt=5, first_output=4, idle=None)
    context = CallContext(clock=clock, timeouts=before)
    await call(chain([Timeout(20, attempt=3, first_output=6, idle=2), seen], Slow(clock)), context)
    ((inside, deadline),) = seen.limits
    assert (inside.attempt, inside.first_output, inside.idle, deadline) == (3, 4, 2, 10)
    assert inside.connect == before.connect


@PATHS
async def test_the_deadline_is_brought_forward(call, clock):
    seen = Seen()
    clock.advance(100)
    await call(chain([Timeout(20), seen], Slow(clock)), unlimited(clock))
    assert [deadline for _, deadline in seen.limits] == [120]


@PATHS
async def test_outside_it_the_limits_are_as_before(call, clock):
    """So that each target of a fallback can have its own."""
    context = CallContext(clock=clock, timeouts=Timeouts(total=50))
    await call(chain([Timeout(2, attempt=1, idle=1)], Slow(clock)), context)
    assert (context.timeouts, context.deadline) == (Timeouts(total=50), 50)


@PATHS
async def test_the_limits_are_put_back_after_an_error_too(call, clock):
    context = CallContext(clock=clock, timeouts=Timeouts(total=50))
    with pytest.raises(TimeoutError):
        await call(chain([Timeout(2, first_output=1)], Slow(clock, answer=3, opening=3)), context)
    assert (context.timeouts, context.deadline) == (Timeouts(total=50), 50)


async def test_one_pass_that_ends_does_not_loosen_another_that_runs_beside_it(clock):
    """Two attempts of one call at a time, as in a hedge."""
    timeout, go = Timeout(attempt=3), asyncio.Event()
    inside = []

    async def next_call(request):
        await go.wait()
        inside.append(request.context.timeouts.attempt)
        return await MockProvider("yes").chat(request)

    async def quick(request):
        await asyncio.sleep(0)
        return await MockProvider("yes").chat(request)

    async def both(request):
        early = asyncio.create_task(timeout.around(request, MockProvider(), quick))
        late = asyncio.create_task(timeout.around(request, MockProvider(), next_call))
        await early
        go.set()
        return await late

    await opened(REQUEST, both, unlimited(clock))
    assert inside == [3]


@WHOLE
async def test_a_total_outside_retry_is_for_all_attempts_together(call, clock):
    mock = Slow(clock, answer=4)
    with pytest.raises(TimeoutError) as caught:
        await call(chain([Timeout(10), Retry(5, base=0), Failing()], mock), unlimited(clock))
    assert (caught.value.phase, mock.begun, clock.monotonic()) == ("total", 3, 12)


@WHOLE
async def test_an_attempt_that_takes_too_long_is_tried_again(call, clock):
    mock = Slow(clock, answer=4)
    with pytest.raises(TimeoutError) as caught:
        await call(chain([Timeout(attempt=2), Retry(3, base=0)], mock), unlimited(clock))
    assert (caught.value.phase, mock.begun) == ("attempt", 3)


class Failing(Layer):
    """Makes a failure of every answer."""

    async def around(self, request, inner, call_next):
        await call_next(request)
        raise ServerError("so")


async def test_two_users_of_one_layer_have_a_total_of_their_own(still):
    timeout = Timeout(10)
    provider = chain([timeout], Slow(still, answer=8))
    first = asyncio.create_task(chat(provider, unlimited(still)))
    await asyncio.sleep(0)
    still.advance(5)
    second = asyncio.create_task(chat(provider, unlimited(still)))
    for seconds in (3, 5):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        still.advance(seconds)
    assert await asyncio.gather(first, second) == ["Mock response", "Mock response"]


@pytest.mark.parametrize("path", ["chat", "chat_stream", "embeddings"])
async def test_the_limits_are_put_back_after_a_cancellation_at_any_step(at_every_step, path):
    def scene():
        clock = FakeClock()
        context = CallContext(clock=clock, timeouts=Timeouts(total=50))
        request = EmbeddingRequest("hi") if path == "embeddings" else REQUEST

        async def work():
            result = await opened(request, getattr(chain([Timeout(2)], Slow(clock)), path), context)
            if isinstance(result, ChatStream):
                await result.close()

        def verify(_):
            assert context.timeouts == Timeouts(total=50) and context.deadline in (None, 50)
            assert clock.pending == 0

        return work(), verify

    assert await at_every_step(scene) > 5


# --- options ---


@pytest.mark.parametrize("name", ["total", "attempt", "first_output", "idle"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "5", True], ids=repr)
def test_a_limit_must_be_seconds_above_zero(name, value):
    with pytest.raises(ConfigError, match=f"{name}="):
        Timeout(**{name: value})


def test_a_timeout_without_a_limit_is_a_mistake():
    with pytest.raises(ConfigError, match="limits nothing"):
        Timeout()


def test_the_repr_shows_the_limits():
    assert repr(Timeout(30, idle=2.5)) == "Timeout(total=30, idle=2.5)"
