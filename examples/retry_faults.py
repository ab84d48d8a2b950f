"""A service that misbehaves in every way it can, and what `Retry` makes of it."""

from aiclient import AIClientError, Client
from aiclient.middleware import Retry
from aiclient.providers import CompatibleProvider
from aiclient.testutil import LoopbackServer, faults

SCRIPTS = {
    "healthy": [],
    "rate limited, asks for 0.1 s": [faults.rate_limited(retry_after=0.1)],
    "fails twice": [faults.server_error(), faults.overloaded()],
    "closes the connection": [faults.Fault(close_before=True)],
    "cuts the answer": [faults.cut(after=20)],
    "speaks no HTTP": [faults.Fault(garbage=True)],
    "refuses the key": [faults.Fault(status=401)],
    "fails too often": [faults.server_error()] * 3,
}


def main() -> None:
    with LoopbackServer(reply="Paris") as server:
        client = Client(CompatibleProvider(server.base_url, model="any")).use(Retry(attempts=3, base=0.01))
        for name, script in SCRIPTS.items():
            server.script(*script)
            print(f"{name:30} {result(client)}")
        client.close()


def result(client: Client) -> str:
    try:
        response = client.chat("Capital of France?")
    except AIClientError as error:
        failed = [attempt.category for attempt in error.attempts]
        return f"{type(error).__name__} after {failed}"
    return f"{response.message.content} after {[attempt.category or 'ok' for attempt in response.attempts]}"


if __name__ == "__main__":
    main()
