"""What a service says went wrong, whatever the shape it says it in.

The shapes are those of recorded failures and of the vendors' pages: OpenAI's `{"error": {...}}`, the same with a text,
Anthropic's with a `type` around it, `{"message"}` (Cohere, AWS), `{"detail"}` (Mistral, FastAPI), Google's, vLLM's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import frozen

__all__ = ["Complaint", "complaint"]

_CANONICAL: Final = {
    # google.rpc.Code as HTTP statuses ("API errors", cloud.google.com/apis/design/errors, read 2026-11)
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "DATA_LOSS": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

_SECONDS: Final = re.compile(r"\d{1,6}(\.\d{1,9})?s")


@frozen
class Complaint:
    """What the service says went wrong, whatever the shape it says it in."""

    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None
    status: int | None = None
    request_id: str | None = None
    """As the body gives it: errors inside a stream have no headers of their own (Anthropic)."""
    reason: str | None = None
    """A finer word than type and code (Google's ErrorInfo), or `quota_per_day`."""
    retry_after: float | None = None
    """Seconds to wait, where the body says it (Google's RetryInfo, record d956f306506a: no header says it there)."""

    @property
    def word(self) -> str | None:
        """The code, unless it only repeats a status."""
        return self.type if self.code is None or (self.type and self.code.isdigit()) else self.code

    @property
    def words(self) -> frozenset[str]:
        """Type, code and reason in lower case."""
        return frozenset(word.lower() for word in (self.type, self.code, self.reason) if word)


def complaint(value: Any) -> Complaint:
    """Read any known error shape: the `error` object or text, Anthropic's, Cohere's, Mistral's, Google's, AWS's."""
    if isinstance(value, list):  # Google's streams without `alt=sse`
        value = value[0] if value else None
    if not isinstance(value, Mapping):
        return Complaint(value if isinstance(value, str) else "")
    inner = value.get("error")
    if isinstance(inner, Mapping):
        return _from_object(inner, _word(value.get("request_id")))
    if isinstance(inner, str):
        return Complaint(inner, code=_word(value.get("code")), status=_status(value))
    several = value.get("errors")
    if isinstance(several, list) and several and not _text(value):  # Cloudflare's envelope; the first one is the cause
        first = several[0]
        return _from_object(first) if isinstance(first, Mapping) else Complaint(str(first))
    return _from_object(value)


def _from_object(value: Mapping[str, Any], request_id: str | None = None) -> Complaint:
    deeper, details = value.get("innererror") or value.get("inner_error"), value.get("details")
    code = deeper.get("code") if isinstance(deeper, Mapping) else None
    if isinstance(details, Mapping):  # Anthropic's finer word
        code = code or details.get("error_code")
    return Complaint(
        _text(value),
        _word(value.get("type") or value.get("error_type") or value.get("status") or _last(value.get("__type"))),
        _word(code) or _word(value.get("code")) or _word(value.get("error_code")),
        _word(value.get("param")),
        _status(value),
        request_id,
        *_google(details),
    )


def _google(details: Any) -> tuple[str | None, float | None]:
    """Return reason and waiting time that the details of Google's errors give ("ErrorInfo", "QuotaFailure", "RetryInfo")."""
    reason, wait = None, None
    for item in details if isinstance(details, list) else ():
        if not isinstance(item, Mapping):
            continue
        reason = reason or _word(item.get("reason"))
        delay = item.get("retryDelay")
        if isinstance(delay, str) and _SECONDS.fullmatch(delay):
            wait = float(delay[:-1])
        if any("PerDay" in quota for quota in _quotas(item)):
            reason = "quota_per_day"
    return reason, wait


def _quotas(item: Mapping[str, Any]) -> Iterator[str]:
    violations = item.get("violations")
    for violation in violations if isinstance(violations, list) else ():
        quota = violation.get("quotaId") if isinstance(violation, Mapping) else None
        if isinstance(quota, str):
            yield quota


def _text(value: Mapping[str, Any]) -> str:
    """Return the words for people; OpenRouter hides those of the service behind it in `metadata.raw`."""
    text = next((value[key] for key in ("message", "Message", "detail", "msg", "title") if value.get(key)), "")
    if isinstance(text, list):  # FastAPI: [{"loc": [...], "msg": "..."}]
        text = "; ".join(str(item.get("msg", "")) if isinstance(item, Mapping) else str(item) for item in text)
    elif isinstance(text, Mapping):
        text = _text(text)
    metadata = value.get("metadata")
    upstream = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return f"{text} ({upstream})" if isinstance(upstream, str) and upstream else str(text)


def _last(name: Any) -> Any:
    """Return a name without the namespace before it (AWS: `com.amazon.coral.service#ThrottlingException`)."""
    return name.rpartition("#")[2] if isinstance(name, str) else name


def _word(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _status(value: Mapping[str, Any]) -> int | None:
    """Return the HTTP status that an error object names for itself."""
    for key in ("status_code", "status", "http_code", "code", "originalStatusCode"):
        named = value.get(key)
        number = int(named) if isinstance(named, str) and named.isdigit() and len(named) == 3 else named
        if isinstance(number, int) and 400 <= number <= 599:
            return number
    named = value.get("status")
    return _CANONICAL.get(named) if isinstance(named, str) else None
