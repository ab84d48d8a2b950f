"""Whom a command asks: as a configuration says, or the command line and the environment."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..client import AsyncClient
from ..config.environment import VARIABLES
from ..errors import ConfigError
from ..registry import provider_for, split
from ..sync.client import Client

if TYPE_CHECKING:
    import argparse

__all__ = ["advice", "environment", "made"]

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


def advice(environ: Mapping[str, str]) -> list[str]:
    """Return what helps who has named no model, or a wrong one: where models are named, and variables that look like it."""
    odd = sorted(name for name in environ if name.startswith("AI_") and name not in VARIABLES)
    close = {name: difflib.get_close_matches(name, VARIABLES, 1) for name in odd}
    return [
        "-m PROVIDER:MODEL says which model, and so does the variable AI_DEFAULT_MODEL",
        *(f"the variable {name} is not read; {found[0]} is" for name, found in close.items() if found),
    ]


def environment(environ: Mapping[str, str], model: str | None, base_url: str | None) -> dict[str, str]:
    """Return `environ` with the `AI_*` variables set to what the command line says.

    `AI_API_KEY` and `AI_BASE_URL` belong to the provider that the environment selects; when the command line selects
    another one they are left out.

    Raises:
        InvalidProviderError: `model` names no provider, and nothing else does.
        ConfigError: It ends after the provider's colon, or `base_url` is no address.
    """
    env = dict(environ)
    if base_url is not None:
        if base_url and "://" not in base_url:
            given = base_url.rpartition("@")[2]  # never the userinfo
            raise ConfigError(f"--base-url {given!r} must begin with https:// (or http://) and a host")
        env |= {"AI_PROVIDER": "compatible", "AI_BASE_URL": base_url}
        return env | {"AI_DEFAULT_MODEL": model} if model else env
    if model is None:
        return env
    prefix, name = split(model)
    selected = env.get("AI_PROVIDER", "").strip().lower()
    if prefix is not None and not name and model != prefix:
        raise ConfigError(f"-m {model!r} names no model; write {prefix}:<model>")
    if prefix is None and not selected:
        provider_for(model)  # raises: it says what is known, and what may have been meant
    if prefix is not None and prefix != (selected or split(env.get("AI_DEFAULT_MODEL", ""))[0] or "openai"):
        env.pop("AI_API_KEY", None)
        env.pop("AI_BASE_URL", None)
    return env | {"AI_PROVIDER": prefix or selected, "AI_DEFAULT_MODEL": model}
