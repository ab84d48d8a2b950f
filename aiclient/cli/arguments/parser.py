"""argparse's parser, with a word on what was meant by a word that it does not know."""

from __future__ import annotations

import argparse
import difflib
from typing import Any

__all__ = ["Parser"]


class Parser(argparse.ArgumentParser):
    """Refuses what it does not know by itself, so that the usage shown is that of the command, and says what is near."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; nothing is left over for others to refuse."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._near(unknown)}")
        return found, unknown

    def _near(self, unknown: list[str]) -> str:
        options = [option.partition("=")[0] for option in unknown if option.startswith("--")]
        close = [
            near for option in options for near in difflib.get_close_matches(option, self._option_string_actions, 1)
        ]
        return f"; did you mean {', '.join(close)}?" if close else ""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            close = difflib.get_close_matches(str(value), [str(choice) for choice in action.choices or ()], 1)
            error.message += f"; did you mean {close[0]!r}?" if close else ""
            raise
