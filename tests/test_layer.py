"""Middleware as classes: a Wrapper around one provider, a Layer around many."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

from aiclient.composition import compose
from aiclient.errors import ServerError
from aiclient.layer import Layer, Wrapper
from aiclient.messages import Message
from aiclient.provider import BaseProvider, observed
from aiclient.testutil.mock import MockProvider

from .paths import EMBED, PATHS, REQUEST, chat, stream

pytestmark = pytest.mark.anyio


# --- Wrapper ---


class Broken(MockProvider):
    def validate_config(self):
        raise ServerError("not today")


@PATHS
async def test_a_wrapper_forwards_every_call(call):
    mock = MockProvider("yes")
    assert await call(Wrapper(mock)) == await call(MockProvider("yes"))
    assert mock.calls == 1


async def test_a_wrapper_forwards_name_check_and_close():
    mock = Broken(name="inner")
    wrapper = Wrapper(mock)
    assert wrapper.name == "inner"
    with pytest.raises(ServerError):
        wrapper.validate_config()
    await wrapper.close()
    assert mock.closed == 1


async def passed(self, request, /):
    raise AssertionError


@pytest.mark.parametrize(
    ("written", "forgotten"),
    [
        (["chat"], ["chat_stream", "embeddings"]),
        (["chat", "chat_stream"], ["embeddings"]),
        (["embeddings"], ["chat", "chat_stream"]),
        (["chat_stream"], ["chat", "embeddings"]),
    ],
    ids=["chat", "chat-and-stream", "embeddings", "stream"],
)
def test_a_wrapper_that_forgets_a_path_is_refused_by_name(written, forgotten):
    with pytest.raises(TypeError, match=f"Mine overrides some of.*bypassed by {', '.join(forgotten)}"):
        type("Mine", (Wrapper,), dict.fromkeys(written, passed))
    type("Mine", (Wrapper,), dict.fromkeys(written, passed) | {"passes": frozenset(forgotten)})


def test_a_wrapper_of_a_complete_wrapper_may_override_one_path():
    complete = type("Complete", (Wrapper,), dict.fromkeys(("chat", "chat_stream", "embeddings"), passed))
    type("Special", (complete,), {"chat": passed})


def test_a_wrapper_that_overrides_nothing_is_fine():
    type("Named", (Wrapper,), {"name": "other"})


# --- Layer ---


class Recorder(Layer):
    """Writes down what passes through it."""

    def __init__(self):
        self.requests, self.inner, self.ends = [], [], []

    async def around(self, request, inner, call_next):
        self.requests.append(request)
        self.inner.append(inner)
        return await observed(call_next(request), self.end)

    async def end(self, end):
        self.ends.append(end)


@PATHS
async def test_around_serves_every_path(call):
    layer, mock = Recorder(), MockProvider()
    await call(layer(mock))
    assert len(layer.requests) == mock.calls == 1 and layer.inner == [mock]
    assert [end.outcome for end in layer.ends] == ["completed"]


@PATHS
async def test_a_layer_that_overrides_nothing_changes_nothing(call):
    assert await call(Layer()(MockProvider("x"))) == await call(MockProvider("x"))


@PATHS
async def test_a_request_always_has_its_context_inside_a_layer(call):
    layer = Recorder()
    await call(layer(MockProvider()))
    assert layer.requests[0].context is not None
    assert REQUEST.context is None and EMBED.context is None


@PATHS
async def test_nested_layers_share_one_context(call):
    outer, inner, mock = Recorder(), Recorder(), MockProvider()
    await call(compose([outer, inner], mock))
    assert outer.requests[0].context is inner.requests[0].context is mock.requests[0].context


@PATHS
async def test_two_sends_of_one_request_get_two_contexts(call):
    layer, mock = Recorder(), MockProvider()
    for _ in range(2):
        await call(layer(mock))
    assert layer.requests[0].context is not layer.requests[1].context


async def test_a_layer_may_override_one_path_alone():
    class Shout(Layer):
        async def chat(self, request, inner):
            response = await inner.chat(request)
            return evolve(response, message=Message("assistant", response.message.content.upper()))

    provider = Shout()(MockProvider("x"))
    assert ((await chat(provider)).message.content, (await stream(provider)).message.content) == ("X", "x")


async def test_one_layer_serves_several_providers():
    layer, mocks = Recorder(), [MockProvider("a"), MockProvider("b")]
    for mock in mocks:
        await chat(layer(mock))
    assert layer.inner == mocks


async def test_a_cancellation_at_any_step_is_told_once_to_every_layer(at_every_step):
    def scene():
        layers = [Recorder(), Recorder()]

        async def slow(_):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return "x"

        def verify(task):
            for layer in layers:
                assert len(layer.ends) == len(layer.requests)
                assert task.cancelled() or layer.ends[0].outcome == "completed"

        return chat(compose(layers, MockProvider(slow))), verify

    assert await at_every_step(scene) > 8


def test_a_layered_provider_is_shown_with_what_is_inside_it():
    class Named(Layer):
        def __repr__(self):
            return "Named()"

    class Known(BaseProvider):
        def __repr__(self):
            return "known"

    assert repr(compose([Named(), Named()], Known())) == "<Named() around <Named() around known>>"
