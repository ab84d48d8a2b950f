"""Names that are imported when they are first used: `import aiclient` stays cheap."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["HOMES", "lazy"]

HOMES: dict[Any, str] = {}
"""Classes and functions that are labelled with a package -> the module in which their annotations have their meaning."""


def lazy(package: str, name: str, where: Mapping[str, str]) -> Any:
    """Import `name` from the module that `where` names and keep it in `package`; called by its `__getattr__`.

    Classes and functions are re-labelled, so that tracebacks and documentation show the public name.
    """
    if name not in where:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(where[name], package), name)
    if getattr(value, "__module__", "").startswith("aiclient."):
        HOMES.setdefault(value, value.__module__)
        value.__module__ = package
    setattr(sys.modules[package], name, value)
    return value
