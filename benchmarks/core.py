"""What each part of the core costs over the one inside it, in CPU microseconds, without any HTTP.

python benchmarks/core.py [--profile call | chunk]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from aiclient import (
    AsyncClient,
    BaseProvider,
    ChatOptions,
    ChatRequest,
    ChatResponse,
    ChatStream,
    ChatStreamChunk,
    Client,
    Message,
    Usage,
)
from aiclient.attempt import chain
from aiclient.middleware import Logging, Retry

CALLS = 1000
CHUNKS = 10_000
ROUNDS = 9


class Chunks(AsyncIterator[ChatStreamChunk]):
    """Chunks that cost nothing to get."""

    def __init__(self, count: int) -> None:
        last = ChatStreamChunk(finish_reason="stop", usage=Usage(prompt_tokens=1, completion_tokens=count), last=True)
        self._left = iter([ChatStreamChunk(content=" word", id="id-1", model="small") for _ in range(count)] + [last])

    async def __anext__(self) -> ChatStreamChunk:
        for chunk in self._left:
            return chunk
        raise StopAsyncIteration


class Free(BaseProvider):
    """A provider that costs nothing."""

    name = "free"
    answer = ChatResponse(
        Message("assistant", "word " * 20), "stop", usage=Usage(prompt_tokens=9, completion_tokens=20)
    )

    async def chat(self, request: ChatRequest, /) -> ChatResponse:
        return self.answer

    async def chat_stream(self, request: ChatRequest, /) -> ChatStream:
        return ChatStream(Chunks(CHUNKS))


REQUEST = ChatRequest([Message("system", "You are terse."), Message("user", "What is the answer?")])


async def calls(chat: Callable[[ChatRequest], Awaitable[ChatResponse]]) -> None:
    for _ in range(CALLS):
        await chat(REQUEST)


async def fluent(client: AsyncClient) -> None:
    for _ in range(CALLS):
        await client.new_request().system("You are terse.").user("What is the answer?").model("small").do()


async def built() -> None:
    for _ in range(CALLS):
        ChatRequest(
            [Message("system", "You are terse."), Message("user", "What is the answer?")], ChatOptions(model="small")
        )


async def chunks(source: AsyncIterator[ChatStreamChunk]) -> None:
    async for _ in source:
        pass


async def stream(opening: Any) -> None:
    async with opening as opened:
        async for _ in opened:
            pass


async def cpu(work: Coroutine[Any, Any, None], count: int) -> float:
    began = time.process_time()
    await work
    return (time.process_time() - began) / count * 1e6


def cases() -> dict[str, tuple[Callable[[], Coroutine[Any, Any, None]], int]]:
    free, attempts = Free(), chain((), Free())
    client, layered = AsyncClient(free), AsyncClient(free).use(Logging(), Retry())
    sync = Client(free)

    async def sync_calls() -> None:
        await asyncio.to_thread(lambda: [sync.chat(REQUEST) for _ in range(CALLS)])

    async def sync_stream() -> None:
        def read() -> None:
            with sync.chat_stream(REQUEST) as opened:
                for _ in opened:
                    pass

        await asyncio.to_thread(read)

    return {
        "call: provider": (lambda: calls(free.chat), CALLS),
        "call: + attempt layer, context": (lambda: calls(attempts.chat), CALLS),
        "call: + client": (lambda: calls(client.chat), CALLS),
        "call: + Logging (disabled), Retry": (lambda: calls(layered.chat), CALLS),
        "call: sync client": (sync_calls, CALLS),
        "request: by hand": (built, CALLS),
        "request: fluent, with the call": (lambda: fluent(client), CALLS),
        "chunk: source": (lambda: chunks(Chunks(CHUNKS)), CHUNKS),
        "chunk: + ChatStream": (lambda: stream(ChatStream(Chunks(CHUNKS))), CHUNKS),
        "chunk: + client, limits": (lambda: stream(client.chat_stream(REQUEST)), CHUNKS),
        "chunk: + Logging (disabled), Retry": (lambda: stream(layered.chat_stream(REQUEST)), CHUNKS),
        "chunk: sync client": (sync_stream, CHUNKS),
    }


async def measure() -> None:
    found = {name: [] for name in cases()}  # type: dict[str, list[float]]
    for _ in range(ROUNDS):
        for name, (make, count) in cases().items():
            found[name].append(await cpu(make(), count))
    for name, amounts in found.items():
        print(f"{statistics.median(amounts):8.2f}  {name}")


async def profile(what: str) -> None:
    client = AsyncClient(Free())
    with cProfile.Profile() as profiler:
        await (calls(client.chat) if what == "call" else stream(client.chat_stream(REQUEST)))
    pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--profile", choices=("call", "chunk"))
    given = options.parse_args()
    asyncio.run(profile(given.profile) if given.profile else measure())


if __name__ == "__main__":
    main()
