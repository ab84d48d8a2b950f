"""How messages of a conversation belong together: a tool's result to its call, an answer to what follows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .errors import InvalidMessageError
from .messages import Message, ToolResultPart, content_parts

if TYPE_CHECKING:
    from .messages import Content
    from .response import ChatResponse

__all__ = ["checked", "inseparable", "said_after"]


def checked(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return the messages of a conversation.

    Raises:
        InvalidMessageError: One is none; the text gives its index.
    """
    given: object = messages
    if not isinstance(given, Iterable):
        raise InvalidMessageError(f"a list of messages is needed, not {type(given).__name__}")
    found = tuple(messages)
    for index, message in enumerate(found):
        if not isinstance(message, Message):
            raise InvalidMessageError(f"messages[{index}] is {type(message).__name__}, not a Message")
    return found


def said_after(response: ChatResponse, content: Sequence[Content]) -> tuple[Message, ...]:
    """Return the messages that follow the request that `response` answers: the answer, tool results, and the user's words.

    Raises:
        InvalidMessageError: The answer is empty; results are given for calls it does not make; or something is said while
            one of its calls has no result, which every service refuses.
    """
    answer = getattr(response, "message", None)
    if not isinstance(answer, Message):
        raise InvalidMessageError(f"what is replied to is a ChatResponse, not {type(response).__name__}")
    if not answer.parts:
        raise InvalidMessageError("the answer is empty: there is nothing to reply to; ask again")
    parts = [part for item in content for part in content_parts(item)]
    results = [part for part in parts if isinstance(part, ToolResultPart)]
    words = [part for part in parts if not isinstance(part, ToolResultPart)]
    calls = {call.id: call.name for call in answer.tool_calls}
    for result in results:
        if result.tool_call_id not in calls:
            raise InvalidMessageError(
                f"a result is given for the tool call {result.tool_call_id!r}; the answer makes {list(calls) or 'no calls'}"
            )
    missing = calls.keys() - {result.tool_call_id for result in results}
    if parts and missing:
        raise InvalidMessageError(
            f"the answer asks for {', '.join(sorted(calls[id_] for id_ in missing))}: give the result of every call, "
            "as call.result(...), before or with anything else"
        )
    said = (Message("tool", results),) if results else ()
    return (answer, *said, Message("user", words)) if words else (answer, *said)


def inseparable(messages: Sequence[Message]) -> Iterator[tuple[Message, ...]]:
    """Yield `messages` in groups of which no service takes a part: an answer with the results of the tools it asks for.

    What stands between an answer and a result that comes late belongs to the group.
    """
    ends = _ends(messages)
    begin, last = 0, 0
    for index, end in enumerate(ends):
        if index > last:
            yield tuple(messages[begin:index])
            begin = index
        last = max(last, end)
    if messages:
        yield tuple(messages[begin:])


def _ends(messages: Sequence[Message]) -> list[int]:
    """Return for each message where the last result of its calls stands, or its own place."""
    ends = list(range(len(messages)))
    results: dict[str, int] = {}  # by the id of a call, which comes again where a service mints it by number
    for index in range(len(messages) - 1, -1, -1):
        for part in messages[index].parts:
            if isinstance(part, ToolResultPart):
                results.setdefault(part.tool_call_id, index)
        for id_ in {call.id for call in messages[index].tool_calls}:
            ends[index] = max(ends[index], results.pop(id_, index))
    return ends
