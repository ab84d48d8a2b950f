"""Making providers and layers of a configuration, keeping those that are the same as before.

What is made is known by a key: its kind, and what it was made of. When a client is made anew of another configuration, what has
an equal key is taken over as it is, with its state: the circuits of a breaker, the books of a budget, the connections of a
provider. A part that holds others has their identity in its key, so it is kept when all of them are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

from ..attempt import chain
from ..composition import is_provider
from ..errors import ConfigError
from ..schema.misfits import Path, Unfit
from ..secrets import SecretStr
from .references import discreet, expanded, secret_of

if TYPE_CHECKING:
    from .entries import Entry

__all__ = ["Made", "Maker", "Pool"]

Pool: TypeAlias = dict[Hashable, list[Any]]
"""What was made, by its key; of equal ones all, in the order in which they stand in the configuration."""


@frozen
class Made:
    """A value, and what it is known by."""

    value: Any
    key: Hashable


class Maker:
    """Makes what one configuration describes.

    Args:
        entries: The providers by name.
        environ: Where variables are looked up.
        before: What was made of the configuration before this one.
        from_file: Whether the configuration comes from a file, whose inline keys yield to the vendors' variables.
    """

    def __init__(
        self, entries: Mapping[str, Entry], environ: Mapping[str, str], before: Pool, *, from_file: bool
    ) -> None:
        self.environ, self.from_file = environ, from_file
        self.pool: Pool = {}
        self._entries = entries
        self._before = {key: list(values) for key, values in before.items()}
        self._made: dict[str, Made] = {}
        self._under_way: list[str] = []

    # --- values ---

    def plain(self, value: Any, written: Any) -> Made:
        """Return a value that is known by what was written."""
        return Made(value, _frozen(written))

    def filled(self, value: Any, path: Path) -> Any:
        """Return `value` with the variables in its texts filled in."""
        if isinstance(value, str):
            try:
                return expanded(value, self.environ)
            except ValueError as error:
                problem = str(error)
            raise Unfit([(path, problem)])
        if isinstance(value, Mapping):
            return {name: self.filled(item, (*path, str(name))) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.filled(item, (*path, place)) for place, item in enumerate(value)]
        return value

    def secret(self, value: str | SecretStr, path: Path) -> SecretStr:
        """Return the secret that `value` is or refers to."""
        try:
            return secret_of(value, self.environ)
        except ValueError as error:
            problem = str(error)
        raise Unfit([(path, problem)])

    # --- things with state ---

    def kept(
        self, kind: tuple[str, ...], factory: Callable[..., Any], options: Made, path: Path, spread: Iterable[str]
    ) -> Made:
        """Return what `factory` makes of `options`, or the one that was made of the same before."""
        key = (kind, options.key)
        positional = [item for name in spread for item in options.value.get(name, ())]
        named = {name: value for name, value in options.value.items() if name not in spread}
        return self.once(key, lambda: _called(factory, positional, named, path))

    def once(self, key: Hashable, make: Callable[[], Any]) -> Made:
        """Return the next of those with this key that were there before, or make one."""
        left = self._before.get(key)
        made = left.pop(0) if left else make()
        self.pool.setdefault(key, []).append(made)
        return Made(made, ("id", id(made)))  # which lives as long as the pool does

    def provider(self, name: str, path: Path, layers: Made | None = None) -> Made:
        """Return the provider that `name` stands for, an entry or a model string, with its layers around it."""
        leaf = self.leaf(name, path)
        around = layers if layers is not None else self.layers(name)
        key = ("chain", leaf.key, around.key)
        return self.once(key, lambda: chain(around.value, leaf.value))

    def layers(self, name: str) -> Made:
        """Return the layers that an entry has of its own; a model string has those of `each`."""
        entry = self._entries.get(name) or self._entries[""]
        if name not in self._made:
            self._enter(name)
            self._made[name] = entry.layers(self)
            self._under_way.remove(name)
        return self._made[name]

    def _enter(self, name: str) -> None:
        if name in self._under_way:
            chained = " -> ".join([*self._under_way, name])
            raise Unfit([(("providers", name), f"leads back to itself: {chained}")])
        self._under_way.append(name)

    def leaf(self, name: str, path: Path) -> Made:
        """Return the bare provider that `name` stands for; one for each name."""
        key = f"leaf:{name}"
        if key not in self._made:
            entry = self._entries.get(name)
            self._made[key] = self._entries[""].named(name, path, self) if entry is None else entry.leaf(self)
        return self._made[key]


def _called(factory: Callable[..., Any], positional: list[Any], named: Mapping[str, Any], path: Path) -> Any:
    """Call a factory; what it refuses is said by path, without the values."""
    try:
        made = factory(*positional, **named)
    except ConfigError as error:
        problem = discreet(error.message, {**named, "": positional})
    except ImportError as error:
        problem = f"cannot be made: {error}"
    except Exception as error:  # noqa: BLE001  # a class of others refuses options by whatever it likes to raise
        problem = discreet(f"cannot be made: {type(error).__name__}: {error}", {**named, "": positional})
    else:
        if callable(made) or is_provider(made) or not path or path[-1] not in ("use", "each"):
            return made
        problem = "is no layer"
    raise Unfit([(path, problem)])


def _frozen(value: Any) -> Hashable:
    """Return `value` as something that can be compared and hashed."""
    if isinstance(value, Mapping):
        return ("{}", *sorted(((str(name), _frozen(item)) for name, item in value.items()), key=lambda pair: pair[0]))
    if isinstance(value, (list, tuple)):
        return ("[]", *map(_frozen, value))
    if isinstance(value, (int, float)):
        return (type(value).__name__, value)
    return value if isinstance(value, Hashable) else ("id", id(value))
