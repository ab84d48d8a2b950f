"""One structured log record for every attempt and one for every logical call."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..context import CallContext, CallEvent
from ..errors import (
    AIClientError,
    BudgetExceededError,
    CircuitOpenError,
    ClientClosedError,
    ConfigError,
    ConnectError,
    DryRunStop,
    StoreError,
    StreamClosedError,
    TimeoutError,
)
from ..layer import Layer
from ..logs import complain, correlation_id, write
from ..provider import Provider, Q, R, observed
from ..redaction import clean, fingerprint
from ..request import AnyRequest, ChatRequest
from ..response import ChatResponse, Cost, EmbeddingResponse, Usage
from ._content import prompt, said

if TYPE_CHECKING:
    from ..ends import End
    from ..response import Attempt

__all__ = ["Logging"]

_LEVELS: Final = {"budget": logging.WARNING, "cache": logging.DEBUG}
"""Of what happens between the attempts; everything else is at INFO."""

_OURS: Final = (
    BudgetExceededError,
    CircuitOpenError,
    ClientClosedError,
    ConfigError,
    ConnectError,
    StoreError,
    StreamClosedError,
    TimeoutError,
)
"""Errors whose words are all our own: those of the others may quote the prompt, the answer, or a service that does."""

_NAMELESS: Final = frozenset({"session", "user"})
"""Tags that say who somebody is: a record holds their fingerprint."""


class Logging(Layer):
    """Log every attempt and how every call ended; never its content unless asked.

    A call: one record at its end (`INFO` completed, cancelled or abandoned; `ERROR` failed; `WARNING` if it was a policy of
    this client that refused it, such as a budget or an open circuit) and one for each attempt (`DEBUG`; `WARNING` if it
    failed). What layers did in between (a retry, a fallback, a wait for a limit, a breaker's change) is one at `INFO`, the
    alert of a budget one at `WARNING`. A stream: the same, at its close. Place: outermost, so that one record stands for the
    logical call with all its attempts.

    Fields are in `record.aiclient` (a dict); a logger of structlog is given them as they are; those that are unknown are left
    out. Of every record: `event`, `id`, `correlation_id` (the tag of that name, else what `aiclient.correlation` set),
    `provider`, `model`, `category`. Of calls and attempts: `outcome`, `status_code`, `request_id`, `duration_ms`, `tokens`,
    `prompt_tokens`, `completion_tokens`, `cached_tokens`, `cost` (US dollars), `cost_estimated`; of attempts `attempt` (its
    number) and `first_output_ms`; of calls `operation`, `messages` (how many), `attempts` (how many), `cached`,
    `finish_reason`, `code`, `error`, `tags` (of `user` and `session` a fingerprint).

    Args:
        logger: Where records go: a `logging.Logger`, or a logger of structlog; `aiclient.calls` by default. Nothing shows
            until logging is configured.
        content: Also log `prompt`, `answer`, and what services say of errors (they may quote the prompt), with known secrets
            and whatever looks like a key masked.
        content_limit: Most characters of the prompt, of the answer and of an error, at least 1; of a longer prompt the end
            is kept.

    Raises:
        ConfigError: An option is wrong.

    Example:
        >>> from aiclient import logs
        >>> logs.configure("INFO")            # in a script; applications configure `logging` themselves
        >>> client = Client(MockProvider("hi")).use(Logging())
    """

    slot = "logging"

    def __init__(self, *, logger: Any = None, content: bool = False, content_limit: int = 2000) -> None:
        if logger is not None and not isinstance(logger, logging.Logger) and not _is_structlog(logger):
            raise ConfigError(f"logger={logger!r} must be a logging.Logger or a logger of structlog")
        if not isinstance(content, bool):
            raise ConfigError(f"content={content!r} must be True or False")
        if type(content_limit) is not int or content_limit < 1:
            raise ConfigError(f"content_limit={content_limit!r} must be a whole number of characters of at least 1")
        self._logger: Any = logger or logging.getLogger("aiclient.calls")
        self.content = content
        self.content_limit = content_limit

    def __repr__(self) -> str:
        shown = ", content" if self.content else ""
        if not isinstance(self._logger, logging.Logger):
            return f"Logging(structlog{shown})"
        return f"Logging({self._logger.name}, level {logging.getLevelName(self._logger.getEffectiveLevel())}{shown})"

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Make the call and log its end."""
        context = request.context
        assert context is not None  # opened by Layered
        operation = "embeddings" if not isinstance(request, ChatRequest) else getattr(call_next, "__name__", "chat")
        record = _Record(self, request, context, inner.name, operation)
        if self.shows(logging.WARNING):
            context.observe(record.see)
        return await observed(call_next(request), record.end)

    def shows(self, level: int) -> bool:
        """Whether records of that level go anywhere; structlog decides for itself."""
        enabled = getattr(self._logger, "isEnabledFor", None) if isinstance(self._logger, logging.Logger) else None
        return enabled is None or bool(enabled(level))

    def log(self, level: int, event: str, context: CallContext, made: Callable[[], Mapping[str, Any]]) -> None:
        """Write one record; the message holds what a person looks for, the fields everything."""
        correlation = context.tags.get("correlation_id") or correlation_id()
        fields = {"event": event, "id": context.id, "correlation_id": correlation}
        try:
            fields |= made()
        except Exception as error:  # noqa: BLE001  # of what a provider of one's own gave; a record fails no call
            complain(f"the fields of {event} could not be told ({type(error).__name__})")
        write(self._logger, level, fields, "%s %s", event, fields.get("provider") or "")


class _Record:
    """What is known of one call until it ends."""

    __slots__ = ("_began", "_context", "_layer", "_operation", "_provider", "_request")

    def __init__(
        self, layer: Logging, request: AnyRequest, context: CallContext, provider: str, operation: str
    ) -> None:
        self._layer = layer
        self._request = request
        self._context = context
        self._provider = provider
        self._operation = operation
        self._began = context.clock.monotonic()

    def see(self, event: CallEvent) -> None:
        """Log what happened inside the call."""
        if event.kind == "attempt_started":  # its end says everything
            return
        attempt, level = event.attempt, _LEVELS.get(event.kind, logging.INFO)
        if attempt is not None:
            level = logging.WARNING if attempt.outcome == "failed" else logging.DEBUG
        if self._layer.shows(level):
            made = (lambda: _of_event(event)) if attempt is None else (lambda: _of_attempt(attempt))
            self._layer.log(level, event.kind, self._context, made)

    async def end(self, end: End) -> None:
        """Log how the call ended."""
        self._context.unobserve(self.see)
        level = _level(end)
        if self._layer.shows(level):
            self._layer.log(level, f"{self._operation}_{end.outcome}", self._context, lambda: self._fields(end))

    def _fields(self, end: End) -> dict[str, Any]:
        context, answer, error, request = self._context, end.response, end.error, self._request
        fields: dict[str, Any] = {
            "operation": self._operation,
            "provider": (answer and answer.provider) or getattr(error, "provider", None) or self._provider,
            "model": _named((answer and answer.model) or getattr(error, "model", None) or request.model),
            "messages": len(request.messages) if isinstance(request, ChatRequest) else len(request.input),
            "outcome": end.outcome,
            "duration_ms": _ms(context.clock.monotonic() - self._began),
            "attempts": len(context.journal) or None,
            "tags": _tags(context.tags),
        }
        if answer is not None:
            fields |= _of_answer(answer)
        if isinstance(error, AIClientError):
            fields |= {"category": error.category, "status_code": error.status_code, "request_id": error.request_id}
            fields |= {"code": error.code and clean(error.code, limit=64), "error": self._words(error)}
        elif end.outcome == "failed":
            fields |= {"category": "other", "error": type(error).__name__}
        return fields | self._content(answer) if self._layer.content else fields

    def _words(self, error: AIClientError) -> str:
        """Return what the error says, if the words are ours or content is wanted; else its class."""
        if self._layer.content or isinstance(error, _OURS):
            return clean(str(error), limit=self._layer.content_limit)
        return type(error).__name__

    def _content(self, answer: ChatResponse | EmbeddingResponse | None) -> dict[str, Any]:
        limit = self._layer.content_limit
        if not isinstance(self._request, ChatRequest):
            return {}
        answered = said(answer.message, limit) if isinstance(answer, ChatResponse) else None
        return {"prompt": prompt(self._request.messages, limit), "answer": answered}


def _level(end: End) -> int:
    if end.outcome != "failed" or isinstance(end.error, DryRunStop):
        return logging.INFO
    refused = isinstance(end.error, AIClientError) and end.error.category == "policy"
    return logging.WARNING if refused else logging.ERROR


def _of_event(event: CallEvent) -> dict[str, Any]:
    return {
        "provider": event.provider,
        "model": event.model,
        "attempt": event.number,
        "category": event.category,
        "delay": None if event.delay is None else round(event.delay, 3),
        "detail": event.detail and clean(event.detail, limit=200),
    }


def _of_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "provider": attempt.provider,
        "model": _named(attempt.model),
        "attempt": attempt.number,
        "outcome": attempt.outcome,
        "category": attempt.category,
        "status_code": attempt.status_code,
        "request_id": attempt.request_id and clean(attempt.request_id, limit=128),
        "duration_ms": _ms(attempt.duration),
        "first_output_ms": _ms(attempt.first_output),
        **_of_usage(attempt.usage, attempt.cost),
    }


def _of_answer(answer: ChatResponse | EmbeddingResponse) -> dict[str, Any]:
    fields = {"request_id": answer.request_id, "cached": answer.cached or None, **_of_usage(answer.usage, answer.cost)}
    return fields | {"finish_reason": answer.finish_reason} if isinstance(answer, ChatResponse) else fields


def _of_usage(usage: Usage, cost: Cost | None) -> dict[str, Any]:
    return {
        "tokens": usage.total_tokens,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost": None if cost is None else float(cost),
        "cost_estimated": None if cost is None else cost.estimated or None,
    }


def _named(model: str | None) -> str | None:
    """Return the name of a model as a record may hold it: the service gave it, and may have put anything there."""
    return model and clean(model, limit=128)


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    shown = {name: fingerprint(value) if name in _NAMELESS else clean(value) for name, value in tags.items()}
    shown.pop("correlation_id", None)  # it stands beside them
    return shown


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _is_structlog(logger: object) -> bool:
    return callable(getattr(logger, "bind", None)) and callable(getattr(logger, "log", None))
