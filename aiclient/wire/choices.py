"""Which of the answers in a stream is the one that was asked for."""

from __future__ import annotations

__all__ = ["Places"]


class Places:
    """Numbers the answers of one stream.

    Where one was asked for, the first that comes is it, whatever number the service gives it; whole answers are read the
    same way. Where several were asked for, the service's numbers stand.

    Args:
        awaited: How many answers were asked for.
    """

    __slots__ = ("_awaited", "main")

    def __init__(self, awaited: int) -> None:
        self._awaited = awaited
        self.main: int | None = None
        """The service's number of answer 0, once it is known."""

    def of(self, number: int) -> int:
        """Return the place of the answer that the service numbers so."""
        if self.main is None:
            self.main = number if self._awaited == 1 else 0
        if number == self.main:
            return 0
        return number or self.main
