"""Vectors as services write them."""

from __future__ import annotations

import base64
import binascii
import sys
from array import array
from typing import Any

from ..errors import ProtocolError

__all__ = ["vector"]


def vector(value: Any) -> array[float]:
    """Read a vector: a list of numbers, or base64 of 32-bit floats, low byte first.

    Raises:
        ProtocolError: It is neither (`kind="schema"`).
    """
    try:
        if isinstance(value, str):
            found = array("f", base64.b64decode(value, validate=True))
            if sys.byteorder == "big":
                found.byteswap()
            return found
        if isinstance(value, list):
            return array("f", value)
    except (binascii.Error, ValueError, TypeError, OverflowError):
        pass
    raise ProtocolError("an embedding of the answer is neither numbers nor base64 of them", kind="schema")
