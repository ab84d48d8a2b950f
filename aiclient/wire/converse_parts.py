"""The content blocks of a streamed Converse answer, put together of their pieces.

"ContentBlockStart" and "ContentBlockDelta", Amazon Bedrock Runtime API reference, 2023-09-30, as in the service model of
botocore 1.44.5 (2026-11).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from ..chunks import ChatStreamChunk, ToolCallDelta
from ..errors import ProtocolError
from ..messages import OpaquePart, Part
from .converse_decode import citation, image_part, is_served
from .jsons import loads
from .toolcalls import minted_id

__all__ = ["PartsDecoder"]

Json = dict[str, Any]


class _Block:
    """A content block whose pieces are still coming; `raw` is what is known of its form as a whole."""

    __slots__ = ("call", "kind", "number", "pieces", "raw")

    def __init__(self, number: int, kind: str, raw: Json) -> None:
        self.number = number
        self.kind = kind
        self.raw = raw
        self.call: int | None = None  # among the tool calls of the caller
        self.pieces: list[str] = []


class PartsDecoder:
    """Turns the events of content blocks into chunks.

    Args:
        origin: The vendor, for its own data.
    """

    __slots__ = ("_blocks", "_origin", "_seen", "calls")

    def __init__(self, origin: str) -> None:
        self.calls = 0
        """Tool calls that began."""
        self._origin = origin
        self._blocks: dict[int, _Block] = {}
        self._seen = 0

    def start(self, event: Json, chunks: list[ChatStreamChunk]) -> None:
        """Take a `contentBlockStart`."""
        start = event.get("start")
        if type(start) is not dict:
            raise ProtocolError("contentBlockStart without a start", kind="schema")
        index = _index(event)
        if index in self._blocks:
            self._close(self._blocks.pop(index), chunks)
        kind = next(iter(start), "")
        raw = start.get(kind)
        block = self._open(index, kind, dict(raw) if isinstance(raw, dict) else {})
        if kind == "toolUse" and not is_served(block.raw):
            block.call = self.calls
            self.calls += 1
            rest = {key: value for key, value in block.raw.items() if key not in ("toolUseId", "name", "type")}
            first = ToolCallDelta(
                block.call,
                str(block.raw.get("toolUseId") or minted_id(block.call)),
                str(block.raw.get("name") or ""),
                provider_data=rest or None,
            )
            chunks.append(ChatStreamChunk(tool_calls=(first,), origin=self._origin if rest else None))

    def delta(self, event: Json, chunks: list[ChatStreamChunk]) -> None:
        """Take a `contentBlockDelta`; text, citations and thinking have no start."""
        delta = event.get("delta")
        if type(delta) is not dict:
            raise ProtocolError("contentBlockDelta without a delta", kind="schema")
        index = _index(event)
        for kind, piece in delta.items():
            block = self._blocks.get(index) or self._open(index, kind, {})
            match kind:
                case "text":
                    if piece:
                        chunks.append(ChatStreamChunk(content=str(piece), block=block.number))
                case "toolUse":
                    self._input(block, piece, chunks)
                case "reasoningContent":
                    self._think(block, piece, chunks)
                case "citation":
                    cited = (citation(piece),)
                    chunks.append(ChatStreamChunk(citations=cited, origin=self._origin, block=block.number))
                case "toolResult" if isinstance(piece, list):
                    _extend(block.raw.setdefault("content", []), piece)
                case "image" if isinstance(piece, dict):
                    _add_image(block.raw, piece)
                case _:
                    _merge(block.raw, piece)

    def stop(self, event: Json, chunks: list[ChatStreamChunk]) -> None:
        """Take a `contentBlockStop`."""
        if (block := self._blocks.pop(_index(event), None)) is not None:
            self._close(block, chunks)

    def close(self, chunks: list[ChatStreamChunk]) -> None:
        """Close what the service left open."""
        for index in list(self._blocks):
            self._close(self._blocks.pop(index), chunks)

    def _open(self, index: int, kind: str, raw: Json) -> _Block:
        block = self._blocks[index] = _Block(self._seen, kind, raw)
        self._seen += 1
        return block

    def _input(self, block: _Block, piece: Any, chunks: list[ChatStreamChunk]) -> None:
        text = piece.get("input") if isinstance(piece, dict) else None
        if block.kind != "toolUse" or (block.call is None and not block.raw):
            raise ProtocolError("input of a tool call that did not begin", kind="state")
        if not text:
            return
        block.pieces.append(str(text))
        if block.call is not None:
            chunks.append(ChatStreamChunk(tool_calls=(ToolCallDelta(block.call, arguments=block.pieces[-1]),)))

    def _think(self, block: _Block, piece: Any, chunks: list[ChatStreamChunk]) -> None:
        if not isinstance(piece, dict):
            raise ProtocolError("reasoningContent of a delta is not an object", kind="schema")
        thought, seal = piece.get("text"), piece.get("signature")
        if thought or seal:
            chunk = ChatStreamChunk(reasoning=str(thought or ""), origin=self._origin, block=block.number)
            chunk.signature = str(seal) if seal else None
            chunks.append(chunk)
        if isinstance(hidden := piece.get("redactedContent"), str):
            block.pieces.append(hidden)

    def _close(self, block: _Block, chunks: list[ChatStreamChunk]) -> None:
        """Hand out what is only known at the end: a tool called without input, and blocks that are whole or nothing."""
        if block.call is not None:
            if not block.pieces:
                chunks.append(ChatStreamChunk(tool_calls=(ToolCallDelta(block.call, arguments="{}"),)))
        elif (part := self._whole(block)) is not None:
            chunks.append(ChatStreamChunk(parts=(part,)))

    def _whole(self, block: _Block) -> Part | None:
        match block.kind:
            case "text" | "citation":
                return None
            case "reasoningContent":
                hidden = _joined(block.pieces)
                data: Json = {"reasoningContent": {"redactedContent": hidden}}
                return OpaquePart(self._origin, data) if hidden else None
            case "toolUse":
                block.raw["input"] = _read("".join(block.pieces)) if block.pieces else {}
            case "image" if (image := image_part(block.raw, self._origin)) is not None:
                return image
        return OpaquePart(self._origin, {block.kind: block.raw})


def _index(event: Json) -> int:
    index = event.get("contentBlockIndex")
    return index if type(index) is int else 0


def _read(text: str) -> Any:
    """Return the input of a tool that the service runs; wrapped when it is no JSON, as tool results do it."""
    try:
        return loads(text.encode("utf-8", "surrogatepass"))
    except ProtocolError:
        return {"INVALID_JSON": text}


def _joined(pieces: Sequence[str]) -> str:
    """Return blobs as one; each piece is base64 of its own."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece, validate=True) for piece in pieces)).decode()
    except (binascii.Error, ValueError):
        return "".join(pieces)


def _extend(content: list[Any], pieces: list[Any]) -> None:
    """Add pieces of a tool's result; texts in a row are one text."""
    for piece in pieces:
        last = content[-1] if content else None
        if isinstance(piece, dict) and isinstance(last, dict) and piece.keys() == last.keys() == {"text"}:
            content[-1] = {"text": f"{last['text']}{piece['text']}"}
        else:
            content.append(piece)


def _add_image(raw: Json, piece: Json) -> None:
    """Add a piece of an image's bytes, or what went wrong with it."""
    source = piece.get("source")
    text = source.get("bytes") if isinstance(source, dict) else None
    if isinstance(text, str):
        before = raw.get("source", {}).get("bytes")
        raw["source"] = {"bytes": _joined([before, text] if before else [text])}
    else:
        raw.update(piece)


def _merge(raw: Json, piece: Any) -> None:
    """Add a piece of an unknown kind as those that are known do it: texts grow, everything else is set."""
    if not isinstance(piece, dict):
        return
    for key, value in piece.items():
        before = raw.get(key)
        raw[key] = before + value if isinstance(before, str) and isinstance(value, str) else value
