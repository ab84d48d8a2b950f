"""Content encodings, undone piece by piece: a body that swells a thousandfold never costs more memory than one piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from .errors import ProtocolError

__all__ = ["PIECE", "Inflation", "inflation"]

PIECE: Final = 256 * 1024
"""Decoded bytes that are handed out at once, at most."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS

_SPELLINGS: Final = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}


def inflation(content_encoding: str | None) -> Inflation | None:
    """Return what undoes the header's encoding; None when there is nothing to undo.

    Raises:
        ProtocolError: It is neither gzip nor deflate, or there is more than one (`kind="decode"`): bombs are nested.
    """
    encoding = (content_encoding or "identity").strip().lower()
    if encoding in ("identity", ""):
        return None
    if encoding not in _SPELLINGS:
        shown = encoding if encoding.isprintable() and len(encoding) < 40 else "an unknown content encoding"
        raise ProtocolError(f"the answer comes as {shown}; only one of gzip and deflate is read", kind="decode")
    return Inflation(_SPELLINGS[encoding])


class Inflation:
    """Decodes one body, sent as `gzip` or `deflate`.

    Feed it what arrives, use up what it gives, and `finish` it at the end of the body.
    """

    __slots__ = ("_encoding", "_member", "_started")

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._member: zlib._Decompress | None = None
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give the decoded bytes in pieces of at most `PIECE`; each is decoded when it is asked for.

        Raises:
            ProtocolError: The bytes are not what the encoding promises (`kind="decode"`).
        """
        full = False
        while data or full:
            if self._member is None and self._is_padding(data):
                return
            member = self._member = self._member or self._open(data)
            piece = _inflated(member, data)
            if piece:
                yield piece
            full = len(piece) == PIECE and not member.eof  # then zlib may hold more, though it has taken all input
            data = member.unused_data if member.eof else member.unconsumed_tail
            if member.eof:
                self._member = None

    def finish(self) -> None:
        """Say that the body has ended.

        Raises:
            ProtocolError: The encoded data was cut off (`kind="decode"`).
        """
        if self._member is not None:
            raise ProtocolError(f"the {self._encoding} data of the answer is cut off", kind="decode")

    def _is_padding(self, data: bytes) -> bool:
        """Whether only zeros follow a finished gzip member, as some servers send."""
        return self._started and not data.strip(b"\0")

    def _open(self, data: bytes) -> zlib._Decompress:
        self._started = True
        if self._encoding == "gzip":
            return zlib.decompressobj(_GZIP)
        # Half of the servers send `deflate` with the zlib header that RFC 9110 asks for, half without.
        return zlib.decompressobj(_ZLIB if data[0] & 0x0F == zlib.DEFLATED else _RAW)


def _inflated(member: zlib._Decompress, data: bytes) -> bytes:
    try:
        return member.decompress(data, PIECE)
    except zlib.error:
        pass
    raise ProtocolError("the answer's content encoding is broken: these bytes do not decompress", kind="decode")
