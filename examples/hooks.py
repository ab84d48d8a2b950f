"""An audit trail and a word counter, made of functions that are told what happens in each call."""

import asyncio
from collections import Counter

from aiclient import AIClientError, AsyncClient, CallEvent, ChatResponse, ChatStreamChunk
from aiclient.middleware import HookContext, Hooks, Retry
from aiclient.testutil import FakeClock, MockProvider, fixtures

trail: list[str] = []
pieces: Counter[str] = Counter()


async def record(context: HookContext, response: ChatResponse) -> None:
    """Play a database: async hooks are waited for."""
    await asyncio.sleep(0)
    trail.append(f"{context.tags.get('team', '?')}: {response.finish_reason}, attempts {context.attempt}")


def alarm(context: HookContext, error: Exception) -> None:
    category = error.category if isinstance(error, AIClientError) else "bug"
    trail.append(f"{context.tags.get('team', '?')}: {category} after {len(context.journal)} attempts")


def again(context: HookContext, event: CallEvent) -> None:
    trail.append(f"{context.tags.get('team', '?')}: once more after {event.category}")


def count(context: HookContext, chunk: ChatStreamChunk) -> None:
    pieces[context.kind] += bool(chunk.content)


async def main() -> None:
    hooks = Hooks(after_response=record, on_error=alarm, on_retry=again).add("on_chunk", count)
    mock = MockProvider([fixtures.overloaded(), "Rhine, Loire and Danube.", fixtures.unauthorized()])
    async with AsyncClient(mock, clock=FakeClock()).use(hooks, Retry()) as client:
        async with client.new_request().user("Name three rivers.").tags(team="search").stream() as stream:
            async for text in stream.text:
                print(text, end="")
        print(f"\n{pieces['chat_stream']} pieces")
        try:
            await client.new_request().user("And three more?").tags(team="chat").do()
        except AIClientError as error:
            print("failed:", error.category)
    print("\n".join(trail))


if __name__ == "__main__":
    asyncio.run(main())
