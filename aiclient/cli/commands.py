"""The commands as data, read off the parser: what follows which word."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Final

from attrs import frozen

__all__ = ["Command", "Option", "commands"]

FILES: Final = frozenset({"PATH", "INPUT", "OUTPUT"})
"""What an argument is called that names a file."""


@frozen
class Option:
    """One option, by all its names."""

    names: tuple[str, ...]
    help: str
    takes_value: bool
    takes_file: bool


@frozen(kw_only=True)
class Command:
    """A command, or `aiclient` itself, whose path is empty.

    Args:
        path: The words that lead to it.
        help: What it does, in a few words.
        options: What it takes.
        words: What may stand at the place of its first argument: further commands, or choices.
        files: Whether it takes a file there.
    """

    path: tuple[str, ...]
    help: str
    options: tuple[Option, ...]
    words: tuple[str, ...]
    files: bool


def commands(parser: argparse.ArgumentParser, path: tuple[str, ...] = (), help: str = "") -> Iterator[Command]:
    """Yield `parser`'s command and all below it, outermost first."""
    options: list[Option] = []
    words: list[str] = []
    below: list[tuple[str, argparse.ArgumentParser, str]] = []
    files = False
    for action in parser._actions:  # noqa: SLF001  # argparse shows its arguments by its help alone
        takes_file = action.metavar in FILES
        if action.option_strings:
            options.append(Option(tuple(action.option_strings), action.help or "", action.nargs != 0, takes_file))
        elif isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # has no public name
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001  # nor has this
            below += [(name, one, helps.get(name, "")) for name, one in action.choices.items()]
        else:
            files = files or takes_file
            words += [str(choice) for choice in action.choices or ()]
    words += [name for name, _, _ in below]
    yield Command(path=path, help=help, options=tuple(options), words=tuple(words), files=files)
    for name, one, what in below:
        yield from commands(one, (*path, name), what)
