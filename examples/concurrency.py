"""Many calls at once, and a service that is asked no more than a few at a time."""

import asyncio

from aiclient import AsyncClient, ChatRequest, RateLimitError
from aiclient.middleware import Concurrency
from aiclient.testutil import MockProvider


class Service:
    """Counts how many calls are with it."""

    def __init__(self) -> None:
        self.inside = self.peak = 0

    async def answer(self, _: ChatRequest) -> str:
        self.inside += 1
        self.peak = max(self.peak, self.inside)
        await asyncio.sleep(0.01)
        self.inside -= 1
        return "Paris"


async def main() -> None:
    service, limit = Service(), Concurrency(3)
    async with AsyncClient(MockProvider(service.answer)).use(limit) as client:
        answers = await asyncio.gather(*(client.chat("Capital of France?") for _ in range(12)))
    print(f"{len(answers)} calls, at most {service.peak} at a time; permits in use now: {limit.in_use}")

    client = AsyncClient(MockProvider("Paris is the capital.")).use(Concurrency(1, max_wait=0))
    async with client, client.chat_stream("Capital of France?"):  # a stream keeps its permit while it is open
        try:
            await client.chat("And of Spain?")
        except RateLimitError as error:
            print("refused:", error)


if __name__ == "__main__":
    asyncio.run(main())
