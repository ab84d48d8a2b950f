"""Test doubles: for this library's tests and for its users'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._lazy import lazy

if TYPE_CHECKING:
    from .clock import FakeClock
    from .faults import Fault
    from .mock import MockProvider, Reply
    from .server import LoopbackServer

__all__ = ["FakeClock", "Fault", "LoopbackServer", "MockProvider", "Reply"]

_WHERE = {
    "FakeClock": ".clock",
    "Fault": ".faults",
    "LoopbackServer": ".server",
    "MockProvider": ".mock",
    "Reply": ".mock",
}


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _WHERE)


def __dir__() -> list[str]:
    return __all__
