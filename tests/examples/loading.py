"""Imports an example by its path; none of them is a package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(path):
    """Return the module of `examples/<path>`."""
    name = "example_" + Path(path).stem
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and FastAPI look for the names in annotations
    spec.loader.exec_module(module)
    return module
