"""`aiclient ask`: one question, one answer."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import logs
from ..errors import ConfigError
from ..middleware.logging import Logging
from ..sync.client import Client
from ..tools.stream import text_of
from .answers import as_json
from .asking import asked, files, instructed, schema, tools
from .terminal import note, put
from .whom import made

if TYPE_CHECKING:
    import argparse

    from ..response import ChatResponse
    from ..sync.client import RequestBuilder
    from ..tools.runs import RunResult
    from ..tools.use import AnyTool

__all__ = ["logged", "run"]


def run(arguments: argparse.Namespace) -> int:
    """Ask and print."""
    prompt = asked(arguments.prompt)
    texts, parts = files(arguments.file)
    if not (prompt.strip() or texts or parts):
        raise ConfigError("there is nothing to ask: give a prompt, a file with -f, or text on standard input")
    functions = tools(arguments.tool)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(made(Client, arguments))
        if arguments.log_level or arguments.log_file:
            logs.configure(arguments.log_level or "INFO", console=bool(arguments.log_level), file=arguments.log_file)
            stack.callback(logs.reset)
            logged(client)
        request = client.new_request()
        system = instructed(arguments)
        if system is not None:
            request = request.system(system)
        if arguments.schema is not None:
            request = request.response_format(schema(arguments.schema))
        request = request.user(*parts, "\n\n".join([*texts, prompt.strip()]) or None)
        streamed = not arguments.json if arguments.stream is None else arguments.stream
        if functions:
            answer = _run(request, functions, streamed=streamed, shown=not arguments.json)
        else:
            answer = _streamed(request, shown=not arguments.json) if streamed else request.do()
        if arguments.json:
            put(as_json(answer) + "\n")
        elif not streamed:
            put(answer.message.content or answer.message.refusal or "")
            _end_line(answer)
    _remark(answer)
    return 0


def logged(client: Client) -> None:
    """Have every call of `client` logged, unless its set-up does so already."""
    if not any(isinstance(layer, Logging) for layer in client.middleware):
        others = client.middleware
        client.remove(*others).use(Logging(), *others)  # outermost, so that one record stands for the call


def _streamed(request: RequestBuilder[ChatResponse], *, shown: bool) -> ChatResponse:
    """Read the stream; what came before a failure stays printed, on a line of its own."""
    open_line = False
    try:
        with request.stream() as stream:
            for chunk in stream:
                piece = (chunk.content or chunk.refusal) if shown and chunk.choice == 0 else ""
                if piece:
                    put(piece)
                    open_line = not piece.endswith("\n")
    finally:
        if open_line:
            put("\n")
    return stream.response


def _run(
    request: RequestBuilder[ChatResponse], functions: Sequence[AnyTool], *, streamed: bool, shown: bool
) -> ChatResponse:
    """Ask, and let the model use the functions; each use is remarked on."""
    if not streamed:
        done = request.run(functions)
        _remark_uses(done)
        return done.response
    open_line = False
    with request.run_stream(functions) as run:
        for event in run:
            piece = text_of(event) if shown else ""
            if piece:
                put(piece)
                open_line = not piece.endswith("\n")
            if event.kind in ("answer", "end") and open_line:
                put("\n")
                open_line = False
            if event.use is not None:
                note(f"{event.use.call.name}: {event.use.outcome}")
    if run.result.stopped != "answer":
        note(f"the run ended early: {run.result.stopped}")
    return run.result.response


def _remark_uses(done: RunResult) -> None:
    for one in done.rounds:
        for use in one.uses:
            note(f"{use.call.name}: {use.outcome}")
    if done.stopped != "answer":
        note(f"the run ended early: {done.stopped}")


def _end_line(answer: ChatResponse) -> None:
    if not answer.message.content.endswith("\n"):
        put("\n")


def _remark(answer: ChatResponse) -> None:
    """Say on standard error what the answer's text does not show."""
    if answer.finish_reason not in ("stop", None):
        note(f"the answer ended early: {answer.raw_finish_reason or answer.finish_reason}")
    for warning in answer.warnings:
        note(warning.message)
