"""Fixtures are what they say, and a mock plays them."""

from __future__ import annotations

import pytest

from aiclient import (
    AIClientError,
    AsyncClient,
    ChatOptions,
    ChatResponse,
    StreamInterruptedError,
    Timeouts,
    Usage,
    testutil,
)
from aiclient.request import check
from aiclient.testutil import MockProvider, fixtures

pytestmark = pytest.mark.anyio

ERRORS = {
    fixtures.rate_limited: ("rate_limit", True, 429),
    fixtures.overloaded: ("overloaded", True, 503),
    fixtures.server_error: ("server", True, 500),
    fixtures.unauthorized: ("authentication", False, 401),
    fixtures.connection_refused: ("connection", True, None),
    fixtures.timed_out: ("timeout", True, None),
}


def test_every_exported_name_is_there():
    assert [name for name in testutil.__all__ if getattr(testutil, name) is None] == []
    assert dir(testutil) == testutil.__all__ == sorted(testutil.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = testutil.nothing_here


@pytest.mark.parametrize(
    "request_", [fixtures.chat_request(), fixtures.tool_request(), fixtures.chat_request("a", system="b")]
)
def test_requests_pass_the_check(request_):
    check(request_)


def test_a_system_message_comes_first():
    assert [message.role for message in fixtures.chat_request(system="Be brief.").messages] == ["system", "user"]


def test_options_win_over_the_model():
    assert fixtures.chat_request(model="a").model == "a"
    assert fixtures.chat_request(model="a", options=ChatOptions(model="b", timeout=Timeouts(total=1))).model == "b"


def test_tools_replace_the_default_one():
    assert fixtures.tool_request("hi", fixtures.weather_tool("other")).options.tools[0].name == "other"
    assert fixtures.tool_request().options.tools[0].parameters["required"] == ["city"]


def test_a_response_counts_words_unless_it_is_told():
    assert fixtures.chat_response("one two three").usage.completion_tokens == 3
    assert fixtures.chat_response(usage=Usage(prompt_tokens=7)).usage.prompt_tokens == 7


def test_arguments_of_a_tool_call_may_be_ill_formed():
    assert fixtures.tool_call().parsed == {"city": "Bonn"}
    assert fixtures.tool_call(arguments='{"city": ').parsed is None
    assert fixtures.tool_call("other", {"a": 1}, id="call_2").parsed == {"a": 1}


def test_a_tool_response_asks_for_the_calls():
    response = fixtures.tool_response(fixtures.tool_call(id="a"), fixtures.tool_call(id="b"), text="Wait.")
    assert [call.id for call in response.message.tool_calls] == ["a", "b"]
    assert (response.finish_reason, response.message.content) == ("tool_calls", "Wait.")


def test_embeddings():
    assert fixtures.embedding_request("a", "b", dimensions=2).input == ("a", "b")
    assert fixtures.embedding_request().input == ("river",)
    assert list(fixtures.embedding_response([1, 0], [0, 1]).vectors[1]) == [0, 1]
    assert fixtures.embedding_response().vector[1] == pytest.approx(0.8)


@pytest.mark.parametrize("make", ERRORS, ids=lambda make: make.__name__)
def test_errors_mean_what_their_name_says(make):
    error = make()
    assert (error.category, error.retryable, error.status_code) == ERRORS[make]


def test_errors_take_what_the_service_asked_for():
    assert (fixtures.rate_limited(2.5).retry_after, fixtures.rate_limited(None).retry_after) == (2.5, None)
    assert fixtures.overloaded(3).retry_after == 3
    assert fixtures.server_error(502).status_code == 502
    assert fixtures.timed_out("idle").phase == "idle"


@pytest.mark.parametrize("text", ["Paris is the capital.", "", " a  b ", "one"])
async def test_a_mock_plays_the_chunks_of_a_stream(text):
    async with AsyncClient(MockProvider(fixtures.stream_chunks(text))) as client:
        async with client.chat_stream("hi") as stream:
            pieces = [piece async for piece in stream.text]
    assert "".join(pieces) == text == stream.response.message.content
    assert stream.response.usage.total_tokens


async def test_a_mock_plays_a_stream_of_tool_calls():
    calls = [fixtures.tool_call(id="a"), fixtures.tool_call("other", "", id="b")]
    async with AsyncClient(MockProvider(fixtures.tool_stream(*calls))) as client:
        response = await client.chat("hi")
    assert [(call.id, call.name, call.parsed) for call in response.message.tool_calls] == [
        ("a", "get_weather", {"city": "Bonn"}),
        ("b", "other", {}),
    ]


async def test_a_broken_stream_keeps_what_came():
    async with AsyncClient(MockProvider(fixtures.broken_stream("Paris is"))) as client:
        with pytest.raises(StreamInterruptedError) as caught:
            await client.chat("hi")
    assert isinstance(caught.value.partial, ChatResponse)
    assert caught.value.partial.message.content == "Paris is"


async def test_a_stream_that_breaks_before_its_output_fails_with_its_own_error():
    async with AsyncClient(MockProvider(fixtures.broken_stream("", fixtures.server_error()))) as client:
        with pytest.raises(AIClientError) as caught:
            await client.chat("hi")
    assert caught.value.category == "server"
