"""Cohere: answers from your documents that say where each statement is from, its plan before tools, and embeddings by purpose.

For real: `CohereProvider(model="command-a-03-2025")` with CO_API_KEY set, or `Client("cohere:command-a-03-2025")`.
"""

from aiclient import Client
from aiclient.messages import ReasoningPart, TextPart
from aiclient.providers import CohereProvider
from aiclient.testutil import LoopbackServer, weather_tool
from aiclient.testutil.server import Answer, RecordedRequest, Route, json_answer

DOCUMENTS = [
    {"id": "rivers", "data": {"title": "Rivers", "text": "The Rhine is 1233 km long."}},
    {"id": "hills", "data": {"title": "Hills", "text": "The Feldberg is 1493 m high."}},
]


def main() -> None:
    cited = Route("POST", "/v2/chat", citing, when=lambda request: b'"documents"' in request.body)
    with LoopbackServer(reply="Paris.", routes=[cited]) as server:
        provider = CohereProvider("played", model="command-a-03-2025", base_url=server.url, timeout=60)
        with Client(provider) as client:
            request = client.new_request().max_tokens(500)
            asked = request.user("How long is the Rhine?").extra(
                "cohere", documents=DOCUMENTS, citation_options={"mode": "ACCURATE"}
            )
            for part in asked.do().message.parts:
                if isinstance(part, TextPart):
                    print(part.text, [(part.text[of.start : of.end], of.title) for of in part.citations])

            planned = request.user("The weather in Bonn?").tools(weather_tool()).tool_choice("required").do()
            for item in planned.message.parts:
                print(type(item).__name__, item.text if isinstance(item, ReasoningPart) else "")

            for task in ("query", "document"):  # what is searched for and what is searched are embedded differently
                found = client.embed("tea", model="embed-v4.0", task=task)
                print(server.requests[-1].json["input_type"], len(found.vector))


def citing(_: RecordedRequest) -> Answer:
    """Play an answer from the documents."""
    source = {"type": "document", "id": "rivers", "document": {"id": "rivers", "title": "Rivers"}}
    citation = {"start": 13, "end": 20, "text": "1233 km", "sources": [source], "type": "TEXT_CONTENT"}
    content = [{"type": "text", "text": "The Rhine is 1233 km long."}]
    counts = {"input_tokens": 40.0, "output_tokens": 8.0}
    message = {"role": "assistant", "content": content, "citations": [citation]}
    usage = {"billed_units": counts, "tokens": counts}
    return json_answer({"id": "1", "message": message, "finish_reason": "COMPLETE", "usage": usage})


if __name__ == "__main__":
    main()
