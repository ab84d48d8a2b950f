"""Cohere's chat: requests encoded, whole answers decoded; streams are in `cohere_stream`.

"Chat", API v2 (docs.cohere.com/reference/chat, read 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..errors import InvalidRequestError, ProtocolError
from ..messages import Message, OpaquePart, Part, ReasoningPart, TextPart
from ..request import ChatOptions, ChatRequest, HTTPCall, Reasoning, Tool
from ..response import ChatResponse
from .codec import Encoded
from .cohere_messages import CohereMessages
from .cohere_parts import ORIGIN, PLAN, citation, cites_text, finish_reason, usage
from .cohere_stream import CohereDecoder
from .efforts import BUDGETS
from .jsons import dumps, named
from .notes import Notes
from .openai_answer import json_object
from .schemas import format_schema, tool_schema
from .toolcalls import whole_calls

__all__ = ["CohereChat"]

Json = dict[str, Any]

_JSON: Final = [("Content-Type", "application/json")]

_UNSUPPORTED: Final = ("service_tier", "user_id", "prompt_cache", "parallel_tool_calls")
"""Options that Cohere has no word for."""

_RANGES: Final = {
    # Field: our option, and the limits that the page above states.
    "p": ("top_p", 0.01, 0.99),
    "k": ("top_k", 0, 500),
    "frequency_penalty": ("frequency_penalty", 0.0, 1.0),
    "presence_penalty": ("presence_penalty", 0.0, 1.0),
}


class CohereChat:
    """The chat codec."""

    origin: Final = ORIGIN

    def encode(self, request: ChatRequest, /, *, model: str, stream: bool) -> Encoded:
        """Return the exchange that asks `request` of `model`, and what it could not carry."""
        options = request.options
        notes = Notes(ORIGIN, strict=options.strict or (request.context is not None and request.context.strict))
        body: Json = {"model": model, "messages": CohereMessages(notes).encode(request.messages), "stream": stream}
        _sampling(options, body, notes)
        _tools(options, body, notes)
        if options.response_format is not None:
            body["response_format"] = _format(options, notes)
        if options.reasoning is not None:
            body["thinking"] = _thinking(options.reasoning, notes)
        for setting in _UNSUPPORTED:
            if getattr(options, setting) is not None:
                notes.unsupported(setting)
        if options.metadata:
            notes.unsupported("metadata")
        own = options.extra.get(ORIGIN, {})
        if "stream" in own:
            raise InvalidRequestError("extra cannot hold 'stream': call .stream() or .do() instead")
        return HTTPCall("POST", "/v2/chat", _JSON, dumps({**body, **own})), notes.taken()

    def decode(self, status: int, headers: Mapping[str, str], body: bytes) -> ChatResponse:
        """Return the answer that a body holds."""
        value = json_object(body)
        message = value.get("message")
        if not isinstance(message, Mapping):
            raise ProtocolError("the answer holds no message", kind="schema")
        parts = _parts(message)
        calls = whole_calls(message, ORIGIN)
        word = value.get("finish_reason")
        reason = finish_reason(word) if isinstance(word, str) else None
        return ChatResponse(
            Message("assistant", [*parts, *calls]),
            "tool_calls" if reason == "stop" and calls else reason,
            word if isinstance(word, str) else None,
            usage=usage(value.get("usage")),
            id=named(value.get("id")),
            logprobs=value.get("logprobs") or None,
            raw=value,
        )

    def decoder(self, request: ChatRequest | None = None, /) -> CohereDecoder:
        """Return a decoder for the streamed answer to `request`."""
        return CohereDecoder()


def _sampling(options: ChatOptions, body: Json, notes: Notes) -> None:
    for name in ("temperature", "max_tokens", "seed"):
        if (value := getattr(options, name)) is not None:
            body[name] = value
    for name, (option, low, high) in _RANGES.items():
        if (wanted := getattr(options, option)) is not None:
            body[name] = min(max(wanted, low), high)
            if body[name] != wanted:
                notes.add(
                    "rounded_setting", f"{option}={wanted} became {body[name]}, the nearest that Cohere takes", option
                )
    if options.stop:
        body["stop_sequences"] = list(options.stop)
    if options.logprobs is not None:
        body["logprobs"] = True
        if options.logprobs:
            notes.unsupported("logprobs of alternatives", "those of the chosen tokens were asked for")
    if options.n is not None and options.n > 1:
        notes.unsupported("n", "one answer was asked for")


def _tools(options: ChatOptions, body: Json, notes: Notes) -> None:
    """Offer the tools. Which one to use cannot be said: of a named choice only that tool is offered, and required."""
    tools, choice = options.tools, options.tool_choice
    if not tools:
        return
    if choice is not None and choice.mode == "named":
        tools = tuple(tool for tool in tools if tool.name == choice.name)
    body["tools"] = [_tool(tool, tool.parameters) for tool in tools]
    strict = [bool(tool.strict) for tool in tools]
    if any(strict):
        fitting = [tool_schema(tool, "cohere", notes) for tool in tools]
        if all(schema is not None for schema in fitting):
            body["tools"] = [_tool(tool, schema or {}) for tool, schema in zip(tools, fitting, strict=True)]
            body["strict_tools"] = True
            if not all(strict):
                notes.add(
                    "rounded_setting", "Cohere is strict about all tools or none: all became strict", "tools[].strict"
                )
    if choice is not None and choice.mode != "auto":
        body["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"


def _tool(tool: Tool, parameters: Mapping[str, Any]) -> Json:
    function: Json = {"name": tool.name, "parameters": parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _format(options: ChatOptions, notes: Notes) -> Json:
    wanted = options.response_format
    assert wanted is not None
    if wanted.kind == "schema":
        schema = format_schema(wanted, "cohere", notes)
        return {"type": "json_object", **({"json_schema": schema} if schema is not None else {})}
    return {"type": "text" if wanted.kind == "text" else "json_object"}


def _thinking(wanted: Reasoning, notes: Notes) -> Json:
    """Return the budget: the one measure of thinking that the page above has."""
    if wanted.off:
        return {"type": "disabled"}
    budget = wanted.budget_tokens
    if wanted.effort is not None:
        budget = BUDGETS[wanted.effort]
        told = f"Cohere takes no effort; {budget} thinking tokens were asked for"
        notes.add("rounded_setting", told, "reasoning.effort")
    return {"type": "enabled", "token_budget": budget}


def _parts(message: Mapping[str, Any]) -> list[Part]:
    """Return content and plan of a message, with the citations where they belong."""
    parts = _content(message.get("content"))
    plan = message.get("tool_plan")
    if plan and isinstance(plan, str):
        parts.append(ReasoningPart(plan, origin=ORIGIN, provider_data=dict(PLAN)))
    cited = message.get("citations")
    if not isinstance(cited, list) or not cited:
        return parts
    of_part: dict[int, list[Mapping[str, Any]]] = {}
    for raw in cited:
        if isinstance(raw, Mapping):
            of_part.setdefault(_place(raw, parts), []).append(raw)
    for place, found in of_part.items():
        parts[place : place + 1] = [_cited(parts[place] if place < len(parts) else TextPart(""), found)]
    return parts


def _content(content: Any) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [TextPart(content)]
    if not isinstance(content, list):
        raise ProtocolError("content of the answer is neither text nor a list", kind="schema")
    return [_block(item) for item in content]


def _block(item: Any) -> Part:
    match item:
        case {"type": "text", "text": str(text)}:
            return TextPart(text)
        case {"type": "thinking", "thinking": str(text)}:
            return ReasoningPart(text, origin=ORIGIN)
    return OpaquePart(ORIGIN, item)


def _place(raw: Mapping[str, Any], parts: list[Part]) -> int:
    """Return the number of the part that a citation belongs to: the one it names, else the last of its kind."""
    kind = TextPart if cites_text(raw) else ReasoningPart
    named = raw.get("content_index")
    if type(named) is int and 0 <= named < len(parts) and isinstance(parts[named], kind):
        return named
    return next((place for place in reversed(range(len(parts))) if isinstance(parts[place], kind)), len(parts))


def _cited(part: Part, found: list[Mapping[str, Any]]) -> Part:
    if isinstance(part, TextPart):
        return TextPart(part.text, tuple(citation(raw) for raw in found), origin=ORIGIN)
    assert isinstance(part, ReasoningPart)
    return ReasoningPart(part.text, origin=ORIGIN, provider_data={**(part.provider_data or {}), "citations": found})
