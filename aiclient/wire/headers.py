"""What response headers say about an exchange: its id, the service's limits, and when to come back."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from ..response import RateLimitInfo

__all__ = ["NO_FACTS", "HeaderFacts", "facts"]

_REQUEST_IDS: Final = (
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "x-amz-request-id",
    "mistral-correlation-id",
    "cf-ray",
)
"""Headers that identify the exchange for the service's support, best first."""

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$")
_UNITS: Final = (86400.0, 3600.0, 60.0, 1.0, 0.001)

_LONGEST_RESET: Final = 366 * 86400.0
"""A reset further off is no duration but something else, such as a moment in time."""

_SKEW: Final = 60.0
"""Seconds by which a moment may lie in the past and still mean "now"."""


@frozen
class HeaderFacts:
    """What the headers of one answer say; None is "nothing, or nothing sensible"."""

    request_id: str | None = None
    retry_after: float | None = None
    rate_limit: RateLimitInfo | None = None
    should_retry: bool | None = None


NO_FACTS: Final = HeaderFacts()


def facts(headers: Mapping[str, str], *, status: int, now: float) -> HeaderFacts:
    """Read the headers of an answer, once.

    Args:
        headers: With lower-case names.
        status: `Retry-After` counts on failures only: Anthropic, Together and Hugging Face send it on 200 too.
        now: Seconds since the epoch, used where the answer has no `Date` of its own.
    """
    request_id = next((headers[name] for name in _REQUEST_IDS if headers.get(name)), None)
    failed = status >= 400
    return HeaderFacts(
        request_id,
        _retry_after(headers, now) if failed else None,
        _rate_limit(headers, now),
        {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower()) if failed else None,
    )


def _number(text: str | None) -> float | None:
    """Read a finite number of at least 0."""
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds to wait. `retry-after-ms`, where there is one, is the finer value (Azure sends both)."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is not None:
        return seconds
    moment = _date(text)
    if moment is None:
        return None
    wait = moment - (_date(headers.get("date")) or now)  # the service's own clock, when it shows it
    return wait if wait > 0 else None


def _date(text: str | None) -> float | None:
    """Read an HTTP date as seconds since the epoch."""
    if not text or not text[:1].isalpha():  # all forms begin with the day's name: spares the import for "-5"
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # 20 modules that only a dated failure needs

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _rate_limit(headers: Mapping[str, str], now: float) -> RateLimitInfo | None:
    """Read OpenAI's `x-ratelimit-*`, which many services send, or Anthropic's `anthropic-ratelimit-*`."""
    if "x-ratelimit-remaining-requests" in headers or "x-ratelimit-remaining-tokens" in headers:
        names = ("x-ratelimit-{}-requests", "x-ratelimit-{}-tokens")
    elif "anthropic-ratelimit-requests-remaining" in headers or "anthropic-ratelimit-tokens-remaining" in headers:
        names = ("anthropic-ratelimit-requests-{}", "anthropic-ratelimit-tokens-{}")
    else:
        return None
    requests, tokens = (_window(headers, name, now) for name in names)
    if requests == tokens == (None, None, None):
        return None
    return RateLimitInfo(
        limit_requests=requests[0],
        remaining_requests=requests[1],
        reset_requests=requests[2],
        limit_tokens=tokens[0],
        remaining_tokens=tokens[1],
        reset_tokens=tokens[2],
    )


def _window(headers: Mapping[str, str], name: str, now: float) -> tuple[int | None, int | None, float | None]:
    """Return limit, remaining and seconds to the reset; absurd values count as absent."""
    limit, remaining = (_number(headers.get(name.format(word))) for word in ("limit", "remaining"))
    reset = _reset(headers.get(name.format("reset")), headers, now)
    if limit is not None and remaining is not None and remaining > limit:
        limit = remaining = None
    return (None if limit is None else int(limit)), (None if remaining is None else int(remaining)), reset


def _reset(text: str | None, headers: Mapping[str, str], now: float) -> float | None:
    """Read `6m0s`, `20ms`, a number of seconds, or an RFC 3339 moment as seconds from the answer."""
    if not text:
        return None
    seconds = _number(text)
    if seconds is None and (match := _DURATION.match(text)):
        seconds = sum(float(count) * unit for count, unit in zip(match.groups(), _UNITS, strict=True) if count)
    if seconds is None:
        seconds = _until(text, headers, now)
    return seconds if seconds is not None and seconds <= _LONGEST_RESET else None


def _until(text: str, headers: Mapping[str, str], now: float) -> float | None:
    from datetime import datetime  # noqa: PLC0415  # Anthropic's answers only

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    wait = moment.timestamp() - (_date(headers.get("date")) or now)
    return max(0.0, wait) if wait > -_SKEW else None
