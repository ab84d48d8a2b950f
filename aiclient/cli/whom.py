"""Whom a command asks: as a configuration says, or the command line and the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from ..client import AsyncClient
from ..errors import ConfigError
from ..sync.client import Client
from .ask_environment import environment

if TYPE_CHECKING:
    import argparse

__all__ = ["made"]

C = TypeVar("C", Client, AsyncClient)


def made(kind: type[C], arguments: argparse.Namespace) -> C:
    """Make the client that the arguments describe.

    Raises:
        ConfigError: They contradict each other, or cannot work.
    """
    path, env_file, profile = arguments.config, arguments.env_file, arguments.profile
    if path is None and env_file is None and profile is None:
        return kind.from_env(environment(os.environ, arguments.model, arguments.base_url))
    if arguments.base_url is not None:
        raise ConfigError("--base-url with --config, --profile or --env-file: write the address into the configuration")
    explicit: dict[str, Any] = {} if arguments.model is None else {"model": arguments.model}
    return kind.from_config(path, profile=profile, env_file=env_file, **explicit)
