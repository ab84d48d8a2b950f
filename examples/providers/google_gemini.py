"""Google's Gemini: how much it thinks, its safety settings, a document read whole, and answers found by its own search.

For real: `GeminiProvider(model="gemini-3-pro-preview")` with GOOGLE_API_KEY set, or `Client("gemini:gemini-3-pro-preview")`.
"""

import asyncio

from aiclient import Client, document
from aiclient.messages import ReasoningPart, TextPart
from aiclient.providers import GeminiProvider
from aiclient.testutil import LoopbackServer
from aiclient.testutil.server import Answer, RecordedRequest, Route, json_answer

CAREFUL = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "threshold": "BLOCK_LOW_AND_ABOVE"}]


def main() -> None:
    found = Route("POST", "/v1beta/models/*", grounded, when=lambda request: b"google_search" in request.body)
    with LoopbackServer(reply="It is about tea.", routes=[found]) as server:
        base_url = f"{server.url}/v1beta"  # the version is part of it
        provider = GeminiProvider("played", model="gemini-3-pro-preview", base_url=base_url, timeout=120)
        with Client(provider) as client:
            request = client.new_request().max_tokens(4000).extra("gemini", safetySettings=CAREFUL)
            asked = request.user("What is it about?", document(b"%PDF-1.7 ...", name="tea.pdf")).reasoning("medium")
            print(asyncio.run(provider.count_tokens(asked.build())), "tokens, says the service before")

            response = asked.do()
            print([part.text for part in response.message.parts if isinstance(part, (ReasoningPart, TextPart))])
            for warning in response.warnings:
                print(f"{warning.code}: {warning.message}")  # this model has two levels only
            sent = server.requests[-1]
            print(sent.json["generationConfig"]["thinkingConfig"], sent.json["safetySettings"][0]["threshold"])
            print("the key is in a header:", "x-goog-api-key" in sent.headers, "- in the address:", "key" in sent.query)

            searched = client.new_request().user("News of tea?").extra("gemini", tools=[{"google_search": {}}]).do()
            for text in (part for part in searched.message.parts if isinstance(part, TextPart)):
                print(text.text, [(source.title, source.url) for source in text.citations])


def grounded(_: RecordedRequest) -> Answer:
    """Play an answer that the search has found."""
    page = {"web": {"uri": "https://tea.example/news", "title": "tea.example"}}
    support = {
        "segment": {"startIndex": 0, "endIndex": 20, "text": "Tea has become dear."},
        "groundingChunkIndices": [0],
    }
    candidate = {
        "content": {"role": "model", "parts": [{"text": "Tea has become dear."}]},
        "finishReason": "STOP",
        "groundingMetadata": {"groundingChunks": [page], "groundingSupports": [support]},
    }
    usage = {"promptTokenCount": 4, "candidatesTokenCount": 5, "totalTokenCount": 9}
    return json_answer({"candidates": [candidate], "usageMetadata": usage})


if __name__ == "__main__":
    main()
