"""The key under which an answer is kept: equal for two calls only if the same services would be asked the same.

    v1 : <tenant of the layer> : <tenant of the call> : <credential> : <SHA-256 of everything that can change the answer>

`credential` stands for the keyed hashes of what the providers authenticate with. The first three, hashed or `-`, are in front,
so that entries of one tenant can be removed together and none can be read by another.

In the hash: every service that the request may reach (name, vendor, origin, model, base URL, protocol), the model that
was asked for, all options that are sent, and the messages, media by their digest. Not in it: what steers the call and is
sent to nobody (timeout, tags, cache mode, strict), `user_id` and `metadata`, which services keep and do not answer by, and
`Message.metadata`. A field that is added to requests later is in the key unless it is listed here.

The caller's own JSON (schemas, provider data) counts in the order in which it is written: models fill schemas in that order.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

import attrs

from ..composition import reached
from ..messages import Message, TextPart
from ..provider import Provider, ProviderInfo
from ..records import Record
from ..request import AnyRequest, ChatOptions, ChatRequest, EmbeddingRequest

__all__ = ["VERSION", "key_of", "prefix_of", "tag_of"]

VERSION: Final = "v1"
"""Changes whenever equal requests get other keys than before."""

_NOBODY: Final = "-"

_LEFT_OUT: Final[dict[type, frozenset[str]]] = {
    ChatOptions: frozenset({"timeout", "tags", "tenant", "cache", "strict", "user_id", "metadata"}),
    EmbeddingRequest: frozenset({"timeout", "tags", "context", "user_id"}),
    Message: frozenset({"metadata"}),
}


def key_of(request: AnyRequest, inner: Provider, tenant: str | None = None) -> str | None:
    """Return the key of a call to `inner`, or None if the request holds something that has no JSON form.

    `strict` is not in it: whoever shares answers must not give one that bears warnings to a strict caller.

    Args:
        request: What is asked; its context, or its options, say on whose behalf.
        inner: What would answer; every service it may reach counts.
        tenant: Stands for the credentials: calls with different ones then share answers.
    """
    services = list(reached(inner))
    asked = [[*_place(info), *_description(leaf)] for leaf, info in services]
    try:
        digest = sha256(_canonical([asked, *_parts(request)])).hexdigest()
    except (TypeError, ValueError, RecursionError):  # the service will refuse it in its own words
        return None
    scopes = [info.scope for _, info in services]
    credential = _short(scopes) if tenant is None and any(scopes) else _NOBODY
    return f"{prefix_of(tenant, _tenant(request))}{credential}:{digest}"


def prefix_of(*tenants: str | None) -> str:
    """Return what the keys of a layer's tenant, or of that and a call's tenant, begin with."""
    return f"{VERSION}:" + "".join(f"{_NOBODY if name is None else _short([name])}:" for name in tenants)


def tag_of(name: str, value: str) -> str:
    """Return what stands in a store for a tag of a call, which may be a customer's name."""
    return _short([name, value])


def _tenant(request: AnyRequest) -> str | None:
    if request.context is not None:
        return request.context.tenant
    return request.options.tenant if isinstance(request, ChatRequest) else None


def _place(info: ProviderInfo) -> tuple[str | None, ...]:
    return info.name, info.vendor, info.origin, info.model


def _description(leaf: Provider) -> tuple[str | None, str | None]:
    """Return protocol and base URL of a provider that describes itself: gateways serve several under one origin."""
    describe = getattr(leaf, "describe", None)
    if describe is None:
        return None, None
    try:
        found = _described.get(leaf)
        if found is None:
            facts = describe()
            found = _described[leaf] = (facts.wire, facts.base_url)
    except TypeError:  # a class with slots, or that compares by value, cannot be remembered
        facts = describe()
        found = (facts.wire, facts.base_url)
    return found


_described: WeakKeyDictionary[Provider, tuple[str | None, str | None]] = WeakKeyDictionary()
"""What providers said of themselves; asking costs 20 us, and neither changes while one lives."""


def _parts(request: AnyRequest) -> list[Any]:
    if isinstance(request, ChatRequest):
        return ["chat", _fields(request.options), [_form(message) for message in request.messages]]
    return ["embeddings", _fields(request)]


def _form(value: Any) -> Any:
    """Return `value` as JSON in which two values look alike only if they ask for the same."""
    if isinstance(value, TextPart) and not value.citations and value.origin is None and value.provider_data is None:
        return value.text  # nothing else inside a message is a bare string
    if isinstance(value, Record):
        return [value.tag or type(value).__name__, dict(_fields(value))]
    if isinstance(value, tuple):
        return [_form(item) for item in value]
    if isinstance(value, bytes):
        return {
            "sha256": sha256(value).hexdigest()
        }  # a part's data, which is bytes or nothing: no dict can stand there
    return value


def _fields(record: Record) -> list[tuple[str, Any]]:
    found = []
    for name, default in _compared(cast("Any", type(record))):
        value = getattr(record, name)
        if value is not default and value != default:
            found.append((name, _whole(value) if name != "extra" else _sorted(value)))
    return found


@functools.cache
def _compared(cls: Any) -> tuple[tuple[str, Any], ...]:
    """Return the fields that count, with their defaults; values at them are left out, so that new fields change no key."""
    left_out = _LEFT_OUT.get(cls, frozenset())
    fields = (field for field in attrs.fields(cls) if field.name not in left_out)
    return tuple((field.name, _default(field.default)) for field in fields)


def _default(value: Any) -> Any:
    return value.factory() if hasattr(value, "factory") else value


def _whole(value: Any) -> Any:
    """Temperatures 0 and 0.0 are one."""
    return int(value) if type(value) is float and value.is_integer() else _form(value)


def _sorted(extra: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """The order in which a builder was told of settings says nothing; what is inside a setting stays as it is."""
    return [[namespace, sorted(settings.items())] for namespace, settings in sorted(extra.items())]


def _mapping(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_mapping)


def _canonical(form: Any) -> bytes:
    # Not escaped: two lone surrogates would look like the one character that they are halves of.
    return _ENCODER.encode(form).encode("utf-8", "surrogatepass")


def _short(parts: list[str | None]) -> str:
    return sha256(_canonical(parts)).hexdigest()[:32]
