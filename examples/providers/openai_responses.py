"""OpenAI, the Responses API: its thinking shown, and given back sealed, a tool that runs at OpenAI, and tokens counted first.

For real: `Client("openai-responses:gpt-5.2")` with OPENAI_API_KEY set.
"""

import asyncio

from aiclient import Client, ToolCall
from aiclient.messages import ReasoningPart
from aiclient.providers import OpenAIProvider
from aiclient.testutil import LoopbackServer, weather_tool


def main() -> None:
    with LoopbackServer(reply=answered, api_key="sk-played") as server:
        provider = OpenAIProvider("sk-played", model="gpt-5.2", api="responses", base_url=server.base_url)
        with Client(provider) as client:
            request = client.new_request().user("Do I need an umbrella in Bonn?").tools(weather_tool())
            request = request.reasoning("medium").extra("openai", reasoning={"summary": "auto"}).timeout(120)
            print(asyncio.run(provider.count_tokens(request.build())), "tokens, says the service before")

            response = request.do()
            print([part.text for part in response.message.parts if isinstance(part, ReasoningPart)])

            # The service keeps nothing: what it thought goes back with the results, sealed as it came.
            results = [call.result("rain, 12 degrees") for call in response.message.tool_calls]
            print(request.reply(response, *results).do().message.content)
            sent = server.requests[-1].json
            print([item.get("type", item.get("role")) for item in sent["input"]], "stored:", sent["store"])
            print("the seal is there:", bool(sent["input"][1]["encrypted_content"]))

            searching = request.extra("openai", tools=[{"type": "web_search"}])  # beside your own, in OpenAI's words
            print([tool["type"] for tool in searching.dry_run().body["tools"]])


def answered(messages: list[dict[str, object]]) -> str | list[ToolCall]:
    """Play a model that looks at the weather first."""
    if messages[-1].get("type") == "function_call_output":
        return "Yes, it rains."
    return [ToolCall("1", "get_weather", '{"city": "Bonn"}')]


if __name__ == "__main__":
    main()
