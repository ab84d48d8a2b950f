"""Every call a dry run: nothing is sent, the chain is run through, and the answer carries the report."""

from __future__ import annotations

import asyncio

import pytest

from aiclient.attempt import chain
from aiclient.chains import resilient
from aiclient.client import AsyncClient
from aiclient.composition import Branched
from aiclient.context import CallContext
from aiclient.dryrun import DryRunReport
from aiclient.errors import CircuitOpenError, ClientClosedError, EmptyMessagesError
from aiclient.layer import Layer
from aiclient.messages import Message
from aiclient.middleware import Cache, CircuitBreaker, Defaults, DryRun, RateLimit, Retry
from aiclient.opening import collect
from aiclient.provider import observed, opened
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest, HTTPCall
from aiclient.response import NO_USAGE, CallWarning, ChatResponse
from aiclient.sync.client import Client
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

REQUEST = ChatRequest([Message("user", "hi")], ChatOptions(max_tokens=9))


async def chat(provider, context=None):
    return await opened(REQUEST, provider.chat, context)


async def stream(provider, context=None):
    return await collect(opened(REQUEST, provider.chat_stream, context))


async def embed(provider, context=None):
    return await opened(EmbeddingRequest("hi"), provider.embeddings, context)


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])
CHATS = pytest.mark.parametrize("call", [chat, stream], ids=["chat", "stream"])


class Previewing(MockProvider):
    """Says what it would send, and warns of a setting each time."""

    def preview(self, request, /):
        return self._shown(request, "chat")

    def preview_stream(self, request, /):
        return self._shown(request, "stream")

    def preview_embeddings(self, request, /):
        return self._shown(request, "embeddings")

    def _shown(self, request, path):
        request.context.warnings.append(CallWarning("unsupported", "no", "seed", self.name))
        return HTTPCall("POST", f"https://api.test/{path}", [("Authorization", "Bearer ***")], b'{"a": 1}')


class Counting(Layer):
    """Counts ends, and what was under way."""

    def __init__(self):
        self.ends = []

    async def around(self, request, inner, call_next):
        async def tell(end):
            self.ends.append((end.outcome, type(end.error).__name__))

        return await observed(call_next(request), tell)


class Refusing(Layer):
    async def around(self, request, inner, call_next):
        raise CircuitOpenError("open", retry_after=3)


class Kept(Layer):
    """Answers by itself, as a cache does."""

    async def chat(self, request, inner):
        return ChatResponse(Message("assistant", "kept"), "stop", model="m", cached=True)

    async def chat_stream(self, request, inner):
        return await MockProvider("kept").chat_stream(request)


class Routing(Layer):
    """Always takes the second target."""

    def __init__(self, second):
        self._second = second

    def __call__(self, inner):
        return Branched(self, inner, (chain([], self._second),))

    async def around(self, request, inner, call_next):
        second = chain([], self._second)
        return await getattr(second, call_next.__name__)(request)


# --- the layer ---


@PATHS
async def test_nothing_is_sent_and_the_answer_says_so(call):
    mock = Previewing("yes", name="p", model="m")
    context = CallContext()
    answer = await call(chain([DryRun()], mock), context)
    assert mock.calls == 0 and context.journal == [] and context.started == 0
    assert (answer.dry_run, answer.provider, answer.model, answer.usage, answer.attempts) == (
        True,
        "p",
        "m",
        NO_USAGE,
        (),
    )
    assert isinstance(answer.raw, DryRunReport)


@PATHS
async def test_the_report_shows_the_exchange_of_that_very_kind_of_call(call):
    answer = await call(chain([DryRun()], Previewing()))
    names = {chat: "chat", stream: "stream", embed: "embeddings"}
    assert answer.raw.call.url == f"https://api.test/{names[call]}"
    assert answer.raw.body == {"a": 1}


@CHATS
async def test_the_answer_is_empty_and_not_complete(call):
    answer = await call(chain([DryRun()], MockProvider("yes")))
    assert (answer.message, answer.finish_reason, answer.raw.max_tokens) == (Message("assistant"), None, 9)


async def test_a_stream_is_one_chunk_without_output():
    async with await opened(REQUEST, chain([DryRun()], MockProvider("yes", model="m")).chat_stream) as open_stream:
        chunks = [chunk async for chunk in open_stream]
    assert [(chunk.is_output, chunk.last) for chunk in chunks] == [(False, True)]
    assert open_stream.response.dry_run and open_stream.end.outcome == "completed"


async def test_a_stream_that_is_left_unread_has_its_report_too():
    async with await opened(REQUEST, chain([DryRun()], MockProvider("yes")).chat_stream) as open_stream:
        pass
    assert open_stream.partial.dry_run and open_stream.end.outcome == "abandoned"


async def test_there_are_no_vectors():
    answer = await embed(chain([DryRun()], MockProvider()))
    assert answer.vectors == () and answer.raw.max_tokens is None


@PATHS
async def test_warnings_are_on_the_report_and_on_the_answer_once(call):
    answer = await call(chain([DryRun()], Previewing(name="p")))
    assert [warning.setting for warning in answer.warnings] == ["seed"]
    assert answer.raw.warnings == answer.warnings


@PATHS
async def test_layers_inside_see_an_error_that_is_nobody_s_fault(call, clock):
    inside = Counting()
    await call(chain([DryRun(), Retry(), inside], MockProvider()), CallContext(clock=clock))
    assert inside.ends == [("failed", "DryRunStop")] and clock.slept == []


@PATHS
async def test_a_layer_outside_sees_an_answer(call):
    outside = Counting()
    await call(chain([outside, DryRun()], MockProvider()))
    assert outside.ends == [("completed", "NoneType")]


@PATHS
async def test_a_refusal_is_raised_as_it_would_be(call):
    with pytest.raises(CircuitOpenError) as caught:
        await call(chain([DryRun(), Refusing()], MockProvider()))
    assert caught.value.retry_after == 3


@CHATS
async def test_what_a_layer_answers_by_itself_comes_back_as_it_is(call):
    answer = await call(chain([DryRun(), Kept()], MockProvider()))
    assert (answer.message.content, answer.dry_run) == ("kept", False)


@PATHS
async def test_the_flag_holds_for_the_calls_inside_alone(call):
    context = CallContext()
    await call(chain([DryRun()], MockProvider()), context)
    assert context.dry_run is False


@PATHS
async def test_the_flag_is_put_back_when_a_layer_refuses(call):
    context = CallContext()
    with pytest.raises(CircuitOpenError):
        await call(chain([DryRun(), Refusing()], MockProvider()), context)
    assert context.dry_run is False


@PATHS
async def test_layers_between_two_of_them_are_dry_to_the_end(call):
    flags = []

    class Look(Layer):
        async def around(self, request, inner, call_next):
            result = await call_next(request)
            flags.append(request.context.dry_run)
            return result

    context = CallContext()
    answer = await call(chain([DryRun(), Look(), DryRun()], MockProvider()), context)
    assert answer.dry_run and flags == [True] and not context.dry_run


@PATHS
async def test_two_users_get_their_own_reports(call):
    provider = chain([DryRun()], MockProvider())
    one, two = await asyncio.gather(call(provider), call(provider))
    assert one.raw == two.raw and one.raw is not two.raw


@PATHS
async def test_a_cancellation_at_any_step_sends_nothing_and_puts_the_flag_back(at_every_step, call):
    class Slow(Layer):
        async def around(self, request, inner, call_next):
            await asyncio.sleep(0)
            return await call_next(request)

    def scene():
        mock, context = MockProvider(), CallContext()

        def verify(task):
            assert task.cancelled() or task.result().dry_run
            assert mock.calls == 0 and context.dry_run is False

        return call(chain([Slow(), DryRun(), Slow()], mock), context), verify

    assert await at_every_step(scene) > 8


def test_its_repr_is_its_name():
    assert repr(DryRun()) == "DryRun()"


# --- the builder's and the client's ---


@pytest.mark.parametrize("as_stream", [False, True], ids=["chat", "stream"])
async def test_a_request_says_what_it_would_send_through_all_layers(as_stream):
    mock = Previewing("yes", name="p", model="m")
    async with AsyncClient(mock).use(Retry(), Defaults("Be brief.", max_tokens=50)) as client:
        report = await client.new_request().user("hi").dry_run(stream=as_stream)
        plain = await AsyncClient(mock).new_request().user("hi").dry_run(stream=as_stream)
    assert mock.calls == 0
    assert report.call.url == f"https://api.test/{'stream' if as_stream else 'chat'}"
    assert (report.provider, report.model, report.max_tokens) == ("p", "m", 50)
    assert report.prompt_tokens > plain.prompt_tokens  # the system prompt is counted


def test_a_sync_request_says_it_too():
    with Client(Previewing("yes")) as client:
        reports = [
            client.new_request().user("hi").dry_run(),
            client.new_request().user("hi").dry_run(stream=True),
            client.dry_run("hi"),
            client.dry_run("hi", stream=True),
        ]
    assert [report.call.url.rpartition("/")[2] for report in reports] == ["chat", "stream"] * 2


@pytest.mark.parametrize("as_stream", [False, True], ids=["chat", "stream"])
async def test_the_provider_that_routing_chooses_is_the_one_of_the_report(as_stream):
    second = Previewing(name="second", model="m2")
    async with AsyncClient(MockProvider(name="first")).use(Routing(second)) as client:
        report = await client.dry_run("hi", stream=as_stream)
    assert (report.provider, report.model) == ("second", "m2")


@pytest.mark.parametrize("as_stream", [False, True], ids=["chat", "stream"])
async def test_what_a_layer_would_answer_is_reported_as_answered(as_stream):
    async with AsyncClient(mock := MockProvider(name="p")).use(Kept()) as client:
        report = await client.dry_run("hi", stream=as_stream)
        assert (report.answered, report.call, report.provider, mock.calls) == (True, None, "p", 0)


@pytest.mark.parametrize("as_stream", [False, True], ids=["chat", "stream"])
async def test_a_refusal_of_a_layer_is_raised_by_the_builder(as_stream):
    async with AsyncClient(MockProvider()).use(Refusing()) as client:
        with pytest.raises(CircuitOpenError):
            await client.new_request().user("hi").dry_run(stream=as_stream)


@pytest.mark.parametrize("as_stream", [False, True], ids=["chat", "stream"])
async def test_an_open_circuit_is_reported_as_it_would_refuse(clock, as_stream):
    breaker = CircuitBreaker(clock=clock, jitter=0)
    async with AsyncClient(mock := MockProvider(), clock=clock).use(breaker) as client:
        breaker.trip(open_for=7)
        with pytest.raises(CircuitOpenError) as caught:
            await client.dry_run("hi", stream=as_stream)
        assert (caught.value.retry_after, mock.calls) == (7, 0)


@pytest.mark.parametrize("as_stream", [False, True], ids=["chat", "stream"])
async def test_a_dry_run_gives_the_probe_of_a_circuit_back_and_closes_nothing(clock, as_stream):
    breaker = CircuitBreaker(clock=clock, jitter=0)
    async with AsyncClient(MockProvider("yes"), clock=clock).use(breaker) as client:
        breaker.trip(open_for=7)
        clock.advance(8)
        assert (await client.dry_run("hi", stream=as_stream)).call is None
        assert breaker.state()[0].state != "closed"
        assert (await client.chat("hi")).message.content == "yes"
        assert breaker.state()[0].state == "closed"


@pytest.mark.parametrize("as_stream", [False, True], ids=["chat", "stream"])
async def test_the_standard_chain_sends_and_spends_nothing(clock, as_stream):
    first, second = Previewing(name="first"), Previewing("yes", name="second")
    limit = RateLimit(requests=1, per=60.0)
    chained = resilient(first, second, logging=False, cache=True, single_flight=True, rate_limit=limit)
    async with AsyncClient(chained, clock=clock) as client:
        request = client.new_request().user("hi").temperature(0)
        reports = [await request.dry_run(stream=as_stream) for _ in range(3)]
        assert [report.provider for report in reports] == ["first"] * 3 and first.calls == second.calls == 0
        assert (await request.do()).message.content == "Mock response"  # neither kept, nor waiting for the limit
    assert clock.slept == [] and (first.calls, second.calls) == (1, 0)


async def test_what_the_cache_holds_is_reported_as_answered():
    async with AsyncClient(Previewing("yes", name="p")).use(Cache()) as client:
        request = client.new_request().user("hi").temperature(0)
        before = await request.dry_run()
        await request.do()
        assert (before.answered, (await request.dry_run()).answered) == (False, True)


async def test_a_malformed_request_is_refused():
    with pytest.raises(EmptyMessagesError):
        await AsyncClient(MockProvider()).new_request().dry_run()


async def test_a_closed_client_refuses():
    client = AsyncClient(MockProvider())
    await client.close()
    with pytest.raises(ClientClosedError):
        await client.dry_run("hi")


async def test_what_the_client_was_made_with_holds_for_its_dry_runs(clock):
    seen = []

    class Look(Layer):
        async def around(self, request, inner, call_next):
            seen.append(request.context)
            return await call_next(request)

    async with AsyncClient(MockProvider(), clock=clock, strict=True, timeout=7).use(Look()) as client:
        await client.dry_run("hi")
    (context,) = seen
    assert (context.clock, context.strict, context.timeouts.total) == (clock, True, 7)


async def test_calls_after_a_dry_run_are_in_earnest():
    async with AsyncClient(mock := MockProvider("yes")) as client:
        request = client.new_request().user("hi")
        await request.dry_run()
        assert (await request.do()).message.content == "yes" and mock.calls == 1
        assert not client._calls


async def test_a_derived_client_may_be_dry_while_its_parent_is_not():
    async with AsyncClient(mock := MockProvider("yes")) as client:
        dry = client.derive(DryRun())
        answers = await asyncio.gather(dry.chat("hi"), client.chat("hi"))
        assert [answer.dry_run for answer in answers] == [True, False] and mock.calls == 1
