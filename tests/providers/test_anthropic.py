"""Anthropic: address, credentials, headers; and what goes through the provider around the Messages protocol."""

from __future__ import annotations

import json

import pytest

from aiclient import AsyncClient, CountsTokens, ListsModels, Previews, find
from aiclient.context import CallContext
from aiclient.errors import (
    AuthenticationError,
    ConfigError,
    MissingAPIKeyError,
    ModelNotFoundError,
    OverloadedError,
    RateLimitError,
    StreamInterruptedError,
)
from aiclient.messages import Message
from aiclient.middleware import Retry
from aiclient.provider import Provider
from aiclient.providers import AnthropicProvider
from aiclient.request import ChatOptions, ChatRequest

pytestmark = pytest.mark.anyio

KEY = "sk-ant-api03-test"
HI = ChatRequest([Message("user", "Hello")])
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x-2026",
    "content": [{"type": "text", "text": "Paris"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 5},
}
LIMITS = {
    "request-id": "req_1",
    "anthropic-ratelimit-requests-limit": "50",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-tokens-remaining": "9000",
}


def events(*values):
    return b"".join(f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode() for value in values)


BEGIN = [
    {"type": "message_start", "message": {**ANSWER, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Pa"}},
]
STREAM = events(
    *BEGIN,
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ris"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
)


def failed(kind, message="no"):
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_in_body"}


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def provider(played, key=KEY, **options):
    return AnthropicProvider(key, http_client=played.client, **{"model": "claude-x", **options})


async def test_a_call_goes_to_the_messages_with_the_key_in_its_own_header(service):
    played = service((200, ANSWER, LIMITS))
    anthropic: Provider = provider(played)
    response = await anthropic.chat(HI)
    assert (str(played.sent.url), played.sent.method) == ("https://api.anthropic.com/v1/messages", "POST")
    assert played.sent.headers["x-api-key"] == KEY
    assert played.sent.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in played.sent.headers
    assert played.body["model"] == "claude-x"
    assert played.body["max_tokens"] > 0
    assert (response.message.content, response.model, response.provider) == ("Paris", "claude-x-2026", "anthropic")
    assert (response.usage.prompt_tokens, response.usage.cached_tokens) == (8, 5)
    assert (response.request_id, response.rate_limit.remaining_requests) == ("req_1", 49)


async def test_a_stream_is_opened_and_read(service, read):
    played = service((200, STREAM, LIMITS))
    stream = await provider(played).chat_stream(HI)
    assert await read(stream) == "Paris"
    assert (stream.response.id, stream.response.request_id, stream.response.finish_reason) == ("msg_1", "req_1", "stop")
    assert stream.response.rate_limit.remaining_tokens == 9000
    assert played.body["stream"] is True


async def test_everything_can_be_set_from_the_environment(service, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-env")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://gateway.example/anthropic/v1/")
    played = service(ANSWER)
    await provider(played, None).chat(HI)
    assert played.urls == ["https://gateway.example/anthropic/v1/messages"]
    assert played.sent.headers["x-api-key"] == "sk-ant-env"


async def test_options_of_the_constructor_reach_the_wire(service):
    played = service(ANSWER)
    anthropic = provider(played, version="2024-01-01", max_tokens=77, headers={"anthropic-beta": "a"}, name="claude")
    response = await anthropic.chat(HI)
    assert played.sent.headers["anthropic-version"] == "2024-01-01"
    assert played.sent.headers["anthropic-beta"] == "a"
    assert (played.body["max_tokens"], response.provider) == (77, "claude")


def test_a_missing_key_names_its_variable():
    with pytest.raises(MissingAPIKeyError, match="ANTHROPIC_API_KEY"):
        AnthropicProvider().validate_config()


@pytest.mark.parametrize(("key", "whose"), [("sk-proj-1234", "OpenAI"), ("AIza1234", "Google"), ("gsk_12", "Groq")])
async def test_another_vendors_key_is_not_shown_to_anthropic(service, key, whose):
    played = service(ANSWER)
    with pytest.raises(ConfigError, match=whose) as caught:
        await provider(played, key).chat(HI)
    assert key not in str(caught.value)
    assert played.requests == []
    await provider(played, key, base_url="https://gateway.example").chat(HI)  # a gateway has keys of its own
    assert len(played.requests) == 1


async def test_another_vendors_key_is_not_shown_even_when_it_comes_after_a_refusal(service):
    played = service((401, failed("authentication_error"), {}))
    keys = iter([KEY, "sk-proj-1234"])
    with pytest.raises(ConfigError, match="OpenAI"):
        await provider(played, lambda: next(keys)).chat(HI)
    assert len(played.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (401, "authentication_error", AuthenticationError),
        (404, "not_found_error", ModelNotFoundError),
        (429, "rate_limit_error", RateLimitError),
        (529, "overloaded_error", OverloadedError),
    ],
)
@pytest.mark.parametrize("way", ["chat", "chat_stream", "count_tokens", "list_models"])
async def test_a_failure_is_typed_and_signed(service, status, kind, expected, way):
    played = service((status, failed(kind), {**LIMITS, "retry-after": "7"}))
    anthropic = provider(played)
    with pytest.raises(expected, match="no") as caught:
        await (anthropic.list_models() if way == "list_models" else getattr(anthropic, way)(HI))
    error = caught.value
    assert (error.status_code, error.provider, error.request_id) == (status, "anthropic", "req_1")
    assert (error.retry_after, error.rate_limit.remaining_requests) == (7.0, 49)


async def test_a_failure_after_output_says_what_had_come(service, read):
    played = service((200, events(*BEGIN, failed("overloaded_error", "busy")), LIMITS))
    stream = await provider(played).chat_stream(HI)
    with pytest.raises(StreamInterruptedError) as caught:
        await read(stream)
    error = caught.value
    assert (type(error.__cause__), error.partial.message.content) == (OverloadedError, "Pa")
    assert error.provider == "anthropic"


@pytest.mark.parametrize("status", [429, 529])
async def test_a_client_tries_again_when_the_service_is_busy(service, clock, status):
    busy = (status, failed("overloaded_error" if status == 529 else "rate_limit_error"), {"retry-after": "3"})
    played = service(busy, busy, ANSWER)
    client = AsyncClient(provider(played)).use(Retry())
    response = await client.chat(ChatRequest(HI.messages, context=CallContext(clock=clock)))
    assert (response.message.content, len(response.attempts)) == ("Paris", 3)
    assert min(clock.slept) >= 3
    assert len(played.requests) == 3
    await client.close()


async def test_a_client_tries_a_stream_again_when_the_service_is_busy(service, clock, read):
    played = service((529, failed("overloaded_error"), {}), (200, STREAM, {}))
    client = AsyncClient(provider(played)).use(Retry())
    stream = await client.chat_stream(ChatRequest(HI.messages, context=CallContext(clock=clock)))
    assert await read(stream) == "Paris"
    assert len(played.requests) == 2
    await client.close()


async def test_tokens_are_counted_without_answering(service):
    played = service({"input_tokens": 12})
    options = ChatOptions(model="claude-y", max_tokens=5)
    assert await provider(played).count_tokens(ChatRequest(HI.messages, options)) == 12
    assert played.urls == ["https://api.anthropic.com/v1/messages/count_tokens"]
    assert played.sent.headers["x-api-key"] == KEY
    assert (played.body["model"], "max_tokens" in played.body) == ("claude-y", False)


async def test_models_are_listed_page_by_page(service):
    played = service(
        {"data": [{"id": "a"}, {"id": "b"}], "has_more": True, "last_id": "b"},
        {"data": [{"id": "c"}], "has_more": False, "last_id": "c"},
    )
    models = await provider(played, version="2024-01-01").list_models()
    assert [model.id for model in models] == ["a", "b", "c"]
    assert [request.url.params.get("after_id") for request in played.requests] == [None, "b"]
    assert {request.headers["anthropic-version"] for request in played.requests} == {"2024-01-01"}


async def test_a_service_that_repeats_its_pages_is_asked_a_hundred_times_at_most(service):
    played = service({"data": [{"id": "a"}], "has_more": True, "last_id": "a"})
    await provider(played).list_models()
    assert len(played.requests) == 100


def test_a_preview_shows_everything_but_the_key():
    anthropic = AnthropicProvider(KEY, model="claude-x")
    call = anthropic.preview(HI)
    assert call.url == "https://api.anthropic.com/v1/messages"
    assert ("x-api-key", "***") in call.headers
    assert KEY not in repr((call, call.headers, call.body, anthropic, anthropic.info))


def test_what_it_can_do_is_found_through_layers():
    client = AsyncClient(AnthropicProvider(KEY)).use(Retry())
    for kind in (CountsTokens, ListsModels, Previews):
        assert isinstance(find(client, kind), AnthropicProvider)
