"""A service goes down for twenty seconds and comes back: what the callers see, in time that does not pass."""

from aiclient import AIClientError, ChatRequest, Client
from aiclient.middleware import CircuitBreaker, CircuitState
from aiclient.testutil import FakeClock, MockProvider, fixtures

clock = FakeClock()


def announce(circuit: CircuitState) -> None:
    print(f"{clock.monotonic():4.0f} s  the circuit of {circuit.name} is {circuit.state}")


def service(_: ChatRequest) -> str:
    if 10 <= clock.monotonic() < 30:
        raise fixtures.server_error()
    return "Paris"


def main() -> None:
    mock, ends = MockProvider(service), dict.fromkeys(("answered", "failed", "refused"), 0)
    with Client(mock, clock=clock).use(CircuitBreaker(jitter=0, on_change=announce)) as client:
        for _ in range(60):  # one call a second
            try:
                client.chat("Capital of France?")
                ends["answered"] += 1
            except AIClientError as error:
                ends["refused" if error.category == "policy" else "failed"] += 1
            clock.advance(1)
    print(ends, "sent:", mock.calls)


if __name__ == "__main__":
    main()
