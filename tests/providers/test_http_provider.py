"""What every provider over HTTP does, seen on OpenAI's."""

import asyncio
import json

import httpx
import pytest

from aiclient.context import CallContext, Timeouts
from aiclient.credentials import ApiKey
from aiclient.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigError,
    ConnectError,
    EmptyMessagesError,
    InvalidModelError,
    MissingAPIKeyError,
    ModelNotFoundError,
    ProtocolError,
    RateLimitError,
    StreamInterruptedError,
    UnsupportedFeatureError,
)
from aiclient.messages import Message
from aiclient.provider import ProviderInfo
from aiclient.providers import CompatibleProvider, OpenAIProvider
from aiclient.providers._endpoint import Endpoint
from aiclient.providers._http import HTTPProvider
from aiclient.providers._source import ChunkSource
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.testutil.server import LoopbackServer, cut
from aiclient.wire.openai_chat import OpenAIChat
from aiclient.wire.profiles import Profile

pytestmark = pytest.mark.anyio

KEY = "sk-test-1234567890"
ANSWER = {"id": "r1", "model": "m-2026", "choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}]}
STREAM = (
    b'data: {"id":"r1","model":"m-2026","choices":[{"index":0,"delta":{"content":"Pa"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"ris"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
    b"data: [DONE]\n\n"
)


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


class Service:
    """Plays the service behind `http_client=`; answers in order, the last one again and again."""

    def __init__(self, *answers):
        self.answers = list(answers) or [httpx.Response(200, json=ANSWER)]
        self.requests = []
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer(request) if callable(answer) else answer

    def openai(self, key=KEY, **options):
        return OpenAIProvider(key, http_client=self.client, **{"model": "m", **options})


def hello(**fields):
    context = fields.pop("context", None)
    return ChatRequest([Message("user", "Hello")], ChatOptions(**fields), context)


def complaint(status, message="no", **headers):
    return httpx.Response(status, json={"error": {"message": message}}, headers=headers)


async def read(stream):
    async with stream:
        return "".join([text async for text in stream.text])


async def test_a_call_carries_what_it_must():
    service = Service(
        httpx.Response(200, json=ANSWER, headers={"x-request-id": "req-1", "x-ratelimit-remaining-requests": "9"})
    )
    context = CallContext(id="call-1")
    response = await service.openai().chat(hello(context=context))
    (request,) = service.requests
    assert str(request.url) == "https://api.openai.com/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["x-client-request-id"] == "call-1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("aiclient/")
    assert json.loads(request.content) == {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    assert (response.message.content, response.model, response.provider) == ("Paris", "m-2026", "openai")
    assert (response.request_id, response.rate_limit.remaining_requests) == ("req-1", 9)


async def test_a_stream_is_opened_and_read():
    service = Service(httpx.Response(200, content=STREAM, headers={"x-request-id": "req-1"}))
    stream = await service.openai().chat_stream(hello())
    assert await read(stream) == "Paris"
    assert (stream.response.provider, stream.response.request_id, stream.response.id) == ("openai", "req-1", "r1")
    assert stream.response.usage.total_tokens == 3
    assert json.loads(service.requests[0].content)["stream"] is True


async def test_the_callers_headers_replace_ours():
    service = Service()
    provider = service.openai(headers={"user-agent": "mine", "X-Extra": "1"}, organization="org", project="proj")
    await provider.chat(hello())
    sent = service.requests[0].headers
    assert (sent["user-agent"], sent["x-extra"]) == ("mine", "1")
    assert (sent["openai-organization"], sent["openai-project"]) == ("org", "proj")
    assert sent.get_list("user-agent") == ["mine"]


async def test_openai_is_set_up_from_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1/?tenant=a")
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    service = Service()
    await service.openai(None).chat(hello())
    (request,) = service.requests
    assert str(request.url) == "https://proxy.example/v1/chat/completions?tenant=a"
    assert (request.headers["authorization"], request.headers["openai-organization"]) == ("Bearer sk-env", "org")


@pytest.mark.parametrize(
    ("request_", "error"),
    [(hello(), InvalidModelError), (ChatRequest([], ChatOptions(model="m")), EmptyMessagesError)],
    ids=["no-model", "no-messages"],
)
async def test_what_cannot_be_sent_is_refused_before_anything_is(request_, error):
    service = Service()
    provider = service.openai(model=None)
    for call in (provider.chat, provider.chat_stream):
        with pytest.raises(error):
            await call(request_)
    assert service.requests == []


async def test_the_requests_model_comes_first():
    service = Service()
    await service.openai(model="default").chat(hello(model="named"))
    assert json.loads(service.requests[0].content)["model"] == "named"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_a_failure_is_typed_and_signed(streamed):
    service = Service(complaint(429, "slow down", **{"retry-after": "7", "x-request-id": "req-1"}))
    provider = service.openai()
    with pytest.raises(RateLimitError, match="slow down") as caught:
        await (provider.chat_stream if streamed else provider.chat)(hello())
    error = caught.value
    assert (error.provider, error.model, error.status_code) == ("openai", "m", 429)
    assert (error.retry_after, error.request_id) == (7.0, "req-1")


async def test_an_error_inside_a_success_is_signed_with_the_headers_facts():
    service = Service(
        httpx.Response(200, json={"error": {"message": "no", "code": 400}}, headers={"x-request-id": "req-1"})
    )
    with pytest.raises(BadRequestError) as caught:
        await service.openai().chat(hello())
    assert (caught.value.request_id, caught.value.provider) == ("req-1", "openai")


async def test_our_own_key_never_shows_in_an_error():
    service = Service(complaint(400, f"the key {KEY} is odd"))
    with pytest.raises(BadRequestError) as caught:
        await service.openai().chat(hello())
    assert caught.value.message == "the key *** is odd"
    assert KEY not in repr(caught.value)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_our_own_key_shows_in_no_field_that_the_service_fills(streamed):
    body = {"error": {"message": "odd", "code": KEY}}
    provider = Service(httpx.Response(400, json=body, headers={"x-request-id": f"req-{KEY}"})).openai()
    with pytest.raises(BadRequestError) as caught:
        await (provider.chat_stream if streamed else provider.chat)(hello())
    assert (caught.value.code, caught.value.request_id) == ("***", "req-***")
    assert KEY not in repr(vars(caught.value))


async def chatted(provider):
    return (await provider.chat(hello())).message.content


async def streamed(provider):
    return await read(await provider.chat_stream(hello()))


@pytest.mark.parametrize(
    ("ask", "answer"), [(chatted, {"json": ANSWER}), (streamed, {"content": STREAM})], ids=["whole", "stream"]
)
async def test_a_refused_key_is_asked_for_once_more(ask, answer):
    service = Service(complaint(401), httpx.Response(200, **answer))
    keys = iter(["key-old-1", "key-new-2"])
    assert await ask(service.openai(lambda: next(keys))) == "Paris"
    sent = [request.headers["authorization"] for request in service.requests]
    assert sent == ["Bearer key-old-1", "Bearer key-new-2"]


@pytest.mark.parametrize(("key", "sent"), [(KEY, 1), (lambda: "same-key", 1)], ids=["text", "same-again"])
async def test_a_key_that_stays_the_same_is_sent_once(key, sent):
    service = Service(complaint(401))
    with pytest.raises(AuthenticationError):
        await service.openai(key).chat(hello())
    assert len(service.requests) == sent


async def test_a_second_refusal_is_final():
    service = Service(complaint(401))
    keys = iter(range(10))
    with pytest.raises(AuthenticationError):
        await service.openai(lambda: f"key-{next(keys)}").chat(hello())
    assert len(service.requests) == 2


async def test_redirects_are_not_followed():
    service = Service(httpx.Response(307, headers={"location": "https://evil.example/"}))
    with pytest.raises(ProtocolError) as caught:
        await service.openai().chat(hello())
    assert caught.value.kind == "redirect"
    assert len(service.requests) == 1


@pytest.mark.parametrize("url", ["http://service.example/v1", "http://10.0.0.1/v1"])
async def test_a_key_does_not_travel_in_the_clear(url):
    service = Service()
    provider = CompatibleProvider(url, api_key=KEY, model="m", http_client=service.client)
    with pytest.raises(ConfigError, match="allow_insecure"):
        provider.validate_config()
    with pytest.raises(ConfigError, match="allow_insecure"):
        await provider.chat(hello())
    assert service.requests == []
    allowed = CompatibleProvider(url, api_key=KEY, model="m", http_client=service.client, allow_insecure=True)
    await allowed.chat(hello())
    await CompatibleProvider(url, model="m", http_client=service.client).chat(hello())  # nothing to overhear
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/v1",
        "http://localhost./v1",
        "http://api.localhost/v1",
        "http://[::1]:8000/v1",
        "https://service.example/v1",
    ],
)
async def test_a_key_travels_where_nobody_can_listen(url):
    service = Service()
    provider = CompatibleProvider(url, api_key=KEY, model="m", http_client=service.client)
    provider.validate_config()
    await provider.chat(hello())
    assert [request.headers["authorization"] for request in service.requests] == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("service.example", "https://"),
        ("ftp://x", "https://"),
        ("https://", "host"),
        ("https://u:p@x/v1", "credentials"),
        ("http://[x", "URL"),
        ("https://x:99999999", "URL"),
        (None, "URL"),
    ],
)
def test_a_base_url_must_be_one(url, what):
    with pytest.raises(ConfigError, match=what) as caught:
        CompatibleProvider(url)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("headers", [{"X": "a\r\nb"}, {"X\n": "a"}, {"X": 5}])
def test_headers_that_would_end_early_are_refused(headers):
    with pytest.raises(ConfigError, match="header"):
        OpenAIProvider(KEY, headers=headers)


async def test_another_vendors_key_is_not_shown_to_openai():
    service = Service()
    with pytest.raises(ConfigError, match="Anthropic") as caught:
        await service.openai("sk-ant-secret").chat(hello())
    assert "sk-ant-secret" not in str(caught.value)
    assert service.requests == []
    await service.openai("sk-ant-secret", base_url="https://gateway.example/v1").chat(hello())


def test_the_configuration_can_be_checked_without_sending():
    OpenAIProvider(KEY).validate_config()
    OpenAIProvider(lambda: KEY).validate_config()
    with pytest.raises(MissingAPIKeyError, match="OPENAI_API_KEY"):
        OpenAIProvider().validate_config()
    with pytest.raises(ConfigError, match="Anthropic"):
        OpenAIProvider("sk-ant-secret").validate_config()
    with pytest.raises(ConfigError, match="profile"):
        CompatibleProvider("https://x/v1", profile="nobody")


async def test_warnings_reach_the_caller_once():
    service = Service()
    provider = service.openai()
    alone = await provider.chat(hello(top_k=5))
    assert [warning.setting for warning in alone.warnings] == ["top_k"]
    context = CallContext()
    for _ in range(2):  # a retry says it again
        assert (await provider.chat(hello(top_k=5, context=context))).warnings == ()
    assert [warning.setting for warning in context.warnings] == ["top_k"]
    with pytest.raises(UnsupportedFeatureError) as caught:
        await provider.chat(hello(top_k=5, strict=True))
    assert (caught.value.provider, caught.value.model) == ("openai", "m")


def test_a_preview_shows_everything_but_the_key():
    provider = OpenAIProvider(KEY, model="m")
    call = provider.preview(hello(context=CallContext(id="call-1")))
    assert call.url == "https://api.openai.com/v1/chat/completions"
    assert ("Authorization", "Bearer ***") in call.headers
    assert json.loads(call.body)["model"] == "m"
    assert KEY not in repr((call.headers, call.body, provider))


def test_info_says_where_calls_go():
    info = OpenAIProvider(KEY, model="m").info
    assert info == ProviderInfo("openai", "openai", "https://api.openai.com", "m", info.scope)
    assert info.scope == OpenAIProvider(KEY).info.scope != OpenAIProvider("other-key").info.scope
    local = CompatibleProvider("http://127.0.0.1:8000/v1").info
    assert (local.name, local.vendor, local.origin) == ("127.0.0.1", "127.0.0.1", "http://127.0.0.1:8000")
    groq = CompatibleProvider("https://api.groq.com/openai/v1", profile="groq", name="fast").info
    assert (groq.name, groq.vendor) == ("fast", "groq")


async def test_a_providers_own_limits_lower_the_calls():
    def slow(_):
        raise httpx.ConnectTimeout("slow")

    service = Service(slow)
    provider = service.openai(timeout=Timeouts(total=5, connect=2))
    context = CallContext(timeouts=Timeouts(connect=9))
    limits = provider._limits(context)
    assert (limits["timeouts"].connect, limits["timeouts"].pool) == (2, None)
    assert limits["deadline"] == pytest.approx(context.clock.monotonic() + 5, abs=1)
    context.deadline = context.clock.monotonic() + 1
    assert provider._limits(context)["deadline"] == context.deadline


def vectors(request):
    texts = json.loads(request.content)["input"]
    data = [{"index": i, "embedding": [float(text)]} for i, text in enumerate(texts)]
    return httpx.Response(
        200, json={"data": data, "model": "e", "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)}}
    )


async def test_many_texts_are_embedded_in_several_exchanges():
    service = Service(vectors)
    texts = [str(number) for number in range(4100)]
    response = await service.openai().embeddings(EmbeddingRequest(texts))
    assert [vector[0] for vector in response.vectors] == [float(text) for text in texts]
    assert response.usage.prompt_tokens == response.usage.total_tokens == 4100
    assert len(service.requests) == 3
    assert response.provider == "openai"


async def test_few_texts_are_embedded_at_once_and_warnings_told():
    service = Service(vectors)
    response = await service.openai().embeddings(EmbeddingRequest("5", task="query"))
    assert response.vector[0] == 5.0
    assert [warning.setting for warning in response.warnings] == ["task"]


async def test_a_failing_embedding_is_signed():
    service = Service(httpx.Response(200, json={"data": []}))
    with pytest.raises(ProtocolError) as caught:
        await service.openai().embeddings(EmbeddingRequest("5"))
    assert caught.value.provider == "openai"


async def test_what_a_provider_lacks_is_said():
    bare = HTTPProvider(
        name="bare", endpoint=Endpoint("https://x"), key=ApiKey(KEY, provider="bare"), vendor="bare", model="m"
    )
    with pytest.raises(UnsupportedFeatureError, match="bare has no chat"):
        await bare.chat(hello())
    with pytest.raises(UnsupportedFeatureError, match="bare has no embeddings"):
        await bare.embeddings(EmbeddingRequest("x"))


async def test_a_compatible_server_may_have_a_profile_of_its_own():
    service = Service(httpx.Response(200, json=ANSWER), httpx.Response(200, json={"id": "a"}))
    profile = Profile(name="mine", max_tokens="max_new_tokens")
    provider = CompatibleProvider("https://x/v1", model="m", profile=profile, http_client=service.client)
    await provider.chat(hello(max_tokens=5))
    assert json.loads(service.requests[0].content)["max_new_tokens"] == 5
    assert (provider.name, (await provider.get_model("a")).id) == ("mine", "a")


async def test_models_are_listed_and_looked_up():
    service = Service(
        httpx.Response(200, json={"data": [{"id": "a"}, {"id": "b"}]}), httpx.Response(200, json={"id": "a/b"})
    )
    provider = service.openai()
    assert [model.id for model in await provider.list_models()] == ["a", "b"]
    assert (await provider.get_model("a/b")).id == "a/b"
    assert [request.url.raw_path for request in service.requests] == [b"/v1/models", b"/v1/models/a%2Fb"]
    failing = Service(complaint(404))
    with pytest.raises(ModelNotFoundError) as caught:
        await CompatibleProvider("https://x/v1", http_client=failing.client, timeout=Timeouts(total=None)).list_models()
    assert caught.value.provider == "x"


class Body:
    """An exchange that gives what it is told; an exception is raised."""

    def __init__(self, *reads):
        self._reads = list(reads)
        self.done = False
        self.log = []

    async def __anext__(self):
        if not self._reads:
            raise StopAsyncIteration
        read = self._reads.pop(0)
        if isinstance(read, Exception):
            raise read
        return read

    async def aclose(self):
        self.log.append("aclose")

    def abort(self):
        self.log.append("abort")


def source(*reads):
    body = Body(*reads)
    return body, ChunkSource(body, OpenAIChat().decoder(), lambda error: error)


async def test_the_end_mark_is_told_to_the_connection():
    body, chunks = source(STREAM + b": more")
    assert [chunk.last async for chunk in chunks][-1]
    assert body.done
    await chunks.aclose()
    chunks.abort()
    assert body.log == ["aclose", "abort"]


async def test_a_connection_lost_after_the_last_finish_reason_loses_nothing():
    body, chunks = source(STREAM.partition(b'data: {"choices":[],')[0], ConnectError("lost", kind="reset"))
    assert [chunk.last async for chunk in chunks][-1]
    assert not body.done


async def test_a_connection_lost_before_gives_what_came_and_then_fails():
    unfinished, _, _ = STREAM.partition(b'\n\ndata: {"choices":[{"index":0,"delta":{"content":"ris')
    _, chunks = source(unfinished, ConnectError("lost", kind="reset"))
    assert (await anext(chunks)).content == "Pa"
    with pytest.raises(ConnectError):
        await anext(chunks)


async def test_an_error_inside_a_stream_is_typed_and_signed():
    broken = (
        STREAM.partition(b"\n\n")[0]
        + b'\n\nevent: error\ndata: {"error":{"message":"key %b","status_code":400}}\n\n' % KEY.encode()
    )
    service = Service(httpx.Response(200, content=broken, headers={"x-request-id": "req-1"}))
    stream = await service.openai().chat_stream(hello())
    with pytest.raises(StreamInterruptedError) as caught:
        await read(stream)
    error = caught.value
    assert (type(error.__cause__), error.request_id, error.provider) == (BadRequestError, "req-1", "openai")
    assert error.partial.message.content == "Pa"
    assert KEY not in str(error)


async def test_a_stream_answered_whole_is_a_stream_all_the_same():
    service = Service(httpx.Response(200, json=ANSWER))
    stream = await service.openai().chat_stream(hello())
    assert await read(stream) == "Paris"
    assert stream.response.finish_reason == "stop"


async def test_over_real_connections():
    async with LoopbackServer(reply="Paris is it.", api_key=KEY) as server:
        provider = OpenAIProvider(KEY, base_url=server.base_url, model="m")
        assert (await provider.chat(hello())).message.content == "Paris is it."
        assert await read(await provider.chat_stream(hello())) == "Paris is it."
        assert len((await provider.embeddings(EmbeddingRequest(["a", "b"]))).vectors) == 2
        assert await provider.list_models()
        server.script(cut(after=200))
        with pytest.raises((StreamInterruptedError, ConnectError, ProtocolError)):
            await read(await provider.chat_stream(hello()))
        await provider.close()
        assert (await provider.chat(hello())).message.content == "Paris is it."
        await provider.close()


async def test_leaving_a_stream_early_releases_it():
    async with LoopbackServer(reply="word " * 200, api_key=KEY) as server:
        provider = OpenAIProvider(KEY, base_url=server.base_url, model="m")
        async with await provider.chat_stream(hello()) as stream:
            async for _ in stream:
                break
        task = asyncio.ensure_future(read(await provider.chat_stream(hello())))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await provider.close()


def test_an_api_that_is_not_openais_is_refused():
    with pytest.raises(ConfigError, match="must be 'chat' or 'responses'"):
        OpenAIProvider(KEY, api="assistants")


def test_providers_are_loaded_when_they_are_named():
    import aiclient.providers as providers

    assert "OpenAIProvider" in dir(providers)
    with pytest.raises(AttributeError, match="NoSuchProvider"):
        _ = providers.NoSuchProvider
