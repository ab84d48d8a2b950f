"""Find the text nearest to a query. The vectors played here know words only: equal texts are equal, others are not."""

from aiclient import Client, nearest, similarity
from aiclient.providers import CompatibleProvider
from aiclient.testutil import LoopbackServer

TEXTS = ["the Rhine", "the Loire", "a bicycle"]


def main() -> None:
    with (
        LoopbackServer() as server,
        Client(CompatibleProvider(server.base_url, model="any")) as client,
    ):
        vectors = client.embed(TEXTS).vectors
        query = client.embed("the Loire").vector
        for text, vector in zip(TEXTS, vectors, strict=True):
            print(f"{similarity(query, vector):6.3f}  {text}")
        index, score = nearest(query, vectors)[0]
        print(f"nearest: {TEXTS[index]} ({score:.3f})")


if __name__ == "__main__":
    main()
