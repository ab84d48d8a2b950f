"""Two middlewares: one of a function, one with state; both serve streams."""

import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiclient import Client, End, Layer, Provider, observed
from aiclient.middleware import Retry, middleware
from aiclient.testutil import FakeClock, MockProvider, fixtures


@middleware(stream="open")
async def announce(request: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
    """Say who asks; around streams and embeddings too."""
    print("a call of", request.context.tags.get("team", "nobody"))
    return await call_next(request)


class Outcomes(Layer):
    """Count how calls end; a stream counts when it closes."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()  # one instance may serve many clients and threads

    async def around(self, request: Any, inner: Provider, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        return await observed(call_next(request), self._count)

    async def _count(self, end: End) -> None:
        with self._lock:
            self.seen[end.outcome] += 1


def main() -> None:
    calls, attempts = Outcomes(), Outcomes()
    mock = MockProvider([fixtures.server_error(), "Paris", fixtures.rate_limited(), "one two three"])
    with Client(mock, clock=FakeClock()).use(announce, calls, Retry(), attempts) as client:
        client.new_request().user("Capital of France?").tags(team="search").do()
        with client.chat_stream("Count!") as stream:
            list(stream)
    print("outside Retry:", dict(calls.seen))
    print("inside Retry: ", dict(attempts.seen))


if __name__ == "__main__":
    main()
