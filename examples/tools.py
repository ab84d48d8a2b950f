"""One turn of tool use, by hand: offer a tool, run what the model asks for, give back what it returned."""

from aiclient import Client, Tool, ToolCall
from aiclient.testutil import MockProvider, fixtures

WEATHER = Tool(
    "get_weather",
    "Say what the weather is like.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)


def run(call: ToolCall) -> str:
    if call.parsed is None:
        return f"error: {call.defect}"  # the model reads this and tries again
    return f"21 degrees in {call.parsed['city']}"


def main() -> None:
    model = MockProvider([fixtures.tool_response(), "It is 21 degrees in Bonn."])
    with Client(model) as client:
        request = client.new_request().user("What is the weather in Bonn?").tools(WEATHER)
        asked = request.do()
        request = request.messages(asked.message)
        for call in asked.message.tool_calls:
            print(call.name, call.arguments, "->", run(call))
            request = request.tool_result(call.id, run(call))
        print(request.do().message.content)


if __name__ == "__main__":
    main()
