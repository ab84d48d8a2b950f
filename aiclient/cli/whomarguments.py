"""What every command takes that asks somebody."""

from __future__ import annotations

import argparse

__all__ = ["add_sources", "add_whom"]


def add_whom(parser: argparse.ArgumentParser) -> None:
    """Add whom to ask, in one way or the other."""
    parser.add_argument(
        "-m",
        "--model",
        metavar="PROVIDER:MODEL",
        help="whom to ask, such as openai:gpt-5-mini; else the AI_* variables say",
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
