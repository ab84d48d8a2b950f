"""Keys: from a variable, from a file, from a store that rotates them, and what happens when one is wrong or missing."""

import os
import tempfile
from pathlib import Path

from aiclient import AuthenticationError, Client, MissingAPIKeyError, SecretStr
from aiclient.providers import AnthropicProvider, OpenAIProvider
from aiclient.testutil import LoopbackServer

TODAY, TOMORROW = "sk-of-today-0123456789", "sk-of-tomorrow-0123456789"


def main() -> None:
    with LoopbackServer(reply="Paris.", api_key=TODAY) as server:
        from_a_variable(server)
        from_a_file(server)
        wrong_or_missing(server)
    with LoopbackServer(reply="Paris.", api_key=TOMORROW) as server:
        from_a_store(server)


def from_a_variable(server: LoopbackServer) -> None:
    """Read a variable of one's own; without `api_key=` the vendor's is read."""
    os.environ["TEAM_KEY"] = TODAY  # as a shell or a container would
    key = SecretStr(os.environ.pop("TEAM_KEY"))
    for provider in (
        OpenAIProvider(key, model="gpt-5.4-mini", base_url=server.base_url),
        AnthropicProvider(key, model="claude-haiku-4-5", base_url=server.url),
    ):
        with Client(provider) as client:
            client.new_request().user("Capital of France?").max_tokens(50).do()
        print(f"{provider.name:9} gets {seen(server)}; printed it is {key!r}")


def from_a_file(server: LoopbackServer) -> None:
    """Name the file, as containers mount secrets; the configuration can be shown to anybody."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "openai_key")
        path.write_text(TODAY + "\n", "utf-8")
        path.chmod(0o600)
        provider = {
            "provider": "openai",
            "api_key": f"file:{path}",
            "base_url": server.base_url,
            "model": "gpt-5.4-mini",
        }
        with Client.from_config({"providers": {"main": provider}}) as client:
            print(client.chat("Capital of France?").message.content, "with a key from a file:", seen(server))
            shown = client.config.to_dict() if client.config else {}
            print(str(shown["providers"]["main"]["api_key"]).replace(folder, "..."))


def wrong_or_missing(server: LoopbackServer) -> None:
    with Client(OpenAIProvider("sk-of-nobody-0123456789", model="gpt-5.4-mini", base_url=server.base_url)) as client:
        try:
            client.chat("Capital of France?")
        except AuthenticationError as error:
            print(f"{error.status_code} {error.category}, retryable: {error.retryable}: {error}")
    try:
        Client("groq:llama-3.3-70b-versatile")
    except MissingAPIKeyError as error:
        print(error)


def from_a_store(server: LoopbackServer) -> None:
    """Ask a store, at the first call and when a key is refused: then the call is sent once more, unnoticed."""
    keys = iter([TODAY, TOMORROW])

    async def stored() -> str:  # a real one awaits Vault, Secrets Manager, ...
        return next(keys)

    with Client(OpenAIProvider(stored, model="gpt-5.4-mini", base_url=server.base_url)) as client:
        answers = [client.chat("Capital of France?").message.content for _ in range(2)]
    print(f"{answers}: {len(server.requests)} requests for 2 calls, the last with {seen(server)}")


def seen(server: LoopbackServer) -> str:
    """Return the header that the service got, masked."""
    headers = server.requests[-1].headers
    name = next(name for name in ("x-api-key", "authorization") if name in headers)
    return f"{name}: {headers[name][:13]}***"


if __name__ == "__main__":
    main()
