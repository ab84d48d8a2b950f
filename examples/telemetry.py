"""What happened, in numbers: calls, attempts, tokens, money and percentiles, without any system of metrics."""

from aiclient import AIClientError, Client
from aiclient.middleware import Cache, MemoryMetrics, Metrics, Retry, Tracing
from aiclient.testutil import FakeClock, MockProvider, fixtures


def main() -> None:
    clock = FakeClock()
    memory = MemoryMetrics(window=60, clock=clock)
    mock = MockProvider(
        [fixtures.overloaded(), "Rhine, Loire and Danube.", "Paris.", fixtures.unauthorized()],
        name="mock",
        model="small",
    )
    # Tracing makes spans where OpenTelemetry's SDK is set up, and nothing where it is not.
    client = Client(mock, clock=clock, prices={"small": {"input": 1, "output": 4}})
    client.use(Tracing(), Metrics(memory), Cache(sampled=True), Retry())
    with client:
        for question in ("Name three rivers.", "Name three rivers."):
            client.chat(question)
        with client.chat_stream("Capital of France?") as stream:
            print("".join(stream.text))
        try:
            client.chat("And of Spain?")
        except AIClientError as error:
            print("failed:", error.category)

    seen = memory.snapshot()
    calls, (service,) = seen.calls, seen.services
    print(f"{calls.completed} of {calls.started} calls completed, {calls.cached} from the cache")
    print(f"{service.provider}:{service.model} took {service.attempts} attempts, failures {dict(service.failures)}")
    print(f"{service.tokens['prompt']} + {service.tokens['completion']} tokens, ${seen.cost_usd}")
    print(f"p95 {calls.duration.p95:.3f} s, success rate {calls.success_rate:.2f}, events {dict(seen.events)}")
    print(seen.to_json()[:60], "...")


if __name__ == "__main__":
    main()
