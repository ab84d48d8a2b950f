"""Bedrock's Converse, one protocol for the models of many vendors: requests encoded, answers decoded.

"Converse", "ConverseStream" and "CountTokens", Amazon Bedrock Runtime API reference, 2023-09-30, as in the service model of
botocore 1.44.5 (2026-11). The model stands in the path; signatures are the provider's (`sigv4`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from ..errors import ProtocolError
from ..request import ChatRequest, HTTPCall
from ..response import ChatResponse
from .codec import Encoded
from .converse_decode import decode_answer
from .converse_facts import served
from .converse_messages import cache_point, encode_messages, mark_cached
from .converse_options import encode_options
from .converse_stream import ConverseDecoder
from .jsons import dumps
from .notes import Notes
from .openai_answer import json_object

__all__ = ["ConverseWire"]

Json = dict[str, Any]

_HEADERS: Final = [("Content-Type", "application/json")]

_COUNTED: Final = ("messages", "system", "toolConfig", "additionalModelRequestFields")
"""Fields that CountTokens takes."""

_MERGED: Final = frozenset({"inferenceConfig", "additionalModelRequestFields", "outputConfig", "requestMetadata"})


class ConverseWire:
    """The codec.

    What only Converse has goes through `extra["bedrock"]`, in its own words: `guardrailConfig`, `performanceConfig`,
    `promptVariables`, `additionalModelResponseFieldPaths`, tools that the service runs (`toolConfig.tools[].systemTool`).
    Blocks that have no part of their own (`guardContent`, `searchResult`, `cachePoint`) go into an `OpaquePart("bedrock",
    {...})`; what else a document may say (`citations`, `context`) into its `provider_data`, with the origin "bedrock".

    Args:
        origin: Name under which opaque data is kept, and sent back to it only; also the namespace of `extra`.
    """

    def __init__(self, *, origin: str = "bedrock") -> None:
        self.origin = origin

    def encode(self, request: ChatRequest, /, *, model: str, stream: bool) -> Encoded:
        """Return the exchange that asks `request` of `model`, and what it could not carry."""
        notes = self._notes(request)
        body = self._body(request, model, notes)
        return _call(model, "converse-stream" if stream else "converse", body), notes.taken()

    def decode(self, status: int, headers: Mapping[str, str], body: bytes) -> ChatResponse:
        """Return the answer that a body holds."""
        return decode_answer(body, self.origin)

    def decoder(self, request: ChatRequest | None = None, /) -> ConverseDecoder:
        """Return a decoder for the streamed answer to `request`."""
        return ConverseDecoder(self.origin)

    def encode_count(self, request: ChatRequest, /, *, model: str) -> Encoded:
        """Return the exchange that counts the tokens of `request`.

        Base models count, inference profiles do not (record 7706f3ca748c): a geography before the model's name is taken off.
        """
        notes = self._notes(request)
        body = self._body(request, model, notes)
        counted = {name: body[name] for name in _COUNTED if name in body}
        base = model if model.startswith("arn:") else served(model).base
        return _call(base, "count-tokens", {"input": {"converse": counted}}), notes.taken()

    def decode_count(self, body: bytes) -> int:
        """Return the number of tokens that an answer of CountTokens holds."""
        count = json_object(body).get("inputTokens")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ProtocolError("the answer holds no number of tokens", kind="schema")
        return count

    def _notes(self, request: ChatRequest) -> Notes:
        strict = request.options.strict or (request.context is not None and request.context.strict)
        return Notes(self.origin, strict=strict)

    def _body(self, request: ChatRequest, model: str, notes: Notes) -> Json:
        options, facts = request.options, served(model)
        system, turns = encode_messages(request.messages, facts, self.origin, notes)
        body: Json = {"messages": turns}
        if system:
            body["system"] = system
        encode_options(options, facts, body, notes)
        if options.prompt_cache is not None and not facts.caches:
            notes.add("unsupported_setting", f"{facts.name} keeps no prompts; it was left out", "prompt_cache")
        elif options.prompt_cache is not None:
            mark_cached(body, facts, cache_point(options.prompt_cache, notes))
        _extend(body, options.extra.get(self.origin, {}))
        return body


def _extend(body: Json, extra: Mapping[str, Any]) -> None:
    """Add what the caller wants sent as it is: tools come behind those of the request, settings are joined by key."""
    for name, value in extra.items():
        if name == "toolConfig" and isinstance(value, Mapping):
            before = body.get("toolConfig", {})
            tools = [*before.get("tools", ()), *value.get("tools", ())]
            body["toolConfig"] = {**before, **value, "tools": tools}
        elif name in _MERGED and isinstance(value, Mapping):
            body[name] = {**body.get(name, {}), **value}
        else:
            body[name] = value


def _call(model: str, operation: str, body: Json) -> HTTPCall:
    return HTTPCall("POST", f"/model/{quote(model, safe='')}/{operation}", _HEADERS, dumps(body))
