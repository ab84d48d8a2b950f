"""Azure OpenAI: a deployment instead of a model, Microsoft Entra instead of a key, and the two forms of its address.

For real: `AzureOpenAIProvider("https://my-resource.openai.azure.com", credential=DefaultAzureCredential(), model="...")` with
the package azure-identity, or `Client("azure:my-deployment")` with AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY set.
"""

import time
from types import SimpleNamespace

from aiclient import Client
from aiclient.providers import AzureOpenAIProvider
from aiclient.testutil import LoopbackServer

PRICES = {"my-deployment": {"input": 0.25, "output": 2.0}}  # a deployment's name tells nobody which model it is


class Entra:
    """Plays a credential of azure-identity, which keeps its token until it expires."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get_token(self, *scopes: str) -> SimpleNamespace:
        self.asked += scopes
        return SimpleNamespace(token="a-token-of-entra", expires_on=int(time.time()) + 3600)


def main() -> None:
    with LoopbackServer(reply="Paris.") as server:
        entra = Entra()
        with_entra = AzureOpenAIProvider(server.url, credential=entra, model="my-deployment")
        with_key = AzureOpenAIProvider(server.url, api_key="played", model="my-deployment", api_version="2024-10-21")
        responses = AzureOpenAIProvider(server.url, api_key="played", model="my-deployment", api="responses")
        for provider in (with_entra, with_key, responses):
            with Client(provider, prices=PRICES, timeout=60) as client:
                response = client.new_request().user("Capital of France?").max_tokens(50).do()
            sent = server.requests[-1]
            key = "a key" if "api-key" in sent.headers else "a token"
            print(response.message.content, response.cost, f"with {key} at {sent.path}?{sent.query}".rstrip("?"))
        print("Entra was asked for", *entra.asked)


if __name__ == "__main__":
    main()
