"""Messages of OpenAI's chat protocol as a caller wrote them: the way back from `openai_messages`.

"Create chat completion", OpenAI API reference (platform.openai.com/docs/api-reference/chat/create). Services put more beside
these fields (`cache_control`, sealed thinking): it is kept as the service's own, and goes back to that service alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import evolve

from ..errors import InvalidMessageError, ProtocolError
from ..messages import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    Part,
    ReasoningPart,
    TextPart,
    ToolResultPart,
    VideoPart,
)
from .jsons import named
from .openai_answer import message_parts
from .openai_parts import KEPT, content_parts, from_base64, parted_url

__all__ = ["FIELDS", "decode_messages"]

Json = Mapping[str, Any]

_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
FIELDS: Final = frozenset(
    {
        *("role", "content", "name", "tool_calls", "tool_call_id", "refusal", "audio", "function_call", "annotations"),
        *("reasoning", "reasoning_content", *KEPT, "images"),
    }
)
"""What is read of a message."""

_SOUND: Final = {"wav": "audio/wav", "mp3": "audio/mpeg"}


def decode_messages(messages: Sequence[Any], origin: str) -> tuple[Message, ...]:
    """Return the messages, each as one.

    Raises:
        InvalidMessageError: One is not of the protocol; the text gives its index.
    """
    decoded: list[Message] = []
    for index, message in enumerate(messages):
        try:
            decoded.append(_message(message, origin, decoded))
        except (InvalidMessageError, ProtocolError) as error:
            problem = error.message
        else:
            continue
        raise InvalidMessageError(f"messages[{index}]: {problem}")
    return tuple(decoded)


def _message(value: Any, origin: str, before: Sequence[Message]) -> Message:
    if not isinstance(value, Mapping):
        raise InvalidMessageError(f"an object is needed, not {type(value).__name__} (of an SDK's object, model_dump())")
    role, name = value.get("role"), value.get("name")
    if role not in _ROLES:
        raise InvalidMessageError(f"role {role!r:.40} is none of {', '.join(_ROLES)}")
    if role == "assistant":
        return Message("assistant", _answered(value, origin), name)
    content = [part for item in _items(value.get("content")) for part in _parts(item, origin)]
    if role == "tool":
        return Message("tool", [ToolResultPart(_id(value.get("tool_call_id")), content, name)])
    if role == "function":  # the protocol of 2023: one call an answer, and the result names the function
        return Message("tool", [ToolResultPart(_called(name, before), content, name)])
    return Message(role, content, name)


def _answered(value: Json, origin: str) -> list[Part]:
    """Return the parts of an answer; of content with marks of the service (`cache_control`) they keep those."""
    content = value.get("content")
    if not isinstance(content, list) or all(map(_plain, content)):
        return message_parts(value, origin)
    others = message_parts({**value, "content": None}, origin)
    begins = next((number for number, part in enumerate(others) if not isinstance(part, ReasoningPart)), len(others))
    return [*others[:begins], *(part for item in content for part in _parts(item, origin)), *others[begins:]]


def _plain(item: Any) -> bool:
    return not isinstance(item, Mapping) or item.keys() <= {"type", "text"}


def _items(content: Any) -> list[Any]:
    if content is None or isinstance(content, str):
        return [] if content is None else [content]
    if not isinstance(content, list):
        raise InvalidMessageError(f"content must be a text or a list of parts, not {type(content).__name__}")
    return content


def _id(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidMessageError("a message of the role 'tool' needs the tool_call_id that it answers")
    return value


def _called(name: Any, before: Sequence[Message]) -> str:
    calls = [call for message in before for call in message.tool_calls if call.name == name]
    if not calls:
        raise InvalidMessageError(f"no earlier message calls the function {name!r:.40}")
    return calls[-1].id


def _parts(item: Any, origin: str) -> list[Part]:
    part = _media(item, origin) if isinstance(item, Mapping) else None
    if part is not None:
        return [part]
    parts = content_parts([item], origin)
    if isinstance(item, Mapping) and isinstance(parts[0], TextPart):
        rest = {key: value for key, value in item.items() if key not in ("type", "text") and value is not None}
        return [evolve(parts[0], origin=origin, provider_data=rest)] if rest else parts
    return parts


def _media(item: Json, origin: str) -> Part | None:
    """Return a part of media; None for anything else, and for media in a form that is not known here."""
    kind = item.get("type")
    inner = item.get(kind) if isinstance(kind, str) else None
    rest = {key: value for key, value in item.items() if key not in ("type", kind)} or None
    own: dict[str, Any] = {"origin": origin if rest else None, "provider_data": rest}
    match kind, inner:
        case "image_url", {"url": str(url), **more}:
            detail = named(more.pop("detail", None))
            return OpaquePart(origin, item) if more else ImagePart(**_source(url), detail=detail, **own)
        case "video_url", {"url": str(url)}:
            return VideoPart(**_source(url), **own)
        case "input_audio", {"data": str(data), "format": str(form)} if form in _SOUND:
            sound = from_base64(data)
            if sound is None:
                raise InvalidMessageError("the data of an input_audio is not valid base64")
            return AudioPart(data=sound, media_type=_SOUND[form], **own)
        case "file", {"file_id": str(id_)}:
            return DocumentPart(file_id=id_, **own)
        case "file", {"file_data": str(data), **more}:
            media_type, document = _parted(data)
            name = named(more.get("filename"))
            return None if document is None else DocumentPart(data=document, media_type=media_type, name=name, **own)
    return None


def _parted(url: str) -> tuple[str | None, bytes | None]:
    """Return media type and bytes of a data: URL, nothing of any other; one that is broken no service could read."""
    media_type, data = parted_url(url)
    if data is None and url[:5].lower() == "data:" and url.partition(",")[0].lower().endswith(";base64"):
        raise InvalidMessageError("a data: URL is not valid base64")
    return media_type, data


def _source(url: str) -> dict[str, Any]:
    media_type, data = _parted(url)
    return {"url": url} if data is None else {"data": data, "media_type": media_type}
