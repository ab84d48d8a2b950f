"""Tool calls as OpenAI-style services send them, brought to one form: whole ones, and pieces of ones.

Services number the pieces of a streamed call differently, or not at all. Seen: an index per call (OpenAI), index 0 for every
call with ids of their own, no index, the name in every piece (record 045f29defd1b), arguments null, absent or an object, ids
that only some pieces have, and `custom` calls (44215748fd78).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ..chunks import ToolCallDelta
from ..errors import ProtocolError
from ..messages import ToolCall
from .jsons import dumps

__all__ = ["ToolCallAssembly", "minted_id", "whole_calls"]


def minted_id(index: int) -> str:
    """Return an id for a call that came without: a tool's result must be able to name its call."""
    return f"call_{index}"


class _Piece(NamedTuple):
    number: int | None
    id: str
    name: str
    arguments: str
    kind: Literal["function", "custom"]
    data: Mapping[str, Any] | None


def _text(value: Any) -> str:
    """Return arguments as text: nearly always they are; some servers send the object itself."""
    if isinstance(value, str):
        return value
    return "" if value is None else dumps(value).decode()


def _piece(raw: Any) -> _Piece:
    if not isinstance(raw, Mapping):
        raise ProtocolError("a tool call of the answer is not an object", kind="schema")
    # Snowflake fills in both forms and says in `type` which one counts (28368abe7e91); Mistral has no `type`.
    custom = raw.get("type") == "custom" or (bool(raw.get("custom")) and not raw.get("function"))
    kind: Literal["function", "custom"] = "custom" if custom else "function"
    body = raw.get(kind)
    if body is None:
        body = {}
    if not isinstance(body, Mapping):
        raise ProtocolError(f"tool_calls[].{kind} of the answer is not an object", kind="schema")
    index, id_, name = raw.get("index"), raw.get("id"), body.get("name")
    extra = raw.get("extra_content")  # Gemini's thought signature: ai.google.dev/gemini-api/docs/thought-signatures
    return _Piece(
        index if isinstance(index, int) and not isinstance(index, bool) else None,
        id_ if isinstance(id_, str) else "" if id_ is None else str(id_),
        name if isinstance(name, str) else "",
        _text(body.get("arguments" if kind == "function" else "input")),
        kind,
        {"extra_content": extra} if extra else None,
    )


def whole_calls(message: Mapping[str, Any], origin: str) -> list[ToolCall]:
    """Return the tool calls of a whole message, the legacy `function_call` included."""
    raw = message.get("tool_calls") or []
    if not isinstance(raw, list):
        raise ProtocolError("tool_calls of the answer is not a list", kind="schema")
    legacy = message.get("function_call")
    if not raw and isinstance(legacy, Mapping) and legacy.get("name"):
        raw = [{"function": legacy}]
    return [
        ToolCall(
            piece.id or minted_id(number),
            piece.name,
            piece.arguments,
            piece.kind,
            origin=origin if piece.data else None,
            provider_data=piece.data,
        )
        for number, piece in enumerate(map(_piece, raw))
    ]


class _Open:
    """A call whose pieces are still coming."""

    __slots__ = ("id", "index", "name", "started")

    def __init__(self, index: int) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.started = False  # whether any of its arguments came


class ToolCallAssembly:
    """Tells the calls of one streamed answer apart and numbers them in the order in which they begin."""

    __slots__ = ("_by_index", "_calls")

    def __init__(self) -> None:
        self._calls: list[_Open] = []
        self._by_index: dict[int, _Open] = {}

    def add(self, raw: Any) -> list[ToolCallDelta]:
        """Return the pieces in `raw` with definite numbers; a call's id and name stand in one piece only."""
        if not isinstance(raw, list):
            raise ProtocolError("delta.tool_calls is not a list", kind="schema")
        return [self._delta(_piece(item)) for item in raw]

    def legacy(self, raw: Any) -> list[ToolCallDelta]:
        """Return a piece of a legacy `function_call`, of which there is only one."""
        return [self._delta(_piece({"index": 0, "function": raw}))]

    def anonymous(self) -> list[ToolCallDelta]:
        """Give ids to the calls that ended without one, and return them as pieces."""
        nameless = [call for call in self._calls if not call.id]
        for call in nameless:
            call.id = minted_id(call.index)
        return [ToolCallDelta(call.index, call.id) for call in nameless]

    def _delta(self, piece: _Piece) -> ToolCallDelta:
        call = self._call_of(piece)
        id_ = "" if call.id else piece.id
        name = "" if call.name else piece.name
        call.id = call.id or id_
        call.name = call.name or name
        call.started = call.started or bool(piece.arguments)
        return ToolCallDelta(call.index, id_, name, piece.arguments, piece.kind, piece.data)

    def _call_of(self, piece: _Piece) -> _Open:
        if piece.number is not None:
            call = self._by_index.get(piece.number)
            # One index for all calls: a new id with a name begins another. A new id alone does not (some servers mint
            # one for every piece).
            if call is None or (piece.id and piece.name and call.id and piece.id != call.id):
                call = self._by_index[piece.number] = self._begin()
            return call
        if piece.id:
            return next((call for call in self._calls if call.id == piece.id), None) or self._begin()
        last = self._calls[-1] if self._calls else None
        if last is None or (piece.name and last.name and (last.started or last.name != piece.name)):
            return self._begin()
        return last

    def _begin(self) -> _Open:
        call = _Open(len(self._calls))
        self._calls.append(call)
        return call
