"""Google's Vertex AI: Gemini and Claude behind one project and one kind of credential, which is renewed when it is refused.

For real: `VertexProvider("my-project", "europe-west1", model="claude-opus-4-8")`, where Google's own credentials are found
(`pip install 'aiclient[vertex]'`), or `Client("vertex:gemini-3-pro-preview")`.
"""

from aiclient import Client
from aiclient.providers import VertexProvider
from aiclient.testutil import LoopbackServer, faults


class Tokens:
    """Plays what gives access tokens, each for an hour: google-auth, a metadata server, a store."""

    def __init__(self) -> None:
        self.given = 0

    async def __call__(self) -> str:
        self.given += 1
        return f"access-token-{self.given}-0123456789"


def main() -> None:
    with LoopbackServer(reply="Paris.") as server:
        tokens = Tokens()
        provider = VertexProvider(
            "my-project",
            "europe-west1",
            credentials=tokens,
            model="gemini-3-pro-preview",
            base_url=f"{server.url}/v1",
            timeout=60,
        )
        with Client(provider) as client:
            request = client.new_request().user("Capital of France?").max_tokens(50)
            for asked in (request, request.model("claude-opus-4-8")):  # the name says which protocol is spoken
                response = asked.do()
                sent = server.requests[-1]
                print(response.message.content, response.model, "at", sent.path.partition("/locations/")[2])

            server.script(faults.Fault(status=401))  # the token has expired
            response = request.do()
            print(response.message.content, f"after {len(response.attempts)} attempt, with token {tokens.given}")

            vectors = client.embed(["tea", "tea"], model="gemini-embedding-001", task="document").vectors
            print(len(vectors), "vectors,", vectors[0] == vectors[1])


if __name__ == "__main__":
    main()
