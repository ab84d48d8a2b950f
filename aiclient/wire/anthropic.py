"""Anthropic's Messages API, the protocol of Claude and of servers that imitate it: requests encoded, answers decoded.

"Messages", Anthropic API reference, version 2023-06-01 (platform.claude.com/docs/en/api/messages/create, 2026-11), checked
against the types of the official SDK (anthropic 2.11.0). Vertex AI and Bedrock carry the same bodies (api/claude-on-vertex-ai,
api/claude-on-amazon-bedrock): the version stands in the body there, the model in the path. Seals of thinking are "compatible
across platforms" (build-with-claude/thinking), so all share one origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from attrs import frozen

from ..errors import InvalidRequestError, ProtocolError
from ..request import ChatRequest, HTTPCall
from ..response import ChatResponse
from .anthropic_answer import decode_answer
from .anthropic_events import AnthropicEvents
from .anthropic_facts import claude
from .anthropic_messages import encode_messages
from .anthropic_options import encode_options, mark_cached
from .anthropic_stream import AnthropicDecoder
from .codec import Encoded
from .jsons import dumps
from .notes import Notes
from .openai_answer import json_object

__all__ = ["ANTHROPIC", "BEDROCK", "VERTEX", "AnthropicWire", "Platform"]

Json = dict[str, Any]

_COUNTED: Final = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "mcp_servers"}
)
"""Fields that count_tokens takes."""

_MERGED: Final = ("output_config", "metadata")


@frozen
class Platform:
    """How one platform carries the protocol.

    Args:
        name: What it is called.
        version: Value of `anthropic-version`, or of `anthropic_version` in the body.
        path: Path of a whole answer, below the base URL.
        stream_path: Path of a streamed one.
        count_path: Path that counts tokens; None if there is none.
        native: Whether version and beta names stand in headers, the model in the body; else the other way round.
        streams: Whether the body says `stream`; else the path does alone.
    """

    name: str
    version: str
    path: str
    stream_path: str
    count_path: str | None = None
    native: bool = True
    streams: bool = True


ANTHROPIC: Final = Platform("anthropic", "2023-06-01", "/v1/messages", "/v1/messages", "/v1/messages/count_tokens")

VERTEX: Final = Platform(
    "vertex",
    "vertex-2023-10-16",
    "/publishers/anthropic/models/{model}:rawPredict",
    "/publishers/anthropic/models/{model}:streamRawPredict",
    "/publishers/anthropic/models/count-tokens:rawPredict",
    native=False,
)
"""Below `https://.../v1/projects/{project}/locations/{location}`."""

BEDROCK: Final = Platform(
    "bedrock",
    "bedrock-2023-05-31",
    "/model/{model}/invoke",
    "/model/{model}/invoke-with-response-stream",
    native=False,
    streams=False,
)
"""InvokeModel; its stream frames the events in AWS's own way: give them to `events()` one by one."""


class AnthropicWire:
    """The codec.

    Args:
        platform: Who carries the protocol: `ANTHROPIC`, `VERTEX` or `BEDROCK`.
        origin: Name under which opaque data is kept, and sent back to it only; also a namespace of `extra`, after `anthropic`.
        max_tokens: Limit for requests that set none, which the protocol demands; None takes 16,384, or 4,096 with models
            before Claude 4 and models that are no Claude.
    """

    def __init__(
        self, platform: Platform = ANTHROPIC, *, origin: str = "anthropic", max_tokens: int | None = None
    ) -> None:
        self.platform = platform
        self.origin = origin
        self._max_tokens = max_tokens

    def encode(self, request: ChatRequest, /, *, model: str, stream: bool) -> Encoded:
        """Return the exchange that asks `request` of `model`, and what it could not carry."""
        notes = self._notes(request)
        body, betas = self._body(request, model, notes)
        if stream and self.platform.streams:
            body["stream"] = True
        path = self.platform.stream_path if stream else self.platform.path
        return self._call(path, body, betas, model), notes.taken()

    def decode(self, status: int, headers: Mapping[str, str], body: bytes) -> ChatResponse:
        """Return the answer that a body holds."""
        return decode_answer(body, self.origin)

    def decoder(self, request: ChatRequest | None = None, /) -> AnthropicDecoder:
        """Return a decoder for the streamed answer to `request`."""
        return AnthropicDecoder(self.origin)

    def events(self) -> AnthropicEvents:
        """Return a decoder for the events of a stream, without their framing."""
        return AnthropicEvents(self.origin)

    def encode_count(self, request: ChatRequest, /, *, model: str) -> Encoded:
        """Return the exchange that counts the tokens of `request` (api/messages/count_tokens).

        Raises:
            InvalidRequestError: The platform does not count.
        """
        if self.platform.count_path is None:
            raise InvalidRequestError(f"{self.platform.name} counts no tokens in this protocol")
        notes = self._notes(request)
        body, betas = self._body(request, model, notes)
        counted = {name: value for name, value in body.items() if name in _COUNTED or name.startswith("anthropic_")}
        counted["model"] = model  # in the body on every platform
        return self._call(self.platform.count_path, counted, betas, model), notes.taken()

    def decode_count(self, body: bytes) -> int:
        """Return the number of tokens that an answer of count_tokens holds."""
        count = json_object(body).get("input_tokens")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ProtocolError("the answer holds no number of tokens", kind="schema")
        return count

    def _notes(self, request: ChatRequest) -> Notes:
        strict = request.options.strict or (request.context is not None and request.context.strict)
        return Notes(self.origin, strict=strict)

    def _body(self, request: ChatRequest, model: str, notes: Notes) -> tuple[Json, list[str]]:
        options, facts = request.options, claude(model)
        system, turns = encode_messages(request.messages, facts, self.origin, notes)
        limit = options.max_tokens or self._max_tokens or facts.max_tokens
        body: Json = {"max_tokens": limit, "messages": turns}
        if self.platform.native:
            body["model"] = model
        else:
            body["anthropic_version"] = self.platform.version
        if system:
            body["system"] = system
        encode_options(options, facts, body, notes)
        if options.prompt_cache is not None:
            mark_cached(options.prompt_cache, body, notes)
        return body, self._extend(body, options.extra)

    def _extend(self, body: Json, extra: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Add what the caller wants sent as it is, and return the names of beta features in it.

        `tools` come behind those of the request, `output_config` and `metadata` are joined by key, anything else replaces.

        Raises:
            InvalidRequestError: It would turn streaming on or off behind the reader's back.
        """
        betas: list[str] = []
        for namespace in dict.fromkeys(("anthropic", self.origin)):
            for name, value in extra.get(namespace, {}).items():
                if name == "stream":
                    raise InvalidRequestError("extra cannot hold 'stream': call .stream() or .do() instead")
                if name == "betas":
                    betas += value.split(",") if isinstance(value, str) else value
                elif name == "tools" and isinstance(value, list):
                    body["tools"] = [*body.get("tools", ()), *value]
                elif name in _MERGED and isinstance(value, Mapping):
                    body[name] = {**body.get(name, {}), **value}
                else:
                    body[name] = value
        return list(dict.fromkeys(betas))

    def _call(self, path: str, body: Json, betas: list[str], model: str) -> HTTPCall:
        headers = [("Content-Type", "application/json")]
        if self.platform.native:
            headers.append(("anthropic-version", self.platform.version))
        if betas and self.platform is BEDROCK:
            body = {**body, "anthropic_beta": betas}
        elif betas:
            headers.append(("anthropic-beta", ",".join(betas)))
        return HTTPCall("POST", path.format(model=quote(model, safe=":@")), headers, dumps(body))
