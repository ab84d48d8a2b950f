"""What a configuration begins with: the presets, and what holds without one."""

from __future__ import annotations

from typing import Any, Final

from .shape import Preset

__all__ = ["PLAIN", "PRESET"]

_PER_PROVIDER: Final = ["retry", "circuit_breaker", "rate_limit"]

PRESET: Final[dict[Preset, dict[str, Any]]] = {
    # answers soon or not at all: short waits, one further try, a second call when the first is slow
    "fast": {
        "timeout": {"total": 30, "first_output": 10, "idle": 10},
        "max_attempts": 3,
        "use": ["logging"],
        "each": [
            {"retry": {"attempts": 2, "base": 0.1, "cap": 1}},
            {"hedge": {"after": 3}},
            "circuit_breaker",
            "rate_limit",
        ],
    },
    # what suits most programs
    "balanced": {"timeout": {"total": 120}, "use": ["logging"], "each": _PER_PROVIDER},
    # comes through outages: more tries with longer waits, room for other providers
    "reliable": {
        "timeout": {"total": 600},
        "max_attempts": 12,
        "use": ["logging"],
        "each": [{"retry": {"attempts": 5, "base": 1, "cap": 30}}, "circuit_breaker", "rate_limit"],
    },
    # pays for nothing twice
    "cheap": {
        "timeout": {"total": 300},
        "max_attempts": 3,
        "use": ["logging", {"cache": {"ttl": 3600, "sampled": True}}, {"single_flight": {"sampled": True}}],
        "each": [{"retry": {"attempts": 2}}, "circuit_breaker", "rate_limit"],
    },
}

PLAIN: Final[dict[str, Any]] = {"each": ["retry"]}
"""Without a preset, and where the configuration says nothing of layers: two retries, as the vendors' SDKs have it."""
