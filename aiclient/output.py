"""Answers of a type: the request says which, the answer is held to it, and is asked for again when it does not fit.

`Output` is a layer that stands outside all others for one request; `.output(Type)` of a request puts it there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal, TypeAlias, get_args

import attrs
from attrs import evolve

from .abilities import Previews
from .chunks import ChatStreamChunk
from .composition import reached
from .context import CallContext
from .ends import End
from .errors import AIClientError, ConfigError, UnsupportedFeatureError
from .layer import Layer
from .messages import Message, TextPart, ToolCall
from .middleware.validate import Validate
from .models import find
from .partialjson import PartialJSON
from .provider import Provider, ProviderInfo, observed
from .request import ChatOptions, ChatRequest, ResponseFormat, Tool, ToolChoice
from .response import ChatResponse, TypedResponse
from .schema.schema import json_schema
from .stream import ChatStream

__all__ = ["Output", "OutputMode"]

OutputMode: TypeAlias = Literal["auto", "schema", "tool", "json"]
"""How a service is told the type: by a schema of the answer, as the arguments of a tool, or in words; `auto` is the first of
these that the model takes."""

_TOOL: Final = "answer"
_WORDS: Final = (
    "Answer with JSON alone, without any text before or after it. The JSON must follow this JSON schema:\n{schema}"
)
_WRAPPED: Final = "value"
"""Services take objects only; anything else stands in one under this key."""


class Output(Layer):
    """Ask for an answer of a type, and give it in `response.output`.

    A call: the request says which type, the answer is read into it, and what does not fit is asked for again with what is
    wrong, within the attempts left. A stream: `stream.partial_output` grows as the answer comes, and the whole is checked at
    its end, where an answer that does not fit is an error in place of the last chunk; nothing is asked again, since it has
    been shown. An answer that calls tools of the request's own is handed on unread. Place: outermost; `.output(Type)` of a
    request puts it there.

    Args:
        kind: A class, a dataclass, an attrs class, a TypedDict, `list[...]`, a union, `Literal`, a builtin, a pydantic
            model.
        mode: How the service is told; `auto` is what the model takes.
        attempts: Answers asked for in all. Default 3.

    Raises:
        ConfigError: The type has no JSON schema; an option is not what it must be.
        ResponseValidationError: The answer does not fit; `errors` says where, `partial` is the answer.

    Cancelling goes through at once, and nothing is kept.
    """

    slot: ClassVar[str | None] = "output"

    def __init__(self, kind: Any, *, mode: OutputMode = "auto", attempts: int = 3) -> None:
        if mode not in get_args(OutputMode):
            raise ConfigError(f"mode={mode!r} must be one of {', '.join(get_args(OutputMode))}")
        if type(attempts) is not int or attempts < 1:
            raise ConfigError(f"attempts={attempts!r} must be a whole number of at least 1")
        schema = json_schema(kind)
        self._wraps = schema.get("type") != "object"
        held = attrs.make_class("Answer", {_WRAPPED: attrs.field(type=kind)}) if self._wraps else kind
        self.schema = json_schema(held) if self._wraps else schema
        self.mode: OutputMode = mode
        self._name = getattr(kind, "__name__", "answer")
        self._repairing = Validate(held, mode="retry", attempts=attempts) if attempts > 1 else Validate(held)
        self._checking = Validate(held)
        self._modes: dict[tuple[ProviderInfo, str | None], OutputMode] = {}

    def __repr__(self) -> str:
        return f"Output({self._name}{'' if self.mode == 'auto' else f', mode={self.mode!r}'})"

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Ask, and ask again while the answer does not fit."""
        told = self._told(request, inner)
        return self._typed(await self._repairing(_Unpacked()(inner)).chat(told))

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Open a stream whose value can be read as it grows."""
        told = self._told(request, inner)
        stream = await self._checking(_Unpacked()(inner)).chat_stream(told)
        stream.show_output(_Growing(wrapped=self._wraps))

        async def end(end: End) -> ChatResponse | None:
            return self._typed(end.response) if isinstance(end.response, ChatResponse) else None

        return await observed(_opened(stream), end)

    def _typed(self, answer: ChatResponse) -> ChatResponse:
        fields: dict[str, Any] = {str(field.alias): getattr(answer, field.name) for field in attrs.fields(ChatResponse)}
        if self._wraps and answer.output is not None:
            fields["output"] = getattr(answer.output, _WRAPPED)
        return TypedResponse(**fields)

    # --- how the service is told ---

    def _told(self, request: ChatRequest, inner: Provider) -> ChatRequest:
        match self._mode_for(request, inner):
            case "schema":
                form = ResponseFormat("schema", self.schema, _identifier(self._name), strict=True)
                return evolve(request, options=evolve(request.options, response_format=form))
            case "tool":
                return evolve(request, options=self._with_tool(request.options))
        return _in_words(request, self.schema)

    def _with_tool(self, options: ChatOptions) -> ChatOptions:
        tool = Tool(_TOOL, "Give the answer.", self.schema)
        if any(other.name == _TOOL for other in options.tools):
            raise ConfigError(f"a tool of the request is called {_TOOL!r}, as that of mode='tool': rename it")
        choice = ToolChoice.of("required") if options.tools else ToolChoice.of(_TOOL)
        return evolve(options, tools=(*options.tools, tool), tool_choice=choice)

    def _mode_for(self, request: ChatRequest, inner: Provider) -> OutputMode:
        if self.mode != "auto":
            return self.mode
        leaf, info = next(reached(inner))
        key = (info, request.model)
        if key not in self._modes:
            self._modes[key] = self._best(leaf, info, request.model or info.model)
        return self._modes[key]

    def _best(self, leaf: Provider, info: ProviderInfo, model: str | None) -> OutputMode:
        facts = find(evolve(info, model=model))
        known = facts.capabilities if facts is not None else frozenset()
        form = ResponseFormat("schema", self.schema, strict=True)
        if (not known or "schema" in known) and _takes(leaf, ChatOptions(model=model, response_format=form)):
            return "schema"
        if (not known or "tools" in known) and _takes(leaf, self._with_tool(ChatOptions(model=model))):
            return "tool"
        return "json"


def _takes(leaf: Provider, options: ChatOptions) -> bool:
    """Whether the provider's codec has a place for these options; one that cannot say is believed to have."""
    if not isinstance(leaf, Previews):
        return True
    try:
        leaf.preview(ChatRequest([Message("user", "?")], options, CallContext(strict=True)))
    except UnsupportedFeatureError as error:
        return error.code == "changed_schema"  # what was left out of the schema is checked here
    except AIClientError:
        return True  # something else is wrong, which the call will say
    return True


def _in_words(request: ChatRequest, schema: Mapping[str, Any]) -> ChatRequest:
    said = Message("system", _WORDS.format(schema=json.dumps(schema, ensure_ascii=False)))
    place = next((n for n, one in enumerate(request.messages) if one.role not in ("system", "developer")), 0)
    messages = (*request.messages[:place], said, *request.messages[place:])
    return evolve(request, messages=messages, options=evolve(request.options, response_format=ResponseFormat("json")))


def _identifier(name: str) -> str:
    return "".join(char if char.isascii() and char.isalnum() else "_" for char in name)[:64] or "answer"


# --- what comes back ---


class _Unpacked(Layer):
    """Makes the arguments of the answering tool the text of the answer, so that everything above reads one form."""

    async def around(self, request: Any, inner: Provider, call_next: Callable[[Any], Any]) -> Any:
        async def end(end: End) -> ChatResponse | None:
            return _unpacked(end.response) if isinstance(end.response, ChatResponse) else None

        return await observed(call_next(request), end)


def _unpacked(answer: ChatResponse) -> ChatResponse | None:
    calls = answer.message.tool_calls
    if {call.name for call in calls} != {_TOOL}:  # none, or tools of the request's own
        return None
    others = [part for part in answer.message.parts if not isinstance(part, (TextPart, ToolCall))]
    said = [TextPart(call.arguments) for call in calls]  # several are no JSON, and asked for again as one
    reason = (
        answer.finish_reason if answer.finish_reason not in (None, "tool_calls") else "stop"
    )  # one that was cut stays so
    return evolve(answer, message=Message("assistant", [*others, *said]), finish_reason=reason)


class _Growing:
    """The value of an answer as far as it has come."""

    def __init__(self, *, wrapped: bool) -> None:
        self._wrapped = wrapped
        self._text = PartialJSON()
        self._called: PartialJSON | None = None
        self._index: int | None = None

    def fresh(self) -> _Growing:
        """Return another that has seen nothing."""
        return _Growing(wrapped=self._wrapped)

    def see(self, chunk: ChatStreamChunk) -> None:
        """Read on."""
        if chunk.choice:
            return
        if chunk.content:
            self._text.feed(chunk.content)
        for call in chunk.tool_calls:
            if call.name == _TOOL and self._called is None:
                self._called, self._index = PartialJSON(), call.index
            if self._called is not None and call.index == self._index:
                self._called.feed(call.arguments)

    @property
    def value(self) -> Any:
        """What there is so far: JSON values; None before anything came."""
        value = (self._called or self._text).value
        if not self._wrapped:
            return value
        return value.get(_WRAPPED) if isinstance(value, dict) else None


async def _opened(stream: ChatStream) -> ChatStream:
    return stream
