"""Messages: who speaks, and the parts of what is said, in order; the parts themselves are in `parts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, get_args

from attrs import field, frozen

from .errors import InvalidMessageError
from .parts import (
    AudioPart,
    Citation,
    Content,
    DocumentPart,
    ImagePart,
    Json,
    MediaPart,
    OpaquePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
    VideoPart,
    check_text,
    content_parts,
)
from .records import Record

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
    "content_parts",
]

Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
"""Who speaks. `developer` is OpenAI's newer word for `system`; providers map either to what they have."""

_ROLES: Final = get_args(Role)

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
        check_text("Message", "name", name)
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
                f"a message dict takes role, content, name and tool_call_id; got also {sorted(map(str, unknown))}"
                "; the messages of other SDKs are read by aiclient.interchange.from_openai and from_anthropic"
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
