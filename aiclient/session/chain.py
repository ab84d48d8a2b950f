"""The chains of one session: its layers around the client, or whatever provider it was made over."""

from __future__ import annotations

import inspect
from typing import Protocol, Self, runtime_checkable

from attrs import frozen

from ..attempt import chain
from ..composition import is_provider
from ..errors import InvalidProviderError
from ..middleware.dry_run import DryRun
from ..provider import Middleware, Provider
from .book import Book, Bookkeeping

__all__ = ["Channels", "Deriving"]


@runtime_checkable
class Deriving(Protocol):
    """Gives itself with further layers around, as a client does: with its own time limits and prices for the calls."""

    def derive(self, *layers: Middleware) -> Provider:
        """Return it with `layers` around; closing that closes nothing of its own."""
        ...


@frozen
class Channels:
    """The ways out of a session.

    Args:
        talk: For turns of the conversation.
        items: For items of a batch.
        rehearsal: For what is only planned: nothing is sent, spent or written down.
        derived: Whether they are ours to close.
    """

    talk: Provider
    items: Provider
    rehearsal: Provider
    derived: bool

    @classmethod
    def over(cls, provider: Provider, book: Book, layers: tuple[Middleware, ...], use: tuple[Middleware, ...]) -> Self:
        """Put the session's layers, and the caller's (`use`) inside them, around `provider`.

        Raises:
            ConfigError: It is no provider, or one of the layers is none.
        """
        _check(provider)

        def around(*outermost: Middleware) -> Provider:
            if isinstance(provider, Deriving):
                return provider.derive(*outermost)
            return chain(outermost, provider)

        return cls(
            around(Bookkeeping(book), *layers, *use),
            around(Bookkeeping(book, item=True), *layers, *use),
            around(DryRun(), *use),
            isinstance(provider, Deriving),
        )

    async def close(self) -> None:
        """End what is under way, where that is ours to do."""
        if not self.derived:
            return
        try:
            await self.talk.close()
        finally:
            await self.items.close()


def _check(provider: object) -> None:
    if not is_provider(provider):
        what = f"the class {provider.__name__}" if isinstance(provider, type) else type(provider).__name__
        raise InvalidProviderError(f"a session needs an AsyncClient or a Provider, not {what}")
    if isinstance(provider, Deriving) and not inspect.iscoroutinefunction(getattr(provider, "chat", None)):
        raise InvalidProviderError(
            f"an AsyncSession needs an AsyncClient, not {type(provider).__name__}: that has sessions of its own, "
            "client.session(...)"
        )
