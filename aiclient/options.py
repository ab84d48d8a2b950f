"""What a request may ask for besides words: tools and their choice, a form of the answer, reasoning, a kept prompt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol, TypeAlias, get_args

from attrs import field, frozen

from . import fields
from .errors import InvalidRequestError
from .records import Record

__all__ = [
    "EFFORTS",
    "Effort",
    "OffersTool",
    "PromptCache",
    "Reasoning",
    "ResponseFormat",
    "Tool",
    "ToolChoice",
    "tool_of",
]


@frozen(repr=False)
class Tool(Record):
    """A function that the model may ask for; `parameters` is a JSON schema, `strict` asks that it be followed exactly."""

    name: str = field(validator=fields.tool_name)
    description: str = field(default="", validator=fields.text)
    parameters: Mapping[str, Any] = field(
        factory=lambda: {"type": "object", "properties": {}}, validator=fields.json_object
    )
    strict: bool | None = field(default=None, validator=fields.flag)


@frozen(repr=False)
class ToolChoice(Record):
    """Whether the model must use a tool: `auto`, `none`, `required`, or the one that is named."""

    mode: Literal["auto", "none", "required", "named"] = "auto"
    name: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse a name without the mode, and the mode without a name."""
        modes = ("auto", "none", "required", "named")
        named = isinstance(self.name, str) and self.name != ""
        if self.mode not in modes or (self.mode == "named") != named:
            raise InvalidRequestError(
                f"tool choice {self.mode!r} with name {self.name!r}: give a mode, or a tool's name"
            )

    @classmethod
    def of(cls, value: str | ToolChoice | None) -> ToolChoice | None:
        """Return `value` as a ToolChoice: one of the three modes, else the name of a tool."""
        if value is None or isinstance(value, ToolChoice):
            return value
        if value in ("auto", "none", "required"):
            return cls(value)  # type: ignore[arg-type]  # narrowed by the line above
        return cls("named", value)


@frozen(repr=False)
class ResponseFormat(Record):
    """The form of the answer: free text, any JSON object, or JSON that follows `schema`."""

    kind: Literal["text", "json", "schema"] = "text"
    schema: Mapping[str, Any] | None = None
    name: str = "response"
    strict: bool | None = field(default=None, validator=fields.flag)

    def __attrs_post_init__(self) -> None:
        """Refuse `schema` without a schema and the other way round."""
        if self.kind not in ("text", "json", "schema") or (self.kind == "schema") != (self.schema is not None):
            raise InvalidRequestError(f"response format {self.kind!r}: give 'text', 'json', or a JSON schema")

    @classmethod
    def of(cls, value: str | Mapping[str, Any] | ResponseFormat | None) -> ResponseFormat | None:
        """Return `value` as a ResponseFormat: `text`, `json`, or a JSON schema as a dict."""
        if value is None or isinstance(value, ResponseFormat):
            return value
        if isinstance(value, Mapping):
            return cls("schema", value)
        return cls(value)  # type: ignore[arg-type]  # refused in __attrs_post_init__ when it is another word


Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How much to think, from not at all to as much as the model can; each service takes the nearest that it has."""

EFFORTS: Final[tuple[str, ...]] = get_args(Effort)


@frozen(repr=False)
class Reasoning(Record):
    """How much the model should think: an effort, or a budget of tokens, not both.

    Args:
        effort: `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`.
        budget_tokens: The most tokens to think with; 0 is `none`.
    """

    effort: str | None = field(default=None, validator=fields.text)
    budget_tokens: int | None = field(default=None, validator=fields.number(0, math.inf, whole=True))

    def __attrs_post_init__(self) -> None:
        """Refuse both, neither, and a word that is none of the seven."""
        if (self.effort is None) == (self.budget_tokens is None):
            raise InvalidRequestError(
                f"reasoning: give an effort or budget_tokens, one of them; got {self.effort!r} and {self.budget_tokens!r}"
            )
        if self.effort is not None and self.effort not in EFFORTS:
            raise InvalidRequestError(
                f"reasoning: the effort {self.effort!r} is none of {', '.join(EFFORTS)}; a word of the service's own goes "
                "through extra(...), such as extra('openai', reasoning_effort='...')"
            )

    @property
    def off(self) -> bool:
        """Whether the model should not think."""
        return self.effort == "none" or self.budget_tokens == 0


class OffersTool(Protocol):
    """Something that a model may be offered as a tool: `@tool` makes one of a function."""

    @property
    def tool(self) -> Tool:
        """The tool as requests hold it."""
        ...


def tool_of(value: object) -> Tool:
    """Return the tool that `value` is or offers: requests hold nothing but plain values.

    Raises:
        InvalidRequestError: It is neither.
    """
    found = value if isinstance(value, Tool) else getattr(value, "tool", None)
    if isinstance(found, Tool):
        return found
    hint = f"; decorate {getattr(value, '__name__', 'it')} with @aiclient.tool" if callable(value) else ""
    raise InvalidRequestError(f"a tool must be a Tool or a function with @tool, not {type(value).__name__}{hint}")


@frozen(repr=False)
class PromptCache(Record):
    """Ask the service to keep the prompt's beginning (tools, system prompt, history) for the next call.

    Args:
        ttl: How long, as `5m` or `1h`; each vendor's nearest is taken.
        key: Groups requests that share a beginning, where the service takes one.
    """

    ttl: str = field(default="5m", validator=fields.time_to_live)
    key: str | None = field(default=None, validator=fields.text)

    @property
    def minutes(self) -> int:
        """The time to live in minutes."""
        return int(self.ttl[:-1]) * (60 if self.ttl.endswith("h") else 1)
