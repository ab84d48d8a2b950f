"""One adapter per client. This module imports nothing: what a client needs is imported, and counted, when it is made.

    @client("openai", imports="openai")
    def openai(base):                            # base = "http://127.0.0.1:PORT"
        return Ops(call, stream, embed, close)

    call(model)     the text of an answer
    stream(model)   an iterator of its text pieces; a generator may do more when it is exhausted
    embed(texts)    vectors

All are async, or all sync when the client's name ends in `-sync`.
"""

CLIENTS = {}
SYSTEM, USER = "You are terse.", "What is the answer to life, the universe and everything?"
MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]
EMBEDDER = "text-embedding-3-small"


class Ops:
    def __init__(self, call, stream, embed=None, close=None):
        self.call, self.stream, self.embed, self.close = call, stream, embed, close


class Spec:
    def __init__(self, name, make, env, imports):
        self.name, self.make, self.env, self.imports = name, make, env, imports
        self.sync = name.endswith("-sync")


def client(env, *, imports, name=None):
    def add(make):
        key = name or make.__name__.replace("_", "-")
        CLIENTS[key] = Spec(key, make, env, imports)
        return make

    return add


# --- the base: httpx as one writes it by hand ---


@client("httpx", imports="httpx", name="httpx")
@client("httpx-sniffio", imports="httpx", name="httpx+sniffio")
def httpx(base):
    import array
    import base64
    import json

    import httpx

    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)  # 500 streams are open at once
    key = {"authorization": "Bearer sk-bench"}
    http = httpx.AsyncClient(base_url=f"{base}/v1", headers=key, limits=limits, timeout=60)
    headers = {"content-type": "application/json"}

    def body(**fields):
        return json.dumps(fields).encode()

    async def call(model):
        sent = body(model=model, messages=MESSAGES)
        response = await http.post("/chat/completions", content=sent, headers=headers)
        response.raise_for_status()
        return json.loads(response.content)["choices"][0]["message"]["content"]

    async def stream(model):
        sent = body(model=model, messages=MESSAGES, stream=True, stream_options={"include_usage": True})
        async with http.stream("POST", "/chat/completions", content=sent, headers=headers) as response:
            response.raise_for_status()
            tail = b""
            async for data in response.aiter_bytes():
                *events, tail = (tail + data).split(b"\n\n")
                for event in events:
                    if event == b"data: [DONE]":
                        continue  # read to the end of the body, which keeps the connection
                    choices = json.loads(event[6:])["choices"]
                    text = choices and choices[0]["delta"].get("content")
                    if text:
                        yield text

    async def embed(texts):
        sent = body(model=EMBEDDER, input=texts, encoding_format="base64")
        response = await http.post("/embeddings", content=sent, headers=headers)
        response.raise_for_status()
        return [array.array("f", base64.b64decode(row["embedding"])) for row in json.loads(response.content)["data"]]

    return Ops(call, stream, embed, http.aclose)


# --- aiclient ---


def _provider(base):
    from aiclient.http import HTTP, HTTPLimits
    from aiclient.providers import OpenAIProvider

    provider = OpenAIProvider("sk-bench", base_url=f"{base}/v1", model="stub-16")
    provider._http = HTTP(limits=HTTPLimits(max_connections=1000, max_idle=1000))  # noqa: SLF001  # as the base has it
    return provider


@client("aiclient", imports="aiclient")
def aiclient_bare(base):
    """The provider alone: the wire and nothing else."""
    from aiclient import ChatOptions, ChatRequest, EmbeddingRequest, Message

    provider = _provider(base)

    def request(model):
        return ChatRequest([Message("system", SYSTEM), Message("user", USER)], ChatOptions(model=model))

    async def call(model):
        return (await provider.chat(request(model))).message.content

    async def stream(model):
        async with await provider.chat_stream(request(model)) as chunks:
            async for chunk in chunks:
                if chunk.content:
                    yield chunk.content

    async def embed(texts):
        return (await provider.embeddings(EmbeddingRequest(texts, EMBEDDER))).vectors

    return Ops(call, stream, embed, provider.close)


@client("aiclient", imports="aiclient", name="aiclient")
def aiclient_client(base):
    """An AsyncClient without middleware, used as the README shows."""
    from aiclient import AsyncClient

    return _fluent(AsyncClient(_provider(base)))


@client("aiclient", imports="aiclient")
def aiclient_chain(base):
    """An AsyncClient with Logging, below its level, and Retry."""
    from aiclient import AsyncClient
    from aiclient.middleware import Logging, Retry

    return _fluent(AsyncClient(_provider(base)).use(Logging(), Retry()))


def _fluent(client):
    def request(model):
        return client.new_request().system(SYSTEM).user(USER).model(model)

    async def call(model):
        return (await request(model).do()).message.content

    async def stream(model):
        async with request(model).stream() as chunks:
            async for chunk in chunks:
                if chunk.content:
                    yield chunk.content

    async def embed(texts):
        return (await client.embed(texts, model=EMBEDDER)).vectors

    return Ops(call, stream, embed, client.close)


@client("aiclient", imports="aiclient")
def aiclient_sync(base):
    """The sync Client without middleware."""
    from aiclient import Client

    client = Client(_provider(base))

    def request(model):
        return client.new_request().system(SYSTEM).user(USER).model(model)

    def call(model):
        return request(model).do().message.content

    def stream(model):
        with request(model).stream() as chunks:
            for chunk in chunks:
                if chunk.content:
                    yield chunk.content

    def embed(texts):
        return client.embed(texts, model=EMBEDDER).vectors

    return Ops(call, stream, embed, client.close)


# --- peers ---


@client("openai", imports="openai")
def openai(base):
    from openai import AsyncOpenAI

    api = AsyncOpenAI(base_url=f"{base}/v1", api_key="sk-bench")

    async def call(model):
        return (await api.chat.completions.create(model=model, messages=MESSAGES)).choices[0].message.content

    async def stream(model):
        async for text in _texts(await api.chat.completions.create(model=model, messages=MESSAGES, stream=True)):
            yield text

    async def embed(texts):
        return [row.embedding for row in (await api.embeddings.create(model=EMBEDDER, input=texts)).data]

    return Ops(call, stream, embed, api.close)


async def _texts(chunks):
    async for chunk in chunks:
        text = chunk.choices and chunk.choices[0].delta.content
        if text:
            yield text


@client("litellm", imports="litellm")
def litellm(base):
    import litellm

    where = {"api_base": f"{base}/v1", "api_key": "sk-bench"}

    async def call(model):
        answer = await litellm.acompletion(model=f"openai/{model}", messages=MESSAGES, **where)
        return answer.choices[0].message.content

    async def stream(model):
        chunks = await litellm.acompletion(model=f"openai/{model}", messages=MESSAGES, stream=True, **where)
        async for text in _texts(chunks):
            yield text

    async def embed(texts):
        answer = await litellm.aembedding(model=f"openai/{EMBEDDER}", input=texts, **where)
        return [row["embedding"] for row in answer.data]

    return Ops(call, stream, embed)


@client("any-llm", imports="any_llm")
def any_llm(base):
    from any_llm import AnyLLM

    api = AnyLLM.create("openai", api_key="sk-bench", api_base=f"{base}/v1")

    async def call(model):
        return (await api.acompletion(model=model, messages=MESSAGES)).choices[0].message.content

    async def stream(model):
        async for text in _texts(await api.acompletion(model=model, messages=MESSAGES, stream=True)):
            yield text

    async def embed(texts):
        return [row.embedding for row in (await api.aembedding(EMBEDDER, texts)).data]

    return Ops(call, stream, embed)


@client("pydantic-ai", imports="pydantic_ai.direct")
def pydantic_ai(base):
    from pydantic_ai.direct import model_request, model_request_stream
    from pydantic_ai.messages import ModelRequest, SystemPromptPart, UserPromptPart
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=f"{base}/v1", api_key="sk-bench")
    models = {}

    def asked(model):
        if model not in models:
            models[model] = OpenAIChatModel(model, provider=provider)
        return models[model], [ModelRequest(parts=[SystemPromptPart(SYSTEM), UserPromptPart(USER)])]

    async def call(model):
        return (await model_request(*asked(model))).parts[0].content

    async def stream(model):
        async with model_request_stream(*asked(model)) as events:
            async for event in events:
                if event.event_kind == "part_delta":
                    yield event.delta.content_delta
                elif event.event_kind == "part_start" and event.part.content:
                    yield event.part.content

    return Ops(call, stream)
