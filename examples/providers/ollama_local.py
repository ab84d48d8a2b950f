"""Ollama, on this machine: which models are there, how long one stays loaded, how much it can read, and whether it runs at all.

For real: `ollama serve`, `ollama pull qwen3`, `OllamaProvider(model="qwen3")` or `Client("ollama:qwen3")`, without a key.
"""

import asyncio

from aiclient import Client, ConnectError, Timeouts
from aiclient.providers import OllamaProvider
from aiclient.testutil import LoopbackServer

PATIENT = Timeouts(total=600, first_output=300)  # the first call loads the model


def main() -> None:
    with LoopbackServer(reply="Paris.") as server:
        provider = OllamaProvider(server.url, model="qwen3", timeout=PATIENT)
        print("there are", [model.id for model in asyncio.run(provider.list_models())])
        with Client(provider) as client:
            request = client.new_request().user("Capital of France?").max_tokens(200)
            local = request.extra(
                "ollama", keep_alive="30m", options={"num_ctx": 32_768}
            )  # tokens that it has room for
            response = local.reasoning("none").do()
            sent = server.requests[-1].json
            print(response.message.content, sent["keep_alive"], sent["options"], "think:", sent["think"])

            with local.reasoning("high").stream() as stream:
                for chunk in stream:
                    print(chunk.delta.reasoning or chunk.delta.content, end="")
            print()
            print([type(part).__name__ for part in stream.response.message.parts])
            print("costs", response.cost)

    with Client(OllamaProvider("http://127.0.0.1:9", model="qwen3")) as client:
        try:
            client.chat("Is anybody there?")
        except ConnectError as error:
            print(f"{error.kind}: is `ollama serve` running?")
        print(client.check().failed[0].message)


if __name__ == "__main__":
    main()
