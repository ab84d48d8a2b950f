"""Lower time limits for a service that is slow, in time that does not pass."""

from collections.abc import AsyncIterator

from aiclient import AIClientError, ChatRequest, ChatStream, ChatStreamChunk, Client
from aiclient.middleware import Retry, Timeout
from aiclient.testutil import FakeClock, MockProvider

clock = FakeClock()


async def slow(_: ChatRequest) -> str:
    await clock.sleep(7)
    return "Paris"


async def pauses() -> AsyncIterator[ChatStreamChunk]:
    yield ChatStreamChunk(content="The ")
    await clock.sleep(30)
    yield ChatStreamChunk(content="end.", last=True)


def main() -> None:
    mock = MockProvider(chat_func=slow, chat_stream_func=lambda _: ChatStream(pauses()))
    with Client(mock, clock=clock).use(Timeout(60, attempt=5), Retry()) as client:
        try:
            client.chat("Capital of France?")
        except AIClientError as error:
            print(f"{type(error).__name__} ({error.phase}) after {len(error.attempts)} attempts")
    with Client(mock, clock=clock).use(Timeout(idle=10)) as client:
        try:
            with client.chat_stream("Tell me a story") as stream:
                print(*stream.text)
        except AIClientError as error:
            print(f"{type(error).__name__} ({error.phase}): {error.partial and error.partial.message.content!r}")


if __name__ == "__main__":
    main()
