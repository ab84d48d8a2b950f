"""Two processes, as on two machines, share a budget and a cache through a Redis or Valkey server at REDIS_URL."""

import asyncio
import os
import subprocess
import sys

from aiclient import AsyncClient, BudgetExceededError, Ledger, RedisStore
from aiclient.middleware import Budget, Cache
from aiclient.testutil import MockProvider

PRICES = {"mock-model": {"input": 0, "output": 1_000_000}}  # a dollar for each token of an answer
PREFIX = "aiclient-example:"


async def main(url: str) -> None:
    await clean(url)
    # One at a time here, so that what is printed is the same each time; at the same time they would share it as well.
    for name in ("first", "second"):
        command = [sys.executable, __file__, name]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        printed, _ = await process.communicate()
        print(printed.decode(), end="")
    async with at(url) as store:
        print("what both have spent:", (await budget_of(store).refresh()).spent)
    await clean(url)


async def worker(name: str, url: str) -> None:
    """What each of the processes does: one question for everybody, and seven that are its own."""
    service = MockProvider("Paris")
    async with at(url) as store:
        layers = budget_of(store), Cache(store, tenant="our team", patience=5)
        async with AsyncClient(service, prices=PRICES).use(*layers) as client:
            answer = await client.new_request().user("Capital of France?").temperature(0).max_tokens(1).do()
            print(
                f"{name}: {answer.message.content}, cached={answer.cached}, ${answer.cost.usd if answer.cost else '?'}"
            )
            refused = 0
            for number in range(7):
                try:
                    await client.new_request().user(f"Question {number}?").max_tokens(1).do()
                except BudgetExceededError:
                    refused += 1
            print(f"{name}: the service was asked {service.calls} times, {refused} calls were refused")


def at(url: str) -> RedisStore:
    """Return this process's end of what is kept there."""
    return RedisStore(url, prefix=PREFIX, timeout=5)


def budget_of(store: RedisStore) -> Budget:
    """Return this process's end of the budget of ten dollars."""
    return Budget(usd=10, name="our team", ledger=Ledger(store=store, patience=5))


async def clean(url: str) -> None:
    """Remove what this example keeps, and nothing else."""
    async with at(url) as store:
        await store.clear()


if __name__ == "__main__":
    where = os.environ.get("REDIS_URL")
    if where is None:
        print("Set REDIS_URL to a Redis or Valkey server, such as redis://127.0.0.1:6379/0")
    elif len(sys.argv) > 1 and sys.argv[1] in ("first", "second"):
        asyncio.run(worker(sys.argv[1], where))
    else:
        asyncio.run(main(where))
