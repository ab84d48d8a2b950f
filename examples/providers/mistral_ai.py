"""Mistral: an answer whose beginning you write, a model that thinks, its safety prompt, and embeddings.

For real: `MistralProvider(model="mistral-large-latest")` with MISTRAL_API_KEY set, or `Client("mistral:mistral-large-latest")`.
"""

from aiclient import Client
from aiclient.messages import ReasoningPart
from aiclient.providers import MistralProvider
from aiclient.testutil import LoopbackServer


def main() -> None:
    with LoopbackServer(reply=' "Paris"}', api_key="played") as server:
        base_url = f"{server.url}/mistral/v1"
        provider = MistralProvider("played", model="mistral-large-latest", base_url=base_url, timeout=60)
        with Client(provider) as client:
            request = client.new_request().user("Capital of France, as JSON.").max_tokens(50)
            begun = request.assistant('{"capital":').extra("mistral", safe_prompt=True)
            response = begun.do()  # goes on from what you wrote
            sent = server.requests[-1].json
            print('{"capital":' + response.message.content, sent["messages"][-1]["prefix"], sent["safe_prompt"])

            thinking = request.model("magistral-medium-latest").reasoning("high").do()
            print([part.text for part in thinking.message.parts if isinstance(part, ReasoningPart)])

            kept = request.system("You answer from this handbook.").prompt_cache(key="handbook-7").do()
            print(server.requests[-1].json["prompt_cache_key"], kept.finish_reason)

            vectors = client.embed(["tea", "tea", "coffee"], model="mistral-embed").vectors
            print(len(vectors), "vectors,", vectors[0] == vectors[1])


if __name__ == "__main__":
    main()
