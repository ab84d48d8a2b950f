"""Media by URL become bytes, for services that take only bytes."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Protocol

from attrs import evolve

from ..errors import ConfigError, MediaError
from ..layer import Layer
from ..media import MediaKind
from ..messages import AudioPart, DocumentPart, ImagePart, MediaPart, Message, ToolResultPart, VideoPart
from ..provider import Provider
from ..request import ChatRequest
from ..response import ChatResponse
from ..stream import ChatStream
from ._options import whole

__all__ = ["FetchMedia", "Fetches"]

_KINDS: Final[dict[type, MediaKind]] = {
    ImagePart: "image",
    AudioPart: "audio",
    VideoPart: "video",
    DocumentPart: "document",
}


class Fetches(Protocol):
    """What fetches: `aiclient.MediaFetcher`, or anything with its method."""

    async def fetch(self, url: str, *, kind: MediaKind | None = None, deadline: float | None = None) -> MediaPart:
        """Return what a URL leads to as a part that holds bytes, or raise a MediaError."""
        ...


class FetchMedia(Layer):
    """Fetch the media of a request that are given by `http` or `https` URL, and send their bytes.

    A call or a stream: before it begins each URL is fetched, one after the other, the same one once; what cannot be fetched is
    a MediaError, and nothing is sent. A dry run fetches nothing. Embeddings pass as they are. Place: around the one provider
    that needs it, in a fallback's `each` or a target of its own, and outside `Retry`, which would fetch again for every
    attempt. Cancelling the call cancels the fetch.

    What is fetched is not kept: in a conversation each turn fetches its earlier turns' media too. To fetch once, put the
    part of `MediaFetcher.fetch` into the history.

    Args:
        fetcher: Fetches, such as `aiclient.MediaFetcher()`; its limits of size, time and place hold.
        most: URLs of one request, default 10; more are refused.

    Raises:
        ConfigError: `fetcher` cannot fetch, or `most` is not a whole number of at least 1.
        MediaError: A URL could not be fetched; `kind` says why.
    """

    slot: ClassVar[str | None] = "fetch_media"

    def __init__(self, fetcher: Fetches, *, most: int = 10) -> None:
        if not callable(getattr(fetcher, "fetch", None)):
            raise ConfigError(
                f"FetchMedia({fetcher!r}): something that fetches is needed, such as aiclient.MediaFetcher()"
            )
        self._fetcher = fetcher
        self._most = whole("most", most)

    def __repr__(self) -> str:
        return f"FetchMedia({type(self._fetcher).__name__}, most={self._most})"

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Do the call with bytes in place of URLs."""
        return await inner.chat(await self._filled(request))

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Open the stream with bytes in place of URLs."""
        return await inner.chat_stream(await self._filled(request))

    async def _filled(self, request: ChatRequest) -> ChatRequest:
        wanted = dict.fromkeys((type(part), part.url) for part in _linked(request))
        if not wanted or (request.context is not None and request.context.dry_run):
            return request
        if len(wanted) > self._most:
            raise MediaError(f"{len(wanted)} URLs to fetch, more than most={self._most}", kind="too_large")
        deadline = None if request.context is None else request.context.deadline
        found: dict[tuple[type, str | None], MediaPart] = {}
        for kind, url in wanted:
            found[kind, url] = await self._fetcher.fetch(url or "", kind=_KINDS[kind], deadline=deadline)
        return evolve(request, messages=[_message(message, found) for message in request.messages])


def _linked(request: ChatRequest) -> list[MediaPart]:
    """Return the parts that are given by an address of the web."""
    parts = [part for message in request.messages for part in message.parts]
    inside = [inner for part in parts if isinstance(part, ToolResultPart) for inner in part.content]
    return [part for part in (*parts, *inside) if isinstance(part, MediaPart) and _is_web(part.url)]


def _is_web(url: str | None) -> bool:
    return url is not None and url[:8].lower().startswith(("http://", "https://"))


def _message(message: Message, found: dict[tuple[type, str | None], MediaPart]) -> Message:
    parts = tuple(_part(part, found) for part in message.parts)
    return message if parts == message.parts else evolve(message, content=parts)


def _part(part: Any, found: dict[tuple[type, str | None], MediaPart]) -> Any:
    if isinstance(part, ToolResultPart):
        return evolve(part, content=tuple(_part(inner, found) for inner in part.content))
    fetched = found.get((type(part), part.url)) if isinstance(part, MediaPart) else None
    if fetched is None:
        return part
    return evolve(part, url=None, data=fetched.data, media_type=fetched.media_type)
