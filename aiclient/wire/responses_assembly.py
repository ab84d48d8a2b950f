"""The items of a streamed answer in the Responses protocol: which piece belongs to which, and what is still missing.

Events name their item by `item_id`, by `output_index`, or by both; either may be absent, some servers send every event with
an id of its own, others give all items one id. Both together are believed first, then the id, then the index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

from ..chunks import ChatStreamChunk, ToolCallDelta
from ..errors import ProtocolError
from ..messages import Part, ReasoningPart, RefusalPart, TextPart
from .jsons import named
from .responses_decode import (
    ARGUMENTS,
    call_identity,
    citation,
    content_of,
    kept_of_call,
    logprob_entries,
    parts_of,
    text_of,
)
from .toolcalls import minted_id

__all__ = ["Assembly"]

Json = Mapping[str, Any]


class _Piece:
    """A part under way: `key` is its place in the item, `told` what was handed out of it."""

    __slots__ = ("block", "cited", "key", "told")

    def __init__(self, key: object, block: int) -> None:
        self.key = key
        self.block = block
        self.told: list[str] = []
        self.cited = 0

    def missing(self, whole: str) -> str:
        """Return what was not handed out yet; nothing when what was is no beginning of the whole."""
        told = "".join(self.told)
        return whole[len(told) :] if whole.startswith(told) else ""


class _Item:
    """An item of the output."""

    __slots__ = ("call", "id", "index", "kind", "named", "paragraph", "pieces", "settled")

    def __init__(self, kind: Any, id_: str | None, index: int | None) -> None:
        self.kind = kind
        self.id = id_
        self.index = index
        self.pieces: list[_Piece] = []
        self.call: int | None = None
        self.named: tuple[str, str] = ("", "")  # id and name of a call, as handed out
        self.paragraph: object = None  # of the thinking, where the last delta belonged
        self.settled = False


class Assembly:
    """Keeps the items of one answer.

    Args:
        origin: The vendor, for its own data.
    """

    __slots__ = ("_at", "_blocks", "_by_id", "_by_index", "_items", "_origin", "_piece", "called", "scored")

    def __init__(self, origin: str) -> None:
        self.called = 0
        """How many tools the model asked for."""
        self.scored = False
        """Whether log probabilities came with the deltas."""
        self._origin = origin
        self._items: list[_Item] = []
        self._by_id: dict[str, _Item] = {}
        self._by_index: dict[int, _Item] = {}
        self._blocks = 0
        self._at: tuple[Any, Any, Any] | None = None  # where the last text delta belonged
        self._piece: _Piece | None = None

    # --- deltas ---

    def text(self, value: Json, delta: str) -> int:
        """Take a piece of text; return its block."""
        at = (value.get("item_id"), value.get("output_index"), value.get("content_index"))
        if at != self._at or self._piece is None:
            self._piece = self._piece_of(self._find(value, "message"), ("text", at[2]))
            self._at = at
        self._piece.told.append(delta)
        return self._piece.block

    def refusal(self, value: Json, delta: str) -> int:
        """Take a piece of a refusal; return its block."""
        piece = self._piece_of(self._find(value, "message"), ("refusal", value.get("content_index")))
        piece.told.append(delta)
        return piece.block

    def thinking(self, value: Json, delta: str) -> ChatStreamChunk:
        """Take a piece of the thinking or of its summary; a summary's paragraphs are set apart."""
        item = self._find(value, "reasoning")
        paragraph = value.get("summary_index", "content")
        first = not item.pieces
        piece = self._piece_of(item, "thought")
        if item.paragraph != paragraph:
            delta = delta if first else f"\n\n{delta}"
            item.paragraph = paragraph
        piece.told.append(delta)
        return ChatStreamChunk(reasoning=delta, block=piece.block, origin=self._origin if first else None)

    def arguments(self, value: Json, delta: str) -> ChatStreamChunk:
        """Take a piece of a call's arguments."""
        custom = value.get("type") == "response.custom_tool_call_input.delta"
        item = self._find(value, "custom_tool_call" if custom else "function_call")
        return ChatStreamChunk(tool_calls=(self._call(item, {}, delta),))

    def annotation(self, value: Json) -> ChatStreamChunk:
        """Take a source of the text."""
        piece = self._piece_of(self._find(value, "message"), ("text", value.get("content_index")))
        piece.cited += 1
        return ChatStreamChunk(citations=(citation(value.get("annotation")),), block=piece.block)

    # --- items ---

    def added(self, value: Json, chunks: list[ChatStreamChunk]) -> None:
        """Take the beginning of an item."""
        raw = _item_in(value)
        item = self._find({**value, "item_id": raw.get("id")}, _kind(raw), begin=True)
        if item.kind in ARGUMENTS and item.call is None:
            chunks.append(ChatStreamChunk(tool_calls=(self._call(item, raw, text_of(raw, ARGUMENTS[item.kind])),)))

    def done(self, value: Json, chunks: list[ChatStreamChunk]) -> None:
        """Take a whole item: hand out what of it was not handed out."""
        raw = _item_in(value)
        self._settle(self._find({**value, "item_id": raw.get("id")}, _kind(raw)), raw, chunks)

    def complete(self, output: Sequence[Json], chunks: list[ChatStreamChunk]) -> None:
        """Take all items at the end: hand out what was not handed out. Servers that repeat nothing send an empty list."""
        known = self._matched(output)
        for index, raw in enumerate(output):
            item = known.get(index)
            if item is None:
                item = self._begin(_kind(raw), None, None)
            self._settle(item, raw, chunks)

    def _matched(self, output: Sequence[Json]) -> dict[int, _Item]:
        """Say which known item each one of the final output is: by id and place, by id, by place, by order of its kind."""
        found: dict[int, _Item] = {}
        free = self._items
        for rule in _RULES:
            waiting: dict[Any, list[_Item]] = {}
            for item in reversed(free):
                waiting.setdefault(rule(item.kind, item.id, item.index), []).append(item)
            for index, raw in enumerate(output):
                same = waiting.get(rule(_kind(raw), named(raw.get("id")), index)) if index not in found else None
                if same:
                    found[index] = same.pop()
            taken = {id(item) for item in found.values()}
            free = [item for item in self._items if id(item) not in taken]
        return found

    def _find(self, value: Json, kind: Any, *, begin: bool = False) -> _Item:
        """Return the item that an event is about, a new one if none is known; `begin`: a place that is taken is taken over."""
        id_, index = value.get("item_id"), value.get("output_index")
        id_ = id_ if isinstance(id_, str) else None
        index = index if isinstance(index, int) else None
        placed = self._by_index.get(index) if index is not None else None
        named = self._by_id.get(id_) if id_ is not None else None
        if placed is not None and (placed is named or id_ is None or placed.id == id_):
            return placed
        if named is not None and (index is None or named.index is None or not begin):
            return named
        if placed is not None and not begin:  # every event has an id of its own
            return placed
        return self._begin(kind, id_, index)

    def _begin(self, kind: Any, id_: str | None, index: int | None) -> _Item:
        item = _Item(kind, id_, index)
        self._items.append(item)
        if id_ is not None:
            self._by_id[id_] = item
        if index is not None:
            self._by_index[index] = item
        return item

    def _piece_of(self, item: _Item, key: object) -> _Piece:
        for piece in item.pieces:
            if piece.key == key:
                return piece
        piece = _Piece(key, self._blocks)
        self._blocks += 1
        item.pieces.append(piece)
        return piece

    def _call(self, item: _Item, raw: Json, arguments: str, *, whole: bool = False) -> ToolCallDelta:
        """Return a piece of a call; id and name are handed out once, and with the first piece if they are known."""
        if item.call is None:
            item.call = self.called
            self.called += 1
        id_, name = call_identity(raw)
        if whole:
            id_ = id_ or minted_id(item.call)
        id_, name = ("" if item.named[0] else id_), ("" if item.named[1] else name)
        item.named = (item.named[0] or id_, item.named[1] or name)
        if arguments:
            self._piece_of(item, "arguments").told.append(arguments)
        kind: Literal["function", "custom"] = "custom" if item.kind == "custom_tool_call" else "function"
        return ToolCallDelta(item.call, id_, name, arguments, kind)

    # --- what is missing ---

    def _settle(self, item: _Item, raw: Json, chunks: list[ChatStreamChunk]) -> None:
        if item.settled:
            return
        item.settled = True
        kind = _kind(raw)
        if kind in ARGUMENTS:
            item.kind = kind
            whole = text_of(raw, ARGUMENTS[str(kind)])
            piece = self._piece_of(item, "arguments")
            delta = self._call(item, raw, piece.missing(whole), whole=True)
            if whole and "".join(piece.told) != whole:
                # "Emitted when function-call arguments are finalized" (response.function_call_arguments.done): a tool
                # must run with what the service ended with, whatever the pieces said (5036329bdf8c).
                delta.whole = whole
            delta.provider_data = {"item": kept_of_call(raw)}
            chunks.append(ChatStreamChunk(tool_calls=(delta,), origin=self._origin))
            return
        parts = parts_of(raw, self._origin)
        if kind == "message":
            self._settle_message(item, raw, parts, chunks)
            return
        for part in parts:
            if isinstance(part, ReasoningPart):
                chunks.append(self._rest(self._piece_of(item, "thought"), part))
            else:
                chunks.append(ChatStreamChunk(parts=(part,)))

    def _settle_message(self, item: _Item, raw: Json, parts: Sequence[Part], chunks: list[ChatStreamChunk]) -> None:
        contents = content_of(raw)
        for number, part in enumerate(parts):
            if not isinstance(part, (TextPart, RefusalPart)):
                chunks.append(ChatStreamChunk(parts=(part,)))
                continue
            piece = _claimed(item, number, part)
            if piece is None and not part.text:  # no text is a part too
                chunks.append(ChatStreamChunk(parts=(part,)))
                continue
            if piece is None:
                piece = self._piece_of(item, ("new", number))
            chunk = self._rest(piece, part)
            if isinstance(part, TextPart) and not self.scored:
                chunk.logprobs = logprob_entries(contents[number]) or None
            chunks.append(chunk)

    def _rest(self, piece: _Piece, part: TextPart | RefusalPart | ReasoningPart) -> ChatStreamChunk:
        """Return what was not handed out of a part, with what the next turn needs of it."""
        missing = piece.missing(part.text)
        chunk = ChatStreamChunk(block=piece.block, origin=self._origin, provider_data=part.provider_data)
        if isinstance(part, TextPart):
            chunk.content = missing
            chunk.citations = part.citations[piece.cited :]
        elif isinstance(part, RefusalPart):
            chunk.refusal = missing
        else:
            chunk.reasoning = missing
        return chunk


_RULES: Final[tuple[Callable[[Any, Any, Any], Any], ...]] = (
    lambda kind, id_, index: (kind, id_, index),
    lambda kind, id_, _: (kind, id_) if id_ is not None else object(),
    lambda kind, _, index: (kind, index) if index is not None else object(),
    lambda kind, _, __: kind,
)


def _claimed(item: _Item, number: int, part: TextPart | RefusalPart) -> _Piece | None:
    """Return the piece that was handed out of a part: the one at its place, or the one in its turn.

    bedrock-mantle counts thinking and text together, so that the only text of a message has the index 1 (4ab4f6f42df5).
    """
    word = "text" if isinstance(part, TextPart) else "refusal"
    own = [piece for piece in item.pieces if isinstance(piece.key, tuple) and piece.key[0] == word]
    at_place = next((piece for piece in own if piece.key == (word, number)), None)
    found = at_place or (own[0] if own else None)
    if found is not None:
        found.key = "claimed"
    return found


def _kind(raw: Json) -> str | None:
    kind = raw.get("type")
    return kind if isinstance(kind, str) else None


def _item_in(value: Json) -> Json:
    raw = value.get("item")
    if not isinstance(raw, Mapping):
        raise ProtocolError("an event about an item holds none", kind="schema")
    return raw
