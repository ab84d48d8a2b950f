"""One question to several services at once: what each answers, what it costs, and how long it takes."""

import asyncio
from collections.abc import Awaitable, Callable

from aiclient import AIClientError, AsyncClient, ChatRequest
from aiclient.testutil import FakeClock, MockProvider, fixtures

PRICES: dict[str, dict[str, float]] = {  # US dollars per million tokens
    "small": {"input": 0.25, "output": 2},
    "large": {"input": 3, "output": 15},
}
QUESTION = "Why is the sky blue?"


def main() -> None:
    print(f"{'service':9} {'seconds':>7} {'tokens':>6} {'cost':>11}  answer")
    for line in asyncio.run(compared()):
        print(line)


async def compared() -> tuple[str, ...]:
    quick, slow = FakeClock(), FakeClock()  # time that moves by itself
    brief = after(quick, 0.4, "Air scatters blue light most.")
    long = after(slow, 2.5, "Molecules of the air scatter short waves, the blue ones, far more than long waves.")
    return await asyncio.gather(
        row(MockProvider(brief, name="quick", model="small"), quick),
        row(MockProvider(long, name="thorough", model="large"), slow),
        row(MockProvider(fixtures.overloaded(), name="busy", model="large"), quick),
    )


async def row(service: MockProvider, clock: FakeClock) -> str:
    """Ask one service; with a real one it reads `AsyncClient("openai:gpt-5.4-mini")`, and prices are known."""
    async with AsyncClient(service, prices=PRICES, clock=clock) as client:
        try:
            response = await client.chat(QUESTION)
        except AIClientError as error:
            return f"{service.name:9} {'-':>7} {'-':>6} {'-':>11}  failed: {error.category}"
    seconds = sum(attempt.duration for attempt in response.attempts)
    tokens, cost = response.usage.total_tokens, response.cost
    return f"{service.name:9} {seconds:7.1f} {tokens:6} {cost!s:>11}  {response.message.content}"


def after(clock: FakeClock, seconds: float, text: str) -> Callable[[ChatRequest], Awaitable[str]]:
    """Play a service that takes so long."""

    async def answer(_: ChatRequest) -> str:
        await clock.sleep(seconds)
        return text

    return answer


if __name__ == "__main__":
    main()
