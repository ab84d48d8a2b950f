"""`aiclient completion`: the scripts by which shells complete its commands, made from its parser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from .arguments import make_parser
from .commands import Command, Option, commands
from .terminal import put

if TYPE_CHECKING:
    import argparse

__all__ = ["run"]

BASH: Final = """\
# completes aiclient in bash; made by `aiclient completion bash`
_aiclient() {
    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" at="" options="" words="" files="" i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$at ${COMP_WORDS[i]}" in
            @PATHS@) at="$at ${COMP_WORDS[i]}" ;;
        esac
    done
    case "$at" in
@COMMANDS@
    esac
    case "$at $before" in
        @FILES@) options="" words="" files=1 ;;
        @VALUES@) return ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    elif [[ $files ]]; then
        local IFS=$'\\n'
        COMPREPLY=($(compgen -f -- "$word"))
        compopt -o filenames 2>/dev/null
    fi
}
complete -F _aiclient aiclient
"""

ZSH: Final = """\
# completes aiclient in zsh; made by `aiclient completion zsh`
autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
"""

FISH: Final = """\
# completes aiclient in fish; made by `aiclient completion fish`
function __aiclient_at
    set -l at
    for word in (commandline -opc)[2..-1]
        switch "$at $word"
            case @PATHS@
                set at "$at $word"
        end
    end
    test "$at" = "$argv[1]"
end
complete -c aiclient -f
"""


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    known = list(commands(make_parser()))
    make = {"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.shell]
    put(make(known))
    return 0


def _at(command: Command) -> str:
    """Return the words that lead to the command, each after a space."""
    return "".join(f" {word}" for word in command.path)


def _bash(known: Sequence[Command]) -> str:
    taking = [(f"{_at(command)} {name}", one) for command in known for one in command.options for name in one.names]
    parts = {
        "PATHS": _either(_at(command) for command in known if command.path),
        "FILES": _either(words for words, one in taking if one.takes_file),
        "VALUES": _either(words for words, one in taking if one.takes_value and not one.takes_file),
        "COMMANDS": "\n".join(_case(command) for command in known),
    }
    return _filled(BASH, parts)


def _case(command: Command) -> str:
    options = " ".join(name for one in command.options for name in one.names)
    files = "1" if command.files else ""
    return f'        "{_at(command)}") options="{options}" words="{" ".join(command.words)}" files="{files}" ;;'


def _zsh(known: Sequence[Command]) -> str:
    return ZSH + _bash(known)  # zsh runs what is written for bash


def _fish(known: Sequence[Command]) -> str:
    paths = " ".join(_quoted(_at(command)) for command in known if command.path)
    helps = {command.path: command.help for command in known}
    lines: list[str] = []
    for command in known:
        condition = f'__aiclient_at "{_at(command)}"'
        here = f"complete -c aiclient -n {_quoted(condition)}"
        lines += [f"{here} -F"] if command.files else []
        lines += [f"{here} -a {word} -d {_quoted(helps.get((*command.path, word), ''))}" for word in command.words]
        lines += [f"{here}{_flag(one)}" for one in command.options]
    return _filled(FISH, {"PATHS": paths}) + "\n".join(lines) + "\n"


def _flag(option: Option) -> str:
    names = "".join(f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in option.names)
    value = " -r -F" if option.takes_file else " -x" if option.takes_value else ""
    return f"{names}{value} -d {_quoted(option.help.partition(';')[0].partition(' (')[0])}"


def _either(cases: Iterable[str]) -> str:
    return "|".join(f'"{case}"' for case in cases)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _filled(script: str, parts: dict[str, str]) -> str:
    for name, text in parts.items():
        script = script.replace(f"@{name}@", text)
    return script
