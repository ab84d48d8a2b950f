"""From a failed answer to the error that says what happened.

The service's code and words are looked at before its status: context overflow comes as 400, 413, 500 or 503, an empty account
as 400, 402 or 429. What an error then means to retry and fallback is decided in `aiclient.errors` alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import evolve

from ..errors import (
    AIClientError,
    AuthenticationError,
    BadRequestError,
    ContentFilterError,
    ContextLengthError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
)
from .amazon import amazon_name, amazon_status
from .complaints import Complaint, complaint
from .headers import NO_FACTS, HeaderFacts
from .jsons import loads

__all__ = ["failure", "told_failure"]

_LONGEST: Final = 500
"""Characters of the service's text that go into a message."""

_BY_STATUS: Final[dict[int, type[ProviderError]]] = {
    401: AuthenticationError,
    402: QuotaExceededError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    408: ServerError,
    409: OverloadedError,
    425: OverloadedError,
    429: RateLimitError,
    503: OverloadedError,
    529: OverloadedError,
}

_BY_WORD: Final[dict[str, int]] = {
    # The type or code of an error inside a 200, where there is no status: OpenAI's and Anthropic's words, which the
    # compatible services use too (developers.openai.com/api/docs/guides/error-codes, platform.claude.com/docs/en/api/errors).
    "invalid_request_error": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "too_many_requests": 429,
    "api_error": 500,
    "server_error": 500,
    "internal_server_error": 500,
    "overloaded_error": 529,
    "overloaded": 529,
    "timeout_error": 504,
    # ResponseErrorCode, the codes of a response that failed (github openai/openai-openapi, f85dbe223d40, 2026-08-21).
    "vector_store_timeout": 504,
    **dict.fromkeys(
        ("invalid_prompt", "data_residency_mismatch", "invalid_image", "invalid_image_format", "invalid_base64_image"),
        400,
    ),
    **dict.fromkeys(
        ("invalid_image_url", "image_too_large", "image_too_small", "image_parse_error", "invalid_image_mode"), 400
    ),
    **dict.fromkeys(
        ("image_file_too_large", "unsupported_image_media_type", "empty_image_file", "failed_to_download_image"), 400
    ),
    "image_file_not_found": 400,
}

_CONTEXT_CODES: Final = frozenset(
    {
        "context_length_exceeded",
        "context_window_exceeded",
        "exceed_context_size_error",  # llama.cpp
        "model_context_window_exceeded",
        "prompt_too_long",
        "too_many_prompt_tokens",  # Perplexity, record 7bf291b3db9e
    }
)
_CONTEXT_TEXT: Final = re.compile(
    r"maximum context length|context[ _]length[ _]exceeded|context (?:length|window|size).{0,60}(?:exceed|limit|only|too)"
    r"|exceed\w*.{0,60}context (?:length|window|size)|(?:prompt|input) is too long|input token count.{0,40}exceeds"
    r"|reduce the length of the (?:messages|prompt|input)|length of all messages is too long|too many tokens: size limit"
    r"|exceed context limit|too many input tokens|input tokens exceeded|number of input tokens exceeds",  # Bedrock's models
    re.IGNORECASE | re.DOTALL,
)

_QUOTA_CODES: Final = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "billing_error",  # Anthropic, 402
        "exceeded_current_quota_error",  # Moonshot
        "insufficient_balance",
        "insufficient_credits",
        "quota_per_day",  # ours, for Google: until midnight no waiting helps
        # Anthropic's `error.details.error_code`, with 402 and 429 (SDK anthropic 2.11.0, types/shared, 2026-11)
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "linked_organization_spend_limit_reached",
    }
)
_QUOTA_TEXT: Final = re.compile(
    r"credit balance is too low|insufficient (?:balance|credits|funds)|exceeded your current quota"
    r"|usage limits?\b.{0,80}regain access|billing hard limit|too many tokens per day",  # Bedrock: until the next day
    re.IGNORECASE | re.DOTALL,
)

_FILTER_CODES: Final = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "image_content_policy_violation",  # of a response that failed, as `bio_policy`
        "bio_policy",
        "moderation_blocked",
        "responsibleaipolicyviolation",  # Azure, in `innererror`
    }
)
_FILTER_TEXT: Final = re.compile(
    r"content management policy|rejected .{0,40}by (?:the|our) safety system", re.IGNORECASE
)

_MODEL_TEXT: Final = re.compile(
    r"(?:the )?(?:requested )?model.{0,80}(?:not exist|not found)|the provided model identifier is invalid",
    re.IGNORECASE | re.DOTALL,
)

_KEY_TEXT: Final = re.compile(
    # AWS says 403 of keys too (records 34bb7f2c34cb, c33bbcb07f07), with AccessDeniedException of Bedrock's API keys
    r"security token included in the request|api key is valid|invalid api key|bearer token has expired",
    re.IGNORECASE,
)


def failure(
    status: int, body: bytes, facts: HeaderFacts = NO_FACTS, *, headers: Mapping[str, str] | None = None
) -> AIClientError:
    """Return the error that an answer with a failing status stands for.

    Args:
        status: Below 200, 3xx, or 400 and above.
        body: The body, or its beginning.
        facts: What the headers say.
        headers: With lower-case names; the target of a redirect and AWS's error type are read from them.
    """
    headers = headers or {}
    if 300 <= status < 400:
        return _redirect(status, headers, facts)
    if not 400 <= status <= 599:
        return ProtocolError(
            f"the service answered with the impossible status {status}", kind="http", status_code=status
        )
    told = _read(body)
    if (amazon := headers.get("x-amzn-errortype")) and told.type is None:
        told = evolve(told, type=amazon_name(amazon))
    return _error(told, amazon_status(told) or status, facts, shown=status)


def told_failure(value: Any, facts: HeaderFacts = NO_FACTS) -> AIClientError:
    """Return the error that an error object inside a 200, or inside a stream, stands for.

    The object's own status counts, else its type and code; an error that names neither is the service's own.
    """
    told = complaint(value)
    named = next((_BY_WORD[word] for word in (told.code, told.type) if word in _BY_WORD), None)
    status = amazon_status(told) or told.status or named or 500
    return _error(told, status, facts, shown=told.status)


def _error(told: Complaint, status: int, facts: HeaderFacts, *, shown: int | None) -> AIClientError:
    return _class_of(told, status)(
        _safe(told.message) or f"the service answered {shown or status} and did not say why",
        status_code=shown,
        code=told.word,
        request_id=facts.request_id or told.request_id,
        retry_after=told.retry_after if facts.retry_after is None else facts.retry_after,
        rate_limit=facts.rate_limit,
        should_retry=facts.should_retry,
    )


def _class_of(told: Complaint, status: int) -> type[ProviderError]:
    words, text = told.words, told.message
    if words & _CONTEXT_CODES or (status in (400, 413, 422, 500, 503) and _CONTEXT_TEXT.search(text)):
        return ContextLengthError
    # Google says "exceeded your current quota" of limits per minute too, with the type RESOURCE_EXHAUSTED.
    if words & _QUOTA_CODES or (
        status in (400, 403, 429) and "resource_exhausted" not in words and _QUOTA_TEXT.search(text)
    ):
        return QuotaExceededError
    if (status == 400 and "api_key_invalid" in words) or (
        status == 403 and _KEY_TEXT.search(text)
    ):  # Google, 5a1c7da212a8
        return AuthenticationError
    if words & _FILTER_CODES or (status in (400, 403, 422) and _FILTER_TEXT.search(text)):
        return ContentFilterError
    if status == 400 and ("model_not_found" in words or _MODEL_TEXT.match(text)):  # DeepSeek: "Model Not Exist"
        return ModelNotFoundError
    return _BY_STATUS.get(status) or (BadRequestError if status < 500 else ServerError)


def _read(body: bytes) -> Complaint:
    if not body.strip():
        return Complaint()
    try:
        return complaint(loads(body))
    except ProtocolError:
        text = body[: 4 * _LONGEST].decode("utf-8", "replace").strip()
    return Complaint("" if text.startswith("<") else text)  # a page of HTML says nothing that a message needs


def _safe(text: str) -> str:
    """Return the first characters, with control characters escaped: they could drive a terminal or forge log lines."""
    text = text.strip()[:_LONGEST]
    return text if text.isprintable() else "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def _redirect(status: int, headers: Mapping[str, str], facts: HeaderFacts) -> ProtocolError:
    try:
        host = urlsplit(headers.get("location", "")).hostname
    except ValueError:
        host = None
    return ProtocolError(
        f"the service answered {status}, a redirect to {_safe(host or 'another path')}; redirects are not followed, because "
        "they would carry the key along: check base_url",
        kind="redirect",
        status_code=status,
        request_id=facts.request_id,
    )
