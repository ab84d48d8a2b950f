"""What users write, for the type checkers: never run, checked by `mypy --strict` and pyright (tests/test_typing.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Protocol, TypedDict, TypeVar, assert_type, runtime_checkable

import aiclient
from aiclient import (
    AsyncClient,
    Attempt,
    BaseProvider,
    CallContext,
    ChatOptions,
    ChatRequest,
    ChatResponse,
    ChatStream,
    ChatStreamChunk,
    Client,
    Cost,
    EmbeddingRequest,
    EmbeddingResponse,
    End,
    Layer,
    Limit,
    Message,
    Middleware,
    OpenStream,
    PromptCache,
    Provider,
    ProviderInfo,
    Tool,
    ToolCall,
    Usage,
    Wrapper,
    begin,
    chain,
    collect,
    compose,
    destinations,
    find,
    observed,
    outcome,
    registry,
    replay,
    tool,
)
from aiclient.config import Config, LayerConfig, schema, watch
from aiclient.middleware import (
    ArmState,
    Budget,
    CircuitBreaker,
    Defaults,
    DryRun,
    Fallback,
    HookContext,
    Hooks,
    LoadBalance,
    Logging,
    MemoryMetrics,
    MetricEvent,
    MetricLabels,
    MetricResult,
    Metrics,
    MetricsCollector,
    OpenTelemetryMetrics,
    Retry,
    Target,
    Tracing,
    Validate,
    middleware,
)
from aiclient.testutil import FakeClock, MockProvider

Q = TypeVar("Q", bound=ChatRequest | EmbeddingRequest)
R = TypeVar("R", bound=ChatResponse | ChatStream | EmbeddingResponse)


class Duck:
    """A provider that inherits nothing and names its parameters as it likes."""

    name = "duck"

    async def chat(self, req: ChatRequest) -> ChatResponse:
        return ChatResponse(Message("assistant", "quack"), "stop")

    async def chat_stream(self, req: ChatRequest) -> ChatStream:
        return replay(await self.chat(req))

    async def embeddings(self, what: EmbeddingRequest) -> EmbeddingResponse:
        return EmbeddingResponse([[1.0]])

    def validate_config(self) -> None: ...

    async def close(self) -> None: ...


class Named:
    """A provider whose name is a property."""

    @property
    def name(self) -> str:
        return "named"

    async def chat(self, request: ChatRequest, /) -> ChatResponse:
        raise NotImplementedError

    async def chat_stream(self, request: ChatRequest, /) -> ChatStream:
        raise NotImplementedError

    async def embeddings(self, request: EmbeddingRequest, /) -> EmbeddingResponse:
        raise NotImplementedError

    def validate_config(self) -> None: ...

    async def close(self) -> None: ...


class Short(BaseProvider):
    """A provider that overrides one method of the defaults."""

    name = "short"

    async def chat(self, request: ChatRequest, /) -> ChatResponse:
        return ChatResponse(request.messages[-1], "stop")


@runtime_checkable
class Counts(Protocol):
    """An ability of some providers."""

    def count(self, text: str) -> int: ...


class Gated(Layer):
    """An accounting layer: one path for chat, streams and embeddings."""

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        request, context = begin(request)
        assert_type(context, CallContext)
        return await observed(call_next(request), self._leave)

    async def _leave(self, end: End) -> None:
        assert_type(end.error, BaseException | None)


class Shouting(Layer):
    """A layer that differs by path."""

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        return await inner.chat(request)


class Forwarding(Wrapper):
    """A wrapper is a middleware itself."""

    def validate_config(self) -> None:
        super().validate_config()


def plain(provider: Provider) -> Provider:
    return provider


@middleware(stream="buffer")
async def polite(request: ChatRequest, call_next: Callable[[ChatRequest], Awaitable[ChatResponse]]) -> ChatResponse:
    response = await call_next(request)
    assert_type(response.message.content, str)
    return response


@middleware(stream="open")
async def watched(request: Q, call_next: Callable[[Q], Awaitable[R]]) -> R:
    return await call_next(request)


def providers() -> list[Provider]:
    return [
        Duck(),
        Named(),
        Short(),
        MockProvider("x"),
        AsyncClient(MockProvider()),
        Forwarding(Duck()),
        Gated()(Duck()),
    ]


def layers() -> list[Middleware]:
    return [Gated(), Shouting(), Forwarding, plain, polite, watched, Logging(), Retry(attempts=2)]


def values() -> None:
    assert_type(Usage(total_tokens=3).total_tokens, int | None)
    message = Message("user", "hi")
    assert_type(ChatRequest([message]).messages, tuple[Message, ...])
    assert_type(ChatRequest([message]).options, ChatOptions)
    assert_type(EmbeddingRequest("x").input, tuple[str, ...])
    EmbeddingRequest(["x", "y"], tags={"team": "search"})
    assert_type(ChatOptions(stop="x", tags={"team": "search"}, metadata={"k": "v"}).stop, tuple[str, ...])
    ChatOptions(stop=["x"], tools=[Tool("add")], prompt_cache=PromptCache("1h"))
    Defaults("Be brief.", temperature=0, tools=[Tool("add")], tool_choice="add", response_format={"type": "object"})


def composition(provider: Provider) -> None:
    assert_type(compose(layers(), provider), Provider)
    assert_type(chain([], provider), Provider)
    assert_type(find(provider, Counts), Counts | None)
    assert_type(find(provider, Short), Short | None)
    assert_type(destinations(provider), tuple[ProviderInfo, ...])


async def calls(provider: Provider, request: ChatRequest) -> None:
    assert_type(await provider.chat(request), ChatResponse)
    assert_type(await provider.chat_stream(request), ChatStream)
    assert_type(await collect(provider.chat_stream(request)), ChatResponse)
    assert_type(await provider.embeddings(EmbeddingRequest("x")), EmbeddingResponse)


async def async_client() -> None:
    async with AsyncClient(Duck()) as client:
        client.use(Logging(), Retry(), polite)
        response = await client.chat("hi")
        assert_type(response, ChatResponse)
        assert_type(client.chat_stream("hi"), OpenStream)
        async with client.chat_stream("hi") as stream:
            assert_type(stream, ChatStream)
            async for chunk in stream:
                assert_type(chunk, ChatStreamChunk)
                assert_type(chunk.delta.content, str)
        held = await client.chat_stream("hi")
        async for text in held.text:
            assert_type(text, str)
        assert_type(await client.new_request().user("hi").dry_run(), aiclient.DryRunReport)


def sync_client() -> None:
    with Client(MockProvider(["one", "two"])) as client:
        response = client.use(Retry()).chat("hi")
        answer(response)
        assert_type(client.new_request().user("hi").dry_run(stream=True), aiclient.DryRunReport)
        client.derive(DryRun())
        with client.chat_stream("hi") as stream:
            for chunk in stream:
                assert_type(chunk.content, str)


def answer(response: ChatResponse) -> None:
    assert_type(response.usage, Usage)
    assert_type(response.usage.total_tokens, int | None)
    assert_type(response.message.tool_calls, tuple[ToolCall, ...])
    assert_type(response.attempts, tuple[Attempt, ...])
    cost = response.cost
    assert_type(cost, Cost | None)
    if cost is not None:
        assert_type(cost.usd, Decimal)
    assert_type(ChatResponse.from_dict(response.to_dict()), ChatResponse)


async def audited(context: HookContext, response: ChatResponse) -> bool:
    assert_type(context.attempt, int)
    return response.cached


def seen(context: HookContext, chunk: ChatStreamChunk) -> None:
    assert_type(chunk.content, str)


def hooked() -> Hooks:
    seen_chunks: list[ChatStreamChunk] = []
    hooks = Hooks(after_response=audited, on_chunk=[seen, lambda context, chunk: seen_chunks.append(chunk)])
    return hooks.add("on_retry", lambda context, event: print(context.call_id, event.delay))


def several(one: Provider, other: Provider) -> None:
    Fallback(other, Target(one, model="small", when={"context_length"}), each=[Retry(), CircuitBreaker()])
    Fallback(other, on=lambda error: error.status_code == 529)
    balance = LoadBalance(other, weights=[9, 1], by="in_flight", sticky=lambda request: request.model)
    assert_type(balance.state(), tuple[ArmState, ...])
    several = aiclient.failover([one, Target(other, keep_model=True), "openai:gpt-5-mini"], on={"server", "timeout"})
    assert_type(several.status(), tuple[aiclient.FailoverState, ...])
    assert_type(several.remove("openai"), Provider)
    Client(several)


async def told(alert: aiclient.BudgetAlert) -> None:
    assert_type(alert.spent, Decimal | int)


async def budgets(client: Client) -> None:
    ledger = aiclient.Ledger(store=aiclient.SQLiteStore("ledger.db"), on_store_error="0.50")
    budget = Budget(Limit(usd="5", per="user", period="day"), Limit(tokens=10_000), on_alert=told, ledger=ledger)
    shared = aiclient.RedisStore(aiclient.SecretStr("rediss://h"), prefix="ours:", timeout=1, ca_file="ca.pem")
    assert_type(await shared.swap("a", None, b"1", ttl=5), bool)
    client.use(budget, Budget(usd=1, name="other", on_alert=lambda alert: print(alert)))
    assert_type(budget.spent, Decimal)
    assert_type(budget.remaining, Decimal | None)
    assert_type(budget.funds("alice").reserved_tokens, int)
    assert_type(ledger.alerts(), tuple[aiclient.BudgetAlert, ...])
    assert_type(ledger.report(by=["user"]).to_csv(), str)
    assert_type(await ledger.reset("other"), int)


class Place(TypedDict):
    name: str


async def typed(client: Client, asynchronous: AsyncClient) -> None:
    place = client.new_request().user("?").output(Place).temperature(0).do()
    assert_type(place.output, Place)
    answer(place)
    assert_type((await asynchronous.new_request().output(int).user("?").do()).output, int)
    assert_type(client.new_request().user("?").do(), ChatResponse)
    either = client.new_request().user("?").output(int | None).do()
    assert_type(either.message.content, str)


@aiclient.tool
def double(number: int) -> int:
    """Double."""
    return 2 * number


async def looped(client: Client, asynchronous: AsyncClient) -> None:
    result = client.new_request().user("?").run([double], max_rounds=3, approve=lambda call: call.name == "double")
    assert_type(result, aiclient.RunResult)
    assert_type(result.response, ChatResponse)
    with client.new_request().user("?").run_stream([double]) as run:
        for event in run:
            assert_type(event, aiclient.RunEvent)
    async with asynchronous.new_request().user("?").run_stream([double], timeout=5) as later:
        async for event in later:
            assert_type(event.use, aiclient.ToolUse | None)
    assert_type(later.result.stopped == "answer", bool)


def many(client: Client) -> None:
    result = client.map(["a", [{"role": "user", "content": "b"}]], on_progress=lambda progress: print(progress.done))
    assert_type(result.values, list[ChatResponse])
    assert_type(result[0].error, Exception | None)


class Collector:
    def record_request(self, labels: MetricLabels) -> None:
        assert_type(labels.model, str | None)

    def record_response(self, labels: MetricLabels, result: MetricResult) -> None:
        assert_type(result.duration, float)

    def record_stream_chunk(self, labels: MetricLabels, seconds: float) -> None: ...

    def record_event(self, labels: MetricLabels, event: MetricEvent) -> None:
        assert_type(event.attempt, aiclient.Attempt | None)


def looked_on(client: Client) -> None:
    memory = MemoryMetrics(window=60)
    collectors: list[MetricsCollector] = [memory, OpenTelemetryMetrics(chunks=False), Collector()]
    client.use(Tracing(content=False), *map(Metrics, collectors))
    assert_type(memory.snapshot().calls.duration.p95, float | None)


def conversation(client: Client) -> None:
    with client.session(budget_usd=1.0, system="Be brief.", temperature=0.5, use=[Retry()]) as session:
        assert_type(session.chat("hi", max_tokens=5), ChatResponse)
        assert_type(session.batch_generate(["a"]).values, list[ChatResponse])
        session.set_alert(0.8, lambda alert: print(alert.spent))
        assert_type(session.project(10).fits, bool | None)
        assert_type(aiclient.Session.from_dict(session.export_to_dict(), client), aiclient.Session)


def held(client: Client) -> None:
    def short(response: ChatResponse) -> str | None:
        return None if len(response.message.content) < 100 else "too long"

    async def judged(response: ChatResponse) -> bool:
        return response.finish_reason == "stop"

    client.use(
        Validate(short, mode="warn"), Validate(judged), Validate(list[int], mode="retry", attempts=2, buffer=True)
    )
    client.derive(Validate({"type": "object"}), Validate(int | None))


def looked_at(client: Client) -> None:
    report = client.check(extra=[lambda: None, lambda: "no space left"], timeout=2)
    assert_type(report.failed, tuple[aiclient.CheckResult, ...])
    status = client.status(ask=True)
    assert_type(status.ok, bool)
    assert_type(status.services[0].spend_usd, Decimal | None)


def errors(error: aiclient.AIClientError) -> None:
    assert_type(error.retryable, bool)
    assert_type(error.retry_after, float | None)
    assert_type(outcome(error).falls_over, bool)
    assert_type(aiclient.TimeoutError(phase="idle").partial, ChatResponse | None)


def time_stands_still() -> None:
    clock: aiclient.Clock = FakeClock()
    Retry(clock=clock)


@tool
def add(first: int, second: int = 0) -> int:
    return first + second


@tool(strict=True)
async def ask(word: str) -> list[str]:
    return [word]


async def tools(client: Client) -> None:
    assert_type(add(1, second=2), int)
    assert_type(await add.call("{}"), int)
    assert_type(await ask("x"), list[str])
    assert_type(await ask.call({"word": "x"}), list[str])
    client.new_request().tools(add, ask, Tool("plain"))
    ChatOptions(tools=(add, Tool("plain")))


def configured(client: Client) -> None:
    config = Config(
        providers={"a": "mock:x", "b": {"provider": "mock", "priority": 2}},
        use=["logging", {"retry": {"attempts": 2}}, LayerConfig("tracing")],
        budgets=[{"usd": 5}],
    )
    assert_type(Client.from_config(config, profile=None, timeout=5), Client)
    assert_type(Client.from_config("aiclient.yaml").config, Config | None)
    client.reload({"model": "mock:x"})
    with watch(client, "aiclient.yaml", every=1, on_reload=lambda now: print(now.model)):
        assert_type(schema(), dict[str, Any])
    registry.register("acme", MockProvider)
