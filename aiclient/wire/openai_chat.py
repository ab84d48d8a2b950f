"""OpenAI's chat completions, the protocol that most services speak: requests encoded, answers decoded.

"Create chat completion", OpenAI API reference (platform.openai.com/docs/api-reference/chat/create), checked against the
published schema (github openai/openai-openapi, f85dbe223d40, 2026-08-21).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..chunks import Fold
from ..errors import InvalidRequestError, ProtocolError
from ..request import ChatOptions, ChatRequest, HTTPCall, PromptCache, ResponseFormat, Tool, ToolChoice
from ..response import ChatResponse
from ..schema.lowering import lowered
from .codec import Encoded
from .efforts import effort_word
from .jsons import dumps
from .notes import Notes
from .openai_answer import decode_answer
from .openai_chat_stream import OpenAIChatDecoder
from .openai_messages import MessageEncoder
from .profiles import OPENAI, Profile
from .schemas import format_schema, tool_schema

__all__ = ["OpenAIChat", "answer_schema", "extra_of", "parameters_of"]

Json = dict[str, Any]


class OpenAIChat:
    """The codec.

    Args:
        profile: What the service understands.
        origin: Name under which its opaque data is kept, and sent back to it only.
    """

    def __init__(self, profile: Profile = OPENAI, *, origin: str | None = None) -> None:
        self.profile = profile
        self.origin = origin or profile.name

    def encode(self, request: ChatRequest, /, *, model: str, stream: bool) -> Encoded:
        """Return the exchange that asks `request` of `model`, and what it could not carry."""
        options = request.options
        strict = options.strict or (request.context is not None and request.context.strict)
        notes = Notes(self.origin, strict=strict)
        body: Json = {
            "model": model,
            "messages": MessageEncoder(self.profile, self.origin, notes).encode(request.messages),
        }
        self._sampling(options, body, notes)
        self._tools(options, body, notes)
        self._thinking(options, body, notes)
        if options.prompt_cache is not None:
            self._caching(options.prompt_cache, body, notes)
        if options.response_format is not None:
            body["response_format"] = self._format(options.response_format, notes)
        if stream:
            body["stream"] = True
            if self.profile.stream_options:
                body["stream_options"] = {"include_usage": True}
        body.update({**self.profile.always, **extra_of(options.extra, self.profile, self.origin)})
        call = HTTPCall("POST", "/chat/completions", [("Content-Type", "application/json")], dumps(body))
        return call, notes.taken()

    def decode(self, status: int, headers: Mapping[str, str], body: bytes) -> ChatResponse:
        """Return the answer that a body holds; a server that streams unasked is read all the same."""
        if body[:64].lstrip().startswith((b"data:", b"event:", b":")):
            return self._folded(body)
        return decode_answer(body, self.origin)

    def _folded(self, body: bytes) -> ChatResponse:
        decoder, fold = OpenAIChatDecoder(self.origin), Fold()
        for chunk in (*decoder.feed(body), *decoder.end()):
            fold.add(chunk)
        if decoder.failure is not None:
            raise decoder.failure
        if not decoder.done:
            raise ProtocolError("the answer came as a stream and is cut off", kind="incomplete")
        return fold.response()

    def decoder(self, request: ChatRequest | None = None, /) -> OpenAIChatDecoder:
        """Return a decoder for the streamed answer to `request`, which may have asked for several choices."""
        count = None
        if request is not None:
            count = extra_of(request.options.extra, self.profile, self.origin).get("n", request.options.n)
        return OpenAIChatDecoder(self.origin, count if isinstance(count, int) else 1)

    def _sampling(self, options: ChatOptions, body: Json, notes: Notes) -> None:
        profile = self.profile
        for name, option in (
            (profile.max_tokens, "max_tokens"),
            (profile.seed, "seed"),
            ("temperature", "temperature"),
            ("top_p", "top_p"),
            ("frequency_penalty", "frequency_penalty"),
            ("presence_penalty", "presence_penalty"),
            ("user", "user_id"),
            ("n", "n"),
            ("service_tier", "service_tier"),
            ("logprobs", "logprobs"),
            ("stop", "stop"),
        ):
            value = getattr(options, option)
            if value is None or value == ():
                continue
            if option not in profile.lacks:
                body[name] = list(value) if option == "stop" else value
            elif not (option == "n" and value == 1):
                notes.unsupported(option)
        if "logprobs" in body:
            body["logprobs"] = True
            if options.logprobs:
                body["top_logprobs"] = options.logprobs
        if options.top_k is not None:
            if profile.top_k:
                body["top_k"] = options.top_k
            else:
                notes.unsupported("top_k")
        if options.metadata:
            self._metadata(options, body, notes)

    def _metadata(self, options: ChatOptions, body: Json, notes: Notes) -> None:
        stored = extra_of(options.extra, self.profile, self.origin).get("store") is True
        if not self.profile.metadata:
            notes.unsupported("metadata")
        elif self.profile.metadata == "stored" and not stored:
            told = f"{self.origin} takes metadata for stored answers only; it was left out: extra('openai', store=True)"
            notes.add("unsupported_setting", told, "metadata")
        else:
            body["metadata"] = dict(options.metadata)

    def _tools(self, options: ChatOptions, body: Json, notes: Notes) -> None:
        if options.tools:
            body["tools"] = [_tool(tool, self.profile, notes) for tool in options.tools]
        if options.tool_choice is not None:
            body["tool_choice"] = self._choice(options.tool_choice, notes)
        if options.parallel_tool_calls is not None:
            if not self.profile.parallel_tool_calls:
                notes.unsupported("parallel_tool_calls")
            elif options.tools:  # OpenAI refuses it without tools
                body["parallel_tool_calls"] = options.parallel_tool_calls

    def _choice(self, choice: ToolChoice, notes: Notes) -> str | Json:
        if choice.mode == "named":
            return {"type": "function", "function": {"name": choice.name}}
        if choice.mode != "required":
            return choice.mode
        if self.profile.required is None:
            notes.unsupported("tool_choice 'required'", "the model decides whether to use a tool")
        return self.profile.required or "auto"

    def _thinking(self, options: ChatOptions, body: Json, notes: Notes) -> None:
        reasoning = options.reasoning
        if reasoning is None:
            return
        profile = self.profile
        if profile.reasoning_object and reasoning.budget_tokens:
            body["reasoning"] = {"max_tokens": reasoning.budget_tokens}
            return
        word = effort_word(reasoning, profile.efforts, self.origin, notes)
        if profile.reasoning_object:
            body["reasoning"] = {"effort": word}
            return
        if profile.thinking_switch:
            body["thinking"] = {"type": "disabled" if word == "none" else "enabled"}
        if word != "none" or not profile.thinking_switch:
            body["reasoning_effort"] = word

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
            return {"type": "json_schema", "json_schema": answer_schema(wanted, self.profile, notes)}
        if wanted.kind == "schema":
            notes.unsupported("response_format.schema", "any JSON object was asked for instead")
        return {"type": "json_object"}


def answer_schema(wanted: ResponseFormat, profile: Profile, notes: Notes) -> Json:
    """Return name, schema and strictness of an answer, each where it is said."""
    schema, strict = wanted.schema, wanted.strict
    if strict or profile.grammar:
        fitting = format_schema(wanted, profile.schemas, notes)
        schema, strict = (schema, False) if fitting is None else (fitting, strict)
    said = {"name": wanted.name, "schema": schema, "strict": strict}
    return {key: item for key, item in said.items() if item is not None}


def parameters_of(tool: Tool, profile: Profile, notes: Notes) -> tuple[Any, bool | None]:
    """Return the schema of a tool's parameters, and whether it is to be kept to the letter."""
    if not tool.strict:
        return (lowered(tool.parameters, profile.schemas).schema if profile.grammar else tool.parameters), tool.strict
    fitting = tool_schema(tool, profile.schemas, notes) if profile.schemas != "generic" else dict(tool.parameters)
    return (tool.parameters, False) if fitting is None else (fitting, True)


def _tool(tool: Tool, profile: Profile, notes: Notes) -> Json:
    parameters, strict = parameters_of(tool, profile, notes)
    function: Json = {"name": tool.name, "parameters": parameters}
    if tool.description:
        function["description"] = tool.description
    if strict is not None:
        function["strict"] = strict
    return {"type": "function", "function": function}


def extra_of(extra: Mapping[str, Mapping[str, Any]], profile: Profile, origin: str) -> Json:
    """Return the fields that the caller wants sent as they are: the protocol's namespace, then the service's own.

    Raises:
        InvalidRequestError: They would turn streaming on or off behind the reader's back.
    """
    if not extra:
        return {}
    found: Json = {}
    for namespace in dict.fromkeys(("openai", profile.name, origin)):
        found.update(extra.get(namespace, {}))
    if "stream" in found:
        raise InvalidRequestError("extra cannot hold 'stream': call .stream() or .do() instead")
    return found
