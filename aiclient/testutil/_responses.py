"""OpenAI's Responses wire for the loopback server: responses (plain and streamed) and token counts; Azure's paths too.

"Streaming events", OpenAI API reference, and the recorded answers: every event numbered, items and their parts opened and
closed. A reasoning item comes when `reasoning` is asked for: with a summary, or sealed, as far as the request wants them.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator

import attrs

from ._exchange import OPENAI, Answer, RecordedRequest, Route, json_answer
from ._openai import AZURE, AZURE_PATH, LIMITS
from ._turns import CREATED, Call, Reply, Turn, forced, streamed, turn
from ._wire import BadBodyError, JsonObject, checked, objects, positive, sse, tokens

__all__ = ["responses_routes"]

EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8", **LIMITS}


def responses_routes(reply: Reply) -> list[Route]:
    """Return the routes under `/v1`, and the same under Azure's path."""
    answer, count = checked(functools.partial(respond, reply)), checked(input_tokens)
    return [
        Route("POST", f"{root}/{name}", handler, dialect=dialect)
        for root, dialect in (("/v1", OPENAI), (AZURE_PATH, AZURE))
        for name, handler in (("responses", answer), ("responses/input_tokens", count))
    ]


@attrs.frozen
class Asked:
    """What of a request decides about the form of the answer, and is repeated in it."""

    stream: bool
    summary: bool
    sealed: bool


def respond(reply: Reply, body: JsonObject, request: RecordedRequest) -> Answer:
    """Answer with a response."""
    items = _input(body)
    reasoning = body.get("reasoning") or {}
    said = turn(
        reply,
        items,
        request,
        model=str(body.get("model", "loopback")),
        prompt=tokens(body.get("instructions"), items),
        limit=positive(body, "max_output_tokens", default=0) or None,
        tool=_forced_tool(body),
        thinks=bool(reasoning) and reasoning.get("effort") != "none",
    )
    sealed = "reasoning.encrypted_content" in (body.get("include") or ())
    return _answer(said, Asked(bool(body.get("stream")), bool(reasoning.get("summary")), sealed))


def input_tokens(body: JsonObject, _: RecordedRequest) -> Answer:
    """Answer with the number of a request's tokens."""
    counted = tokens(body.get("instructions"), _input(body))
    return json_answer({"object": "response.input_tokens", "input_tokens": counted}, headers=LIMITS)


def _input(body: JsonObject) -> list[JsonObject]:
    given = body.get("input")
    if given is None:
        raise BadBodyError("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    return [{"role": "user", "content": given}] if isinstance(given, str) else objects(body, "input")


@functools.lru_cache(maxsize=64)
def _answer(said: Turn, asked: Asked) -> Answer:
    items = [item for item, _ in _items(said, asked)]
    if not asked.stream:
        return json_answer(_response(said, items), headers=LIMITS)
    numbers = itertools.count()
    events = (
        sse({"type": kind, **fields, "sequence_number": next(numbers)}, name=kind)
        for kind, fields in _events(said, asked)
    )
    return streamed(said, events, EVENT_STREAM)


def _response(said: Turn, items: list[JsonObject], *, begun: bool = False) -> JsonObject:
    """Return the response object; one that has only begun has neither items nor usage."""
    status = "in_progress" if begun else "incomplete" if said.cut else "completed"
    return {
        "id": f"resp_{said.id}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": said.model,
        "output": [] if begun else items,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None if begun else _usage(said),
        "user": None,
    }


def _usage(said: Turn) -> JsonObject:
    return {
        "input_tokens": said.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": said.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": len(said.thought)},
        "total_tokens": said.total_tokens,
    }


# --- the output: items, and the events that bring them ---

Events = Iterator[tuple[str, JsonObject]]


def _events(said: Turn, asked: Asked) -> Events:
    begun = _response(said, [], begun=True)
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    items = list(_items(said, asked))
    for index, (item, pieces) in enumerate(items):
        place = {"output_index": index}
        yield "response.output_item.added", {**place, "item": _opened(item)}
        for kind, fields in _item_events(item, pieces):
            yield kind, {"item_id": item["id"], **place, **fields}
        yield "response.output_item.done", {**place, "item": item}
    whole = _response(said, [item for item, _ in items])
    yield f"response.{whole['status']}", {"response": whole}


def _items(said: Turn, asked: Asked) -> Iterator[tuple[JsonObject, tuple[str, ...]]]:
    """Yield the items of the answer, each with the pieces that its text comes in."""
    if said.thought:
        summary = [{"type": "summary_text", "text": said.thinking}] if asked.summary else []
        seal = {"encrypted_content": said.signature} if asked.sealed else {}
        yield {"id": f"rs_{said.id}", "type": "reasoning", "summary": summary, **seal}, said.thought
    if said.calls:
        yield from ((_called(call), tuple(call.pieces)) for call in said.calls)
        return
    content = [{"type": "output_text", "annotations": [], "logprobs": [], "text": said.text}]
    message = {"id": f"msg_{said.id}", "type": "message", "status": "incomplete" if said.cut else "completed"}
    yield {**message, "content": content, "role": "assistant"}, said.said


def _called(call: Call) -> JsonObject:
    item = {"id": f"fc_{call.id}", "type": "function_call", "status": "completed", "call_id": f"call_{call.id}"}
    return {**item, "name": call.name, "arguments": call.arguments}


def _opened(item: JsonObject) -> JsonObject:
    """Return an item as it is announced: without what its events are to bring."""
    empty = {"summary": [], "content": [], "arguments": "", "status": "in_progress"}
    return {key: empty.get(key, value) for key, value in item.items()}


def _item_events(item: JsonObject, pieces: tuple[str, ...]) -> Events:
    if item["type"] == "function_call":
        for piece in pieces:
            yield "response.function_call_arguments.delta", {"delta": piece}
        done = {"name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", done
    elif item["type"] == "message":
        yield from _part_events("response.content_part", "response.output_text", item["content"][0], pieces)
    elif item["summary"]:
        part = item["summary"][0]
        yield from _part_events("response.reasoning_summary_part", "response.reasoning_summary_text", part, pieces)


def _part_events(part_kind: str, text_kind: str, part: JsonObject, pieces: tuple[str, ...]) -> Events:
    """Yield the events of a part with a text; those of a message's have places for log probabilities."""
    message = part["type"] == "output_text"
    place: JsonObject = {"content_index": 0} if message else {"summary_index": 0}
    extra: JsonObject = {"logprobs": []} if message else {}
    yield f"{part_kind}.added", {**place, "part": {**part, "text": ""}}
    for piece in pieces:
        yield f"{text_kind}.delta", {**place, "delta": piece, **extra}
    yield f"{text_kind}.done", {**place, "text": part["text"], **extra}
    yield f"{part_kind}.done", {**place, "part": part}


def _forced_tool(body: JsonObject) -> tuple[str, JsonObject] | None:
    functions = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    tools = {str(function.get("name")): function.get("parameters") for function in functions}
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        return forced(tools, name=str(choice.get("name")))
    return forced(tools, must=choice == "required")
