"""What is wrong with a whole configuration: its size, its keys, what cannot stand beside what, and its profiles."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..errors import ConfigError
from ..plugins import suggestion
from ..schema.misfits import Path, shown
from .forms import Problem
from .parts import layer_of
from .shape import aliased, kind_and_model, root

__all__ = ["merged", "outsized", "problems_in", "refuse"]

_HOLDERS: Final = (Mapping, list, tuple)

LARGEST: Final = 20_000
"""Values in a configuration."""

DEEPEST: Final = 40
"""Levels of objects and lists in it."""

MOST: Final = 20
"""Problems that one message names."""


def merged(base: Any, changes: Any) -> Any:
    """Return `base` with `changes`: objects key by key, all else replaced; null takes away."""
    if not (isinstance(base, Mapping) and isinstance(changes, Mapping)):
        return copy.deepcopy(changes)
    found = {**base, **{key: merged(base.get(key), value) for key, value in changes.items()}}
    return {key: value for key, value in found.items() if value is not None}


def outsized(value: Any) -> list[Problem]:
    """Return what is wrong with the size of a value: a few aliases of YAML may stand for more than fits into any memory."""
    left, level = LARGEST, [value]
    for _ in range(DEEPEST):
        inside = [
            list(item.values()) if isinstance(item, Mapping) else item for item in level if isinstance(item, _HOLDERS)
        ]
        left -= sum(map(len, inside))
        if left < 0:
            return [((), f"holds more than {LARGEST} values, its aliases written out")]
        level = [item for items in inside for item in items]
        if not level:
            return []
    return [((), f"is nested more than {DEEPEST} levels deep")]


def problems_in(value: Any, path: Path = ()) -> list[Problem]:
    """Return what a whole configuration cannot be, its profiles included."""
    with aliased(value.get("aliases") if isinstance(value, Mapping) else None):
        return list(_problems(value, path))


def _problems(value: Any, path: Path) -> Iterator[Problem]:
    yield from root().check(value, path)
    if not isinstance(value, Mapping):
        return
    yield from _together(value, path)
    profiles = value.get("profiles")
    if isinstance(profiles, Mapping):
        base = {key: item for key, item in value.items() if key not in ("profile", "profiles")}
        known = set(problems_in(base))
        for name, changes in profiles.items():
            if isinstance(changes, Mapping):
                whole = {key: item for key, item in merged(base, changes).items() if key not in ("profile", "profiles")}
                found = (problem for problem in problems_in(whole) if problem not in known)
                yield from (((*path, "profiles", str(name), *inside), why) for inside, why in found)
        if isinstance(value.get("profile"), str) and value["profile"] not in profiles:
            yield (
                (*path, "profile"),
                f"is none of `profiles`{suggestion(value['profile'], [str(name) for name in profiles])}",
            )


def _together(value: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """Yield what cannot stand beside something else."""
    if value.get("model") and value.get("providers"):
        yield (*path, "model"), "cannot stand beside `providers`: give the model there"
    if isinstance(value.get("model"), str):
        prefix, _ = kind_and_model("", value["model"])
        if prefix is None and "${" not in value["model"]:
            yield (*path, "model"), "names no provider that is known: write provider:model"
    used = [layer_of(item) for item in value["use"]] if isinstance(value.get("use"), (list, tuple)) else []
    names = {found[0] for found in used if found is not None}
    for section, layer in (("cache", "cache"), ("budgets", "budget"), ("logging", "logging")):
        if value.get(section) and layer in names:
            yield (*path, section), f"stands in `use` too, as {layer!r}: keep one of them"


def refuse(problems: list[Problem], source: str = "") -> None:
    """Raise what is wrong, all of it at once; nothing if nothing is."""
    if not problems:
        return
    lines = list(dict.fromkeys(f"{shown(path)}: {why}" for path, why in problems))
    more = [f"... and {len(lines) - MOST} more"] if len(lines) > MOST else []
    head = f"the configuration {source}".strip()
    if len(lines) == 1:
        raise ConfigError(f"{head}: {lines[0]}")
    raise ConfigError("\n".join([f"{head} has {len(lines)} problems:", *lines[:MOST], *more]))
