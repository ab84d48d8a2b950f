"""The command line: `aiclient demo`, `aiclient ask`, `aiclient serve`."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Sequence

from .. import __version__
from .terminal import complain, note

__all__ = ["main"]

FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130
"""What shells take for "ended by Ctrl-C": 128 and the signal's number."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 the service failed, 2 wrong usage or set-up, 130 interrupted."""
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:  # argparse has printed why
        return stop.code if isinstance(stop.code, int) else WRONG_USAGE
    if arguments.command is None:
        parser.print_help()
        return WRONG_USAGE
    return _guarded(arguments)


def _guarded(arguments: argparse.Namespace) -> int:
    """Run the command; whatever this library raises on purpose becomes one line and an exit code, never a traceback."""
    from ..errors import AIClientError, ConfigError, InvalidRequestError  # noqa: PLC0415  # `--help` needs none of it

    run: Callable[[argparse.Namespace], int] = importlib.import_module(arguments.command, __name__).run
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: note(str(message))
            return run(arguments)
    except (ConfigError, InvalidRequestError) as error:
        note(str(error))
        return WRONG_USAGE
    except AIClientError as error:
        complain(error)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has left, as `| head` does: nobody is there to be told
        _detach_output()
        return FAILED
    except OSError as error:  # the disk is full, the device refuses: only what we print ourselves can fail like this
        _detach_output()
        note(f"the output could not be written: {error.strerror or error}")
        return FAILED


def _detach_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush does not fail on the broken pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aiclient", description="One small client for every language-model service.")
    parser.add_argument("--version", action="version", version=f"aiclient {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_demo(commands)
    _add_ask(commands)
    _add_serve(commands)
    return parser


Commands = argparse._SubParsersAction  # noqa: SLF001  # argparse has no public name for what add_subparsers returns


def _add_demo(commands: Commands[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="see it work, without a key",
        description="Stream an answer from a service played on this machine, through a failure that Retry survives.",
    )
    demo.set_defaults(command=".demo")


def _add_ask(commands: Commands[argparse.ArgumentParser]) -> None:
    ask = commands.add_parser(
        "ask",
        help="ask a model",
        description="Ask a model and print its answer. Without -m the AI_* variables say whom.",
        epilog="exit codes: 0 answered, 1 the service failed, 2 wrong usage or set-up, 130 interrupted",
    )
    ask.add_argument("prompt", nargs="?", default="-", help="what to ask; '-' or nothing reads standard input")
    ask.add_argument("-m", "--model", metavar="PROVIDER:MODEL", help="for example openai:gpt-5-mini")
    ask.add_argument("--system", metavar="TEXT", help="how the model should behave")
    ask.add_argument(
        "--base-url",
        metavar="URL",
        help="a server that speaks OpenAI's protocol; -m is then its own name for the model, AI_API_KEY its key, if any",
    )
    ask.add_argument(
        "--stream",
        action=argparse.BooleanOptionalAction,
        help="print the answer as it comes (the default without --json)",
    )
    ask.add_argument("--json", action="store_true", help="print the whole answer as one JSON object")
    ask.add_argument("--log-level", metavar="LEVEL", help="log to standard error: debug, info, warning or error")
    ask.add_argument("--log-file", metavar="PATH", help="log to a file, JSON lines; without --log-level from info on")
    ask.set_defaults(command=".ask")


def _add_serve(commands: Commands[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser(
        "serve",
        help="play a service on this machine, for tests",
        description="Play a service that speaks OpenAI's chat completions and embeddings, until Ctrl-C.",
    )
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, default=0, help="default: any free one")
    serve.add_argument("--api-key", metavar="KEY", help="the key that requests must carry (default: none)")
    serve.add_argument("--reply", metavar="TEXT", default="Hello from the loopback server.", help="what it answers")
    serve.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[:NUMBER]",
        help="what goes wrong with the next request, in order; may be repeated: rate_limited[:SECONDS], "
        "overloaded[:SECONDS], server_error[:STATUS], cut[:BYTES], stall[:BYTES], delay:SECONDS",
    )
    serve.set_defaults(command=".serve")
