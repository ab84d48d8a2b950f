"""One structured log record for every logical call."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from ..context import CallContext, CallEvent
from ..errors import AIClientError, ConfigError, ProviderError, StreamInterruptedError
from ..logs import correlation_id
from ..provider import Layer, Provider, Q, R, observed
from ..request import AnyRequest, ChatRequest
from ..response import ChatResponse, EmbeddingResponse
from ..secrets import MASK

if TYPE_CHECKING:
    from ..ends import End

__all__ = ["Logging"]

_KEYS: Final = re.compile(
    r"(?i)\b(?:bearer\s+\S+|(?:sk|pk|rk|gsk|xai|hf|ghp|pplx|r8|tvly)[-_][\w\-.]{8,}|AIza[\w\-]{20,}|AKIA\w{12,})"
)
"""Shapes of well-known keys; providers mask their own exactly, this catches what a prompt or a service repeats."""


_DETAILS: Final = frozenset({"attempt_started", "attempt_ended", "cache"})
"""Events that are many, and part of every call."""


class Logging(Layer):
    """Log how every call ended, with its identity, time, tokens and cost; never its content unless asked.

    A call: one record at its end, `INFO` if it succeeded, `WARNING` if it failed; what layers did in between (a retry, a
    fallback, a wait for a limit, a breaker's change) is one at `INFO`, each attempt one at `DEBUG`. A stream: the same, at
    its close. Place: outermost, so that one record stands for the logical call with all its attempts.

    Fields are in `record.aiclient` (a dict), as structlog and JSON formatters expect: `event`, `id`, `correlation_id`,
    `operation`, `provider`, `model`, `outcome`, `category`, `code`, `error`, `status_code`, `request_id`, `duration`
    (seconds), `attempts`, `prompt_tokens`, `completion_tokens`, `cost_usd`, `finish_reason`, `tags`.

    Args:
        logger: Where records go; `aiclient.calls` by default. Nothing shows until logging is configured at `INFO`.
        content: Also log the messages, the answer's text and what services say of errors (they may quote the prompt), with
            everything that looks like a key masked.

    Example:
        >>> from aiclient import logs
        >>> logs.configure("INFO")            # in a script; applications configure `logging` themselves
        >>> client = Client(MockProvider("hi")).use(Logging())
    """

    slot = "logging"

    def __init__(self, *, logger: logging.Logger | None = None, content: bool = False) -> None:
        if logger is not None and not isinstance(logger, logging.Logger):
            raise ConfigError(f"logger={logger!r} must be a logging.Logger")
        self._logger = logger or logging.getLogger("aiclient.calls")
        self.content = content

    def __repr__(self) -> str:
        level = logging.getLevelName(self._logger.getEffectiveLevel())
        return f"Logging({self._logger.name}, level {level}{', content' if self.content else ''})"

    async def around(self, request: Q, inner: Provider, call_next: Callable[[Q], Awaitable[R]]) -> R:
        """Make the call and log its end."""
        context = request.context
        assert context is not None  # opened by Layered
        operation = "embeddings" if not isinstance(request, ChatRequest) else getattr(call_next, "__name__", "chat")
        record = _Record(self, request, context, inner.name, operation)
        if self._logger.isEnabledFor(logging.INFO):
            context.observe(record.see)
        return await observed(call_next(request), record.end)

    def note(self, event: CallEvent, context: CallContext) -> None:
        """Log what happened inside a call."""
        level = logging.DEBUG if event.kind in _DETAILS else logging.INFO
        if self._logger.isEnabledFor(level):
            fields: dict[str, Any] = {"provider": event.provider, "model": event.model, "number": event.number}
            fields |= {"category": event.category, "delay": None if event.delay is None else round(event.delay, 3)}
            fields["detail"] = event.detail
            self.log(level, event.kind, context, fields)

    def log(self, level: int, event: str, context: CallContext, fields: dict[str, Any]) -> None:
        """Write one record; the message holds what a person looks for, the fields everything."""
        fields = {"event": event, "id": context.id, "correlation_id": correlation_id(), **fields}
        shown = {name: value for name, value in fields.items() if value not in (None, {})}
        self._logger.log(level, "%s %s", event, shown.get("provider", ""), extra={"aiclient": shown})


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
        self._layer.note(event, self._context)

    async def end(self, end: End) -> None:
        self._context.unobserve(self.see)
        level = logging.WARNING if end.outcome == "failed" else logging.INFO
        if self._layer._logger.isEnabledFor(level):  # noqa: SLF001  # the layer's own half
            self._layer.log(level, f"{self._operation}_{end.outcome}", self._context, self._fields(end))

    def _fields(self, end: End) -> dict[str, Any]:
        context, answer, error = self._context, end.response, end.error
        fields: dict[str, Any] = {
            "operation": self._operation,
            "provider": (answer and answer.provider) or getattr(error, "provider", None) or self._provider,
            "model": (answer and answer.model) or getattr(error, "model", None) or self._request.model,
            "outcome": end.outcome,
            "duration": round(context.clock.monotonic() - self._began, 6),
            "attempts": len(context.journal) or None,
            "tags": dict(context.tags),
        }
        if answer is not None:
            fields |= self._answered(answer)
        if isinstance(error, AIClientError):
            fields |= {"category": error.category, "status_code": error.status_code, "request_id": error.request_id}
            fields |= {"code": error.code, "error": self._words(error)}
        elif end.outcome == "failed":
            fields |= {"category": "other", "error": type(error).__name__}
        if self._layer.content and isinstance(self._request, ChatRequest):
            fields["messages"] = [f"{message.role}: {clean(message.content)}" for message in self._request.messages]
        return fields

    def _words(self, error: AIClientError) -> str:
        """Return what the error says, unless a service wrote it, who may quote the prompt."""
        told_by_service = isinstance(error, (ProviderError, StreamInterruptedError))
        return type(error).__name__ if told_by_service and not self._layer.content else clean(str(error))

    def _answered(self, answer: ChatResponse | EmbeddingResponse) -> dict[str, Any]:
        cost = answer.cost
        fields: dict[str, Any] = {
            "request_id": answer.request_id,
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
            "cost_usd": None if cost is None else float(cost),
            "cached": answer.cached or None,
        }
        if isinstance(answer, ChatResponse):
            fields["finish_reason"] = answer.finish_reason
            if self._layer.content:
                fields["answer"] = clean(answer.message.content)
        return fields


def clean(text: str) -> str:
    """Mask what looks like a key and escape control characters: one record stays one line."""
    masked = _KEYS.sub(MASK, text)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in masked)
