"""Anthropic: thinking that goes back with its seal, a prompt that is kept for an hour, and answers that name their source.

For real: `AnthropicProvider(model="claude-opus-4-8")` with ANTHROPIC_API_KEY set, or `Client("anthropic:claude-opus-4-8")`.
"""

import asyncio

from aiclient import Client, ToolCall, document
from aiclient.messages import ReasoningPart, TextPart
from aiclient.providers import AnthropicProvider
from aiclient.testutil import LoopbackServer, weather_tool
from aiclient.testutil.server import Answer, RecordedRequest, Route, json_answer

HANDBOOK = "You answer from this handbook. " * 400


def main() -> None:
    cited = Route("POST", "/v1/messages", citing, when=lambda request: b'"document"' in request.body)
    with LoopbackServer(reply=answered, routes=[cited]) as server:
        provider = AnthropicProvider("sk-ant-played", model="claude-opus-4-8", base_url=server.url, timeout=120)
        with Client(provider) as client:
            request = client.new_request().system(HANDBOOK).prompt_cache("1h").max_tokens(4000)
            asked = request.user("An umbrella for Bonn?").reasoning("high").tools(weather_tool())
            print(asyncio.run(provider.count_tokens(asked.build())), "tokens, says the service before")

            response = asked.do()
            thought = next(part for part in response.message.parts if isinstance(part, ReasoningPart))
            print(f"{thought.text!r}, sealed: {bool(thought.signature)}")
            results = [call.result("rain") for call in response.message.tool_calls]
            print(asked.reply(response, *results).do().message.content)

            sent = server.requests[-1].json
            print(
                "kept:",
                sent["system"][0]["cache_control"],
                "- thinking:",
                sent["thinking"]["type"],
                sent["output_config"],
            )
            print("goes back:", [block["type"] for block in sent["messages"][1]["content"]])

            report = document(b"The Rhine is 1233 km long.", name="rivers.txt", media_type="text/plain")
            answer = request.user("How long is the Rhine?", report).do().message
            for text in (part for part in answer.parts if isinstance(part, TextPart)):
                print(text.text, [(source.title, source.quote) for source in text.citations])


def answered(messages: list[dict[str, object]]) -> str | list[ToolCall]:
    """Play a model that looks at the weather first."""
    if "tool_result" in str(messages[-1]["content"]):
        return "Yes, it rains."
    return [ToolCall("1", "get_weather", '{"city": "Bonn"}')]


def citing(_: RecordedRequest) -> Answer:
    """Play an answer that cites a document."""
    source = {"type": "char_location", "cited_text": "1233 km", "document_index": 0, "document_title": "rivers.txt"}
    place = {"start_char_index": 13, "end_char_index": 20}
    text = {"type": "text", "text": "1233 kilometres.", "citations": [{**source, **place}]}
    usage = {"input_tokens": 20, "output_tokens": 5}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "content": [text]}
    return json_answer({**message, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage})


if __name__ == "__main__":
    main()
