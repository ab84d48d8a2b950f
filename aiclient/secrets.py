"""Secrets that cannot be printed by accident."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MASK", "SecretStr", "mask"]

MASK = "***"
"""What stands in place of a secret."""

_SHORTEST = 6
"""Shorter values are not searched for: they would also hit ordinary words."""


class SecretStr:
    """A string whose value comes out only through `reveal()`.

    `repr`, `str` and `format` give `***`; comparing takes constant time; pickling and JSON refuse.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself; call it at the last step only."""
        return self._value

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


def mask(text: str, secrets: Iterable[SecretStr]) -> str:
    """Replace every occurrence of the secrets' values in `text` by `***` (values shorter than 6 are left alone)."""
    for value in sorted((secret.reveal() for secret in secrets), key=len, reverse=True):  # one may begin another
        if len(value) >= _SHORTEST:
            text = text.replace(value, MASK)
    return text
