"""Messages and the parts they are made of.

A `Message` holds typed parts, in order: text, media, reasoning, tool calls, tool results, refusals, and whatever a vendor
sent that this library does not know (`OpaquePart`). Every part can carry its `origin`, the vendor it came from, and
`provider_data`, opaque JSON of that vendor (signatures, sealed reasoning): a provider sends back only its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, TypeAlias, TypeVar, get_args

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
    "MediaPart",
    "Message",
    "OpaquePart",
    "Part",
    "ReasoningPart",
    "RefusalPart",
    "Role",
    "TextPart",
    "ToolCall",
    "ToolResultPart",
    "VideoPart",
]

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
"""Who speaks. `developer` is OpenAI's newer word for `system`; providers map either to what they have."""

_ROLES: Final = get_args(Role)

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


def _check_text(what: str, name: str, value: object, *, needed: bool = False) -> None:
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
            _check_text(type(self).__name__, name, getattr(self, name, None))


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
        _check_text("ToolResultPart", "tool_call_id", self.tool_call_id, needed=True)
        _check_text("ToolResultPart", "name", self.name)


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
            raise InvalidMessageError(f"content[{index}] is {type(part).__name__}, which is not a part")
    return parts


P = TypeVar("P")


@frozen(init=False, repr=False)
class Message(Record):
    """One message of a conversation.

    Args:
        role: Who speaks.
        content: Text, a part, or a list of both.
        name: Name of the speaker, where the service takes one.
        tool_calls: Tool calls to add after the content (they are parts too).
        tool_call_id: With role `tool`: the call that the content answers; it then becomes a ToolResultPart.
        metadata: The caller's own notes; never sent.
    """

    role: Role
    parts: tuple[Part, ...] = field(alias="content")
    name: str | None = None
    metadata: Json = field(factory=dict)

    if TYPE_CHECKING:  # attrs makes it, which not every type checker knows

        def __attrs_init__(self, role: Role, parts: tuple[Part, ...], name: str | None, metadata: Json) -> None: ...

    def __init__(
        self,
        role: Role,
        content: Content = None,
        name: str | None = None,
        tool_calls: Iterable[ToolCall] = (),
        tool_call_id: str | None = None,
        metadata: Json | None = None,
    ) -> None:
        if role not in _ROLES:
            raise InvalidMessageError(f"role {role!r} is none of {', '.join(_ROLES)}")
        _check_text("Message", "name", name)
        parts = content_parts(content)
        if tool_call_id is not None:
            parts = (ToolResultPart(tool_call_id, parts, name),)
        calls = tuple(tool_calls)
        self.__attrs_init__(role, parts + calls if calls else parts, name, dict(metadata or {}))

    @classmethod
    def of_dict(cls, data: Any) -> Message:
        """Make a message of a dict with `role` and `content`, and optionally `name` and `tool_call_id`.

        Raises:
            InvalidMessageError: It is not such a dict; saved records go through `from_dict` instead.
        """
        if not isinstance(data, Mapping) or "role" not in data:
            got = (
                f"a dict with {', '.join(map(repr, data)) or 'nothing'}"
                if isinstance(data, Mapping)
                else type(data).__name__
            )
            raise InvalidMessageError(
                f"a message needs a role: a Message or a dict with 'role' and 'content', got {got:.80}"
            )
        unknown = set(data) - {"role", "content", "name", "tool_call_id"}
        if unknown:
            raise InvalidMessageError(
                f"a message dict takes role, content, name and tool_call_id; got also {sorted(unknown)}"
            )
        return cls(data["role"], data.get("content"), data.get("name"), tool_call_id=data.get("tool_call_id"))

    @property
    def content(self) -> str:
        """All text of the message, joined; `""` when it has none (see `parts` for the difference)."""
        return "".join(part.text for part in self._text_parts())

    def _text_parts(self) -> Iterable[TextPart]:
        for part in self.parts:
            if isinstance(part, TextPart):
                yield part
            elif isinstance(part, ToolResultPart):
                yield from (inner for inner in part.content if isinstance(inner, TextPart))

    def of(self, kind: type[P]) -> tuple[P, ...]:
        """Return the parts of one kind, in order."""
        return tuple(part for part in self.parts if isinstance(part, kind))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools the model asks for, in order."""
        return self.of(ToolCall)

    @property
    def tool_call_id(self) -> str | None:
        """The call that this message answers (the first, if several)."""
        return next((part.tool_call_id for part in self.of(ToolResultPart)), None)

    @property
    def reasoning(self) -> str:
        """The model's visible thinking, joined; `""` when there is none."""
        return "".join(part.text for part in self.of(ReasoningPart))

    @property
    def refusal(self) -> str | None:
        """The model's own words for not answering; None when it did not refuse."""
        refusals = self.of(RefusalPart)
        return "".join(part.text for part in refusals) if refusals else None

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The sources named in the text, in order."""
        return tuple(citation for part in self._text_parts() for citation in part.citations)
