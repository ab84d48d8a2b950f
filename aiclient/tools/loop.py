"""The loop of a conversation with tools: ask, use the tools that the answer asks for, tell the results, ask again.

Written over a Provider: every round is a call of its own, with all the layers around that provider.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import math
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Final, TypeAlias, TypedDict

from attrs import evolve

from ..bulk import mapping as bulk
from ..clock import SYSTEM, Clock
from ..errors import AIClientError, ConfigError
from ..gate import Alarm, uninterrupted
from ..messages import ToolCall
from ..provider import Provider
from ..request import ChatRequest, ToolChoice
from ..response import ChatResponse
from ..turns import said_after
from .runs import Round, RunEvent, RunResult, StopReason, ToolUse
from .use import AnyTool, Approve, OnError, Retries, Workbench

__all__ = ["LoopOptions", "StopWhen", "ToolLoop"]

StopWhen: TypeAlias = Callable[[RunResult], bool | Awaitable[bool]]
"""Asked after each round of tools, with the run so far; True ends it."""

_WHOLE: Final = (None, "stop", "tool_calls", "other")
"""Reasons for an end after which the calls of an answer are complete."""


class LoopOptions(TypedDict, total=False):
    """The options of a ToolLoop, as `.run()` of a request takes them."""

    max_rounds: int
    max_calls: int
    concurrency: int
    timeout: float | None
    tool_timeout: float | None
    retries: Retries
    approve: Approve | None
    on_error: OnError
    stop_when: StopWhen | None
    max_repeats: int
    clock: Clock


class ToolLoop:
    """Runs conversations with these tools.

    Only tools that are given here are ever called. A call whose arguments do not fit, of a tool that is not there, or that
    fails, is told to the model as an error, and the run goes on. The calls of one answer run at the same time. An answer that
    was cut has none of its calls made.

    Args:
        tools: Functions made tools by `@tool`.
        max_rounds: Answers at most. Default 8.
        max_calls: Calls in one answer at most; with more, none is made and the run ends. Default 64.
        concurrency: Tools that run at once. Default 8.
        timeout: Seconds for the whole run; None for no limit. Every round has the client's own limits besides.
        tool_timeout: Seconds for one use of a tool, its further attempts included; None for no limit. Default 60.
        retries: How often a tool that failed is called again before the model is told; a dict says it by tool. Default 0. What
            raises a ToolError is not called again.
        approve: Asked before each call, one after the other, with the call: True lets it through; False, or a text that says
            why, is told to the model instead of a result. May be async.
        on_error: `tell` the model the kind of the error, and of a ToolError its message (default: messages of others may hold
            what the model must not see); `raise` it, which ends the run; or a function of call and error that returns what the
            model is told. May be async.
        stop_when: Asked after each round of tools, with the run so far; True ends it. May be async.
        max_repeats: How often the same call, of the same arguments, is made; further ones are told that it was. Default 3.
        clock: Where time comes from.

    Raises:
        ConfigError: An option is not what it must be, or two tools have the same name.

    Cancelling a run cancels its call and its tools, and returns when they have ended; a function that is not async runs on in
    its thread until it returns.
    """

    def __init__(
        self,
        tools: Iterable[AnyTool],
        *,
        max_rounds: int = 8,
        max_calls: int = 64,
        concurrency: int = 8,
        timeout: float | None = None,
        tool_timeout: float | None = 60.0,
        retries: Retries = 0,
        approve: Approve | None = None,
        on_error: OnError = "tell",
        stop_when: StopWhen | None = None,
        max_repeats: int = 3,
        clock: Clock = SYSTEM,
    ) -> None:
        numbers = {
            "max_rounds": max_rounds,
            "max_calls": max_calls,
            "concurrency": concurrency,
            "max_repeats": max_repeats,
        }
        for name, value in numbers.items():
            if type(value) is not int or value < 1:
                raise ConfigError(f"{name}={value!r} must be a whole number of at least 1")
        if not isinstance(tools, Iterable):
            raise ConfigError(f"the tools to run are a list: give [{tools!r:.80}]")
        self.tools = tuple(tools)
        self.max_rounds, self.max_calls, self.concurrency = max_rounds, max_calls, concurrency
        self.timeout, self.clock = _seconds("timeout", timeout), clock
        if stop_when is not None and not callable(stop_when):
            raise ConfigError(f"stop_when={stop_when!r} must be a function of the run so far")
        self.stop_when = stop_when
        self.bench = Workbench(
            self.tools,
            limit=_seconds("tool_timeout", tool_timeout),
            retries=retries,
            approve=approve,
            on_error=on_error,
            max_repeats=max_repeats,
            clock=clock,
        )

    async def run(self, provider: Provider, request: ChatRequest) -> RunResult:
        """Run the conversation to its end.

        Raises:
            AIClientError: A call failed; `error.run` is the run so far.
        """
        result: RunResult | None = None
        async with aclosing(self.events(provider, request)) as events:
            async for event in events:
                result = event.result
        assert result is not None  # the last event has it
        return result

    async def events(
        self, provider: Provider, request: ChatRequest, *, stream: bool = False
    ) -> AsyncGenerator[RunEvent, None]:
        """Yield what happens as it happens, the end last; close the generator to end the run early.

        Args:
            provider: Who is asked.
            request: The conversation so far; its own tools, and these, are offered.
            stream: Ask for streams, and yield their chunks too. Default False.
        """
        run = _Run(self, provider, request)
        try:
            async with aclosing(run.events(stream=stream)) as events:
                async for event in events:
                    yield event
        except AIClientError as error:
            error.run = run.result("failed")
            raise
        finally:
            run.alarm.stop()


class _Run:
    """One conversation under way."""

    def __init__(self, loop: ToolLoop, provider: Provider, request: ChatRequest) -> None:
        offered = {tool.name for tool in loop.tools}
        others = tuple(tool for tool in request.options.tools if tool.name not in offered)
        self._loop = loop
        self._provider = provider
        self._request = evolve(
            request, options=evolve(request.options, tools=(*others, *(tool.tool for tool in loop.tools)))
        )
        self._rounds: list[Round] = []
        self._made: Counter[str] = Counter()
        self.alarm = Alarm(loop.clock, said=f"the run took longer than timeout={loop.timeout:g} seconds")
        self.alarm.set(loop.clock.monotonic() + loop.timeout, "total")

    def result(self, stopped: StopReason) -> RunResult:
        return RunResult(stopped, tuple(self._rounds), self._request.messages)

    async def events(self, *, stream: bool) -> AsyncGenerator[RunEvent, None]:
        stopped: StopReason | None = None
        while stopped is None:
            number = len(self._rounds) + 1
            if stream:
                async with aclosing(self._streamed(number)) as chunks:
                    async for event in chunks:
                        yield event
            else:
                self._answered(number, await self.alarm.guard(self._provider.chat(self._request)))
            response = self._rounds[-1].response
            yield RunEvent("answer", number, response=response)
            stopped = self._why_stop(response)
            if stopped is None:
                async with aclosing(self._used(number, response)) as uses:
                    async for event in uses:
                        yield event
                stopped = await self._why_stop_after()
        yield RunEvent("end", len(self._rounds), result=self.result(stopped))

    async def _streamed(self, number: int) -> AsyncGenerator[RunEvent, None]:
        async with await self.alarm.guard(self._provider.chat_stream(self._request)) as stream:
            while (chunk := await self.alarm.guard(anext(stream, None))) is not None:
                yield RunEvent("chunk", number, chunk=chunk)
        self._answered(number, stream.response)

    def _answered(self, number: int, response: ChatResponse) -> None:
        self._rounds.append(Round(number, response))
        said = (response.message,) if response.message.parts else ()
        self._request = evolve(self._request, messages=(*self._request.messages, *said), context=None)

    def _why_stop(self, response: ChatResponse) -> StopReason | None:
        calls = response.message.tool_calls
        if response.finish_reason not in _WHOLE:
            return "cut"
        if not calls:
            return "answer"
        if len(calls) > self._loop.max_calls:
            return "max_calls"
        return "max_rounds" if len(self._rounds) >= self._loop.max_rounds else None

    async def _used(self, number: int, response: ChatResponse) -> AsyncGenerator[RunEvent, None]:
        """Use the tools that an answer asks for, several at once, and tell of each as it begins and ends."""
        happened: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        bench = self._loop.bench

        async def use(call: ToolCall) -> None:
            happened.put_nowait(RunEvent("tool_started", number, call=call))
            done = await bench.use(call, made=self._made[identity(call)])
            happened.put_nowait(RunEvent("tool_ended", number, use=done))
            ended.append(done)

        calls = response.message.tool_calls
        ended: list[ToolUse] = []
        places = {id(call): place for place, call in enumerate(calls)}
        self._made.update(identity(call) for call in calls)
        work = asyncio.ensure_future(bulk.map(use, calls, concurrency=self._loop.concurrency, on_error="raise"))
        work.add_done_callback(lambda _: happened.put_nowait(None))
        try:
            while (event := await self.alarm.guard(happened.get())) is not None:
                yield event
            work.result()
        finally:
            if not work.done():
                work.cancel()
                await uninterrupted(asyncio.wait((work,)))
            ended.sort(key=lambda use: places[id(use.call)])  # of a run that fails too: what they did is done
            self._rounds[-1] = evolve(self._rounds[-1], uses=tuple(ended))
        self._tell(response, ended)

    def _tell(self, response: ChatResponse, uses: Sequence[ToolUse]) -> None:
        """Put the results after the answer; a tool that had to be used once need not be used again."""
        results = said_after(response, [use.result for use in uses])[1:]
        options = self._request.options
        if options.tool_choice is not None and options.tool_choice.mode in ("required", "named"):
            options = evolve(options, tool_choice=ToolChoice())
        self._request = evolve(self._request, messages=(*self._request.messages, *results), options=options)

    async def _why_stop_after(self) -> StopReason | None:
        if all(use.outcome == "repeated" for use in self._rounds[-1].uses):
            return "repeated"
        if self._loop.stop_when is None:
            return None
        verdict = self._loop.stop_when(self.result("stop_when"))
        return "stop_when" if (await verdict if inspect.isawaitable(verdict) else verdict) else None


def identity(call: ToolCall) -> str:
    """Return what two calls share that ask for the same."""
    arguments = call.parsed
    return f"{call.name} {call.arguments if arguments is None else json.dumps(arguments, sort_keys=True)}"


def _seconds(name: str, value: float | None) -> float:
    if value is None:
        return math.inf
    given: object = value
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not given > 0:
        raise ConfigError(f"{name}={value!r} must be a number of seconds above 0, or None for no limit")
    return float(value)
