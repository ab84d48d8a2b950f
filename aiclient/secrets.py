"""Secrets that cannot be printed by accident, and how to find them in what others wrote."""

from __future__ import annotations

import binascii
import hmac
import json
import weakref
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MASK", "SecretStr", "living"]

MASK: Final = "***"
"""What stands in place of a secret."""

_SHORTEST: Final = 6
"""Shorter values are not searched for: they would also hit ordinary words."""

_SHORTEST_CODED: Final = 8
"""Characters of base64 that are searched for."""

_living: Final[weakref.WeakValueDictionary[int, SecretStr]] = weakref.WeakValueDictionary()


class SecretStr:
    """A string whose value comes out only through `reveal()`.

    `repr`, `str` and `format` give `***`; comparing takes constant time; pickling and JSON refuse. As long as it lives, its
    value is masked in what this library logs and in what it passes on of the words of services.
    """

    __slots__ = ("__weakref__", "_forms", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._forms: tuple[str, ...] | None = None
        if len(value) >= _SHORTEST and value != MASK:
            _living[id(self)] = self  # by identity: of two equal ones the second outlives the first

    def reveal(self) -> str:
        """Return the secret itself; call it at the last step only."""
        return self._value

    def forms(self) -> tuple[str, ...]:
        """Return how the value may be written where escapes are undone: as it is, in hexadecimal, inside base64."""
        if self._forms is None:
            self._forms = tuple(dict.fromkeys(_forms(self._value)))
        return self._forms

    def __repr__(self) -> str:
        return f"SecretStr({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretStr):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((SecretStr, self._value))

    def __copy__(self) -> SecretStr:
        return self

    def __deepcopy__(self, memo: object) -> SecretStr:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SecretStr cannot be pickled; pass the name of the variable that holds it instead")


def living() -> list[SecretStr]:
    """Return every secret that somebody holds at the moment."""
    return list(_living.values())


def _forms(value: str) -> Iterator[str]:
    """Give the forms that undoing escapes does not lead back to the value."""
    data = value.encode("utf-8", "surrogatepass")
    yield value
    if "\\" in value:
        yield json.dumps(value)[1:-1]
        yield value.replace("\\", "")  # as it is where escapes are undone
    yield data.hex()
    yield data.hex().upper()
    for before in range(3):
        coded = binascii.b2a_base64(bytes(before) + data, newline=False).decode()
        inner = coded[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]  # without the characters that share bits
        if len(inner) >= _SHORTEST_CODED:
            yield inner
            yield inner.translate(_URL_SAFE)


_URL_SAFE: Final = str.maketrans("+/", "-_")
