"""A conversation with tools: two at once, one that fails, one that must be approved, and events as they happen."""

import aiclient
from aiclient import ChatResponse, Message, TextPart, ToolCall, ToolError, tool
from aiclient.testutil import MockProvider

STOCK = {"tea": 3, "coffee": 0}


@tool
def stock(item: str) -> int:
    """Say how many of an item there are.

    Args:
        item: Name of the item, in the singular.
    """
    if item not in STOCK:
        raise ToolError(f"there is no item {item!r}; there are {', '.join(STOCK)}")
    return STOCK[item]


@tool
async def order(item: str, number: int = 1) -> dict[str, object]:
    """Order an item."""
    return {"ordered": item, "number": number}


def asks(*calls: tuple[str, str]) -> ChatResponse:
    """Play the model: an answer that asks for tools."""
    found = [ToolCall(f"c{number}", name, arguments) for number, (name, arguments) in enumerate(calls)]
    return ChatResponse(Message("assistant", tool_calls=found), finish_reason="tool_calls")


SCRIPT = [
    asks(("stock", '{"item": "tea"}'), ("stock", '{"item": "coffe"}')),
    asks(("order", '{"item": "coffee", "number": 500}'), ("order", '{"item": "coffee", "number": 5}')),
    "There were 3 teas; I ordered 5 coffees.",
]


def approve(call: ToolCall) -> bool | str:
    """Let small orders through."""
    arguments = call.parsed or {}
    return call.name != "order" or arguments["number"] <= 10 or "at most 10 at a time"


with aiclient.Client(MockProvider(SCRIPT)) as client:
    request = client.new_request().system("You run a shop.").user("See that we have tea and coffee.")
    with request.run_stream([stock, order], approve=approve) as stream:
        for event in stream:
            if event.use is not None:
                print(f"{event.use.call.name} {event.use.call.arguments} -> {event.use.outcome}")

result = stream.result
print(result.text, f"({result.stopped} after {len(result.rounds)} rounds)")
print(
    [
        part.text
        for use in result.uses
        if use.outcome != "ok"
        for part in use.result.content
        if isinstance(part, TextPart)
    ]
)
