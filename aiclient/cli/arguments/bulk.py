"""What `aiclient bulk` takes."""

from __future__ import annotations

from .shared import Commands, add_json, add_whom

__all__ = ["add_bulk"]


def add_bulk(commands: Commands) -> None:
    """Add the command with its two halves."""
    bulk = commands.add_parser("bulk", help="ask for every line of a file", description="From a file into a file.")
    halves = bulk.add_subparsers(title="commands", metavar="COMMAND", dest="bulk_command", required=True)
    run = halves.add_parser(
        "run",
        help="ask, and go on where an earlier run ended",
        description="Ask what each line of INPUT says, and write a line for it to OUTPUT. Begun again it does what is left.",
        epilog="exit codes: 0 every line answered, 1 some failed or the service refused, 2 wrong usage or set-up, "
        "3 the budget is used up, 130 interrupted; after 1 (with --retry-failed), 3 and 130 begin it again",
    )
    run.add_argument("--concurrency", type=int, default=10, metavar="N", help="calls at once (default: %(default)s)")
    run.add_argument("--budget", metavar="USD", help="what all runs into this output may cost together")
    run.add_argument("--ordered", action="store_true", help="write the results in the order of the input")
    run.add_argument("--retry-failed", action="store_true", help="ask again for the lines that failed")
    add_whom(run)
    status = halves.add_parser(
        "status",
        help="say how far a run is",
        description="Say how far a run is, by its two files; it may run. Give --system and --max-tokens as for the run.",
        epilog="exit codes: 0 every line answered, 1 some are left or failed, 2 wrong usage",
    )
    for half in (run, status):
        half.add_argument("input", metavar="INPUT", help='JSON lines: {"id": ..., "prompt": ...}, or saved requests')
        half.add_argument(
            "-o", "--output", required=True, metavar="OUTPUT", help="JSON lines, one for each of the input"
        )
        half.add_argument("--system", metavar="TEXT", help="for lines without one")
        half.add_argument("--max-tokens", type=int, metavar="N", help="for lines that say nothing of it")
        add_json(half, "print how far it is as one JSON object")
    bulk.set_defaults(command=".bulk")
