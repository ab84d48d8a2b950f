"""Cohere: address, credentials, pages; the protocol itself is in tests/wire/test_cohere_*.py."""

from __future__ import annotations

import json

import pytest

from aiclient import AsyncClient, CountsTokens, ListsModels, Previews, find
from aiclient.errors import AuthenticationError, ContextLengthError, MissingAPIKeyError, StreamInterruptedError
from aiclient.messages import Message
from aiclient.provider import Provider
from aiclient.providers import CohereProvider
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest

pytestmark = pytest.mark.anyio

KEY = "cohere-test-0123"
HI = ChatRequest([Message("user", "Hello")])
ANSWER = {
    "id": "r1",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "Paris"}]},
    "finish_reason": "COMPLETE",
    "usage": {"tokens": {"input_tokens": 3, "output_tokens": 1}},
}
STREAM = (
    b'event: message-start\ndata: {"type":"message-start","id":"r1"}\n\n'
    b'data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"Pa"}}}}\n\n'
    b'data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"ris"}}}}\n\n'
)
END = b'data: {"type":"message-end","delta":{"finish_reason":"COMPLETE"}}\n\ndata: [DONE]\n\n'


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("CO_API_KEY", "COHERE_API_KEY", "CO_API_URL"):
        monkeypatch.delenv(name, raising=False)


def cohere(service, key=KEY, **options):
    return CohereProvider(key, http_client=service.client, **{"model": "command-a", **options})


async def test_a_call_goes_to_the_second_version_of_the_api(service):
    played = service((200, ANSWER, {"x-request-id": "req-1"}))
    response = await cohere(played).chat(HI)
    assert str(played.sent.url) == "https://api.cohere.com/v2/chat"
    assert played.sent.headers["authorization"] == f"Bearer {KEY}"
    assert played.body["model"] == "command-a"
    assert (response.message.content, response.usage.total_tokens) == ("Paris", 4)
    # The answer does not name its model: it is the one that was asked.
    assert (response.provider, response.model, response.request_id) == ("cohere", "command-a", "req-1")


async def test_a_stream_is_read_to_its_end_and_a_cut_one_keeps_what_came(service, read):
    assert await read(await cohere(service(STREAM + END)).chat_stream(HI)) == "Paris"
    with pytest.raises(StreamInterruptedError) as caught:
        await read(await cohere(service(STREAM)).chat_stream(HI))
    assert caught.value.partial.message.content == "Paris"


async def test_texts_are_embedded_96_at_a_time(service):
    def answer(request):
        count = len(json.loads(request.content)["texts"])
        return {"embeddings": {"float": [[1.0]] * count}, "meta": {"billed_units": {"input_tokens": count}}}

    played = service(answer)
    response = await cohere(played).embeddings(EmbeddingRequest(["text"] * 200, "embed-v4.0"))
    assert [len(json.loads(request.content)["texts"]) for request in played.requests] == [96, 96, 8]
    assert (len(response.vectors), response.usage.prompt_tokens) == (200, 200)


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({"CO_API_KEY": "first", "COHERE_API_KEY": "second"}, "first"),
        ({"COHERE_API_KEY": "second"}, "second"),
        ({"CO_API_KEY": "", "COHERE_API_KEY": "second"}, "second"),
    ],
)
async def test_the_key_comes_from_either_variable(service, monkeypatch, environment, key):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    played = service(ANSWER)
    await cohere(played, None).chat(HI)
    assert played.sent.headers["authorization"] == f"Bearer {key}"


def test_a_missing_key_names_its_variable():
    with pytest.raises(MissingAPIKeyError, match="CO_API_KEY"):
        CohereProvider().validate_config()


@pytest.mark.parametrize("address", ["https://proxy.example", "https://proxy.example/v2/", "https://proxy.example/v1"])
def test_an_address_may_be_given_with_the_version_or_without(monkeypatch, address):
    monkeypatch.setenv("CO_API_URL", address)
    provider: Provider = CohereProvider(KEY, model="m")
    assert provider.preview(HI).url == "https://proxy.example/v2/chat"
    assert KEY not in str(provider.preview(HI).headers)


async def test_models_are_listed_page_by_page(service):
    played = service(
        {"models": [{"name": "a"}], "next_page_token": "p2"}, {"models": [{"name": "b"}], "next_page_token": None}
    )
    assert [model.id for model in await cohere(played).list_models()] == ["a", "b"]
    assert played.urls[1] == "https://api.cohere.com/v1/models?page_size=1000&page_token=p2"


async def test_a_service_that_repeats_its_pages_does_not_keep_us_for_ever(service):
    played = service({"models": [{"name": "a"}], "next_page_token": "again"})
    assert len(await cohere(played).list_models()) == 100


async def test_long_texts_are_tokenized_in_pieces(service):
    played = service({"tokens": [1, 2, 3]})
    request = ChatRequest([Message("user", "x" * 65_537)], ChatOptions(model="command-r"))
    assert await cohere(played).count_tokens(request) == 6
    texts = [json.loads(sent.content) for sent in played.requests]
    assert [(len(text["text"]), text["model"]) for text in texts] == [(65_536, "command-r"), (1, "command-r")]


async def test_failures_are_typed_and_hide_the_key(service):
    too_long = {"error_type": "TOO_MANY_TOKENS", "message": "too many tokens: size limit exceeded by 5 tokens"}
    played = service((401, {"message": f"invalid api token {KEY}"}, {}), (400, too_long, {}))
    provider = cohere(played)
    with pytest.raises(AuthenticationError) as caught:
        await provider.chat(HI)
    assert KEY not in str(caught.value)
    with pytest.raises(ContextLengthError):
        await provider.chat(HI)


def test_what_it_can_do_is_found_in_a_chain():
    client = AsyncClient(CohereProvider(KEY, model="m"))
    assert all(find(client, kind) is not None for kind in (CountsTokens, ListsModels, Previews))
