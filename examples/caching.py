"""Answers given again: from memory, as a replayed stream, and from a file that two clients share."""

import asyncio
import tempfile
from pathlib import Path

from aiclient import Client, SQLiteStore
from aiclient.middleware import Cache
from aiclient.testutil import MockProvider

PRICES = {"mock-model": {"input": 1000, "output": 2000}}


def main() -> None:
    in_memory()
    with tempfile.TemporaryDirectory() as folder:
        in_a_file(Path(folder) / "answers.db")


def in_memory() -> None:
    service, cache = MockProvider("Paris, on the Seine."), Cache(ttl=60)
    with Client(service, prices=PRICES).use(cache) as client:
        question = client.new_request().user("Capital of France?").temperature(0)

        first, second = question.do(), question.do()
        print(f"asked    cached={first.cached!s:5} cost={first.cost}")
        print(f"again    cached={second.cached!s:5} cost={second.cost} saved=${second.metadata['cache']['saved_usd']}")

        with question.stream() as stream:  # the same entry
            pieces = list(stream.text)
        print(f"streamed cached={stream.response.cached!s:5} {pieces}")

        question.cache("refresh").do()  # ask again, and overwrite
        asyncio.run(cache.clear())
        print(f"the service was asked {service.calls} times; {cache.stats().hits} hits")


def in_a_file(path: Path) -> None:
    services = MockProvider("42"), MockProvider("42")
    for service in services:  # two clients; two processes would do as well
        store = SQLiteStore(path)
        with Client(service).use(Cache(store, tenant="our team")) as client:
            answer = client.new_request().user("Six times seven?").temperature(0).do()
        asyncio.run(store.close())
        print(f"from a file: {answer.message.content}, cached={answer.cached}, asked {service.calls} times")


if __name__ == "__main__":
    main()
