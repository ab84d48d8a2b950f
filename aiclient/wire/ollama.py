"""Ollama's own protocol: requests encoded, whole answers decoded; streams are in `ollama_stream`.

"Generate a chat completion" and "Generate embeddings", Ollama API reference (docs.ollama.com/api, read 2026-11). Differs from
the compatible surface in that `think`, `keep_alive` and every model option can be set.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from ..abilities import ListedModel
from ..errors import InvalidRequestError, ProtocolError, UnsupportedFeatureError
from ..messages import (
    ImagePart,
    MediaPart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
)
from ..request import ChatOptions, ChatRequest, EmbeddingRequest, HTTPCall, Reasoning, Tool
from ..response import ChatResponse, EmbeddingResponse, FinishReason
from .codec import Encoded
from .efforts import effort_word, taking
from .failures import told_failure
from .history import note_foreign, past
from .jsons import dumps, named
from .notes import Notes
from .ollama_stream import OllamaDecoder, finish, moment, parts_of, usage
from .openai_answer import json_object
from .openai_parts import parted_url
from .schemas import format_schema

__all__ = ["OllamaChat", "OllamaEmbeddings", "decode_models", "encode_models"]

Json = dict[str, Any]

_JSON: Final = [("Content-Type", "application/json")]

_UNSUPPORTED: Final = ("n", "logprobs", "service_tier", "user_id", "prompt_cache", "parallel_tool_calls")
"""Options that Ollama has no word for."""

_EFFORTS: Final = taking("low", "medium", "high")

_SPOKEN: Final = (TextPart, RefusalPart)
"""Parts whose words are the message's content: Ollama has no place of its own for a refusal."""


class OllamaChat:
    """The chat codec."""

    origin: Final = "ollama"

    def encode(self, request: ChatRequest, /, *, model: str, stream: bool) -> Encoded:
        """Return the exchange that asks `request` of `model`, and what it could not carry."""
        options = request.options
        notes = Notes(self.origin, strict=options.strict or (request.context is not None and request.context.strict))
        body: Json = {"model": model, "messages": _messages(request.messages, notes), "stream": stream}
        if settings := _settings(options):
            body["options"] = settings
        if options.tools and not (options.tool_choice and options.tool_choice.mode == "none"):
            body["tools"] = [_tool(tool) for tool in options.tools]
            if any(tool.strict for tool in options.tools):
                notes.unsupported("tools[].strict", "the model may leave the schema")
        if options.tool_choice is not None and options.tool_choice.mode in ("required", "named"):
            notes.unsupported("tool_choice", "the model decides whether to use a tool")
        self._format(options, body, notes)
        if options.reasoning is not None:
            body["think"] = _think(options.reasoning, model, notes)
        for setting in _UNSUPPORTED:
            if getattr(options, setting) is not None:
                notes.unsupported(setting)
        if options.metadata:
            notes.unsupported("metadata")
        own = dict(options.extra.get(self.origin, {}))
        if "stream" in own:
            raise InvalidRequestError("extra cannot hold 'stream': call .stream() or .do() instead")
        body["options"] = {**body.get("options", {}), **own.pop("options", {})}
        return HTTPCall("POST", "/api/chat", _JSON, dumps({**body, **own})), notes.taken()

    def _format(self, options: ChatOptions, body: Json, notes: Notes) -> None:
        form = options.response_format
        if form is not None and form.kind != "text":
            body["format"] = "json" if form.schema is None else format_schema(form, "llamacpp", notes)

    def decode(self, status: int, headers: Mapping[str, str], body: bytes) -> ChatResponse:
        """Return the answer that a body holds."""
        value = json_object(body)
        if value.get("error"):
            raise told_failure(value)
        message = value.get("message")
        if not isinstance(message, Mapping):
            raise ProtocolError("the answer holds no message", kind="schema")
        parts = parts_of(message, self.origin)
        reason: FinishReason | None = finish(value, called=any(isinstance(part, ToolCall) for part in parts))
        return ChatResponse(
            Message("assistant", parts),
            reason,
            named(value.get("done_reason")),
            usage=usage(value),
            model=named(value.get("model")),
            created_at=moment(value.get("created_at")),
            raw=value,
        )

    def decoder(self, request: ChatRequest | None = None, /) -> OllamaDecoder:
        """Return a decoder for the streamed answer to `request`."""
        return OllamaDecoder(self.origin)


def _think(wanted: Reasoning, model: str, notes: Notes) -> bool | str:
    """Return a word for gpt-oss, and yes or no for all others.

    "Thinking", docs.ollama.com/capabilities/thinking, and github ollama/ollama-python, examples/thinking-levels.py: gpt-oss
    takes `low`, `medium` or `high` and cannot be told
    not to think, others take true and false.
    """
    if "gpt-oss" in model.lower():
        return effort_word(wanted, _EFFORTS, model, notes)
    if not wanted.off:
        setting = "reasoning.effort" if wanted.effort is not None else "reasoning.budget_tokens"
        notes.add("rounded_setting", f"{model} can only be told whether to think; thinking was switched on", setting)
    return not wanted.off


def _settings(options: ChatOptions) -> Json:
    found: Json = {
        "temperature": options.temperature,
        "num_predict": options.max_tokens,
        "top_k": options.top_k,
        "top_p": options.top_p,
        "seed": options.seed,
        "frequency_penalty": options.frequency_penalty,
        "presence_penalty": options.presence_penalty,
        "stop": list(options.stop) or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _tool(tool: Tool) -> Json:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _messages(messages: Sequence[Message], notes: Notes) -> list[Json]:
    note_foreign(messages, OllamaChat.origin, notes)
    answered = past(messages)
    out: list[Json] = []
    names: dict[str, str] = {}  # of the tools, by the id of the call: a result names its tool, not its call
    for number, message in enumerate(messages):
        names |= {call.id: call.name for call in message.tool_calls}
        results = message.of(ToolResultPart)
        out += [_result(part, names, notes) for part in results]
        if len(results) < len(message.parts):
            out.append(_message(message, notes, asked=number >= answered and message.role != "assistant"))
    return out


def _message(message: Message, notes: Notes, *, asked: bool) -> Json:
    role = "system" if message.role == "developer" else message.role
    encoded: Json = {"role": role, "content": _text(message.parts)}
    for part in message.parts:
        _add(encoded, part, notes, asked=asked)
    return encoded


def _bytes(part: ImagePart) -> bytes | None:
    """Return the bytes of an image, also of one in a data: URL."""
    return part.data if part.data is not None else parted_url(part.url or "")[1]


def _text(parts: Iterable[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, _SPOKEN))


def _add(encoded: Json, part: Part, notes: Notes, *, asked: bool) -> None:
    match part:
        case TextPart() | RefusalPart() | ToolResultPart():
            pass
        case ImagePart() if (data := _bytes(part)) is not None:
            encoded.setdefault("images", []).append(base64.b64encode(data).decode())
        case ReasoningPart(origin="ollama", text=text):
            encoded["thinking"] = encoded.get("thinking", "") + text
        case ReasoningPart():
            whose = part.origin or "elsewhere"
            notes.add("dropped_content", f"a reasoning part from {whose} cannot be sent to Ollama", "messages")
        case ToolCall():
            call = {"name": part.name, "arguments": part.parsed or {}}
            encoded.setdefault("tool_calls", []).append({"id": part.id, "function": call})
            if part.defect is not None:
                notes.add(
                    "dropped_content", f"tool call {part.id!r}: {part.defect}; sent without arguments", "messages"
                )
        case MediaPart():
            what = f"{part.tag} content"
            if isinstance(part, ImagePart):
                what = "image that is not bytes; MediaFetcher or the layer FetchMedia fetches those that are URLs"
            notes.missing(UnsupportedFeatureError(f"Ollama takes no {what}", provider="ollama"), asked=asked)
        case _:
            notes.add("dropped_content", f"{part.tag} parts cannot be sent to Ollama: left out", "messages")


def _result(part: ToolResultPart, names: Mapping[str, str], notes: Notes) -> Json:
    text = _text(part.content)
    found = [_bytes(inner) for inner in part.content if isinstance(inner, ImagePart)]
    images = [base64.b64encode(data).decode() for data in found if data]
    if len(part.content) > len(images) + sum(isinstance(inner, _SPOKEN) for inner in part.content):
        notes.add(
            "dropped_content",
            "a tool result for Ollama holds text and image bytes only; the rest was left out",
            "messages",
        )
    name = part.name or names.get(part.tool_call_id)
    encoded: Json = {
        "role": "tool",
        "content": f"Error: {text}" if part.is_error else text,
        "tool_call_id": part.tool_call_id,
    }
    if name:
        encoded["tool_name"] = name
    if images:
        encoded["images"] = images
    return encoded


class OllamaEmbeddings:
    """The embeddings codec."""

    @property
    def batch_limit(self) -> int:
        """Ollama states no limit; this keeps one exchange's body small."""
        return 2048

    def encode(self, request: EmbeddingRequest, /, *, model: str) -> Encoded:
        """Return the exchange that embeds the request's texts, and what it could not carry."""
        notes = Notes("ollama", strict=request.context is not None and request.context.strict)
        body: Json = {"model": model, "input": list(request.input)}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        for setting in ("task", "user_id"):
            if getattr(request, setting) is not None:
                notes.unsupported(setting)
        body.update(request.extra.get("ollama", {}))
        return HTTPCall("POST", "/api/embed", _JSON, dumps(body)), notes.taken()

    def decode(self, status: int, headers: Mapping[str, str], body: bytes, *, count: int) -> EmbeddingResponse:
        """Return the `count` vectors that a successful body holds."""
        value = json_object(body)
        if value.get("error"):
            raise told_failure(value)
        vectors = value.get("embeddings")
        if not isinstance(vectors, list) or len(vectors) != count:
            raise ProtocolError(f"the answer does not hold {count} embeddings", kind="schema")
        counted = usage(value)
        used = evolve(counted, total_tokens=counted.prompt_tokens)
        try:
            return EmbeddingResponse(vectors, model=named(value.get("model")), usage=used, raw=value)
        except (TypeError, OverflowError):
            pass
        raise ProtocolError("an embedding of the answer is not a list of numbers", kind="schema")


def encode_models() -> HTTPCall:
    """Return the exchange that lists the models of the machine."""
    return HTTPCall("GET", "/api/tags")


def decode_models(body: bytes) -> tuple[ListedModel, ...]:
    """Return the models of the machine, by the date of their last change."""
    listed = json_object(body).get("models")
    if not isinstance(listed, list) or not all(isinstance(item, Mapping) and item.get("name") for item in listed):
        raise ProtocolError("the answer holds no list of models", kind="schema")
    return tuple(ListedModel(str(item["name"]), moment(item.get("modified_at")), raw=item) for item in listed)
