"""Things that are made by name: what the library brings, what a program registers, what installed packages offer."""

from __future__ import annotations

import difflib
import importlib
import re
import threading
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias, cast

from .errors import AIClientWarning, ConfigError
from .forks import own_lock

__all__ = ["Factory", "Names", "suggestion"]

Factory: TypeAlias = Callable[..., Any]
"""What makes the thing: a class, or a function of the options."""

_NAME: Final = re.compile(r"[a-z][a-z0-9._-]*")


def suggestion(word: str, known: Collection[str]) -> str:
    """Return `; did you mean ...?` for the known word that is nearest, or a list of the known ones if they are few.

    Example:
        >>> suggestion("atempts", ["attempts", "base"])
        "; did you mean 'attempts'?"
    """
    spelt = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), spelt, 1, cutoff=0.6)
    if close:
        return f"; did you mean {spelt[close[0]]!r}?"
    return f"; there are {', '.join(sorted(known))}" if known else ""


class Names:
    """Factories by name, each imported when it is first asked for.

    What the library brings goes before what installed packages offer as entry points: installing a package never changes what
    a name means. `register` with `replace=True` does. Any thread may use it.

    Args:
        kind: What is made, for messages.
        group: The group of entry points in which packages offer theirs.
        built_in: Name -> `module:attribute`.
    """

    def __init__(self, kind: str, group: str, built_in: Mapping[str, str]) -> None:
        self.kind, self._group, self._built_in = kind, group, built_in
        self._registered: dict[str, Factory | str] = {}
        self._loaded: dict[str, Factory] = {}
        self._offered: dict[str, Any] | None = None
        self._lock: threading.Lock = own_lock(self)

    def register(self, name: str, factory: Factory | str, *, replace: bool = False) -> None:
        """Have `name` stand for what `factory` makes.

        Args:
            name: Lower-case letters, digits, `.`, `_` and `-`, a letter first.
            factory: A class or function that takes the options by name, or `module:attribute`, imported when first used.
            replace: Take the place of what the name stands for now. Default False: a name that is taken is refused.

        Raises:
            ConfigError: The name cannot be one or is taken, or the factory is none; nothing changes.
        """
        given: Any = name
        if not isinstance(given, str) or _NAME.fullmatch(given) is None:
            raise ConfigError(f"{name!r} cannot be the name of a {self.kind}: lower-case letters, digits, . _ - only")
        made: Any = factory
        if not callable(made) and not (isinstance(made, str) and made.count(":") == 1):
            raise ConfigError(f"the factory of {name!r} must be a class, a function, or 'module:attribute'")
        taken = name in self._offers() if name not in self._built_in else True
        with self._lock:
            if (taken or name in self._registered) and not replace:
                raise ConfigError(f"the {self.kind} {name!r} is known already; pass replace=True to take its place")
            self._registered[name] = factory
            self._loaded.pop(name, None)

    def unregister(self, name: str) -> None:
        """Take back what `register` said of `name`; what the library or a package brings by this name counts again.

        Raises:
            ConfigError: Nothing was registered by this name.
        """
        with self._lock:
            if name not in self._registered:
                raise ConfigError(f"no {self.kind} was registered as {name!r}")
            del self._registered[name]
            self._loaded.pop(name, None)

    def get(self, name: str) -> Factory:
        """Return the factory that `name` stands for, imported now if it was not before.

        Raises:
            ConfigError: The name is not known, or what it stands for cannot be imported or called.
        """
        factory = self._loaded.get(name)
        if factory is not None:
            return factory
        where = self._registered.get(name) or self._built_in.get(name) or self._offers().get(name)
        if where is None:
            raise ConfigError(f"the {self.kind} {name!r} is not known{suggestion(name, self.names())}")
        factory = self._load(name, where)
        with self._lock:
            if (self._registered.get(name) or where) is where:  # not replaced meanwhile
                self._loaded[name] = factory
        return factory

    def registered(self, name: str) -> bool:
        """Whether `register` said what `name` stands for."""
        return name in self._registered

    def names(self) -> tuple[str, ...]:
        """Return every name that is known, sorted; nothing is imported for it."""
        return tuple(sorted({*self._built_in, *self._offers(), *list(self._registered)}))

    def usable(self) -> tuple[str, ...]:
        """Return the names whose factories can be imported, sorted; of each other one a warning says why it is left out."""
        return tuple(name for name in self.names() if self._usable(name))

    def _usable(self, name: str) -> bool:
        try:
            self.get(name)
        except ConfigError as error:
            warnings.warn(f"{error.message}; it is left out", AIClientWarning, stacklevel=4)
            return False
        return True

    def __contains__(self, name: str) -> bool:
        if name in self._built_in or name in self._registered:
            return True
        return _NAME.fullmatch(name) is not None and name in self._offers()

    def _load(self, name: str, where: Any) -> Factory:
        problem: str
        try:
            if isinstance(where, str):
                module, _, attribute = where.partition(":")
                found = getattr(importlib.import_module(module), attribute)
            else:
                found = where.load() if hasattr(where, "load") and hasattr(where, "group") else where
        except (Exception, SystemExit) as error:  # noqa: BLE001  # importing runs other people's code
            problem = f"cannot be imported: {type(error).__name__}: {error}"
        else:
            if callable(found):
                return cast("Factory", found)
            problem = f"is {type(found).__name__}, which nothing can be made with"
        raise ConfigError(f"the {self.kind} {name!r} {problem}")

    def _offers(self) -> dict[str, Any]:
        """Return what installed packages offer; they are asked once."""
        if self._offered is None:
            from importlib.metadata import entry_points  # noqa: PLC0415  # it reads every installed package's metadata

            found: dict[str, Any] = {}
            for entry in entry_points(group=self._group):
                if entry.name in self._built_in or (entry.name in found and found[entry.name].value != entry.value):
                    warnings.warn(
                        f"an installed package offers a {self.kind} {entry.name!r} ({entry.value}), a name that is taken; "
                        "it is left out",
                        AIClientWarning,
                        stacklevel=4,
                    )
                else:
                    found.setdefault(entry.name, entry)
            self._offered = found
        return self._offered
