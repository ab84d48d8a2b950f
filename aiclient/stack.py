"""The layers of a client around its provider: changed as a whole, between calls."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable

from .attempt import chain
from .errors import AIClientWarning, ConfigError
from .order import order_problems
from .provider import Middleware, Provider

__all__ = ["Stack"]


class Stack:
    """A provider, the layers around it, and the chain that they make; each change puts another chain in the place of the old.

    Args:
        leaf: The provider that is asked.
    """

    def __init__(self, leaf: Provider) -> None:
        self.leaf = leaf
        self.layers: tuple[Middleware, ...] = ()
        self.chain = chain((), leaf)
        self._told: set[str] = set()

    def change(
        self,
        layers: tuple[Middleware, ...],
        leaf: Provider | None = None,
        ready: Callable[[], object] | None = None,
    ) -> None:
        """Have other layers, outermost first, and maybe another provider.

        Args:
            layers: All of them.
            leaf: The provider; None keeps it.
            ready: Called when the chain was made and checked; the last that may fail.

        Raises:
            ConfigError: They cannot be; nothing changes.

        Warns (AIClientWarning) of an order that is known to be bad, once; where warnings are errors, nothing changes.
        """
        made = self._made(layers, self.leaf if leaf is None else leaf)
        if leaf is not None:
            made.validate_config()
        if ready is not None:
            ready()
        self.chain, self.layers = made, layers
        if leaf is not None:
            self.leaf = leaf

    def without(self, layers: Iterable[Middleware]) -> tuple[Middleware, ...]:
        """Return the layers that stay when these, by identity, go; ConfigError if one is not there."""
        kept = list(self.layers)
        for layer in layers:
            index = next((number for number, item in enumerate(kept) if item is layer), None)
            if index is None:
                raise ConfigError(f"{layer!r} is not in this client's chain; see client.middleware")
            del kept[index]
        return tuple(kept)

    def _made(self, layers: tuple[Middleware, ...], leaf: Provider) -> Provider:
        made = chain(layers, leaf)
        for problem in order_problems(made):
            if problem not in self._told:
                warnings.warn(problem, AIClientWarning, stacklevel=_outside())  # an error, for who wants it so
                self._told.add(problem)
        return made


def _outside() -> int:
    """Return how far up the stack the first caller outside this package is: where a warning should point."""
    level, frame = 1, sys._getframe(1)  # noqa: SLF001  # inspect.stack reads source files
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        level, frame = level + 1, frame.f_back
    return level
