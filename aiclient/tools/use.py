"""One use of a tool: found, approved, called within its time, and put into words for the model."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, cast

from ..clock import Clock
from ..errors import ConfigError, ToolArgumentsError
from ..gate import Alarm, Gate
from ..messages import Content, MediaPart, TextPart, ToolCall
from .functions import FunctionTool
from .runs import ToolOutcome, ToolUse

__all__ = ["Approve", "OnError", "Retries", "ToolError", "Workbench"]

AnyTool: TypeAlias = FunctionTool[..., Any]

Approve: TypeAlias = Callable[[ToolCall], bool | str | Awaitable[bool | str]]
"""Asked before a call: True lets it through; False, or a text that says why, refuses it."""

OnError: TypeAlias = Literal["tell", "raise"] | Callable[[ToolCall, Exception], str | Awaitable[str]]
"""What becomes of a tool that failed: the model is told, or it is raised, or a function says what the model is told."""

Retries: TypeAlias = int | Mapping[str, int]
"""How often a tool that failed is called again: for every tool, or by the tool's name."""

_PARTS: Final = (TextPart, MediaPart)


class ToolError(Exception):
    """Raised by a tool that cannot do what was asked: its message is told to the model, and the tool is not tried again."""


class Workbench:
    """The tools of a loop, and how they are used; holds nothing of a single run."""

    def __init__(
        self,
        tools: Iterable[AnyTool],
        *,
        limit: float,
        retries: Retries,
        approve: Approve | None,
        on_error: OnError,
        max_repeats: int,
        clock: Clock,
    ) -> None:
        self._tools: dict[str, AnyTool] = {}
        for tool in tools:
            if not isinstance(tool, FunctionTool):
                raise ConfigError(f"a tool to run must be a function with @tool, not {type(tool).__name__}")
            if tool.name in self._tools:
                raise ConfigError(f"two tools have the same name: {tool.name!r}")
            self._tools[tool.name] = tool
        if not self._tools:
            raise ConfigError("there is no tool to run: give functions with @tool")
        if on_error not in ("tell", "raise") and not callable(on_error):
            raise ConfigError(f"on_error={on_error!r} must be 'tell', 'raise', or a function of the call and the error")
        if approve is not None and not callable(approve):
            raise ConfigError(f"approve={approve!r} must be a function of a ToolCall")
        self._retries = _checked_retries(retries, self._tools)
        self._limit, self._max_repeats, self._clock = limit, max_repeats, clock
        self._approve, self._on_error = approve, on_error
        self._approving = Gate(1)  # people are asked one thing at a time

    async def use(self, call: ToolCall, *, made: int) -> ToolUse:
        """Do what a call asks for and say what became of it.

        Args:
            call: What the model asked for.
            made: How often the same was asked for in this run, this time included.

        Raises:
            Exception: What the tool raised, with `on_error="raise"`; what `approve` or the function for errors raised.
        """
        tool = self._tools.get(call.name)
        if tool is None:
            return _told(call, "unknown", f"there is no tool {call.name[:80]!r}; there are: {', '.join(self._tools)}")
        if made > self._max_repeats:
            return _told(
                call,
                "repeated",
                f"the same call was made {self._max_repeats} times; use its result, or call differently",
            )
        refusal = await self._refusal(call)
        if refusal is not None:
            return _told(call, "refused", refusal)
        return await self._called(tool, call)

    async def _refusal(self, call: ToolCall) -> str | None:
        """Return why a call is not approved; None if it is."""
        if self._approve is None:
            return None
        await self._approving.enter()
        try:
            verdict = self._approve(call)
            allowed = await verdict if inspect.isawaitable(verdict) else verdict
        finally:
            self._approving.leave()
        if allowed is True:
            return None
        return f"the call was not allowed: {allowed}" if isinstance(allowed, str) else "the call was not allowed"

    async def _called(self, tool: AnyTool, call: ToolCall) -> ToolUse:
        began = self._clock.monotonic()
        alarm = Alarm(self._clock, said=f"the tool {tool.name} took longer than tool_timeout={self._limit:g} seconds")
        alarm.set(began + self._limit, "total")
        attempts, most = 0, 1 + self._retries.get(tool.name, 0)
        try:
            while True:
                attempts += 1
                try:
                    value = await alarm.guard(tool.call(call))
                    content = _content(tool, value)
                except Exception as error:  # noqa: BLE001  # a tool may raise anything; it is told, or raised again below
                    failure = error
                else:
                    took = self._clock.monotonic() - began
                    return ToolUse(call, call.result(content), "ok", value, None, attempts, took)
                if attempts >= most or alarm.error is not None or isinstance(failure, (ToolError, ToolArgumentsError)):
                    break
        finally:
            alarm.stop()
        outcome, words = await self._words(call, failure, timed_out=alarm.error is failure)
        took = self._clock.monotonic() - began
        return ToolUse(call, call.result(words, is_error=True), outcome, None, failure, attempts, took)

    async def _words(self, call: ToolCall, failure: Exception, *, timed_out: bool) -> tuple[ToolOutcome, str]:
        """Return what became of a call that failed, and what the model is told of it."""
        if isinstance(failure, ToolArgumentsError):
            return "invalid", "\n".join(["the tool cannot be called like that:", *failure.errors])
        if self._on_error == "raise":
            raise failure
        outcome: ToolOutcome = "timeout" if timed_out else "failed"
        if callable(self._on_error):
            told = self._on_error(call, failure)
            return outcome, await told if inspect.isawaitable(told) else told
        if timed_out:
            return outcome, f"the tool took longer than {self._limit:g} s"
        return outcome, str(failure) if isinstance(failure, ToolError) else f"the tool failed: {type(failure).__name__}"


def _content(tool: AnyTool, value: object) -> Content:
    """Return what a tool returned as content of a message: parts, and texts among them, as they are; anything else as text."""
    items = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(item, _PARTS) for item in items) and all(isinstance(item, (str, *_PARTS)) for item in items):
        return cast("Content", value)
    return tool.text_of(value)


def _told(call: ToolCall, outcome: ToolOutcome, words: str) -> ToolUse:
    return ToolUse(call, call.result(words, is_error=True), outcome)


def _checked_retries(retries: Retries, tools: Mapping[str, AnyTool]) -> dict[str, int]:
    given = dict(retries) if isinstance(retries, Mapping) else dict.fromkeys(tools, retries)
    for name, count in given.items():
        if name not in tools:
            raise ConfigError(f"retries names the tool {name!r}; there are: {', '.join(tools)}")
        if type(count) is not int or count < 0:
            raise ConfigError(f"retries={count!r} must be a whole number of at least 0, or a dict of them by tool")
    return given
