"""llmock plays six vendors, breaks them as told, and judges the client by what it then saw: who came back when, and how often.

It fails a client that comes back before `Retry-After`, that repeats a request which can never succeed, or that takes half a
stream for an answer. The last tests show that it does: clients that do just that are caught.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from aiclient import AsyncClient, errors, providers
from aiclient.context import Timeouts
from aiclient.layer import Layer
from aiclient.middleware import Retry
from aiclient.testutil.clock import FakeClock

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("default"),
]  # the server's own warnings are not ours to mend

KEY = "sk-llmock-0123456789"
MODEL = "m-1"
WAIT = 0.2
"""Seconds that a fault asks to wait."""

FACES = {
    "openai": lambda url: providers.OpenAIProvider(KEY, model=MODEL, base_url=f"{url}/v1"),
    "anthropic": lambda url: providers.AnthropicProvider(KEY, model=MODEL, base_url=f"{url}/anthropic"),
    "gemini": lambda url: providers.GeminiProvider(KEY, model=MODEL, base_url=f"{url}/gemini/v1beta"),
    "cohere": lambda url: providers.CohereProvider(KEY, model=MODEL, base_url=f"{url}/cohere"),
    "mistral": lambda url: providers.MistralProvider(KEY, model=MODEL, base_url=f"{url}/mistral/v1"),
    "groq": lambda url: providers.compatible("groq", api_key=KEY, model=MODEL, base_url=f"{url}/groq/openai/v1"),
}
ALL = pytest.mark.parametrize("face", FACES)
PATHS = pytest.mark.parametrize("path", ["chat", "stream"])


@pytest.fixture(scope="module")
def running():
    testing = pytest.importorskip("llmock.testing", reason="llmock is not installed: pip install 'aiclient[oracles]'")
    with testing.LLMockServer() as server:
        yield server


@pytest.fixture
def referee(running):
    """The server, with nothing remembered and nothing scripted."""
    from llmock.pytest_plugin import LLMock

    return LLMock(running).reset()


def client(referee, face, *layers, **options):
    return AsyncClient(FACES[face](referee.url), **options).use(*layers or [Retry(3, base=0.1)])


async def ask(client, path):
    """Ask once; return the text."""
    if path == "chat":
        return (await client.chat("What is the weather in Paris?")).message.content
    async with client.chat_stream("What is the weather in Paris?") as stream:
        async for _ in stream:
            pass
        return stream.response.message.content


async def ask_until_whole(client):
    """Ask once more when the caller is told that the stream broke off; before the first output `Retry` does so unseen."""
    try:
        return await ask(client, "stream")
    except errors.StreamInterruptedError:
        return await ask(client, "stream")


async def refused(client, path, kind):
    with pytest.raises(kind) as caught:
        await ask(client, path)
    return caught.value


# --- our client ---


@PATHS
@ALL
async def test_a_wait_that_is_asked_for_is_kept(referee, face, path):
    referee.rate_limit(times=2, retry_after=WAIT)
    async with client(referee, face) as ours:
        assert await ask(ours, path)
    assert len(referee.requests) == 3
    referee.assert_resilient(strict=True)


@PATHS
@ALL
@pytest.mark.parametrize("status", [500, 503, 529])
async def test_a_service_that_failed_once_is_asked_again(referee, face, path, status):
    referee.fail(status, retry_after=WAIT)
    async with client(referee, face) as ours:
        assert await ask(ours, path)
    assert len(referee.requests) == 2
    referee.assert_resilient(strict=True)


@PATHS
@ALL
async def test_a_service_that_is_down_is_left_alone_after_three_tries(referee, face, path):
    referee.fail(503, times=None, retry_after=WAIT)
    async with client(referee, face) as ours:
        await refused(ours, path, errors.OverloadedError)
    assert len(referee.requests) == 3
    referee.assert_resilient()


@PATHS
@ALL
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_request_that_can_never_succeed_is_sent_once(referee, face, path, status):
    referee.fail(status)
    async with client(referee, face) as ours:
        error = await refused(ours, path, errors.ProviderError)
    assert (error.status_code, error.retryable, len(referee.requests)) == (status, False, 1)
    referee.assert_resilient(strict=True)


@PATHS
@ALL
async def test_a_prompt_that_does_not_fit_is_known_as_such(referee, face, path):
    referee.context_overflow()
    async with client(referee, face) as ours:
        await refused(ours, path, errors.ContextLengthError)
    assert len(referee.requests) == 1
    referee.assert_resilient(strict=True)


@ALL
@pytest.mark.parametrize("chunks", range(1, 5))
@pytest.mark.parametrize("fault", ["truncate", "disconnect", "corrupt"])
async def test_half_a_stream_is_no_answer(referee, face, fault, chunks):
    getattr(referee, fault)(after_chunks=chunks)
    async with client(referee, face) as ours:
        text = await ask_until_whole(ours)
        whole = await ask(ours, "stream")
    assert text == whole
    assert len(referee.requests) == 3
    # A short stream may have left the server before its bad event was read: it warns then that nobody stopped reading.
    referee.assert_resilient(strict=fault != "corrupt")


@ALL
async def test_a_stream_that_falls_silent_is_given_up(referee, face):
    referee.stall(after_chunks=3, seconds=30.0)
    async with client(referee, face, timeout=Timeouts(first_output=0.3, idle=0.3)) as ours:
        with contextlib.suppress(errors.StreamInterruptedError):  # if the third chunk came after the first output
            await ask(ours, "stream")
        assert await ask(ours, "stream")
    referee.assert_resilient(strict=True)


async def test_forty_callers_at_once_all_wait_as_long_as_they_are_asked_to(referee):
    referee.rate_limit(times=40, retry_after=WAIT)
    async with client(referee, "openai") as ours:
        answers = await asyncio.gather(*(ours.chat(f"Question {number}") for number in range(40)))
    assert len(answers) == 40
    referee.assert_resilient(strict=True)


# --- clients that deserve to fail ---


class Stubborn(Layer):
    """Tries everything again, at once."""

    async def around(self, request, inner, call_next):
        try:
            return await call_next(request)
        except errors.AIClientError:
            return await call_next(request)


def findings(referee):
    return {finding.code for finding in referee.verdict().errors}


@PATHS
@ALL
async def test_a_client_that_comes_back_early_is_caught(referee, face, path):
    referee.rate_limit(times=1, retry_after=WAIT)
    async with client(referee, face, Retry(3, clock=FakeClock())) as hasty:  # it waits by a clock of its own
        assert await ask(hasty, path)
    assert findings(referee) == {"retry_after_ignored"}


@PATHS
@ALL
async def test_a_client_that_repeats_a_bad_request_is_caught(referee, face, path):
    referee.fail(400)
    async with client(referee, face, Stubborn()) as stubborn:
        assert await ask(stubborn, path)
    assert findings(referee) == {"retried_non_retryable"}


@ALL
async def test_a_client_that_takes_half_a_stream_for_an_answer_is_caught(referee, face):
    referee.truncate(after_chunks=4)
    async with client(referee, face) as careless:
        with contextlib.suppress(errors.StreamInterruptedError):  # as above
            await ask(careless, "stream")
    assert findings(referee) == {"truncated_stream_accepted"}
