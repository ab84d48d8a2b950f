"""All the layers of a program that has users, in the order in which they belong, and what each of them does for a call."""

import warnings

from aiclient import AIClientError, AIClientWarning, ChatResponse, Client, Limit, Provider
from aiclient.middleware import (
    Budget,
    Cache,
    CircuitBreaker,
    Defaults,
    Fallback,
    Logging,
    MemoryMetrics,
    Metrics,
    RateLimit,
    Retry,
    SingleFlight,
    Tracing,
    Validate,
)
from aiclient.testutil import FakeClock, MockProvider, fixtures

PRICES = {"small": {"input": 1, "output": 10}, "large": {"input": 5, "output": 40}}


def is_one_sentence(response: ChatResponse) -> str | None:
    return None if response.message.content.count(".") <= 1 else "answer in one sentence"


def built(first: Provider, second: Provider, metrics: Metrics, clock: FakeClock) -> Client:
    """Stack the layers. The first stands outermost: a call passes them from the top to the bottom, an answer back."""
    per_service = [Retry(attempts=2), CircuitBreaker(failures=3, open_for=30), RateLimit(requests=60)]
    return Client(first, prices=PRICES, timeout=60, clock=clock).use(
        Tracing(),  # spans of the call and its attempts, where OpenTelemetry is set up
        metrics,  # counts every call, those from the cache and those refused too
        Logging(),  # one record for a call
        Defaults("Be brief.", max_tokens=200),  # before Budget, which must know how long an answer may be
        Budget(Limit(usd="0.01", per="user", period="day")),  # refuses before anything is sent
        Validate(
            is_one_sentence, mode="retry"
        ),  # asks again when an answer is not as it must be, one from the cache too
        Cache(sampled=True),  # answers for nothing
        SingleFlight(sampled=True),  # those who ask the same at the same time share one call
        Fallback(second, each=per_service),  # the next service, each behind layers of its own
        *per_service,  # around the first service: tried again, left alone when it is down, held to its limits
    )


def main() -> None:
    clock = FakeClock()
    first = MockProvider(
        ["The Rhine.", "Paris. It is in France.", "Paris.", *[fixtures.overloaded()] * 2, fixtures.server_error()],
        name="first",
        model="small",
    )
    second = MockProvider("Says the second.", name="second", model="large")
    memory = MemoryMetrics(clock=clock)
    with built(first, second, Metrics(memory), clock) as client:
        print(client.explain())
        for user, question in (
            ("alice", "A river?"),
            ("bob", "A river?"),  # from the cache
            ("bob", "Capital of France?"),  # the first answer is too long
            ("bob", "Capital of Spain?"),  # the first service is down, the second answers
            ("carol", "A city?"),  # one more failure: the circuit opens, and Retry has nothing to try
            ("carol", "A town?"),  # the first is not asked at all
            ("carol", "word " * 9000),  # too dear
        ):
            print(f"{user:5} {question[:18]:18} -> {answered(client, user, question)}")
        print(client.status().services[0].breaker, dict(memory.snapshot().events))
    wrong_order()


def answered(client: Client, user: str, question: str) -> str:
    try:
        response = client.new_request().user(question).tags(user=user).do()
    except AIClientError as error:
        return f"refused: {error.category}"
    tried = [f"{attempt.provider}:{attempt.category or 'ok'}" for attempt in response.attempts]
    return f"{response.message.content} {tried or 'cached'} ${response.cost.usd if response.cost else '?'}"


def wrong_order() -> None:
    """Put a layer where it does harm, and be told."""
    with warnings.catch_warnings(record=True) as told, Client(MockProvider()) as client:
        warnings.simplefilter("always", AIClientWarning)
        client.use(Retry(), Budget(usd=1))
    print("warned:", str(told[0].message))


if __name__ == "__main__":
    main()
