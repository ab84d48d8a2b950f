"""Test doubles: for this library's tests and for its users'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._lazy import lazy

if TYPE_CHECKING:
    from .clock import FakeClock
    from .faults import Fault
    from .fixtures import (
        broken_stream,
        chat_request,
        chat_response,
        embedding_request,
        embedding_response,
        stream_chunks,
        tool_call,
        tool_request,
        tool_response,
        tool_stream,
        weather_tool,
    )
    from .mock import MockProvider, Reply
    from .server import LoopbackServer

__all__ = [
    "FakeClock",
    "Fault",
    "LoopbackServer",
    "MockProvider",
    "Reply",
    "broken_stream",
    "chat_request",
    "chat_response",
    "embedding_request",
    "embedding_response",
    "stream_chunks",
    "tool_call",
    "tool_request",
    "tool_response",
    "tool_stream",
    "weather_tool",
]

# The errors of `fixtures` are not here: they share their names with the faults, and stand in their own module.
_WHERE = {
    "FakeClock": ".clock",
    "Fault": ".faults",
    "LoopbackServer": ".server",
    "MockProvider": ".mock",
    "Reply": ".mock",
    "broken_stream": ".fixtures",
    "chat_request": ".fixtures",
    "chat_response": ".fixtures",
    "embedding_request": ".fixtures",
    "embedding_response": ".fixtures",
    "stream_chunks": ".fixtures",
    "tool_call": ".fixtures",
    "tool_request": ".fixtures",
    "tool_response": ".fixtures",
    "tool_stream": ".fixtures",
    "weather_tool": ".fixtures",
}


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _WHERE)


def __dir__() -> list[str]:
    return __all__
