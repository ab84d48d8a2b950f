"""What `chat`, `models`, `cost`, `check`, `status`, `explain`, `config` and `bench` take."""

from __future__ import annotations

import argparse

from .whomarguments import add_sources, add_whom

__all__ = ["add_bench", "add_chat", "add_config", "add_cost", "add_models", "add_standing"]

Commands = argparse._SubParsersAction  # noqa: SLF001  # has no public name


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_chat(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add `chat`."""
    chat = commands.add_parser(
        "chat",
        help="talk with a model",
        description="Talk with a model, a message a line; of a pipe, its lines. /help shows the commands.",
        epilog="exit codes: 0 ended, 1 the last message was not answered, 2 wrong usage or set-up, 130 interrupted",
    )
    add_whom(chat)
    chat.add_argument("--system", metavar="TEXT", help="how the model should behave")
    chat.set_defaults(command=".chat")


def add_models(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add `models`."""
    models = commands.add_parser(
        "models", help="list models and prices", description="What the library knows of models."
    )
    models.add_argument("provider", nargs="?", help="of this one alone, such as openai")
    _json(models)
    models.set_defaults(command=".models")


def add_cost(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add `cost` with its two halves."""
    cost = commands.add_parser("cost", help="estimate a cost, or report what was spent")
    halves = cost.add_subparsers(title="commands", metavar="COMMAND", dest="cost_command", required=True)
    guess = halves.add_parser(
        "estimate", help="what a request may cost", description="Say what it may cost; ask nobody."
    )
    guess.add_argument(
        "prompt", nargs="?", default="-", help="what would be asked; '-' or nothing reads standard input"
    )
    guess.add_argument("-m", "--model", metavar="PROVIDER:MODEL", required=True, help="such as openai:gpt-5-mini")
    guess.add_argument("-f", "--file", action="append", default=[], metavar="PATH", help="what would be asked about")
    guess.add_argument("--system", metavar="TEXT", help="how the model should behave")
    guess.add_argument("--max-tokens", type=int, metavar="N", help="the longest answer that would be allowed")
    guess.add_argument("--output-tokens", type=int, metavar="N", help="how long the answer is expected to be")
    report = halves.add_parser(
        "report", help="what was spent", description="What was spent, by a ledger's books, as CSV."
    )
    report.add_argument("ledger", metavar="PATH", help="the file of a Ledger(store=SQLiteStore(path))")
    report.add_argument("--by", default="provider,model", help="columns (default: %(default)s)")
    report.add_argument("--since", default="", metavar="DAY", help="the first day, as 2026-11-28")
    report.add_argument("--until", default="9999", metavar="DAY", help="the last day")
    report.add_argument("--name", default="default", help="the ledger's name (default: %(default)s)")
    for half in (guess, report):
        _json(half)
    cost.set_defaults(command=".cost")


def add_standing(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add `check`, `status` and `explain`."""
    check = commands.add_parser(
        "check",
        help="look whether a call could be answered",
        description="Look whether there is a key, whether the service answers, and whether it has the model.",
        epilog="exit codes: 0 nothing stands against a call, 1 something does, 2 wrong usage or set-up",
    )
    status = commands.add_parser(
        "status",
        help="say how the services stand",
        description="Ask every service that a call may reach whether it is well.",
        epilog="exit codes: 0 one is well at least, 1 none is, 2 wrong usage or set-up",
    )
    status.add_argument("--quiet", action="store_true", help="ask nobody: say what is known without")
    explain = commands.add_parser("explain", help="draw the chain", description="Draw the chain, outermost first.")
    for parser, name, seconds in ((check, "check", 10.0), (status, "status", 5.0), (explain, "explain", 0.0)):
        add_whom(parser)
        _json(parser)
        if seconds:
            parser.add_argument(
                "--timeout", type=float, default=seconds, metavar="SECONDS", help="for each (default: %(default)s)"
            )
        parser.set_defaults(command=".standing", asked=name)


def add_config(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add `config` with its three parts."""
    config = commands.add_parser("config", help="check or show a configuration, or print the schema of one")
    parts = config.add_subparsers(title="commands", metavar="COMMAND", dest="config_command", required=True)
    check = parts.add_parser("check", help="say whether it will do, and draw its chain", description="Send nothing.")
    show = parts.add_parser(
        "show", help="print what holds, without secrets", description="As JSON, with profile and variables."
    )
    for parser in (check, show):
        parser.add_argument("path", nargs="?", help="the file; else AICLIENT_CONFIG, or the environment alone")
        add_sources(parser)
        _json(parser)
    _json(parts.add_parser("schema", help="print the JSON Schema for editors", description="It is JSON in any case."))
    config.set_defaults(command=".config")


def add_bench(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add `bench`."""
    bench = commands.add_parser(
        "bench",
        help="measure what the library adds to a call",
        description="Ask a server on this machine through the library and through bare httpx, in turns.",
    )
    bench.add_argument("--calls", type=int, default=200, metavar="N", help="how many of each (default: %(default)s)")
    _json(bench)
    bench.set_defaults(command=".bench")
