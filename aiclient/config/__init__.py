"""A client's set-up: from a file, a dict, code, or the environment.

    client = Client.from_config("aiclient.yaml")

`Config` is the value that they all become, `schema()` its JSON Schema, `watch` keeps a client to a file that changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._lazy import lazy

if TYPE_CHECKING:
    from .describing import reference, schema
    from .loading import Setup, from_env, setup
    from .model import Config, LayerConfig, ProviderConfig
    from .sources import Source, read_config
    from .timing import duration
    from .watching import Watcher, watch

__all__ = [
    "Config",
    "LayerConfig",
    "ProviderConfig",
    "Setup",
    "Source",
    "Watcher",
    "duration",
    "from_env",
    "read_config",
    "reference",
    "schema",
    "setup",
    "watch",
]

_WHERE = {
    "Config": ".model",
    "LayerConfig": ".model",
    "ProviderConfig": ".model",
    "Setup": ".loading",
    "Source": ".sources",
    "Watcher": ".watching",
    "duration": ".timing",
    "from_env": ".loading",
    "read_config": ".sources",
    "reference": ".describing",
    "schema": ".describing",
    "setup": ".loading",
    "watch": ".watching",
}


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _WHERE)


def __dir__() -> list[str]:
    return __all__
