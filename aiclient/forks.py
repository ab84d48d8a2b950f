"""What a forked child makes anew: locks and counts that threads of its parent held, and will never give back."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["after_fork", "own_lock"]

T = TypeVar("T")

_RENEWED: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def after_fork(owner: T, renew: Callable[[T], None]) -> None:
    """Have `renew(owner)` called in every forked child, for as long as `owner` lives."""
    _RENEWED[owner] = renew


def own_lock(owner: Any) -> threading.Lock:
    """Return a lock to be kept as `owner._lock`; a forked child finds a free one there."""
    after_fork(owner, _unlocked)
    return threading.Lock()


def _unlocked(owner: Any) -> None:
    owner._lock = threading.Lock()  # noqa: SLF001  # as own_lock says


def _forked() -> None:
    for owner, renew in list(_RENEWED.items()):
        renew(owner)


if hasattr(os, "register_at_fork"):  # Windows cannot fork
    os.register_at_fork(after_in_child=_forked)
