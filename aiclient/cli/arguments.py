"""What the commands take: argparse alone, so that help and mistakes cost nothing."""

from __future__ import annotations

import argparse

from .. import __version__
from .bulkarguments import add_bulk
from .morearguments import add_bench, add_chat, add_config, add_cost, add_models, add_standing
from .whomarguments import add_whom

__all__ = ["make_parser"]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; `command` is then the module that does it."""
    parser = argparse.ArgumentParser(prog="aiclient", description="One small client for every language-model service.")
    parser.add_argument("--version", action="version", version=f"aiclient {__version__}")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_demo(commands)
    _add_ask(commands)
    add_chat(commands)
    add_bulk(commands)
    add_models(commands)
    add_cost(commands)
    add_standing(commands)
    add_config(commands)
    _add_serve(commands)
    add_bench(commands)
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
    add_whom(ask)
    ask.add_argument("--system", metavar="TEXT", help="how the model should behave")
    ask.add_argument(
        "-f",
        "--file",
        action="append",
        default=[],
        metavar="PATH",
        help="a text, picture or document to ask about; may be repeated",
    )
    ask.add_argument("--schema", metavar="PATH", help="a JSON schema that the answer must follow")
    ask.add_argument(
        "--tool",
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="a function that the model may use, which is then run here; may be repeated",
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
