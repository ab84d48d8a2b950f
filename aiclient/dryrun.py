"""What a dry run found: the exchange that would have been made, with everything that is secret taken out."""

from __future__ import annotations

import json
from typing import Any, Final

from attrs import evolve, frozen

from .abilities import Previews, PreviewsEmbeddings, PreviewsStreams
from .composition import find
from .provider import Provider, ProviderInfo
from .request import AnyRequest, ChatRequest, HTTPCall
from .response import CallWarning, ChatResponse, Cost, EmbeddingResponse
from .secrets import MASK
from .tokens import estimate

__all__ = ["DryRunReport", "redacted", "rehearsed", "report_of"]

SHOWN_HEADERS: Final = frozenset(
    {
        *("accept", "accept-encoding", "content-length", "content-type", "host", "idempotency-key", "user-agent"),
        *("anthropic-beta", "anthropic-version", "openai-beta", "openai-organization", "openai-project"),
        *("http-referer", "x-amz-date", "x-client-request-id", "x-title"),
    }
)
"""Headers that hold nothing secret. Of any other the value is not shown: a caller's own may be another key."""

SHOWN_PARAMETERS: Final = frozenset({"alt", "api-version", "beta"})
"""Parameters of a URL that hold nothing secret."""


SCHEMES: Final = frozenset({"AWS4-HMAC-SHA256", "Basic", "Bearer"})
"""Words before a credential that say how it is used."""


@frozen(kw_only=True)
class DryRunReport:
    """What a call would have sent, and where; nothing was sent.

    `repr` shows no content; `call.body`, `body` and `to_dict` do.

    Args:
        call: The exchange, with `***` for whatever may be secret; None where the provider cannot say it, or where `answered`.
        provider: Who would have been asked, after all routing.
        model: Which model; None if neither the request nor the provider names one.
        origin: Scheme, host and port of the service; None where the provider does not say.
        prompt_tokens: Input tokens, estimated (`aiclient.tokens.estimate`).
        max_tokens: The limit of the answer that the request sets; None if it sets none.
        cost: The most that it could have cost (`pricing.ceiling`), 0 where `answered`; None where a price or the longest answer
            is not known. `client.estimate` gives a range.
        warnings: What the provider could not honour of the request.
        answered: A layer (a cache) would have answered, and nothing would have been sent.
    """

    call: HTTPCall | None = None
    provider: str
    model: str | None = None
    origin: str | None = None
    prompt_tokens: int
    max_tokens: int | None = None
    cost: Cost | None = None
    warnings: tuple[CallWarning, ...] = ()
    answered: bool = False

    @property
    def body(self) -> Any:
        """The body that would have been sent, decoded from JSON; None without one, bytes if it is not JSON."""
        if self.call is None or not self.call.body:
            return None
        try:
            return json.loads(self.call.body)
        except ValueError:
            return self.call.body

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dict, for JSON where the body is JSON."""
        call = self.call
        return {
            "call": None
            if call is None
            else {"method": call.method, "url": call.url, "headers": [*map(list, call.headers)], "body": self.body},
            "provider": self.provider,
            "model": self.model,
            "origin": self.origin,
            "prompt_tokens": self.prompt_tokens,
            "max_tokens": self.max_tokens,
            "cost": None if self.cost is None else self.cost.to_dict(),
            "warnings": [warning.to_dict() for warning in self.warnings],
            "answered": self.answered,
        }


def rehearsed(request: AnyRequest, provider: Provider, where: ProviderInfo, *, stream: bool) -> DryRunReport:
    """Return what `provider`, a leaf, would send for `request`; it may refuse the request as it would in earnest."""
    from .pricing import ceiling  # noqa: PLC0415  # brings the facts of models, which calls in earnest do without

    call = _preview(request, provider, stream=stream)
    context = request.context
    return DryRunReport(
        call=None if call is None else redacted(call),
        provider=where.name,
        model=request.model or where.model,
        origin=where.origin,
        prompt_tokens=estimate(request, model=where.model),
        max_tokens=request.options.max_tokens if isinstance(request, ChatRequest) else None,
        cost=None if context is None else ceiling(request, where, context.prices),
        warnings=tuple(context.warnings) if context is not None else (),
    )


def report_of(response: ChatResponse | EmbeddingResponse, request: AnyRequest, name: str) -> DryRunReport:
    """Return the report that `response` carries, or one that says that a layer had an answer of its own.

    Args:
        response: What the DryRun layer gave.
        request: What was asked.
        name: Stands for the provider where the response names none.
    """
    if response.dry_run and isinstance(response.raw, DryRunReport):
        return response.raw
    return DryRunReport(
        provider=response.provider or name,
        model=response.model,
        prompt_tokens=estimate(request, model=response.model),
        max_tokens=request.options.max_tokens if isinstance(request, ChatRequest) else None,
        cost=response.cost,
        warnings=response.warnings,
        answered=True,
    )


def _preview(request: AnyRequest, provider: Provider, *, stream: bool) -> HTTPCall | None:
    if not isinstance(request, ChatRequest):
        embeds = find(provider, PreviewsEmbeddings)
        return None if embeds is None else embeds.preview_embeddings(request)
    if stream:
        streams = find(provider, PreviewsStreams)
        return None if streams is None else streams.preview_stream(request)
    previews = find(provider, Previews)
    return None if previews is None else previews.preview(request)


def redacted(call: HTTPCall) -> HTTPCall:
    """Return `call` with `***` for every header and URL parameter that is not known to be harmless.

    Example:
        >>> call = redacted(HTTPCall("POST", "https://me:pw@api.test/v1?api-version=1&key=k", [("X-Api-Key", "k")]))
        >>> call.url, call.headers
        ('https://***@api.test/v1?api-version=1&key=***', [('X-Api-Key', '***')])
    """
    shown = [(name, value if name.lower() in SHOWN_HEADERS else _masked(value)) for name, value in call.headers]
    return evolve(call, url=_without_secrets(call.url), headers=shown)


def _masked(value: str) -> str:
    scheme, space, _ = value.partition(" ")
    return f"{scheme} {MASK}" if space and scheme in SCHEMES else MASK


def _without_secrets(url: str) -> str:
    address, mark, query = url.partition("?")
    scheme, separator, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        authority = f"{MASK}@{authority.rpartition('@')[2]}"
    return f"{scheme}{separator}{authority}{slash}{path}{mark}{'&'.join(map(_parameter, query.split('&')))}"


def _parameter(text: str) -> str:
    name, equals, _ = text.partition("=")
    return f"{name}={MASK}" if equals and name.lower() not in SHOWN_PARAMETERS else text
