"""What comes back: answers, their usage and cost, and the journal of how they were obtained.

Unknown is None, never 0; text that is absent is `""`.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar, cast

from attrs import field, frozen

from . import fields, jsontext
from .errors import Category, ResponseValidationError
from .messages import Message
from .records import Record

__all__ = [
    "Attempt",
    "CallWarning",
    "ChatResponse",
    "Choice",
    "Cost",
    "EmbeddingResponse",
    "FinishReason",
    "Outcome",
    "RateLimitInfo",
    "TypedResponse",
    "Usage",
]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "error", "other"]
"""Why the model stopped; a closed set, the vendor's word is in `raw_finish_reason`."""

Outcome: TypeAlias = Literal["completed", "failed", "cancelled", "abandoned"]
"""How an exchange ended: `cancelled` by the caller's task, `abandoned` by a reader who left early."""

_UNSAVED = {"saved": False}

T = TypeVar("T")


_COUNTS = (
    *("prompt_tokens", "completion_tokens", "_total_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"),
    *("cache_write_1h_tokens", "audio_prompt_tokens", "cached_audio_tokens", "image_prompt_tokens"),
    *("audio_completion_tokens", "image_completion_tokens", "web_searches"),
    *("billed_prompt_tokens", "billed_completion_tokens"),
)
"""The fields of Usage that are counts."""


@frozen(kw_only=True, repr=False)
class Usage(Record):
    """Tokens, by the one counting that holds for all vendors.

    `prompt_tokens` counts every input token, cached ones included; `completion_tokens` every output token, reasoning
    included; `cached_tokens`, `cache_write_tokens` and `reasoning_tokens` are parts of them. None is "not reported".

    Args:
        cache_write_1h_tokens: Those of `cache_write_tokens` that were written for an hour, not for five minutes.
        audio_prompt_tokens: Input tokens of sound, those from a cache included; `image_prompt_tokens`: of images.
        cached_audio_tokens: Those of `cached_tokens` that are sound.
        audio_completion_tokens: Output tokens of sound; `image_completion_tokens`: of images.
        web_searches: Searches that the service made and counts apart from tokens.
        service_tier: The vendor's word for how the request was processed where that can change the price: `default`,
            `priority`, `flex`, `batch`.
        billed_prompt_tokens: What the service charges for of what went in, where it says so and it is not all: Cohere charges
            nothing for what it puts around the messages itself. `billed_completion_tokens`: of what came out.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    _total_tokens: int | None = field(default=None, alias="total_tokens")  # named for type checkers that know no attrs
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    audio_prompt_tokens: int | None = None
    cached_audio_tokens: int | None = None
    image_prompt_tokens: int | None = None
    audio_completion_tokens: int | None = None
    image_completion_tokens: int | None = None
    web_searches: int | None = None
    service_tier: str | None = None
    billed_prompt_tokens: int | None = None
    billed_completion_tokens: int | None = None
    raw_usage: Mapping[str, Any] | None = field(default=None, repr=False)
    """The vendor's own object, by the vendor's own counting."""
    untrusted: tuple[str, ...] = ()
    """The counts for which the vendor gave an impossible value (-1, a billion, more cached tokens than tokens): such a
    value is left out, or cut to what can be. What no number of tokens can be (-1, 1.5) is left out whoever gives it."""

    def __attrs_post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 0):
                self._repair(name, value)

    def _repair(self, name: str, value: object) -> None:
        """Take 508.0 for 508, and leave out what is no count."""
        count = int(value) if type(value) is float and value.is_integer() and value >= 0 else None
        object.__setattr__(self, name, count)
        if count is None:
            object.__setattr__(self, "untrusted", tuple(dict.fromkeys((*self.untrusted, name.lstrip("_")))))

    @property
    def total_tokens(self) -> int | None:
        """The vendor's total, else the sum of prompt and completion when both are known."""
        if self._total_tokens is not None:
            return self._total_tokens
        if self.prompt_tokens is None or self.completion_tokens is None:
            return None
        return self.prompt_tokens + self.completion_tokens

    def doubts(self, provider: str | None = None) -> tuple[CallWarning, ...]:
        """Return a warning for each count that is not to be trusted."""
        return tuple(
            CallWarning(
                "usage_invalid",
                f"{provider or 'the service'} reported an impossible {name}: "
                + ("it was left out" if getattr(self, name) is None else f"{getattr(self, name)} is assumed"),
                f"usage.{name}",
                provider,
            )
            for name in self.untrusted
        )


NO_USAGE = Usage()


def _decimal(value: Decimal | int) -> Decimal:
    """Return whole dollars as a Decimal too; a float is left for the validator to refuse."""
    return Decimal(value) if type(value) is int else cast("Decimal", value)


@frozen(repr=False)
class Cost(Record):
    """US dollars, with the parts they are made of and the table they come from.

    Args:
        usd: The sum.
        breakdown: What it is made of: `input`, `cache_read`, `output`, ... (`aiclient.prices.rates.RATES`).
        source: Which price book said so, with its version.
        estimated: The counts are not those of the service's report, but an estimate.
        saved: What an answer that cost nothing (from a cache, of another's call) would have cost; None where not known.

    Raises:
        InvalidRequestError: `usd` or `saved` is no Decimal, not finite, or below 0.
    """

    usd: Decimal = field(converter=_decimal, validator=fields.non_negative)
    breakdown: Mapping[str, Decimal] = field(factory=dict)
    source: str = ""
    estimated: bool = False
    saved: Decimal | None = field(default=None, validator=fields.non_negative)

    @classmethod
    def spared(cls, source: str, cost: Cost | None) -> Cost:
        """Return the cost of an answer that took no exchange of its own: 0, and what it would have been."""
        saved = None if cost is None else cost.usd if cost.saved is None else cost.saved
        return cls(Decimal(), source=source, saved=saved)

    def __str__(self) -> str:
        return f"${self.usd:f}{' (estimated)' if self.estimated else ''}"

    def __float__(self) -> float:
        return float(self.usd)


@frozen(kw_only=True, repr=False)
class RateLimitInfo(Record):
    """The service's limits as its headers state them; `reset_*` are seconds from the answer."""

    limit_requests: int | None = None
    remaining_requests: int | None = None
    reset_requests: float | None = None
    limit_tokens: int | None = None
    remaining_tokens: int | None = None
    reset_tokens: float | None = None


@frozen(repr=False)
class CallWarning(Record):
    """Something the request asked for that was not, or not exactly, done."""

    code: str
    message: str
    setting: str | None = None
    provider: str | None = None


@frozen(kw_only=True, repr=False)
class Attempt(Record):
    """One exchange with a service, as plain data.

    Args:
        number: From 1, in order of their start within the logical call.
        started_at: Seconds since the epoch.
        duration: Seconds, up to the end of the stream.
        first_output: Seconds to the first output of a stream.
        category: Why it failed; None when it did not.
        cost: What it cost; `estimated` where it may have to be paid for and nothing was reported. None where it was refused or
            never sent, and where no price is known.
    """

    number: int
    provider: str
    model: str | None = None
    outcome: Outcome = "completed"
    category: Category | None = None
    status_code: int | None = None
    request_id: str | None = None
    retry_after: float | None = None
    started_at: float = 0.0
    duration: float = 0.0
    first_output: float | None = None
    usage: Usage = NO_USAGE
    cost: Cost | None = None


@frozen(repr=False)
class Choice(Record):
    """A further answer to the same request (`n` above 1)."""

    message: Message
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    logprobs: Any = None


@frozen(repr=False)
class ChatResponse(Record):
    """The answer to a chat request.

    Args:
        message: What the model said.
        finish_reason: Why it stopped; None when the answer is not complete.
        raw_finish_reason: The vendor's word for it.
        usage: Tokens; its members are None where the service did not report them.
        created_at: The service's own time stamp.
        raw: The decoded body as the vendor sent it; None on streams.
        cost: None when the model's price is not known.
        attempts: Every exchange of the logical call that led here.
        warnings: What was asked for and not honoured.
        cached: The answer came from a response cache.
        shared: The answer was obtained by another, identical call in flight.
        dry_run: Nothing was sent: this stands for an answer, and `raw` is the DryRunReport.
        alternatives: Further choices, when more than one was asked for.
        output: The typed value, after `.output(Type)`.
    """

    message: Message
    finish_reason: FinishReason | None = None
    raw_finish_reason: str | None = None
    usage: Usage = NO_USAGE
    id: str | None = None
    model: str | None = None
    provider: str | None = None
    created_at: datetime | None = None
    raw: Any = field(default=None, eq=False, repr=False, metadata=_UNSAVED)
    cost: Cost | None = None
    attempts: tuple[Attempt, ...] = ()
    warnings: tuple[CallWarning, ...] = ()
    cached: bool = False
    shared: bool = False
    dry_run: bool = False
    request_id: str | None = None
    rate_limit: RateLimitInfo | None = None
    logprobs: Any = field(default=None, repr=False)
    alternatives: tuple[Choice, ...] = ()
    output: Any = field(default=None, metadata=_UNSAVED)
    metadata: Mapping[str, Any] = field(factory=dict)

    @property
    def raw_usage(self) -> Mapping[str, Any] | None:
        """The vendor's own usage object."""
        return self.usage.raw_usage

    def json(self) -> Any:
        """Return the value that the text holds as JSON: the whole text, else the one fenced block in it.

        Nothing is guessed: no text before or after is cut away, no comma added.

        Raises:
            ResponseValidationError: The text is no JSON and holds no fenced block, or several, or one that is no JSON
                either. A key given twice, NaN and infinite numbers are not JSON. `partial` is this response.

        Example:
            >>> ChatResponse(Message("assistant", '{"city": "Bonn"}')).json()
            {'city': 'Bonn'}
        """
        try:
            return jsontext.answer(self.message.content)
        except ValueError as error:
            problem = str(error)
        cut = "; the answer was cut at its limit of tokens" if self.finish_reason == "length" else ""
        raise ResponseValidationError(
            f"the answer is not JSON: {problem}{cut}", provider=self.provider, model=self.model, partial=self
        )


@frozen(repr=False)
class TypedResponse(ChatResponse, Generic[T]):
    """An answer whose `output` is of the type that was asked for with `.output(Type)`."""

    tag: ClassVar[str] = "ChatResponse"
    output: T = field(default=cast("T", None), metadata=_UNSAVED)


def _vectors(value: Sequence[Sequence[float]]) -> tuple[array[float], ...]:
    return tuple(vector if isinstance(vector, array) else array("f", vector) for vector in value)


@frozen(repr=False)
class EmbeddingResponse(Record):
    """Vectors, one for each text and in the same order, as arrays of 32-bit floats."""

    vectors: tuple[Sequence[float], ...] = field(converter=_vectors, repr=lambda value: f"<{len(value)} vectors>")
    model: str | None = None
    provider: str | None = None
    usage: Usage = NO_USAGE
    raw: Any = field(default=None, eq=False, repr=False, metadata=_UNSAVED)
    cost: Cost | None = None
    attempts: tuple[Attempt, ...] = ()
    warnings: tuple[CallWarning, ...] = ()
    cached: bool = False
    shared: bool = False
    dry_run: bool = False
    request_id: str | None = None
    rate_limit: RateLimitInfo | None = None
    metadata: Mapping[str, Any] = field(factory=dict)

    @property
    def vector(self) -> Sequence[float]:
        """The vector of the one text that was asked for.

        Raises:
            ValueError: There are several; use `vectors`.
        """
        if len(self.vectors) != 1:
            raise ValueError(f"{len(self.vectors)} texts were embedded; use .vectors")
        return self.vectors[0]

    @property
    def raw_usage(self) -> Mapping[str, Any] | None:
        """The vendor's own usage object."""
        return self.usage.raw_usage
