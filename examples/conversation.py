"""A conversation that goes on: tool results, trimming, saving, and the form of another SDK."""

import json
import pathlib
import tempfile

import aiclient
from aiclient import ChatResponse, Message, Tool, ToolCall, history, interchange
from aiclient.testutil import MockProvider

WEATHER = Tool("weather", "Current weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
SCRIPT = [
    ChatResponse(Message("assistant", tool_calls=[ToolCall("c1", "weather", '{"city": "Bonn"}')])),
    "Yes, it rains in Bonn.",
    "In Rome the sun shines.",
]

with aiclient.Client(MockProvider(SCRIPT)) as client:
    request = client.new_request().system("Be brief.").tools(WEATHER).user("Umbrella in Bonn?")
    response = request.do()
    results = [call.result(f"Rain in {call.parsed['city']}") for call in response.message.tool_calls if call.parsed]

    request = request.reply(response, *results)
    response = request.do()
    print(response.message.content)

    request = request.reply(response, "And in Rome?")
    response = request.do()
    print(response.message.content)

messages = request.reply(response).build().messages
print([message.role for message in messages])
print([message.role for message in history.trimmed(messages, max_messages=4)])

with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "talk.json")
    history.save(messages, path)
    print(history.load(path) == messages)

print(json.dumps(interchange.to_openai(messages)[2]["tool_calls"]))
