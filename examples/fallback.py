"""Two vendors behind one client: the second answers while the first is overloaded, and a stream goes on unnoticed."""

from aiclient import Client
from aiclient.middleware import CircuitBreaker, Fallback, Retry, Target
from aiclient.providers import CompatibleProvider
from aiclient.testutil import LoopbackServer, faults


def main() -> None:
    with (
        LoopbackServer(reply="Paris, says the first.") as first,
        LoopbackServer(reply="Paris, says the second.") as second,
    ):
        retry, breaker = Retry(attempts=2, base=0.01), CircuitBreaker()
        spare = Target(CompatibleProvider(second.base_url, name="second"), model="small")
        client = Client(CompatibleProvider(first.base_url, name="first", model="big")).use(
            Fallback(spare, each=[retry, breaker]), retry, breaker
        )
        print(client.explain(), end="\n\n")

        print(client.chat("Capital of France?").message.content)
        first.script(faults.overloaded(), faults.overloaded())
        response = client.chat("Capital of France?")
        print(response.message.content, [(attempt.provider, attempt.category) for attempt in response.attempts])

        first.script(faults.server_error(), faults.server_error())
        with client.new_request().user("Capital of France?").stream() as stream:
            print("streamed:", "".join(stream.text))
        client.close()


if __name__ == "__main__":
    main()
