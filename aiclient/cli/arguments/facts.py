"""What `models`, `cost` and `config` take."""

from __future__ import annotations

from .shared import Commands, add_json, add_prompt, add_sources

__all__ = ["add_config", "add_cost", "add_models"]


def add_models(commands: Commands) -> None:
    """Add `models`."""
    models = commands.add_parser(
        "models", help="list models and prices", description="What the library knows of models."
    )
    models.add_argument("provider", nargs="?", help="of this one alone, such as openai")
    add_json(models)
    models.set_defaults(command=".models")


def add_cost(commands: Commands) -> None:
    """Add `cost` with its two halves."""
    cost = commands.add_parser("cost", help="estimate a cost, or report what was spent")
    halves = cost.add_subparsers(title="commands", metavar="COMMAND", dest="cost_command", required=True)
    guess = halves.add_parser(
        "estimate", help="what a request may cost", description="Say what it may cost; ask nobody."
    )
    add_prompt(guess)
    guess.add_argument("-m", "--model", metavar="PROVIDER:MODEL", required=True, help="such as openai:gpt-5.4-mini")
    guess.add_argument("--max-tokens", type=int, metavar="N", help="the longest answer that would be allowed")
    guess.add_argument("--output-tokens", type=int, metavar="N", help="how long the answer is expected to be")
    report = halves.add_parser(
        "report", help="what was spent", description="What was spent, by a ledger's books, as CSV."
    )
    report.add_argument(
        "ledger",
        metavar="PATH",
        help="the file of its SQLiteStore, or the URL of its RedisStore, or env:NAME for that",
    )
    report.add_argument("--prefix", default="aiclient:", help="the RedisStore's prefix (default: %(default)s)")
    report.add_argument("--by", metavar="NAMES", default="provider,model", help="columns (default: %(default)s)")
    report.add_argument("--since", default="", metavar="DAY", help="the first day, as 2026-11-28")
    report.add_argument("--until", default="9999", metavar="DAY", help="the last day")
    report.add_argument("--name", default="default", help="the ledger's name (default: %(default)s)")
    for half in (guess, report):
        add_json(half)
    cost.set_defaults(command=".cost")


def add_config(commands: Commands) -> None:
    """Add `config` with its three parts."""
    config = commands.add_parser("config", help="check or show a configuration, or print the schema of one")
    parts = config.add_subparsers(title="commands", metavar="COMMAND", dest="config_command", required=True)
    check = parts.add_parser("check", help="say whether it will do, and draw its chain", description="Send nothing.")
    show = parts.add_parser(
        "show", help="print what holds, without secrets", description="As JSON, with profile and variables."
    )
    for parser in (check, show):
        parser.add_argument(
            "path", metavar="PATH", nargs="?", help="the file; else AICLIENT_CONFIG, or the environment alone"
        )
        add_sources(parser)
        add_json(parser)
    add_json(
        parts.add_parser("schema", help="print the JSON Schema for editors", description="It is JSON in any case.")
    )
    config.set_defaults(command=".config")
