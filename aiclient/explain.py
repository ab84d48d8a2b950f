"""A drawing of a chain."""

from __future__ import annotations

from collections.abc import Iterator

from .composition import Branching
from .layer import Layered
from .provider import Identified, Provider

__all__ = ["explain"]


def explain(provider: Provider) -> str:
    """Draw what `provider` is made of, outermost first, one line a piece, every branch included."""
    return "\n".join(_lines(provider, ""))


def _lines(provider: Provider, indent: str) -> Iterator[str]:
    yield f"{indent}{_label(provider)}"
    deeper = indent.replace("└─ ", "   ") + "└─ "
    if isinstance(provider, Branching):
        for target in provider.targets:
            yield from _lines(target, deeper)
    elif (inner := getattr(provider, "inner", None)) is not None:
        yield from _lines(inner, deeper)


def _label(provider: Provider) -> str:
    if isinstance(provider, Layered):
        layer = provider.layer
        return getattr(layer, "__name__", None) or (
            repr(layer) if "object at 0x" not in repr(layer) else type(layer).__name__
        )
    kind = type(provider).__name__
    if getattr(provider, "inner", None) is not None or not isinstance(provider, Identified):
        return f"{kind} ({provider.name})"
    info = provider.info
    facts = [info.name, f"model {info.model}" if info.model else "no default model", info.origin]
    return f"{kind} ({', '.join(fact for fact in facts if fact)})"
