"""What several commands take."""

from __future__ import annotations

import argparse
from typing import TypeAlias

__all__ = ["Commands", "add_json", "add_prompt", "add_sources", "add_whom"]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  # has no public name
"""What add_subparsers returns."""


def add_whom(parser: argparse.ArgumentParser) -> None:
    """Add whom to ask, in one way or the other."""
    parser.add_argument(
        "-m",
        "--model",
        metavar="PROVIDER:MODEL",
        help="whom to ask, such as openai:gpt-5.4-mini; else the AI_* variables say",
    )
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="a server that speaks OpenAI's protocol; -m is then its own name for the model, AI_API_KEY its key, if any",
    )
    parser.add_argument("--config", metavar="PATH", help="a configuration: JSON, TOML or YAML")
    add_sources(parser)


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add what a configuration is completed with."""
    parser.add_argument("--profile", metavar="NAME", help="which profile of the configuration holds")
    parser.add_argument("--env-file", metavar="PATH", help="a file of variables; never before one that is set")


def add_prompt(parser: argparse.ArgumentParser) -> None:
    """Add what is asked, or would be."""
    parser.add_argument("prompt", nargs="?", default="-", help="what to ask; '-' or nothing reads standard input")
    parser.add_argument("--system", metavar="TEXT", help="how the model should behave")
    parser.add_argument(
        "-f",
        "--file",
        action="append",
        default=[],
        metavar="PATH",
        help="a text, picture or document to ask about; may be repeated",
    )


def add_json(parser: argparse.ArgumentParser, what: str = "print JSON") -> None:
    """Add the choice of a form for programs."""
    parser.add_argument("--json", action="store_true", help=what)
