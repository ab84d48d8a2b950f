"""Functions as tools: typed arguments, checked before the function sees them, and errors that the model can act on."""

import asyncio
import dataclasses
from typing import Annotated, Literal

from aiclient import AsyncClient, Bounds, ChatResponse, ToolArgumentsError, ToolCall, tool
from aiclient.testutil import MockProvider, fixtures


@dataclasses.dataclass
class Line:
    sku: Annotated[str, Bounds(pattern="^[A-Z]{3}$")]
    count: Annotated[int, Bounds(ge=1)] = 1


@dataclasses.dataclass
class Offer:
    total: float
    currency: str


@tool
async def quote(lines: list[Line], currency: Literal["EUR", "USD"] = "EUR") -> Offer:
    """Say what an order costs.

    Args:
        lines: What is ordered.
        currency: In which currency.
    """
    return Offer(sum(9.5 * line.count for line in lines), currency)


async def answered(client: AsyncClient) -> ChatResponse:
    request = client.new_request().user("What do three ABC cost?").tools(quote)
    while (response := await request.do()).message.tool_calls:
        request = request.messages(response.message)
        for call in response.message.tool_calls:
            try:
                text = quote.text_of(await quote.call(call))
            except ToolArgumentsError as error:
                text = "\n".join(error.errors)  # the model reads this and calls again
            print(call.arguments, "->", text)
            request = request.tool_result(call.id, text)
    return response


async def main() -> None:
    wrong = fixtures.tool_response(ToolCall("1", "quote", '{"lines": [{"sku": "abc", "count": "3"}], "rush": true}'))
    right = fixtures.tool_response(ToolCall("1", "quote", '{"lines": [{"sku": "ABC", "count": 3}]}'))
    async with AsyncClient(MockProvider([wrong, right, "They cost 28.50 euros."])) as client:
        print((await answered(client)).message.content)
    for dialect in ("openai", "anthropic", "gemini"):
        print(f"{dialect} loses {quote.schema_for(dialect).lost or 'nothing'}")


if __name__ == "__main__":
    asyncio.run(main())
