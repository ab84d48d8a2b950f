"""What a request asks for and its service cannot give."""

from __future__ import annotations

from ..errors import UnsupportedFeatureError
from ..response import CallWarning

__all__ = ["Notes"]


class Notes:
    """Collects what a request asks for and cannot get; under `strict` the first such thing is an error."""

    def __init__(self, provider: str, *, strict: bool) -> None:
        self._provider = provider
        self._strict = strict
        self._warnings: list[CallWarning] = []

    def add(self, code: str, message: str, setting: str | None = None) -> None:
        """Note one thing.

        Raises:
            UnsupportedFeatureError: The request is strict.
        """
        if self._strict:
            raise UnsupportedFeatureError(f"{message} (strict)", provider=self._provider, code=code)
        warning = CallWarning(code, message, setting, self._provider)
        if warning not in self._warnings:
            self._warnings.append(warning)

    def unsupported(self, setting: str, instead: str = "it was left out") -> None:
        """Note a setting that the service does not have."""
        self.add("unsupported_setting", f"{self._provider} has no {setting}; {instead}", setting)

    def missing(self, error: UnsupportedFeatureError, *, asked: bool) -> None:
        """Note content that the service does not take; where it is part of what is asked now, that is the error.

        Raises:
            UnsupportedFeatureError: It is asked now, or the request is strict.
        """
        if asked:
            raise error
        self.add("dropped_content", f"{error.message}: left out of an earlier turn", "messages")

    def taken(self) -> tuple[CallWarning, ...]:
        """Return what was noted."""
        return tuple(self._warnings)
