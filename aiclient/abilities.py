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

from .request import ChatRequest, HTTPCall

__all__ = ["CountsTokens", "ListedModel", "ListsModels", "Previews"]


@frozen
class ListedModel:
    """A model as its service lists it; `raw` holds what else the service says."""

    id: str
    created_at: datetime | None = None
    owned_by: str | None = None
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)


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
