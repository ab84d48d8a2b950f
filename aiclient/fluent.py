"""What a request can be made of, said fluently: each step returns a new builder, so that a half-built one can be reused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

from attrs import evolve, field, frozen

from . import media
from .context import CacheMode, Timeouts
from .errors import InvalidMessageError, InvalidRequestError, MediaError
from .media import MediaSource
from .messages import AudioPart, Content, DocumentPart, ImagePart, Message, Role, ToolCall, VideoPart, content_parts
from .request import (
    ChatOptions,
    ChatRequest,
    Effort,
    OffersTool,
    PromptCache,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
    check,
)
from .response import ChatResponse
from .template import Template
from .turns import said_after

if TYPE_CHECKING:
    from .tools.use import AnyTool

__all__ = ["Fluent"]


@frozen
class Fluent:
    """Everything a request can be made of; immutable.

    A wrong argument raises InvalidRequestError (or one of its kinds) in the method that got it.
    """

    _messages: tuple[Message, ...] = field(default=(), kw_only=True)
    _options: ChatOptions = field(factory=ChatOptions, kw_only=True)

    # --- messages ---

    def _say(self, role: Role, content: Content, **more: Any) -> Self:
        return self.messages(Message(role, content, **more))

    def system(self, text: str) -> Self:
        """Add a system message: how the model should behave."""
        return self._say("system", _text(text, "system"))

    def user(self, content: Content = None, *parts: Content) -> Self:
        """Begin a user message of text, parts (images, ...), or both."""
        said = [part for item in (content, *parts) for part in content_parts(item)] if parts else content
        return self._say("user", said)

    def assistant(self, content: Content = None, *, tool_calls: Iterable[ToolCall] = ()) -> Self:
        """Add what the model said earlier."""
        return self._say("assistant", content, tool_calls=tool_calls)

    def tool_result(self, tool_call_id: str, content: Content, *, name: str | None = None) -> Self:
        """Add what a tool gave back for the call of that id."""
        return self._say("tool", content, tool_call_id=tool_call_id, name=name)

    def message(self, role: Role, content: Content = None, *, name: str | None = None) -> Self:
        """Add a message of any role."""
        return self._say(role, content, name=name)

    def messages(self, *messages: Message) -> Self:
        """Add messages that were made elsewhere."""
        given: tuple[object, ...] = messages
        for message in given:
            if not isinstance(message, Message):
                raise InvalidMessageError(f"messages() takes Message values, got {type(message).__name__}")
        return evolve(self, messages=self._messages + messages)

    def reply(self, response: ChatResponse, *content: Content) -> Self:
        """Add an answer to the messages so far, and what is said to it; see ChatRequest.reply."""
        return self.messages(*said_after(response, content))

    def template(self, template: Template, /, **values: Any) -> Self:
        """Add the messages of a template, filled in, and tag the call with its name and version.

        Raises:
            InvalidRequestError: A value is missing, of the wrong type, or belongs to no place of the template.
        """
        given: object = template
        if not isinstance(given, Template):
            raise InvalidRequestError(
                f"template() takes a Template, such as Template(user=...), not {type(given).__name__}"
            )
        return self.messages(*template.render(**values)).tags(**template.tags)

    def image(
        self,
        source: MediaSource | None = None,
        *,
        data: bytes | None = None,
        url: str | None = None,
        media_type: str | None = None,
        detail: str | None = None,
        max_bytes: int = media.MAX_BYTES,
    ) -> Self:
        """Add an image to the last user message, or begin one: a file (`Path(...)`), bytes, or a URL; see `aiclient.image`."""
        source = _one("image", source, data, url)
        return self._attach(media.image(source, media_type=media_type, detail=detail, max_bytes=max_bytes))

    def audio(
        self,
        source: MediaSource | None = None,
        *,
        data: bytes | None = None,
        url: str | None = None,
        media_type: str | None = None,
        max_bytes: int = media.MAX_BYTES,
    ) -> Self:
        """Add sound to the last user message, or begin one, as `image` does."""
        return self._attach(media.audio(_one("audio", source, data, url), media_type=media_type, max_bytes=max_bytes))

    def video(
        self,
        source: MediaSource | None = None,
        *,
        data: bytes | None = None,
        url: str | None = None,
        media_type: str | None = None,
        max_bytes: int = media.MAX_BYTES,
    ) -> Self:
        """Add a film to the last user message, or begin one, as `image` does."""
        return self._attach(media.video(_one("video", source, data, url), media_type=media_type, max_bytes=max_bytes))

    def document(
        self,
        source: MediaSource | None = None,
        *,
        data: bytes | None = None,
        url: str | None = None,
        media_type: str | None = None,
        name: str | None = None,
        max_bytes: int = media.MAX_BYTES,
    ) -> Self:
        """Add a document to the last user message, or begin one, as `image` does; `name` is its file name."""
        source = _one("document", source, data, url)
        return self._attach(media.document(source, media_type=media_type, name=name, max_bytes=max_bytes))

    def _attach(self, part: ImagePart | AudioPart | VideoPart | DocumentPart) -> Self:
        last = self._messages[-1] if self._messages else None
        if last is None or last.role != "user":
            return self.user(part)
        return evolve(self, messages=(*self._messages[:-1], evolve(last, content=(*last.parts, part))))

    # --- options ---

    def _set(self, **changes: Any) -> Self:
        return evolve(self, options=evolve(self._options, **changes))

    def model(self, name: str) -> Self:
        """Ask this model instead of the provider's default."""
        return self._set(model=name or "")

    def temperature(self, value: float) -> Self:
        """Set how freely to sample, from 0 to 2."""
        return self._set(temperature=value)

    def max_tokens(self, count: int) -> Self:
        """Limit the answer to `count` tokens, at least 1."""
        return self._set(max_tokens=count)

    def top_p(self, value: float) -> Self:
        """Sample from the most likely tokens that make up this probability, from 0 to 1."""
        return self._set(top_p=value)

    def top_k(self, count: int) -> Self:
        """Sample from the `count` most likely tokens."""
        return self._set(top_k=count)

    def seed(self, value: int) -> Self:
        """Ask for reproducible sampling."""
        return self._set(seed=value)

    def stop(self, *sequences: str) -> Self:
        """Stop before any of these texts; replaces earlier ones."""
        return self._set(stop=sequences)

    def frequency_penalty(self, value: float) -> Self:
        """Make repeated tokens less likely, from -2 to 2."""
        return self._set(frequency_penalty=value)

    def presence_penalty(self, value: float) -> Self:
        """Make tokens that occurred less likely, from -2 to 2."""
        return self._set(presence_penalty=value)

    def tools(self, *tools: Tool | OffersTool) -> Self:
        """Offer these tools, plain ones or functions with `@tool`; replaces earlier ones."""
        return self._set(tools=tools)

    def tool_choice(self, choice: str | ToolChoice) -> Self:
        """Say whether a tool must be used: `auto`, `none`, `required`, or a tool's name."""
        return self._set(tool_choice=ToolChoice.of(choice))

    def parallel_tool_calls(self, allowed: bool = True) -> Self:  # noqa: FBT001, FBT002  # reads as a sentence
        """Say whether the model may ask for several tools at once."""
        return self._set(parallel_tool_calls=allowed)

    def response_format(self, form: str | Mapping[str, Any] | ResponseFormat) -> Self:
        """Ask for `text`, `json`, or JSON that follows a schema (a dict)."""
        return self._set(response_format=ResponseFormat.of(form))

    def reasoning(self, effort: Effort | None = None, *, budget_tokens: int | None = None) -> Self:
        """Say how much to think: an effort from `none` to `max`, or a budget of tokens; each service takes its nearest."""
        return self._set(reasoning=Reasoning(effort, budget_tokens))

    def prompt_cache(self, ttl: str = "5m", *, key: str | None = None) -> Self:
        """Ask the service to keep the prompt's beginning for the next call: how long (`5m`, `1h`), and for which group."""
        return self._set(prompt_cache=PromptCache(ttl, key))

    def user_id(self, value: str) -> Self:
        """Tell the service which of your users asks, as an opaque identifier."""
        return self._set(user_id=_text(value, "user_id"))

    def metadata(self, **values: str) -> Self:
        """Send key-value notes with the request, where the service keeps them; adds to earlier ones."""
        return self._set(metadata={**self._options.metadata, **values})

    def extra(self, namespace: str, /, **settings: Any) -> Self:
        """Send settings that only the provider of that namespace (`openai`, ...) understands; others ignore them."""
        namespace = _text(namespace, "extra")
        merged = {**self._options.extra.get(namespace, {}), **settings}
        return self._set(extra={**self._options.extra, namespace: merged})

    def timeout(self, limit: float | Timeouts) -> Self:
        """Limit the whole call to this many seconds, or replace all the client's limits by Timeouts."""
        return self._set(timeout=limit)

    def tags(self, **values: str) -> Self:
        """Label the call for logs, metrics and budgets; never sent. Adds to earlier ones."""
        return self._set(tags={**self._options.tags, **values})

    def cache(self, mode: CacheMode) -> Self:
        """Say what a response cache does with the call: `use` it, `bypass` it, or `refresh` (ask again and overwrite)."""
        return self._set(cache=mode)

    def tenant(self, name: str) -> Self:
        """Say on whose behalf the call is made; never sent."""
        return self._set(tenant=_text(name, "tenant"))

    def strict(self, on: bool = True) -> Self:  # noqa: FBT001, FBT002  # reads as a sentence
        """Make anything the provider cannot honour an UnsupportedFeatureError instead of a warning on the response."""
        return self._set(strict=on)

    # --- the request ---

    def _offering(self, tools: Iterable[AnyTool]) -> ChatRequest:
        """Return the request with these tools beside its own."""
        offered = {tool.name: tool.tool for tool in tools}
        others = [tool for tool in self._options.tools if tool.name not in offered]
        return self.tools(*others, *offered.values()).build()

    def build(self) -> ChatRequest:
        """Return the request, checked.

        Raises:
            EmptyMessagesError: It has no messages.
            InvalidMessageError: A message has no content, or answers a tool call that nobody made.
        """
        request = ChatRequest(self._messages, self._options)
        check(request)
        return request


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequestError(f"{what}({value!r}): a text that is not empty is needed")
    return value


def _one(what: str, *given: MediaSource | None) -> MediaSource:
    """Return the one source of media that was given."""
    found = [source for source in given if source is not None]
    if len(found) != 1:
        raise MediaError(f"{what}() takes one source: a Path, bytes (data=), or a URL (url=)", kind="source")
    return found[0]
