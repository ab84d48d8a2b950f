"""Thirty calls at once against a limit of ten a second, and who waits for what."""

import asyncio
import logging

from aiclient import AsyncClient, logs
from aiclient.middleware import Logging, RateLimit
from aiclient.testutil import FakeClock, MockProvider


async def main() -> None:
    waits: list[float] = []
    logs.configure("INFO")
    logging.getLogger("aiclient.calls").addFilter(lambda record: count(record, waits))
    clock = FakeClock()  # time that moves when somebody waits, so that the example is over at once
    limit = RateLimit(requests=10, per=1.0)
    async with AsyncClient(MockProvider("Paris"), clock=clock).use(Logging(), limit) as client:
        await asyncio.gather(*(client.chat("Capital of France?") for _ in range(30)))
    print(f"30 calls took {clock.monotonic():.2f} s, {len(waits)} had to wait, the last for {max(waits):.2f} s")


def count(record: logging.LogRecord, waits: list[float]) -> bool:
    """Keep the waits instead of printing them."""
    event = record.__dict__["aiclient"]
    if event["event"] == "limit":
        waits.append(event["delay"])
    return False


if __name__ == "__main__":
    asyncio.run(main())
