"""Services that speak OpenAI's protocol: those that have a name here, a server of your own, and what each does not understand.

For real: `Client("groq:llama-3.3-70b-versatile")` with GROQ_API_KEY set, or `CompatibleProvider("http://127.0.0.1:8000/v1")`.
"""

import asyncio

from aiclient import Client, UnsupportedFeatureError, registry
from aiclient.providers import CompatibleProvider, compatible
from aiclient.testutil import LoopbackServer

MODELS = {
    "groq": "llama-3.3-70b-versatile",
    "deepseek": "deepseek-reasoner",
    "openrouter": "meta-llama/llama-3.3-70b-instruct",
}


def main() -> None:
    with LoopbackServer(reply="Paris.", api_key="played") as server:
        own = CompatibleProvider(server.base_url, api_key="played", model="llama-3", profile="vllm", name="our-own")
        named = [compatible(name, api_key="played", base_url=server.base_url, model=MODELS[name]) for name in MODELS]
        for service in (*named, own):
            with Client(service, timeout=60) as client:
                asked = client.new_request().user("Capital of France?").max_tokens(50).reasoning("low")
                response = asked.extra("openrouter", provider={"sort": "price"}).do()  # the others are not sent this
            sent = server.requests[-1].json
            more = {name: sent[name] for name in sent if name not in {"model", "messages"}}
            print(f"{response.provider:10} {response.message.content} {more}")

        with Client(own, strict=True) as client:  # what would be a warning is an error before anything is sent
            try:
                client.new_request().user("Hi").metadata(customer="7").do()
            except UnsupportedFeatureError as error:
                print("strict:", error)
        print("models:", [model.id for model in asyncio.run(own.list_models())])
    print("those with keys in this environment:", registry.available())


if __name__ == "__main__":
    main()
