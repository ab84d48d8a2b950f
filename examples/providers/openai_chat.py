"""OpenAI, chat completions: a key for its prompt cache, a cheaper tier, limits and request ids, and embeddings.

For real: `OpenAIProvider(model="gpt-5.2")` with OPENAI_API_KEY set, or `Client("openai:gpt-5.2")`.
"""

from aiclient import Client, RateLimitError
from aiclient.providers import OpenAIProvider
from aiclient.testutil import LoopbackServer, faults

HANDBOOK = "You answer from this handbook. " * 200  # what many requests begin with, and the service keeps for the next


def main() -> None:
    with LoopbackServer(reply="It is in chapter four.", api_key="sk-played") as server:
        provider = OpenAIProvider("sk-played", model="gpt-5.2", base_url=server.base_url, timeout=60)
        with Client(provider) as client:
            request = client.new_request().system(HANDBOOK).user("Where are the rivers?").max_tokens(2000)
            request = request.reasoning("low").prompt_cache("1h", key="handbook-7")
            request = request.extra(
                "openai", service_tier="flex"
            )  # what only OpenAI has; other services would not get it
            response = request.do()
            sent = server.requests[-1].json
            told = ("reasoning_effort", "prompt_cache_key", "service_tier", "max_completion_tokens")
            print(response.message.content, {name: sent[name] for name in told})

            usage, limits = response.usage, response.rate_limit
            print(f"{usage and usage.prompt_tokens} tokens in, {usage and usage.cached_tokens} of them from its cache")
            print(
                f"{limits and limits.remaining_requests} requests left; support may ask for {bool(response.request_id)}"
            )

            kept = client.new_request().user("Hi").metadata(customer="7").do()
            print(f"{kept.warnings[0].setting}: {kept.warnings[0].message}")

            vectors = client.embed(["rivers", "rivers", "books"], model="text-embedding-3-small", dimensions=8).vectors
            print(len(vectors), "vectors of", len(vectors[0]), vectors[0] == vectors[1])

            server.script(faults.rate_limited(retry_after=20))
            try:
                request.do()
            except RateLimitError as error:
                print(f"{error.status_code} {error.code}: come back in {error.retry_after:g} s")


if __name__ == "__main__":
    main()
