"""`aiclient chat`: a conversation on the terminal, or of the lines of a pipe."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import sys
from collections.abc import Iterator
from typing import Final

from ..errors import AIClientError, ConfigError, InvalidMessageError
from ..history import load, save
from ..messages import Message
from ..prices.expenses import NOTHING, expense_of_outcome, shown
from ..sync.client import Client
from .answers import as_json
from .asking import MOST, instructed, spoken
from .terminal import complain, note, put
from .whom import made

__all__ = ["run"]

COMMANDS: Final = {
    "/help": "these commands",
    "/model NAME": "go on with another model, of this or another provider",
    "/history": "what was said",
    "/cost": "what the conversation has cost",
    "/save PATH": "write the conversation to a file",
    "/load PATH": "go on with one from a file",
    "/reset": "forget what was said",
    "/quit": "end",
}


def run(arguments: argparse.Namespace) -> int:
    """Talk until the input ends."""
    talk = _Talk(arguments)
    try:
        for line in _lines():
            if not talk.take(line.strip()):
                break
    finally:
        talk.close()
    return 1 if talk.failed else 0


def _lines() -> Iterator[str]:
    """Give what is typed, with a prompt and the keys of a shell; of a pipe, its lines."""
    if not sys.stdin.isatty():
        try:
            while line := sys.stdin.readline(MOST + 1):
                if len(line) > MOST:
                    raise ConfigError(f"a line of standard input is longer than {MOST >> 20} MiB")
                yield line
        except UnicodeDecodeError as error:
            raise InvalidMessageError(f"standard input is not text in {sys.stdin.encoding}: {error.reason}") from None
        return
    with contextlib.suppress(ImportError):  # not on Windows
        import readline  # noqa: F401, PLC0415  # gives input() its keys
    note("a message is one line; /help shows the commands, Ctrl-D ends it")
    while True:
        try:
            yield input("> ")
        except EOFError:
            put("\n")
            return


class _Talk:
    """The conversation: its client, what was said, what it has cost."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        system = instructed(arguments)
        self._system = [Message("system", system)] if system is not None else []
        self._client = made(Client, arguments)
        self._messages: list[Message] = list(self._system)
        self._expense = NOTHING
        self.failed = False

    def take(self, line: str) -> bool:
        """Do what one line says; False ends the conversation."""
        if not line:
            return True
        name, _, rest = line.partition(" ")
        if name == "/quit":
            return False
        try:
            if not line.startswith("/"):
                self._say(spoken(line, "the line"))
                return True
            self._command(name, rest.strip())
        except AIClientError as error:
            note(str(error))
            self.failed = self.failed or not line.startswith("/")
        return True

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _say(self, text: str) -> None:
        """Ask, and remember both sides; what was not answered is forgotten."""
        asked = [*self._messages, Message("user", text)]
        open_line = False
        try:
            with self._client.chat_stream(asked) as stream:
                for piece in stream.text:
                    if not self._arguments.json:
                        put(piece)
                        open_line = True
            answer = stream.response
        except AIClientError as error:
            if open_line:
                put("\n")
            self._expense += expense_of_outcome(error)
            self.failed = True
            complain(error)
            return
        except KeyboardInterrupt:
            self._tell("\n")
            if not sys.stdin.isatty():
                raise
            note("the answer was cut off; it and the question are forgotten")
            return
        put(as_json(answer) + "\n" if self._arguments.json else "\n")
        self.failed = False
        self._expense += expense_of_outcome(answer)
        self._messages = [*asked, answer.message]

    def _tell(self, text: str) -> None:
        """Show what is no answer: with --json on standard error."""
        put(text, sys.stderr if self._arguments.json else None)

    def _command(self, name: str, rest: str) -> None:
        match name:
            case "/help":
                self._tell("".join(f"{command:<14}{what}\n" for command, what in COMMANDS.items()))
            case "/model":
                self._change(rest)
            case "/history":
                self._tell("".join(f"{message.role}: {message.content}\n" for message in self._messages))
            case "/cost":
                unknown = f", and {self._expense.unpriced} calls of unknown price" if self._expense.unpriced else ""
                self._tell(f"{shown(self._expense.usd)}{unknown}\n")
            case "/save" | "/load":
                self._keep(name, rest)
            case "/reset":
                self._messages = list(self._system)
                self._tell("forgotten\n")
            case _:
                known = [command.partition(" ")[0] for command in COMMANDS]
                close = difflib.get_close_matches(name, known, 1)
                note(f"there is no {name}; {f'did you mean {close[0]}?' if close else '/help shows the commands'}")

    def _change(self, model: str) -> None:
        if not model:
            raise ConfigError("/model needs a name, such as openai:gpt-5.4-mini")
        changed = argparse.Namespace(**{**vars(self._arguments), "model": model})
        old, self._client = self._client, made(Client, changed)
        old.close()
        self._tell(f"now {model}\n")

    def _keep(self, name: str, path: str) -> None:
        if not path:
            raise ConfigError(f"{name} needs the path of a file")
        problem: str
        try:
            if name == "/save":
                save(self._messages, path)
            else:
                self._messages = list(load(path))
        except OSError as error:
            problem = error.strerror or type(error).__name__
        else:
            self._tell(f"{len(self._messages)} messages {'saved to' if name == '/save' else 'from'} {path}\n")
            return
        raise ConfigError(f"{path!r}: {problem}")
