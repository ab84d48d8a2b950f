"""Values of unions: the member that fits best, or what is wrong with the one that nearly did."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

from .bounds import bare
from .jsontypes import misfit
from .members import is_class, members_of
from .misfits import Unfit

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["SEEN", "union_hook"]

Hook: TypeAlias = Callable[[Any, Any], Any]

SEEN: Final[ContextVar[dict[tuple[int, Any], Any] | None]] = ContextVar("aiclient_seen", default=None)
"""What members of unions came to in the reading under way: without it, nested unions take exponential time."""


def union_hook(converter: Converter, kind: Any) -> Hook:
    """Return what reads a union; `SEEN` must hold a dict while it does."""
    members = get_args(kind)
    hooks: list[Hook] = []

    def read(value: Any, _: Any) -> Any:
        if not hooks:  # not before: a type may hold itself
            hooks.extend(converter.get_structure_hook(member) for member in members)
        fitting: list[tuple[tuple[int, bool], Any]] = []
        near: list[Unfit] = []
        for member, hook in zip(members, hooks, strict=True):
            found = _tried(hook, member, value)
            if not isinstance(found, Unfit):
                fitting.append(((_surplus(member, value), type(found) is not type(value)), found))
            elif any(path for path, _ in found.problems) or (isinstance(value, dict) and is_class(bare(member))):
                near.append(found)  # of the right kind, and wrong inside
        if fitting:
            return min(fitting, key=lambda entry: entry[0])[1]
        near.sort(key=lambda unfit: len(unfit.problems))
        if near and (len(near) == 1 or len(near[0].problems) < len(near[1].problems)):
            raise near[0]
        raise misfit(kind, value)

    return read


def _tried(hook: Hook, member: Any, value: Any) -> Any:
    """Return what a member of a union makes of `value`, or why it does not fit; asked once for each value."""
    seen = SEEN.get()
    assert seen is not None  # set where reading begins
    key = (id(value), member)
    if key not in seen:
        try:
            seen[key] = hook(value, member)
        except Unfit as unfit:
            seen[key] = unfit
    return seen[key]


def _surplus(member: Any, value: Any) -> int:
    """Count the keys of `value` that a class does not declare."""
    member = bare(member)
    if not is_class(member) or not isinstance(value, dict):
        return 0
    return len(set(value) - {declared.name for declared in members_of(member)})
