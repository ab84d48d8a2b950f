"""The parts of messages: text, media, reasoning, tool calls and their results, refusals, and what no other part describes.

Every part can carry its `origin`, the vendor it came from, and `provider_data`, opaque JSON of that vendor (signatures, sealed
reasoning): a provider sends back only its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from attrs import field, frozen

from . import jsontext
from .errors import InvalidMessageError
from .records import Record, tagged

__all__ = [
    "AudioPart",
    "Citation",
    "Content",
    "DocumentPart",
    "ImagePart",
    "Json",
    "MediaPart",
    "OpaquePart",
    "Part",
    "ReasoningPart",
    "RefusalPart",
    "TextPart",
    "ToolCall",
    "ToolResultPart",
    "VideoPart",
    "check_text",
    "content_parts",
]

Json: TypeAlias = Mapping[str, Any]


@frozen(kw_only=True, repr=False)
class _Sourced(Record):
    """What every part can carry: where it came from, and that vendor's own data."""

    origin: str | None = None
    provider_data: Json | None = None


@frozen(repr=False)
class Citation(Record):
    """Where a statement of the answer comes from; `start` and `end` are offsets into the text part, in characters."""

    url: str | None = None
    title: str | None = None
    quote: str | None = None
    start: int | None = None
    end: int | None = None
    provider_data: Json | None = None


@frozen(repr=False)
class TextPart(_Sourced):
    """Text."""

    tag: ClassVar[str] = "text"
    text: str
    citations: tuple[Citation, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse what is no text."""
        check_text("TextPart", "text", self.text, needed=True)


@frozen(repr=False)
class RefusalPart(_Sourced):
    """The model's own words for not answering."""

    tag: ClassVar[str] = "refusal"
    text: str


@frozen(repr=False)
class ReasoningPart(_Sourced):
    """The model's thinking as far as the vendor shows it; `signature` seals it for the next turn."""

    tag: ClassVar[str] = "reasoning"
    text: str = ""
    signature: str | None = None


def check_text(what: str, name: str, value: object, *, needed: bool = False) -> None:
    """Raise InvalidMessageError unless `value` is a text, or None where nothing is needed."""
    if not isinstance(value, str) and (needed or value is not None):
        raise InvalidMessageError(f"{what}: {name} must be a text, not {type(value).__name__}")


def _bytes(value: bytes | bytearray | memoryview | None) -> bytes | None:
    """Copy what may change; what is no bytes at all is refused below."""
    return bytes(value) if isinstance(value, (bytearray, memoryview)) else value


@frozen(kw_only=True, repr=False)
class MediaPart(_Sourced):
    """Bytes or a URL, with a media type such as `image/png`; exactly one of `data`, `url` and `file_id` is given."""

    data: bytes | None = field(
        default=None, converter=_bytes, repr=lambda value: f"<{len(value)} bytes>" if value else repr(value)
    )
    url: str | None = None
    file_id: str | None = None
    media_type: str | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse a part that holds nothing, or two things at once, or something of another type."""
        given = [name for name in ("data", "url", "file_id") if getattr(self, name) is not None]
        if len(given) != 1:
            raise InvalidMessageError(
                f"{type(self).__name__} takes exactly one of data, url and file_id; got {', '.join(given) or 'none'}"
            )
        if self.data is not None and not isinstance(self.data, bytes):
            raise InvalidMessageError(
                f"{type(self).__name__}: data must be bytes, not {type(self.data).__name__}; read the file, or give url="
            )
        for name in ("url", "file_id", "media_type", "name"):
            check_text(type(self).__name__, name, getattr(self, name, None))


@frozen(kw_only=True, repr=False)
class ImagePart(MediaPart):
    """An image, in a prompt or in an answer; `detail` is the resolution asked for (`low`, `high`, `auto`)."""

    tag: ClassVar[str] = "image"
    detail: str | None = None


@frozen(kw_only=True, repr=False)
class AudioPart(MediaPart):
    """Sound, in a prompt or in an answer; `transcript` is its text where the service gives one."""

    tag: ClassVar[str] = "audio"
    transcript: str | None = None


@frozen(kw_only=True, repr=False)
class VideoPart(MediaPart):
    """A film."""

    tag: ClassVar[str] = "video"


@frozen(kw_only=True, repr=False)
class DocumentPart(MediaPart):
    """A document, most often a PDF; `name` is its file name."""

    tag: ClassVar[str] = "document"
    name: str | None = None


@frozen(repr=False)
class ToolCall(_Sourced):
    """The model asks for a tool: `arguments` is the text it wrote, valid JSON or not."""

    tag: ClassVar[str] = "tool_call"
    id: str
    name: str
    arguments: str = ""
    kind: Literal["function", "custom"] = "function"
    """`custom` tools take free text; their `arguments` are not JSON."""

    def __attrs_post_init__(self) -> None:
        """Refuse what is no text, such as arguments that were decoded already."""
        for name in ("id", "name", "arguments"):
            check_text("ToolCall", name, getattr(self, name), needed=True)

    @property
    def parsed(self) -> dict[str, Any] | None:
        """The arguments as a dict; `{}` when the model wrote none, None when they are not a JSON object (see `defect`)."""
        return self._read()[0]

    @property
    def defect(self) -> str | None:
        """Why `parsed` is None, in words that a model can act on; None when the arguments are well formed."""
        return self._read()[1]

    def result(self, content: Content, *, is_error: bool = False) -> ToolResultPart:
        """Return what the tool gave back for this call, as the part of a message; `is_error` tells that it failed."""
        return ToolResultPart(self.id, content_parts(content), self.name, is_error)

    def _read(self) -> tuple[dict[str, Any] | None, str | None]:
        if self.kind == "custom":
            return None, None
        if not self.arguments.strip():
            return {}, None
        try:
            value = jsontext.read(self.arguments)
        except ValueError as error:
            return None, f"the arguments are not valid JSON: {error}"
        if not isinstance(value, dict):
            return None, f"the arguments must be a JSON object, not {type(value).__name__}"
        return value, None


@frozen(repr=False)
class OpaquePart(Record):
    """Content of a kind this library does not know, as its vendor sent it: replayed to that vendor, dropped for others."""

    tag: ClassVar[str] = "opaque"
    origin: str
    data: Any


def _content_parts(value: Content) -> tuple[Any, ...]:
    return content_parts(value)  # defined below, where the union of parts is known


@frozen(repr=False)
class ToolResultPart(_Sourced):
    """What a tool gave back; `is_error` tells the model that it failed."""

    tag: ClassVar[str] = "tool_result"
    tool_call_id: str
    content: tuple[ContentPart, ...] = field(converter=_content_parts)
    name: str | None = None
    is_error: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuse an id or a name that is no text."""
        check_text("ToolResultPart", "tool_call_id", self.tool_call_id, needed=True)
        check_text("ToolResultPart", "name", self.name)


ContentPart: TypeAlias = (
    TextPart | RefusalPart | ReasoningPart | ImagePart | AudioPart | VideoPart | DocumentPart | OpaquePart
)
"""What may stand inside a tool result."""

Part: TypeAlias = (
    TextPart
    | RefusalPart
    | ReasoningPart
    | ImagePart
    | AudioPart
    | VideoPart
    | DocumentPart
    | OpaquePart
    | ToolCall
    | ToolResultPart
)
"""What a message is made of."""

Content: TypeAlias = str | Part | Iterable[str | Part] | None
"""What a caller may give as content."""

_CONTENT: tuple[type[Record], ...] = get_args(ContentPart)
_PARTS: tuple[type[Record], ...] = get_args(Part)

tagged(ContentPart, _CONTENT)
tagged(Part, _PARTS)


def content_parts(content: Content) -> tuple[Any, ...]:
    """Return the parts that `content` stands for: text becomes a TextPart, None becomes no part."""
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),)
    if isinstance(content, _PARTS):
        return (content,)
    if not isinstance(content, Iterable) or isinstance(content, (bytes, Mapping)):
        raise InvalidMessageError(
            f"content must be text, a part or a list of them, not {type(content).__name__}; "
            "media goes into an ImagePart, AudioPart, VideoPart or DocumentPart"
        )
    parts = tuple(TextPart(item) if isinstance(item, str) else item for item in content)
    for index, part in enumerate(parts):
        if not isinstance(part, _PARTS):
            more = "; the messages of other SDKs are read by aiclient.interchange" if isinstance(part, Mapping) else ""
            raise InvalidMessageError(f"content[{index}] is {type(part).__name__}, which is not a part{more}")
    return parts
