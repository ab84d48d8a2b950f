"""A list of providers by priority: the first goes down for twenty seconds and comes back, in time that does not pass."""

import itertools

import aiclient
from aiclient import ChatRequest, Client
from aiclient.middleware import CircuitBreaker
from aiclient.testutil import FakeClock, MockProvider, fixtures

clock = FakeClock()


def service(_: ChatRequest) -> str:
    if 10 <= clock.monotonic() < 30:
        raise fixtures.server_error()
    return "Paris"


def main() -> None:
    first = MockProvider(service, name="first")
    providers = aiclient.failover(
        [first, MockProvider("Paris", name="second")], breaker=CircuitBreaker(failures=3, jitter=0)
    )
    answered = []
    with Client(providers, clock=clock) as client:
        for _ in range(60):  # one call a second
            answered.append(client.chat("Capital of France?").provider)
            if clock.monotonic() == 20:
                print(*(f"{row.name} is {row.state}" for row in providers.status()), sep=", ")
            clock.advance(1)
    print(*(f"{name} {len(list(calls))} times" for name, calls in itertools.groupby(answered)), sep=", then ")
    print("the first one was asked", first.calls, "times in all, and every call was answered")


if __name__ == "__main__":
    main()
