"""What `ask` and `chat` take."""

from __future__ import annotations

import argparse

from .shared import Commands, add_json, add_prompt, add_whom

__all__ = ["add_ask", "add_chat"]


def add_ask(commands: Commands) -> None:
    """Add `ask`."""
    ask = commands.add_parser(
        "ask",
        help="ask a model",
        description="Ask a model and print its answer. Without -m the AI_* variables say whom.",
        epilog="exit codes: 0 answered, 1 the service failed, 2 wrong usage or set-up, 130 interrupted",
    )
    add_prompt(ask)
    add_whom(ask)
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
    add_json(ask, "print the whole answer as one JSON object")
    ask.add_argument(
        "--log-level",
        type=str.lower,
        choices=["debug", "info", "warning", "error", "critical"],
        metavar="LEVEL",
        help="log to standard error: debug, info, warning or error",
    )
    ask.add_argument("--log-file", metavar="PATH", help="log to a file, JSON lines; without --log-level from info on")
    ask.set_defaults(command=".ask")


def add_chat(commands: Commands) -> None:
    """Add `chat`."""
    chat = commands.add_parser(
        "chat",
        help="talk with a model",
        description="Talk with a model, a message a line; of a pipe, its lines. /help shows the commands.",
        epilog="exit codes: 0 ended, 1 the last message was not answered, 2 wrong usage or set-up, 130 interrupted",
    )
    add_whom(chat)
    chat.add_argument("--system", metavar="TEXT", help="how the model should behave")
    add_json(chat, "print each answer as one JSON object in a line, when it is whole")
    chat.set_defaults(command=".chat")
