"""What all providers over HTTP share: encode, send, decode or classify, and stamp what comes out.

A provider does the wire and nothing else: no retries, no journal. One thing it does alone: embeddings of more texts than the
service takes at once are sent in several exchanges.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from attrs import evolve

from ..abilities import CountsTokens, Description, Health, ListsModels
from ..clock import SYSTEM, Clock
from ..context import CallContext, Timeouts
from ..credentials import ApiKey
from ..dryrun import redacted
from ..errors import AIClientError, InvalidModelError, UnsupportedFeatureError
from ..messages import Message
from ..net.transport import HTTPLimits
from ..provider import ProviderInfo, begin
from ..request import AnyRequest, ChatRequest, EmbeddingRequest, HTTPCall, check
from ..response import CallWarning, ChatResponse, EmbeddingResponse, Usage
from ..secrets import MASK, SecretStr
from ..stream import ChatStream
from ..wire.codec import ChatWire, EmbeddingWire, Encoded
from ..wire.headers import HeaderFacts
from ._endpoint import Endpoint
from ._health import HealthCheck
from ._sender import Sender
from ._source import ChunkSource

__all__ = ["HTTPProvider"]

Q = TypeVar("Q", ChatRequest, EmbeddingRequest)
A = TypeVar("A", ChatResponse, EmbeddingResponse)


class HTTPProvider(Sender):
    """A provider made of an address, a key and codecs; the subclasses in this package say which.

    Args:
        name: What it is called in errors, journals and cache keys.
        endpoint: Where it sends.
        key: What it authenticates with.
        vendor: Whose opaque data it may send back.
        model: The default model.
        chat: Codec for chat; None if the service has none.
        embeddings: Codec for embeddings; None if the service has none.
        http_client: An `httpx.AsyncClient` to send through; it is never closed here.
        timeout: Limits of this provider; they only lower those of the call.
        limits: Connections and sizes.
    """

    def __init__(
        self,
        *,
        name: str,
        endpoint: Endpoint,
        key: ApiKey,
        vendor: str,
        model: str | None = None,
        chat: ChatWire | None = None,
        embeddings: EmbeddingWire | None = None,
        http_client: Any = None,
        timeout: float | Timeouts | None = None,
        limits: HTTPLimits | None = None,
    ) -> None:
        super().__init__(name=name, endpoint=endpoint, key=key, http_client=http_client, timeout=timeout, limits=limits)
        self._vendor = vendor
        self._model = model
        self._chat = chat
        self._embeddings = embeddings
        self._health = HealthCheck()

    @property
    def name(self) -> str:
        """What this provider is called."""
        return self._name

    @property
    def info(self) -> ProviderInfo:
        """The service it reaches."""
        return ProviderInfo(self._name, self._vendor, self._endpoint.origin, self._model, self._key.scope)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name} at {self._endpoint.origin}, model {self._model}>"

    # --- what a provider does ---

    async def chat(self, request: ChatRequest, /) -> ChatResponse:
        """Answer as a whole."""
        wire, model, opened, context = self._prepared(request)
        try:
            call, warnings = wire.encode(opened, model=model, stream=False)
            said, answer = await self._answered(call, context, wire.decode)
        except AIClientError as error:
            raise self._sign(error, model).with_traceback(None)  # noqa: B904  # it is that error; see `_answered`
        return self._stamped(answer, model, said, _told(request, (*warnings, *answer.usage.doubts(self._name))))

    async def chat_stream(self, request: ChatRequest, /) -> ChatStream:
        """Open a stream; returns when the head of the answer is there."""
        wire, model, opened, context = self._prepared(request)
        try:
            call, warnings = wire.encode(opened, model=model, stream=True)
            exchange = await self._open(call, context)
        except AIClientError as error:
            raise self._sign(error, model).with_traceback(None)  # noqa: B904  # it is that error; see `_answered`
        said = self._facts(exchange.head, context)
        head = self._stamped(ChatResponse(Message("assistant")), model, said, _told(request, warnings))
        source = ChunkSource(exchange, wire.decoder(opened), lambda error: self._sign(error, model, said))
        return ChatStream(source, head=head)

    async def embeddings(self, request: EmbeddingRequest, /) -> EmbeddingResponse:
        """Turn texts into vectors, in as many exchanges as the service's limit asks for."""
        if self._embeddings is None:
            self._has_no("embeddings")
        model = self._model_for(request)
        opened, context = self._opened(request)
        batches = [
            opened if len(texts) == len(request.input) else evolve(opened, input=texts)
            for texts in self._batches(request.input, self._embeddings.batch_limit, model)
        ]
        answers = [await self._embed(self._embeddings, request, batch, model, context) for batch in batches]
        return answers[0] if len(answers) == 1 else _joined(answers)

    def validate_config(self) -> None:
        """Raise what sending would raise for lack of a key, or for a wrong one; sends nothing."""
        self._check(self._key.secret)

    async def close(self) -> None:
        """Drop idle connections; calls in flight finish, and the next call works again."""
        await self._http.close()

    def preview(self, request: ChatRequest, /) -> HTTPCall:
        """Return the exchange that `chat` would make, with `***` for the credentials; sends nothing."""
        return self._previewed(request, stream=False)

    def preview_stream(self, request: ChatRequest, /) -> HTTPCall:
        """Return the exchange that `chat_stream` would make, with `***` for the credentials; sends nothing."""
        return self._previewed(request, stream=True)

    def preview_embeddings(self, request: EmbeddingRequest, /) -> HTTPCall:
        """Return the first exchange that `embeddings` would make, with `***` for the credentials; sends nothing."""
        if self._embeddings is None:
            self._has_no("embeddings")
        model = self._model_for(request)
        opened, context = self._opened(request)
        first, *more = self._batches(request.input, self._embeddings.batch_limit, model)
        call, warnings = self._embeddings.encode(evolve(opened, input=first), model=model)
        if more:
            said = f"the texts take {1 + len(more)} exchanges, of which this is the first"
            warnings = (*warnings, CallWarning("several_exchanges", said, "input", self._name))
        _told(request, warnings)
        return self._shown(call, context)

    def describe(self) -> Description:
        """Return what this provider is; sends nothing."""
        wires = (kind.__module__ for kind in type(self._chat).__mro__ if ".wire." in kind.__module__)
        wire = next((module.rpartition(".")[2] for module in wires), None)
        return Description(self._name, wire, self._endpoint.base_url, self._model, frozenset(self._capabilities()))

    async def health(self, *, clock: Clock = SYSTEM) -> Health:
        """Say whether the service answers, by the cheapest list or count it has; the result is kept for a minute.

        Raises:
            UnsupportedFeatureError: It offers neither.
        """
        return await self._health.get(self._probe, clock)

    @property
    def last_health(self) -> Health | None:
        """What `health` found last, however long ago; sends nothing."""
        return self._health.last

    # --- for the subclasses ---

    def _capabilities(self) -> Iterator[str]:
        """Yield the words for what it can do."""
        if self._chat is not None:
            yield from ("chat", "stream", "preview")
        if self._embeddings is not None:
            yield "embeddings"
        if isinstance(self, CountsTokens):
            yield "count_tokens"
        if isinstance(self, ListsModels):
            yield "list_models"

    async def _probe(self) -> object:
        """Ask for something cheap."""
        if isinstance(self, ListsModels):
            return await self.list_models()
        if isinstance(self, CountsTokens):
            return await self.count_tokens(ChatRequest([Message("user", "Hello")]))
        raise UnsupportedFeatureError(f"{self._name} offers nothing cheap to check it by", provider=self._name)

    def _wire_for(self, model: str) -> ChatWire | None:
        """Return the codec for chat with `model`."""
        return self._chat

    def _batches(self, texts: Sequence[str], limit: int, model: str) -> Iterator[Sequence[str]]:
        """Divide texts among exchanges; `limit` is how many the codec puts into one."""
        for start in range(0, len(texts), limit):
            yield texts[start : start + limit]

    async def _count(self, request: ChatRequest, encode: Callable[..., Encoded], decode: Callable[[bytes], int]) -> int:
        """Have the service count the tokens of `request`."""
        check(request)
        call, _ = encode(request, model=self._model_for(request))
        return decode(await self._get(call))

    # --- inside ---

    def _prepared(self, request: ChatRequest) -> tuple[ChatWire, str, ChatRequest, CallContext]:
        """Refuse what cannot be sent before anything is; else return what the call needs."""
        check(request)
        model = self._model_for(request)
        wire = self._wire_for(model)
        if wire is None:
            self._has_no("chat")
        return wire, model, *self._opened(request)

    def _previewed(self, request: ChatRequest, *, stream: bool) -> HTTPCall:
        wire, model, opened, context = self._prepared(request)
        call, warnings = wire.encode(opened, model=model, stream=stream)
        _told(request, warnings)
        return self._shown(call, context)

    def _shown(self, call: HTTPCall, context: CallContext) -> HTTPCall:
        """Return `call` as it would be sent, but for what is secret: the key, and what the caller's own headers hold."""
        with_key = self._key.refreshable or self._key.secret is not None
        secret = self._auth(SecretStr(MASK)) if with_key else ()
        return redacted(self._endpoint.call(call, id_=context.id, secret=secret))

    def _has_no(self, what: str) -> NoReturn:
        raise UnsupportedFeatureError(f"{self._name} has no {what}", provider=self._name)

    def _model_for(self, request: AnyRequest) -> str:
        model = request.model or self._model
        if model is None:
            raise InvalidModelError(
                f"no model: name one in the request, or give {self._name} a default with model=", provider=self._name
            )
        return model

    def _opened(self, request: Q) -> tuple[Q, CallContext]:
        return begin(request, None if request.context is not None else self._fresh())

    async def _answered(
        self, call: HTTPCall, context: CallContext, decode: Callable[[int, Mapping[str, str], bytes], A]
    ) -> tuple[HeaderFacts, A]:
        """Make an exchange and decode its answer.

        Here and in the codecs prompts and answers are local variables. Tracebacks that show those are sent to error trackers:
        whoever calls this leaves these frames out of what an AIClientError shows; a bug keeps all of its own.
        """
        head, body = await self._read(call, context)
        said = self._facts(head, context)
        try:
            return said, decode(head.status, head.headers, body)
        except AIClientError as error:
            self._sign(error, None, said)
            raise

    async def _embed(
        self, wire: EmbeddingWire, request: EmbeddingRequest, batch: EmbeddingRequest, model: str, context: CallContext
    ) -> EmbeddingResponse:
        try:
            call, warnings = wire.encode(batch, model=model)
            decode = functools.partial(wire.decode, count=len(batch.input))
            said, answer = await self._answered(call, context, decode)
        except AIClientError as error:
            raise self._sign(error, model).with_traceback(None)  # noqa: B904  # it is that error; see `_answered`
        return self._stamped(answer, model, said, _told(request, (*warnings, *answer.usage.doubts(self._name))))

    def _stamped(self, answer: A, model: str, said: HeaderFacts, warnings: tuple[CallWarning, ...]) -> A:
        """Put onto an answer whose it is, and what its headers say."""
        return evolve(
            answer,
            provider=self._name,
            model=answer.model or model,
            request_id=said.request_id,
            rate_limit=said.rate_limit,
            warnings=warnings,
        )


def _told(request: AnyRequest, warnings: Sequence[CallWarning]) -> tuple[CallWarning, ...]:
    """Put warnings where the caller will find them: into the call's context, or, without one, onto the answer."""
    if request.context is None:
        return tuple(warnings)
    request.context.warnings.extend(warning for warning in warnings if warning not in request.context.warnings)
    return ()


def _joined(answers: Sequence[EmbeddingResponse]) -> EmbeddingResponse:
    """Make one answer of those to the parts of a request; the usage is their sum, where all report it."""
    usage = Usage(
        prompt_tokens=_sum(answer.usage.prompt_tokens for answer in answers),
        total_tokens=_sum(answer.usage.total_tokens for answer in answers),
        image_prompt_tokens=_sum(answer.usage.image_prompt_tokens for answer in answers),
        untrusted=tuple(dict.fromkeys(name for answer in answers for name in answer.usage.untrusted)),
    )
    warnings = tuple(dict.fromkeys(warning for answer in answers for warning in answer.warnings))
    vectors = [vector for answer in answers for vector in answer.vectors]
    return evolve(answers[-1], vectors=vectors, usage=usage, warnings=warnings, raw=None)


def _sum(counts: Iterable[int | None]) -> int | None:
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)
