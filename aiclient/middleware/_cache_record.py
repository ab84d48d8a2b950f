"""What a cache keeps of an answer, and what it gives back of it: versioned JSON, never code.

A record is `{"cache": 1, "at": ..., "ttl": ..., "answer": <the answer's own record>}`; vectors stand beside it as base64 of
their 32-bit floats, which is a quarter of the size and a hundredth of the time of numbers as text.
"""

from __future__ import annotations

import base64
import json
import sys
from array import array
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, cast

from attrs import evolve

from ..errors import StoreError
from ..response import CallWarning, ChatResponse, Cost, EmbeddingResponse

__all__ = ["LARGEST", "answer_of", "is_complete", "record_of"]

A = TypeVar("A", ChatResponse, EmbeddingResponse)

VERSION: Final = 1

LARGEST: Final = 1024 * 1024
"""Bytes; no larger record is kept, or believed."""

AHEAD: Final = 300.0
"""Seconds; a record from further ahead was written before the clock was set back, and would live too long."""


def is_complete(answer: ChatResponse | EmbeddingResponse, *, length: bool) -> bool:
    """Whether `answer` is one that the next caller should get: whole, fresh, and not a failure in words.

    Not one that was cut off or filtered, refuses, says nothing, or calls a tool with arguments that cannot be read: asked
    again, the model may do better. `length` lets in what ended at the limit of tokens.
    """
    if answer.cached or answer.shared or answer.dry_run:
        return False
    if isinstance(answer, EmbeddingResponse):
        return all(isinstance(vector, array) and vector.typecode == "f" for vector in answer.vectors)
    wanted = ("stop", "tool_calls", "length") if length else ("stop", "tool_calls")
    reasons = [answer.finish_reason, *(choice.finish_reason for choice in answer.alternatives)]
    if any(reason not in wanted for reason in reasons):
        return False
    message = answer.message
    if not message.parts or message.refusal is not None:
        return False
    return not any(call.defect for call in message.tool_calls)


def record_of(
    answer: ChatResponse | EmbeddingResponse, warnings: tuple[CallWarning, ...], at: float, ttl: float
) -> bytes:
    """Return what to keep of `answer`; `warnings` are those of the call so far, which belong to it too.

    Raises:
        TypeError, ValueError: It holds something that has no JSON form.
    """
    kept = evolve(answer, warnings=warnings, attempts=(), rate_limit=None)
    record: dict[str, Any] = {"cache": VERSION, "at": float(at), "ttl": float(ttl)}
    if isinstance(kept, EmbeddingResponse):
        record["vectors"] = [_packed(vector) for vector in kept.vectors]
        kept = evolve(kept, vectors=())
    record["answer"] = kept.to_dict()
    return json.dumps(record, separators=(",", ":")).encode()


def answer_of(data: bytes, kind: type[A], *, now: float, ttl: float) -> A | None:
    """Return the answer that `data` holds, marked as cached; None if its time is over.

    Args:
        data: What the store gave.
        kind: What is expected.
        now: Seconds since the epoch.
        ttl: Seconds; what was kept for longer lives no longer than this.

    Raises:
        StoreError: It is no such record.
    """
    record, at, kept_for = _decoded(data)
    if not -AHEAD <= now - at < min(kept_for, ttl):
        return None
    answer: Any = kind.from_dict(record["answer"])
    if kind is EmbeddingResponse:
        answer = evolve(answer, vectors=_unpacked(record.get("vectors")))
    cost = Cost.spared("response cache", answer.cost)
    about: dict[str, Any] = {"stored_at": datetime.fromtimestamp(at, UTC).isoformat(), "age": max(0.0, now - at)}
    about |= {"saved_usd": None if cost.saved is None else str(cost.saved), "request_id": answer.request_id}
    metadata = {**answer.metadata, "cache": about}
    return cast("A", evolve(answer, cached=True, cost=cost, attempts=(), request_id=None, metadata=metadata))


def _decoded(data: bytes) -> tuple[Mapping[str, Any], float, float]:
    try:
        if len(data) > LARGEST:
            raise StoreError(f"a cache record of {len(data)} bytes is none of ours", kind="record")
        record = json.loads(data)
    except (TypeError, ValueError, RecursionError):  # TypeError: somebody's store gave no bytes at all
        record = None
    if not isinstance(record, dict) or record.get("cache") != VERSION:
        raise StoreError(f"not a cache record of version {VERSION}", kind="record")
    at, ttl = record.get("at"), record.get("ttl")
    if type(at) is not float or type(ttl) is not float or "answer" not in record:
        raise StoreError("a cache record without its time or its answer", kind="record")
    return record, at, ttl


def _packed(vector: Any) -> str:
    return base64.b64encode(_little(vector).tobytes()).decode()


def _unpacked(vectors: Any) -> tuple[array[float], ...]:
    found = []
    try:
        for text in vectors:
            vector = array("f")
            vector.frombytes(base64.b64decode(text, validate=True))
            found.append(_little(vector))
    except (TypeError, ValueError):
        raise StoreError("a cache record whose vectors cannot be read", kind="record") from None
    return tuple(found)


def _little(vector: array[float]) -> array[float]:
    """Return it in the byte order of records, or from that: files travel."""
    if sys.byteorder == "little":
        return vector
    swapped = vector[:]
    swapped.byteswap()
    return swapped
