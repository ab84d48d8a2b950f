"""What can go wrong, and what each wrong thing means for retry, breaker and fallback.

AIClientError
├── ConfigError (ValueError)            the client was set up wrongly
│   ├── InvalidProviderError
│   └── MissingAPIKeyError
├── InvalidRequestError (ValueError)    refused here, before anything was sent
│   ├── EmptyMessagesError
│   ├── InvalidMessageError
│   ├── InvalidModelError
│   ├── MediaError                      kind: source, unreadable, type, too_large, blocked, unreachable, timeout
│   └── UnsupportedFeatureError
├── ProviderError                       the service answered, and the answer is a failure
│   ├── AuthenticationError             401
│   ├── PermissionDeniedError           403
│   ├── ModelNotFoundError              404
│   ├── BadRequestError                 any other 4xx
│   │   ├── ContextLengthError
│   │   └── ContentFilterError
│   ├── RateLimitError                  429 (kind="local": our own limiter)
│   ├── QuotaExceededError              402, or 429 with a quota code
│   ├── OverloadedError                 409, 425, 503, 529
│   ├── ServerError                     408, other 5xx
│   └── ProtocolError                   the answer makes no sense (see PROTOCOL_KINDS)
├── ConnectError (ConnectionError)      kind: dns, refused, reset, tls, tls_eof, proxy, fd
├── TimeoutError (builtins.TimeoutError) phase: pool, connect, tls, first_output, idle, attempt, total
├── StreamInterruptedError              the source failed after the first output
├── StreamClosedError                   a stream was used after, or read before, its end
├── CircuitOpenError
├── BudgetExceededError
├── ResponseValidationError
│   └── ToolArgumentsError              a model called a tool with what the tool does not take
├── AllProvidersFailedError             mirrors the primary's error; the others are in `.errors`
├── ClientClosedError
├── StoreError
└── DryRunStop                          not a failure: the dry run ends here

The one outcome table is `outcome`, at the end: nothing else in the library decides what an error means.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from .response import Attempt, ChatResponse, RateLimitInfo
    from .tools.runs import RunResult

__all__ = [
    "AIClientDeprecationWarning",
    "AIClientError",
    "AIClientWarning",
    "AllProvidersFailedError",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "Category",
    "CircuitOpenError",
    "ClientClosedError",
    "ConfigError",
    "ConnectError",
    "ContentFilterError",
    "ContextLengthError",
    "DryRunStop",
    "EmptyMessagesError",
    "InvalidMessageError",
    "InvalidModelError",
    "InvalidProviderError",
    "InvalidRequestError",
    "MediaError",
    "MissingAPIKeyError",
    "ModelNotFoundError",
    "OverloadedError",
    "PermissionDeniedError",
    "Phase",
    "ProtocolError",
    "ProviderError",
    "QuotaExceededError",
    "RateLimitError",
    "ResponseValidationError",
    "ServerError",
    "StoreError",
    "StreamClosedError",
    "StreamInterruptedError",
    "TimeoutError",
    "ToolArgumentsError",
    "UnsupportedFeatureError",
    "Verdict",
    "outcome",
]

Category: TypeAlias = Literal[
    "authentication",
    "permission",
    "rate_limit",
    "quota",
    "timeout",
    "connection",
    "overloaded",
    "server",
    "bad_request",
    "context_length",
    "content_filter",
    "not_found",
    "protocol",
    "policy",
    "config",
    "other",
]
"""What went wrong, in one word. A closed set: handle `other`."""

Phase: TypeAlias = Literal["pool", "connect", "tls", "first_output", "idle", "attempt", "total"]
"""What was being waited for when time ran out."""


class AIClientWarning(UserWarning):
    """A Python warning of this library."""


class AIClientDeprecationWarning(AIClientWarning):
    """Something used here will go away; the text names the replacement and the version."""


class AIClientError(Exception):
    """The root of everything this library raises on purpose.

    Args:
        message: What happened, with what value, and what to do. Never a secret.
        provider: Name of the provider that was asked.
        model: Model that was asked.
        status_code: HTTP status of the answer.
        code: The service's own word for the failure.
        kind: A finer word of ours inside the class (`refused`, `empty`, `local`, ...).
        phase: On timeouts, what was being waited for.
        request_id: The service's identifier of the exchange, for its support.
        retry_after: Seconds that the service asked to wait, already parsed; None when it did not.
        attempts: Every exchange of the logical call, in order, as plain data.
        partial: What had been received of an answer, if anything.
        rate_limit: The service's limits as its headers stated them.
        should_retry: The service's own word on retrying (`x-should-retry`); None when it gave none.
    """

    def __init__(
        self,
        message: str = "",
        *,
        provider: str | None = None,
        model: str | None = None,
        status_code: int | None = None,
        code: str | None = None,
        kind: str | None = None,
        phase: Phase | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        attempts: Iterable[Attempt] = (),
        partial: ChatResponse | None = None,
        rate_limit: RateLimitInfo | None = None,
        should_retry: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.model = model
        self.status_code = status_code
        self.code = code
        self.kind = kind
        self.phase: Phase | None = phase
        self.request_id = request_id
        self.retry_after = retry_after
        self.attempts: tuple[Attempt, ...] = tuple(attempts)
        self.partial = partial
        self.rate_limit = rate_limit
        self.should_retry = should_retry
        self.run: RunResult | None = None  # the run of a tool loop that it ended

    @property
    def category(self) -> Category:
        """What went wrong, in one word of a closed set."""
        return outcome(self).category

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed if it is sent again."""
        return outcome(self).retryable


class ConfigError(AIClientError, ValueError):
    """The client, a provider or a middleware was set up wrongly."""


class InvalidProviderError(ConfigError):
    """A provider name is unknown, or the object is not a provider."""


class MissingAPIKeyError(ConfigError):
    """No key was given, and the variable that would hold it is not set."""


class InvalidRequestError(AIClientError, ValueError):
    """The request was refused before anything was sent."""


class EmptyMessagesError(InvalidRequestError):
    """A request without messages."""


class InvalidMessageError(InvalidRequestError):
    """A message that no service would accept, such as one without content."""


class InvalidModelError(InvalidRequestError):
    """No model was named and none is the default, or the name is empty."""


class MediaError(InvalidRequestError):
    """A picture, sound, film or document that cannot be read, is not what it is said to be, or may not be fetched.

    `kind` is `source` (no file, bytes or URL), `unreadable` (the file), `type`, `too_large`, `blocked` (an address that is
    not fetched from), `unreachable` or `timeout` (the address that was).
    """


class UnsupportedFeatureError(InvalidRequestError):
    """The provider cannot do what the request asks for."""


class ProviderError(AIClientError):
    """The service answered with a failure."""


class AuthenticationError(ProviderError):
    """The key is missing, wrong or expired (401)."""


class PermissionDeniedError(ProviderError):
    """The key is good but may not do this (403)."""


class ModelNotFoundError(ProviderError):
    """The service does not know the model or the address (404)."""


class BadRequestError(ProviderError):
    """The service refused the request as such (any other 4xx)."""


class ContextLengthError(BadRequestError):
    """The prompt does not fit the model's context window."""


class ContentFilterError(BadRequestError):
    """The service's content policy refused the prompt or the answer."""


class RateLimitError(ProviderError):
    """Too many requests or tokens at the moment (429); `kind="local"` if our own limiter said so."""


class QuotaExceededError(ProviderError):
    """The account has no credit left: waiting does not help."""


class OverloadedError(ProviderError):
    """The service is too busy, or in conflict with itself, for the moment (409, 425, 503, 529)."""


class ServerError(ProviderError):
    """The service failed (408 and other 5xx)."""


class ProtocolError(ProviderError):
    """The answer does not follow the protocol; `kind` says how."""


class ConnectError(AIClientError, ConnectionError):
    """No connection, or it broke before any output; `kind` says where."""


class TimeoutError(AIClientError, builtins.TimeoutError):
    """Time ran out; `phase` says for what."""


class StreamInterruptedError(AIClientError):
    """The source of a stream failed after the first output; `partial` holds what came before.

    `__cause__` is the typed failure, `kind` its category.
    """


class StreamClosedError(AIClientError):
    """A stream was read after it had been closed, or asked for its answer before its end."""


class CircuitOpenError(AIClientError):
    """The circuit breaker refuses calls to this destination for `retry_after` more seconds."""


class BudgetExceededError(AIClientError):
    """The call does not fit the money or tokens that are left.

    Args:
        unit: `usd` or `tokens`: what it lacks. The amounts that follow are Decimals of US dollars, or whole tokens.
        limit: How much may be spent.
        spent: How much was, by calls that are over.
        reserved: How much is set aside for calls under way.
        asked: How much this one may need.
        resets_at: When the budget begins anew, in seconds since the epoch; None if it never does.
    """

    def __init__(
        self,
        message: str = "",
        *,
        unit: str | None = None,
        limit: Decimal | int | None = None,
        spent: Decimal | int | None = None,
        reserved: Decimal | int | None = None,
        asked: Decimal | int | None = None,
        resets_at: float | None = None,
        **identity: Any,
    ) -> None:
        super().__init__(message, **identity)
        self.unit = unit
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.asked = asked
        self.resets_at = resets_at


class ResponseValidationError(AIClientError):
    """The answer came, and is not what was asked for: `errors` says where and why, `partial` is the answer."""

    def __init__(self, message: str = "", *, errors: Iterable[str] = (), **identity: Any) -> None:
        super().__init__(message, **identity)
        self.errors: tuple[str, ...] = tuple(errors)


class ToolArgumentsError(ResponseValidationError):
    """A model called a tool with arguments that it does not take: `errors` says what is wrong, so that it can call again."""

    def __init__(self, message: str = "", *, tool: str | None = None, **identity: Any) -> None:
        super().__init__(message, **identity)
        self.tool = tool


class AllProvidersFailedError(AIClientError):
    """Every target failed: identity and meaning are the primary's, all errors are in `errors`, in target order."""

    def __init__(self, message: str = "", *, errors: Iterable[AIClientError] = (), **identity: Any) -> None:
        super().__init__(message, **identity)
        self.errors: tuple[AIClientError, ...] = tuple(errors)


class ClientClosedError(AIClientError):
    """The client was closed; make a new one."""


class StoreError(AIClientError):
    """A store (cache, ledger) failed or holds a record that cannot be read."""


class DryRunStop(AIClientError):
    """A dry run reached the point where the request would have been sent; `report` says what it is."""

    def __init__(self, message: str = "", *, report: object = None, **identity: Any) -> None:
        super().__init__(message, **identity)
        self.report = report


class Verdict(NamedTuple):
    """What an error means to the layers."""

    category: Category
    retryable: bool
    breaker: Literal["failure", "neutral"]
    falls_over: bool
    """Whether another provider may do better."""


_OTHER: Final = Verdict("other", retryable=False, breaker="neutral", falls_over=False)
_POLICY: Final = Verdict("policy", retryable=False, breaker="neutral", falls_over=False)

_BY_CLASS: Final[dict[type[BaseException], Verdict]] = {
    AuthenticationError: Verdict("authentication", retryable=False, breaker="neutral", falls_over=False),
    PermissionDeniedError: Verdict("permission", retryable=False, breaker="neutral", falls_over=False),
    ModelNotFoundError: Verdict("not_found", retryable=False, breaker="neutral", falls_over=True),
    ContextLengthError: Verdict("context_length", retryable=False, breaker="neutral", falls_over=False),
    ContentFilterError: Verdict("content_filter", retryable=False, breaker="neutral", falls_over=False),
    BadRequestError: Verdict("bad_request", retryable=False, breaker="neutral", falls_over=False),
    RateLimitError: Verdict("rate_limit", retryable=True, breaker="neutral", falls_over=True),
    QuotaExceededError: Verdict("quota", retryable=False, breaker="neutral", falls_over=True),
    OverloadedError: Verdict("overloaded", retryable=True, breaker="failure", falls_over=True),
    ServerError: Verdict("server", retryable=True, breaker="failure", falls_over=True),
    ProtocolError: Verdict("protocol", retryable=False, breaker="failure", falls_over=True),
    ProviderError: Verdict("other", retryable=False, breaker="neutral", falls_over=False),
    ConnectError: Verdict("connection", retryable=True, breaker="failure", falls_over=True),
    TimeoutError: Verdict("timeout", retryable=True, breaker="failure", falls_over=True),
    UnsupportedFeatureError: Verdict("bad_request", retryable=False, breaker="neutral", falls_over=True),
    InvalidRequestError: Verdict("bad_request", retryable=False, breaker="neutral", falls_over=False),
    ConfigError: Verdict("config", retryable=False, breaker="neutral", falls_over=False),
    CircuitOpenError: _POLICY._replace(falls_over=True),
    BudgetExceededError: _POLICY,
    ResponseValidationError: _POLICY,
    ClientClosedError: _POLICY,
    DryRunStop: _POLICY,
}

PROTOCOL_KINDS: Final[dict[str, tuple[bool, Literal["failure", "neutral"]]]] = {
    # kind: (retryable, breaker). A second try helps where bytes were lost, not where the peer speaks another language.
    "empty": (True, "failure"),  # 204, or a 200 without a body
    "incomplete": (True, "failure"),  # the body or the stream ended before its end
    "decode": (True, "failure"),  # not JSON, or a broken content encoding
    "depth": (False, "failure"),  # JSON nested too deeply
    "schema": (False, "failure"),  # JSON of another shape
    "too_large": (False, "failure"),  # over one of our size limits
    "content_type": (False, "failure"),  # a page of HTML, most often a captive portal
    "state": (False, "failure"),  # events out of order
    "http": (False, "failure"),  # not HTTP, or an impossible status
    "redirect": (False, "neutral"),  # 3xx: never followed, keys would travel
}
"""What the `kind` of a ProtocolError means."""

_TIMEOUT_PHASES: Final[dict[str | None, Verdict]] = {
    # Waiting for our own gate says nothing about the service; another destination has a gate of its own.
    "pool": Verdict("timeout", retryable=False, breaker="neutral", falls_over=True),
    # The whole call's time is over: nothing is left to try again with.
    "total": Verdict("timeout", retryable=False, breaker="failure", falls_over=False),
}

_CONNECT_KINDS: Final[dict[str | None, Verdict]] = {
    "tls": Verdict("connection", retryable=False, breaker="failure", falls_over=True),
    "fd": Verdict("connection", retryable=False, breaker="neutral", falls_over=False),
}

FAILURES: Final[frozenset[Category]] = frozenset({"timeout", "connection", "overloaded", "server", "protocol"})
"""Categories that count against the service, for want of the error itself: of a stream cut after its first output, and of
what may have opened a circuit."""


def outcome(error: BaseException) -> Verdict:
    """Say what `error` means: the one table that retry, breaker, fallback and metrics read.

    A pure function of class, `kind`, `phase`, `status_code` and `should_retry`. Errors that are not of this library
    (bugs, cancellation) are `other`: never retried, neutral for breakers.
    """
    verdict = next((_BY_CLASS[cls] for cls in type(error).__mro__ if cls in _BY_CLASS), _OTHER)
    match error:
        case AllProvidersFailedError(errors=(first, *_)):
            return outcome(first)
        case StreamInterruptedError(kind=kind):
            category: Any = kind if kind in get_args(Category) else "protocol"
            cause = error.__cause__  # pickling loses it; the category then decides
            if isinstance(cause, AIClientError):
                return _OTHER._replace(category=category, breaker=outcome(cause).breaker)
            return _OTHER._replace(category=category, breaker="failure" if category in FAILURES else "neutral")
        case TimeoutError(phase=phase):
            verdict = _TIMEOUT_PHASES.get(phase, verdict)
            # A caller who grants less than ten seconds learns nothing about the service when they are over.
            return verdict._replace(breaker="neutral") if error.kind == "short_deadline" else verdict
        case ConnectError(kind=kind):
            return _CONNECT_KINDS.get(kind, verdict)
        case ProtocolError(kind=str(kind)) if kind in PROTOCOL_KINDS:
            retryable, breaker = PROTOCOL_KINDS[kind]
            verdict = verdict._replace(retryable=retryable, breaker=breaker)
        case RateLimitError(kind="local"):
            return verdict._replace(retryable=False)
        case ServerError(status_code=408) | OverloadedError(status_code=409 | 425):
            verdict = verdict._replace(breaker="failure" if error.status_code == 408 else "neutral")
    if isinstance(error, ProviderError) and error.should_retry is not None:
        verdict = verdict._replace(retryable=error.should_retry)
    return verdict
