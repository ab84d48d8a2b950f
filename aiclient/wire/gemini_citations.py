"""Where the statements of a Gemini answer come from: grounding and citation metadata, as citations of text parts.

"GroundingMetadata" and "CitationMetadata", ai.google.dev/api/generate-content (read 2026-11). Google counts bytes of UTF-8 from
the beginning of the answer's text, over all of its parts; a Citation counts characters of its own part. In some answers the
bytes are off by a few (22d369d3fe24): the quoted text, where there is one, decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..messages import Citation

__all__ = ["citations"]

_SOURCES: Final = ("web", "retrievedContext", "maps", "image")

Place = tuple[int, int | None, int | None]


def citations(candidate: Mapping[str, Any], texts: Sequence[tuple[int, str]]) -> list[tuple[int, Citation]]:
    """Return the sources that a candidate names, each with the key of the text it belongs to.

    Args:
        candidate: The candidate, or its last event.
        texts: The texts of the answer so far, in order, each with a key of the caller's. Without any there are no citations.
    """
    if not texts:
        return []
    answer = _Answer(texts)
    return [*_grounded(_object(candidate, "groundingMetadata"), answer), *_cited(candidate, answer)]


def _object(value: Any, name: str) -> Mapping[str, Any]:
    inner = value.get(name) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _objects(value: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = value.get(name)
    return [item if isinstance(item, Mapping) else {} for item in found] if isinstance(found, list) else []


class _Answer:
    """The text of an answer, as bytes, and where its parts lie in it."""

    def __init__(self, texts: Sequence[tuple[int, str]]) -> None:
        self._parts = [(key, text.encode("utf-8", "surrogatepass")) for key, text in texts]
        self._whole = b"".join(data for _, data in self._parts)

    def place(self, start: Any, end: Any, quoted: Any = None) -> Place:
        """Return key, first and last character of a segment; only the last part's key when it lies in no single part."""
        nowhere = (self._parts[-1][0], None, None)
        first, last = start if isinstance(start, int) else 0, end if isinstance(end, int) else 0
        if isinstance(quoted, str) and quoted:
            words = quoted.encode("utf-8", "surrogatepass")
            if self._whole[first:last] != words:
                first = self._whole.find(words)
                last = first + len(words)
        if not 0 <= first < last:
            return nowhere
        before = 0
        for key, data in self._parts:
            if before <= first and last <= before + len(data):
                return key, _characters(data, first - before), _characters(data, last - before)
            before += len(data)
        return nowhere


def _characters(data: bytes, count: int) -> int:
    return len(data[:count].decode("utf-8", "ignore"))


def _grounded(grounding: Mapping[str, Any], answer: _Answer) -> list[tuple[int, Citation]]:
    chunks = _objects(grounding, "groundingChunks")
    found: list[tuple[int, Citation]] = []
    used: set[int] = set()
    for support in _objects(grounding, "groundingSupports"):
        segment = _object(support, "segment")
        key, start, end = answer.place(segment.get("startIndex"), segment.get("endIndex"), segment.get("text"))
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else ():
            if isinstance(index, int) and 0 <= index < len(chunks):
                used.add(index)
                found.append((key, _of_chunk(chunks[index], start, end)))
    key, _, _ = answer.place(0, 0)
    return found + [(key, _of_chunk(chunk)) for index, chunk in enumerate(chunks) if index not in used]


def _of_chunk(chunk: Mapping[str, Any], start: int | None = None, end: int | None = None) -> Citation:
    kind = next((name for name in _SOURCES if isinstance(chunk.get(name), Mapping)), None)
    source = chunk[kind] if kind else {}
    return Citation(
        _text(source.get("uri")) or _text(source.get("sourceUri")),
        _text(source.get("title")),
        _text(source.get("text")),  # of a document that was searched
        start,
        end,
        None if kind == "web" else dict(chunk),
    )


def _cited(candidate: Mapping[str, Any], answer: _Answer) -> list[tuple[int, Citation]]:
    """Read recitation: `citationSources` of the Gemini API, `citations` of Vertex."""
    metadata = _object(candidate, "citationMetadata")
    found: list[tuple[int, Citation]] = []
    for item in [*_objects(metadata, "citationSources"), *_objects(metadata, "citations")]:
        key, start, end = answer.place(item.get("startIndex"), item.get("endIndex"))
        rest = {name: value for name, value in item.items() if name in ("license", "publicationDate") and value}
        found.append((key, Citation(_text(item.get("uri")), _text(item.get("title")), None, start, end, rest or None)))
    return found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
