"""What a caller asks for: requests and their options.

Requests are immutable and neutral: no vendor's word stands here except inside `extra`, whose first level names the
namespace that may read it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

from attrs import evolve, field, frozen

from . import fields
from .context import CacheMode, CallContext, Timeouts
from .errors import EmptyMessagesError, InvalidMessageError, InvalidRequestError
from .messages import Content, Message, ToolCall, ToolResultPart
from .options import (
    EFFORTS,
    Effort,
    OffersTool,
    PromptCache,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
    tool_of,
)
from .records import Record
from .turns import said_after

if TYPE_CHECKING:
    from .response import ChatResponse

__all__ = [
    "EFFORTS",
    "AnyRequest",
    "ChatOptions",
    "ChatRequest",
    "Effort",
    "EmbeddingRequest",
    "HTTPCall",
    "OffersTool",
    "PromptCache",
    "Reasoning",
    "ResponseFormat",
    "Tool",
    "ToolChoice",
    "check",
    "tool_of",
]

_CACHE_MODES: Final = get_args(CacheMode)


def _limit(_: Any, __: Any, value: Any) -> None:
    if value is not None:
        Timeouts.of(value)  # refuses what is not a number of seconds


def _tools(value: Iterable[Tool | OffersTool]) -> tuple[Tool, ...]:
    return tuple(tool_of(item) for item in value)


def _messages(value: Iterable[Message]) -> tuple[Message, ...]:
    return tuple(value)


@frozen(kw_only=True, repr=False)
class ChatOptions(Record):
    """Everything a chat request may ask for besides its messages; None means "not given" throughout.

    `n` is the number of answers, `logprobs` asks for log probabilities with that many alternatives for each token.
    `timeout`, `tags`, `tenant`, `cache` and `strict` steer the call and are sent to nobody.
    """

    model: str | None = field(default=None, converter=fields.model)
    temperature: float | None = field(default=None, validator=fields.number(0, 2))
    max_tokens: int | None = field(default=None, validator=fields.number(1, math.inf, whole=True))
    top_p: float | None = field(default=None, validator=fields.number(0, 1))
    top_k: int | None = field(default=None, validator=fields.number(1, math.inf, whole=True))
    seed: int | None = field(default=None, validator=fields.number(-(2**63), 2**63 - 1, whole=True))
    stop: tuple[str, ...] = field(default=(), converter=fields.texts)
    frequency_penalty: float | None = field(default=None, validator=fields.number(-2, 2))
    presence_penalty: float | None = field(default=None, validator=fields.number(-2, 2))
    tools: tuple[Tool, ...] = field(default=(), converter=_tools)
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = field(default=None, validator=fields.flag)
    response_format: ResponseFormat | None = None
    reasoning: Reasoning | None = None
    prompt_cache: PromptCache | None = None
    n: int | None = field(default=None, validator=fields.number(1, math.inf, whole=True))
    logprobs: int | None = field(default=None, validator=fields.number(0, 20, whole=True))
    service_tier: str | None = field(default=None, validator=fields.text)
    user_id: str | None = field(default=None, validator=fields.text)
    metadata: Mapping[str, str] = field(factory=dict, converter=fields.strings)
    extra: Mapping[str, Mapping[str, Any]] = field(factory=dict, converter=fields.namespaces)
    timeout: float | Timeouts | None = field(default=None, validator=_limit)
    tags: Mapping[str, str] = field(factory=dict, converter=fields.strings)
    tenant: str | None = field(default=None, validator=fields.text)
    cache: CacheMode = "use"
    strict: bool = field(default=False, validator=fields.flag)

    def __attrs_post_init__(self) -> None:
        """Refuse what single fields cannot tell: unknown cache modes, a choice without its tool, tools of one name."""
        if self.cache not in _CACHE_MODES:
            raise InvalidRequestError(f"cache={self.cache!r} is none of {', '.join(_CACHE_MODES)}")
        if self.tools:
            names = [tool.name for tool in self.tools]
            if len(set(names)) != len(names):
                raise InvalidRequestError(f"two tools have the same name: {', '.join(names)}")


@frozen(repr=False)
class ChatRequest(Record):
    """A conversation and what to do with it."""

    messages: tuple[Message, ...] = field(converter=_messages)
    options: ChatOptions = field(factory=ChatOptions)
    context: CallContext | None = field(default=None, eq=False, repr=False, metadata={"saved": False})

    @property
    def model(self) -> str | None:
        """The model that the caller named; None means the provider's own default."""
        return self.options.model

    def reply(self, response: ChatResponse, *content: Content) -> ChatRequest:
        """Return the next request of the conversation: these messages, the answer, and what is said to it.

        Args:
            response: The answer to this request.
            content: What the user says, and the results of the tools it asks for (`call.result(...)`), in any order.
                Nothing at all leaves the answer as the last message.

        Raises:
            InvalidMessageError: The answer is empty; a call of it has no result; or a result belongs to no call of it.

        Example:
            >>> first = ChatRequest([Message("user", "One?")])
            >>> answer = ChatResponse(Message("assistant", "Two."))
            >>> [message.content for message in first.reply(answer, "Three?").messages]
            ['One?', 'Two.', 'Three?']
        """
        return evolve(self, messages=(*self.messages, *said_after(response, content)), context=None)


@frozen(repr=False)
class EmbeddingRequest(Record):
    """Texts to turn into vectors.

    Args:
        input: One text or several; none may be empty.
        model: None means the provider's own default.
        dimensions: Length of the vectors, where the model lets one choose.
        task: What the vectors are for (`query`, `document`, ...), where the model distinguishes.
    """

    input: tuple[str, ...] = field(converter=fields.texts)
    model: str | None = field(default=None, converter=fields.model)
    dimensions: int | None = field(default=None, validator=fields.number(1, math.inf, whole=True))
    task: str | None = field(default=None, validator=fields.text)
    user_id: str | None = field(default=None, validator=fields.text)
    extra: Mapping[str, Mapping[str, Any]] = field(factory=dict, converter=fields.namespaces)
    timeout: float | Timeouts | None = field(default=None, validator=_limit)
    tags: Mapping[str, str] = field(factory=dict, converter=fields.strings)
    context: CallContext | None = field(default=None, eq=False, repr=False, metadata={"saved": False})

    def __attrs_post_init__(self) -> None:
        """Refuse a request without texts."""
        if not self.input:
            raise EmptyMessagesError("nothing to embed: input holds no text")


AnyRequest: TypeAlias = ChatRequest | EmbeddingRequest


def check(request: ChatRequest) -> None:
    """Refuse a request that no service would accept, before anything is sent.

    Raises:
        EmptyMessagesError: There are no messages.
        InvalidMessageError: A message has neither content nor tool calls, or a tool result answers no call; the text
            gives the index of the message.
        InvalidRequestError: The tool choice names a tool that is not offered.
    """
    if not request.messages:
        raise EmptyMessagesError("a request needs at least one message; add .user(...)")
    calls: set[str] = set()
    for index, message in enumerate(request.messages):
        if not isinstance(message, Message):
            raise InvalidMessageError(f"messages[{index}] is {type(message).__name__}, not a Message")
        if not message.parts:
            raise InvalidMessageError(f"messages[{index}] ({message.role}) has neither content nor tool calls")
        for part in message.parts:
            if isinstance(part, ToolCall):
                calls.add(part.id)
            elif isinstance(part, ToolResultPart) and part.tool_call_id not in calls:
                raise InvalidMessageError(
                    f"messages[{index}] answers the tool call {part.tool_call_id!r}, which no earlier message makes"
                )
        if message.role == "tool" and not message.of(ToolResultPart):
            raise InvalidMessageError(f"messages[{index}] has the role 'tool' and no tool_call_id")
    choice = request.options.tool_choice
    if choice is not None and choice.mode in ("required", "named"):
        offered = [tool.name for tool in request.options.tools]
        if not offered or (choice.name and choice.name not in offered):
            raise InvalidRequestError(
                f"tool_choice asks for {choice.name or 'a tool'!r}; tools offered: {offered or 'none'}"
            )


@frozen
class HTTPCall:
    """One HTTP exchange to make, as a wire encodes it: what `http` sends and a dry run shows.

    Header values are revealed secrets where they must be; `repr` leaves headers and body out. `server_name` is the name that
    TLS asks for and checks, where the URL holds an address that was looked up before.
    """

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    server_name: str | None = field(default=None, repr=False, kw_only=True)
