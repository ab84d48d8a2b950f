"""A health check for a load balancer: one endpoint, what every service of a client is doing."""

import asyncio
import contextlib
import json

from aiclient import AIClientError, AsyncClient
from aiclient.middleware import CircuitBreaker, Concurrency, Fallback, MemoryMetrics, Metrics, RateLimit
from aiclient.testutil import FakeClock, MockProvider, fixtures


async def healthz(client: AsyncClient) -> tuple[int, str]:
    """Answer as a web framework would: the status code, and a body."""
    status = await client.status()
    return (200 if status.ok else 503), json.dumps(status.to_dict())


def service(name: str, down: set[str]) -> MockProvider:
    return MockProvider(lambda _: fixtures.overloaded() if name in down else f"Paris, says the {name}", name=name)


async def main() -> None:
    clock, down = FakeClock(), set[str]()
    breaker, limits = CircuitBreaker(failures=3, jitter=0), [RateLimit(requests=60), Concurrency(8)]
    metrics = Metrics(MemoryMetrics(clock=clock, window=30))
    layers = [metrics, Fallback(service("second", down), each=[breaker]), breaker, *limits]
    async with AsyncClient(service("first", down), clock=clock).use(*layers) as client:
        for moment, broken in [("at first", ""), ("later", "first"), ("worse", "first second"), ("again", "")]:
            down.clear()
            down.update(broken.split())
            for _ in range(6):
                with contextlib.suppress(AIClientError):  # the report below tells
                    await client.chat("Where is the Eiffel Tower?")
            code, body = await healthz(client)
            found = [f"{one['provider']} {one['breaker']}" for one in json.loads(body)["services"]]
            print(f"{moment}: {code} {json.loads(body)['state']} ({', '.join(found)})")
            clock.advance(40)
        print(await client.status())


if __name__ == "__main__":
    asyncio.run(main())
