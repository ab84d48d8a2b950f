"""What only some providers can do: small protocols, found in a chain with `find`.

    lister = find(client, ListsModels)
    if lister is not None:
        models = await lister.list_models()

Their calls go below every layer: they are not retried, limited or logged.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from attrs import field, frozen

from .errors import Category
from .request import ChatRequest, EmbeddingRequest, HTTPCall

__all__ = [
    "Checks",
    "ChecksKey",
    "CountsTokens",
    "Describes",
    "Description",
    "Health",
    "KeyCheck",
    "KnowsHealth",
    "ListedModel",
    "ListsModels",
    "Previews",
    "PreviewsEmbeddings",
    "PreviewsStreams",
]


@frozen
class ListedModel:
    """A model as its service lists it; `raw` holds what else the service says."""

    id: str
    created_at: datetime | None = None
    owned_by: str | None = None
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)


@frozen
class Description:
    """Facts about a provider.

    Args:
        name: What it is called.
        wire: The protocol of its chat: the codec's name in `aiclient.wire`; None if it has no chat.
        base_url: Where it sends, without the paths of the protocol.
        model: Its default model.
        capabilities: Words for what it can do: `chat`, `stream`, `embeddings`, `count_tokens`, `list_models`, `preview`.
    """

    name: str
    wire: str | None = None
    base_url: str | None = None
    model: str | None = None
    capabilities: frozenset[str] = frozenset()


@frozen
class Health:
    """What a service answered when it was asked for something cheap.

    Args:
        ok: Whether it answered as it should.
        latency: Seconds that took.
        checked_at: When that was; what was found lately is not asked for again.
        category: Of the error, when it is not ok.
    """

    ok: bool
    latency: float
    checked_at: datetime
    category: Category | None = None


@frozen
class KeyCheck:
    """What is known of a key without sending it.

    Args:
        found: Whether there is one; without one, and without errors, none is needed.
        errors: Why nothing can be sent with it.
        warnings: What speaks against its being the right one. None of the texts holds any part of it.
    """

    found: bool
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@runtime_checkable
class Describes(Protocol):
    """Can say what it is."""

    def describe(self) -> Description:
        """Return the facts; sends nothing."""
        ...


@runtime_checkable
class Checks(Protocol):
    """Can say whether its service answers."""

    def health(self) -> Awaitable[Health]:
        """Ask the service for something cheap that is no call: a list, or a count."""
        ...


@runtime_checkable
class KnowsHealth(Protocol):
    """Remembers what its service answered when it was last asked whether it is well."""

    @property
    def last_health(self) -> Health | None:
        """What it was, however long ago; None if it was never asked."""
        ...


@runtime_checkable
class ChecksKey(Protocol):
    """Can say whether its key is there, and plausible."""

    def check_key(self) -> Awaitable[KeyCheck]:
        """Look at the key, asking for it where it comes from a callable; sends nothing to the service."""
        ...


@runtime_checkable
class ListsModels(Protocol):
    """Can say which models there are."""

    def list_models(self) -> Awaitable[Sequence[ListedModel]]:
        """Return the models that the credentials may use."""
        ...


@runtime_checkable
class CountsTokens(Protocol):
    """Can have the service count the tokens of a request, without answering it."""

    def count_tokens(self, request: ChatRequest, /) -> Awaitable[int]:
        """Return the number of input tokens."""
        ...


@runtime_checkable
class Previews(Protocol):
    """Can say what it would send."""

    def preview(self, request: ChatRequest, /) -> HTTPCall:
        """Return the exact exchange, credentials as `***`; sends nothing."""
        ...


@runtime_checkable
class PreviewsStreams(Protocol):
    """Can say what it would send to open a stream, which differs from a call on the wire."""

    def preview_stream(self, request: ChatRequest, /) -> HTTPCall:
        """Return the exact exchange, credentials as `***`; sends nothing."""
        ...


@runtime_checkable
class PreviewsEmbeddings(Protocol):
    """Can say what it would send to embed texts."""

    def preview_embeddings(self, request: EmbeddingRequest, /) -> HTTPCall:
        """Return the first exchange that would be made, credentials as `***`; sends nothing."""
        ...
