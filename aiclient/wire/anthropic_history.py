"""Turns of Anthropic's Messages API as a caller wrote them: the way back from `anthropic_messages`.

"Messages", Anthropic API reference, version 2023-06-01 (platform.claude.com/docs/en/api/messages/create, 2026-11). Blocks of
kinds that are not known here become opaque parts and go back as they came, to this vendor alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ..errors import InvalidMessageError, ProtocolError
from ..messages import DocumentPart, ImagePart, Message, OpaquePart, Part, TextPart, ToolResultPart
from .anthropic_answer import block_part, rest_of
from .openai_parts import from_base64

__all__ = ["decode_messages"]

Json = Mapping[str, Any]

_ROLES: Final = ("user", "assistant", "system")


def decode_messages(messages: Sequence[Any], system: Any, origin: str) -> tuple[Message, ...]:
    """Return the system prompt and the turns, each as one message.

    Raises:
        InvalidMessageError: One is not of the protocol; the text gives its index.
    """
    decoded: list[Message] = []
    if system:
        decoded.append(_message({"role": "system", "content": system}, "system", origin))
    decoded += [_message(message, f"messages[{index}]", origin) for index, message in enumerate(messages)]
    return tuple(decoded)


def _message(value: Any, where: str, origin: str) -> Message:
    if not isinstance(value, Mapping):
        raise InvalidMessageError(f"{where}: an object is needed, not {type(value).__name__}")
    role = value.get("role")
    if role not in _ROLES:
        raise InvalidMessageError(f"{where}: role {role!r:.40} is none of {', '.join(_ROLES)}")
    try:
        return Message(role, _parts(value.get("content"), origin))
    except (InvalidMessageError, ProtocolError) as error:
        problem = error.message
    raise InvalidMessageError(f"{where}: {problem}")


def _parts(content: Any, origin: str) -> list[Part]:
    if isinstance(content, str):
        return [TextPart(content)]
    if not isinstance(content, list):
        raise InvalidMessageError(f"content must be a text or a list of blocks, not {type(content).__name__}")
    return [_part(block, number, origin) for number, block in enumerate(content)]


def _part(block: Any, number: int, origin: str) -> Part:
    match block:
        case {"type": "tool_result", "tool_use_id": str(id_)}:
            content = block.get("content")
            rest = rest_of(block, "tool_use_id", "content", "is_error")
            inner: Any = [] if content is None else _parts(content, origin)
            failed = block.get("is_error") is True
            return ToolResultPart(id_, inner, None, failed, origin=origin if rest else None, provider_data=rest)
        case {"type": "image", "source": Mapping() as source}:
            return _media(ImagePart, block, source, origin)
        case {"type": "document", "source": Mapping() as source}:
            return _media(DocumentPart, block, source, origin, name=block.get("title"))
    return block_part(block, number, origin)


def _media(kind: type[ImagePart | DocumentPart], block: Json, source: Json, origin: str, **more: Any) -> Part:
    given = _given(source)
    if given is None:
        return OpaquePart(origin, block)
    rest = rest_of(block, "source", *(["title"] if more else []))
    return kind(**given, **more, origin=origin if rest else None, provider_data=rest)


def _given(source: Json) -> dict[str, Any] | None:
    """Return what a source holds; None for one of a kind that is not known here."""
    match source:
        case {"type": "base64", "media_type": str(media_type), "data": str(data)}:
            decoded = from_base64(data)
            if decoded is None:
                raise InvalidMessageError("the data of a source is not valid base64")
            return {"data": decoded, "media_type": media_type}
        case {"type": "text", "data": str(text)}:
            return {"data": text.encode("utf-8", "surrogatepass"), "media_type": "text/plain"}
        case {"type": "url", "url": str(url)}:
            return {"url": url}
        case {"type": "file", "file_id": str(id_)}:
            return {"file_id": id_}
    return None
