"""OpenAI's Responses protocol: requests encoded, answers decoded.

"Create a model response", OpenAI API reference (platform.openai.com/docs/api-reference/responses/create), checked against the
published schema (github openai/openai-openapi, f85dbe223d40, 2026-08-21).

Nothing is stored at the service unless the caller asks (`extra("openai", store=True)`): `store` defaults to false here, and
models that reason are asked for their thinking sealed, so that a conversation goes on from its messages alone. A request that
builds on what is stored (`previous_response_id`, `conversation`, `background`) leaves `store` to the service.

System and developer messages keep their place as items; `instructions` can be given through `extra`. Tools, `include`, `text`
and `reasoning` in `extra` are added to what the options say; every other field there replaces it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..request import ChatOptions, ChatRequest, HTTPCall, PromptCache, Reasoning, ResponseFormat, Tool, ToolChoice
from ..response import ChatResponse
from .codec import Encoded
from .efforts import effort_word
from .jsons import dumps
from .notes import Notes
from .openai_chat import answer_schema, extra_of, parameters_of
from .profiles import OPENAI, Profile
from .responses_decode import decode_count, decode_response
from .responses_items import ItemEncoder
from .responses_stream import ResponsesDecoder

__all__ = ["ResponsesWire"]

Json = dict[str, Any]

_SEALED: Final = "reasoning.encrypted_content"

_REASONS: Final = re.compile(
    r"(?:^|[^a-z0-9])(?:o[1-9]|gpt-?[5-9]|codex|computer-use|grok-?[4-9])(?!.*(?:-chat|non-reasoning))", re.IGNORECASE
)
"""Names of models that reason: only of those sealed thinking may be asked. All 207 recorded requests that did name one of them;
gpt-4o answers 400, "Encrypted content is not supported with this model". Other models are asked when `reasoning` is set."""

_STORED: Final = ("previous_response_id", "conversation", "background")
"""Fields that need, or build on, what the service stores."""

_LEAST_TOKENS: Final = {"openai": 16, "azure": 16}
"""The smallest `max_output_tokens` that a service takes ("minimum": 16 in the published schema)."""

_LONGEST_SAFETY_ID: Final = 64
"""Characters of `safety_identifier` (the published schema), which replaces `user` at OpenAI."""

_COUNTED: Final = frozenset(
    (
        *("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"),
        *("truncation", "previous_response_id", "conversation"),
    )
)
"""Fields of "Count input tokens", OpenAI API reference (platform.openai.com/docs/api-reference/responses/input-tokens)."""


class ResponsesWire:
    """The codec.

    Args:
        profile: What the service understands.
        origin: Name under which its own data is kept, and sent back to it only.
    """

    def __init__(self, profile: Profile = OPENAI, *, origin: str | None = None) -> None:
        self.profile = profile
        self.origin = origin or profile.name

    def encode(self, request: ChatRequest, /, *, model: str, stream: bool) -> Encoded:
        """Return the exchange that asks `request` of `model`, and what it could not carry."""
        notes = self._notes(request)
        body = self._body(request, model, notes)
        if stream:
            body["stream"] = True
        return _call("/responses", body), notes.taken()

    def decode(self, status: int, headers: Mapping[str, str], body: bytes) -> ChatResponse:
        """Return the answer that a body holds."""
        return decode_response(body, self.origin)

    def decoder(self, request: ChatRequest | None = None, /) -> ResponsesDecoder:
        """Return a decoder for the streamed answer to `request`."""
        return ResponsesDecoder(self.origin)

    def encode_count(self, request: ChatRequest, /, *, model: str) -> Encoded:
        """Return the exchange that counts the input tokens of `request`."""
        notes = self._notes(request)
        body = self._body(request, model, notes)
        counted = {name: value for name, value in body.items() if name in _COUNTED}
        return _call("/responses/input_tokens", counted), notes.taken()

    def decode_count(self, status: int, headers: Mapping[str, str], body: bytes) -> int:
        """Return the number of input tokens that a body states."""
        return decode_count(body)

    def _notes(self, request: ChatRequest) -> Notes:
        strict = request.options.strict or (request.context is not None and request.context.strict)
        return Notes(self.origin, strict=strict)

    def _body(self, request: ChatRequest, model: str, notes: Notes) -> Json:
        options = request.options
        extra = extra_of(options.extra, self.profile, self.origin)
        stateless = extra["store"] is False if "store" in extra else not any(extra.get(name) for name in _STORED)
        body: Json = {
            "model": model,
            "input": ItemEncoder(self.profile, self.origin, notes, stateless=stateless).encode(request.messages),
        }
        include: list[str] = []
        if stateless:
            body["store"] = False
            if options.reasoning is not None or _REASONS.search(model):
                include.append(_SEALED)
        self._sampling(options, body, notes)
        self._tools(options, body, extra, notes)
        if options.logprobs is not None:
            include.append("message.output_text.logprobs")
            body["top_logprobs"] = options.logprobs
        if options.reasoning is not None:
            body["reasoning"] = self._thinking(options.reasoning, notes)
        if options.prompt_cache is not None:
            self._caching(options.prompt_cache, body, notes)
        if options.response_format is not None:
            body["text"] = {"format": self._format(options.response_format, notes)}
        for name in ("text", "reasoning"):
            if isinstance(extra.get(name), Mapping):
                extra[name] = {**body.get(name, {}), **extra[name]}
        wanted = extra.pop("include", None)
        include = list(dict.fromkeys([*include, *(wanted if isinstance(wanted, list) else ())]))
        if include:
            body["include"] = include
        body.update(extra)
        return body

    def _sampling(self, options: ChatOptions, body: Json, notes: Notes) -> None:
        for name, value in (
            ("max_output_tokens", self._max_tokens(options.max_tokens, notes)),
            ("temperature", options.temperature),
            ("top_p", options.top_p),
            ("service_tier", options.service_tier),
            (self._user_field(options.user_id), options.user_id),
            ("top_k", options.top_k if self.profile.top_k else None),
            ("metadata", dict(options.metadata) if options.metadata and self.profile.metadata else None),
        ):
            if value is not None:
                body[name] = value
        for name, asked in (
            ("top_k", options.top_k is not None and not self.profile.top_k),
            ("metadata", options.metadata and not self.profile.metadata),
            ("stop", options.stop),
            ("seed", options.seed is not None),
            ("frequency_penalty", options.frequency_penalty is not None),
            ("presence_penalty", options.presence_penalty is not None),
            ("n", options.n is not None and options.n > 1),
        ):
            if asked:
                notes.unsupported(name)

    def _max_tokens(self, wanted: int | None, notes: Notes) -> int | None:
        least = _LEAST_TOKENS.get(self.profile.name, 1)
        if wanted is not None and wanted < least:
            notes.add("rounded_setting", f"max_tokens {wanted} became {least}, the least that is taken", "max_tokens")
            return least
        return wanted

    def _user_field(self, user_id: str | None) -> str:
        own = self.profile.name == "openai" and user_id is not None and len(user_id) <= _LONGEST_SAFETY_ID
        return "safety_identifier" if own else "user"

    def _tools(self, options: ChatOptions, body: Json, extra: Json, notes: Notes) -> None:
        """Add the caller's functions, then the service's own tools as `extra` has them."""
        built_in = extra.pop("tools", None)
        tools = [
            *(_tool(tool, self.profile, notes) for tool in options.tools),
            *(built_in if isinstance(built_in, (list, tuple)) else ()),
        ]
        if tools:
            body["tools"] = tools
        if options.tool_choice is not None:
            body["tool_choice"] = self._choice(options.tool_choice)
        if options.parallel_tool_calls is not None:
            if not self.profile.parallel_tool_calls:
                notes.unsupported("parallel_tool_calls")
            elif tools:
                body["parallel_tool_calls"] = options.parallel_tool_calls

    def _choice(self, choice: ToolChoice) -> str | Json:
        return {"type": "function", "name": choice.name} if choice.mode == "named" else choice.mode

    def _thinking(self, wanted: Reasoning, notes: Notes) -> Json:
        if wanted.budget_tokens and self.profile.reasoning_object:
            return {"max_tokens": wanted.budget_tokens}
        return {"effort": effort_word(wanted, self.profile.efforts, self.origin, notes)}

    def _caching(self, wanted: PromptCache, body: Json, notes: Notes) -> None:
        """Caching is automatic at OpenAI; what can be asked for is a key and how long, in memory or for 24 hours."""
        if self.profile.prompt_cache is None:
            notes.unsupported("prompt_cache", "the service caches prompts by its own rules")
            return
        if wanted.key is not None:
            body["prompt_cache_key"] = wanted.key
        if self.profile.prompt_cache == "key":
            if wanted.key is None:
                notes.unsupported("prompt_cache without a key", "the service caches prompts by its own rules")
        elif wanted.minutes > 60:
            body["prompt_cache_retention"] = "24h"
            if wanted.minutes != 24 * 60:
                notes.add(
                    "rounded_setting", f"prompt_cache ttl {wanted.ttl} became 24h, the nearest", "prompt_cache.ttl"
                )

    def _format(self, wanted: ResponseFormat, notes: Notes) -> Json:
        if wanted.kind == "text":
            return {"type": "text"}
        if wanted.kind == "schema" and self.profile.json_schema:
            return {"type": "json_schema", **answer_schema(wanted, self.profile, notes)}
        if wanted.kind == "schema":
            notes.unsupported("response_format.schema", "any JSON object was asked for instead")
        return {"type": "json_object"}


def _tool(tool: Tool, profile: Profile, notes: Notes) -> Json:
    """Return a function in the flat form; this protocol is strict unless told otherwise ("Function calling" guide)."""
    described = {"description": tool.description} if tool.description else {}
    parameters, strict = parameters_of(tool, profile, notes)
    return {
        "type": "function",
        "name": tool.name,
        **described,
        "parameters": parameters,
        "strict": bool(strict),
    }


def _call(path: str, body: Json) -> HTTPCall:
    return HTTPCall("POST", path, [("Content-Type", "application/json")], dumps(body))
