"""Hold answers to what was asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, Literal, TypeAlias

from attrs import evolve

from ..context import CallContext, CallEvent
from ..ends import End
from ..errors import ConfigError, ResponseValidationError, UnsupportedFeatureError
from ..layer import Layer
from ..messages import Message
from ..opening import collect, replay
from ..provider import Provider, observed
from ..request import ChatRequest
from ..response import CallWarning, ChatResponse
from ..schema.misfits import Unfit
from ..stream import ChatStream
from ._expected import expected
from ._options import whole

__all__ = ["Validate"]

Mode: TypeAlias = Literal["strict", "warn", "retry"]
"""What happens to an answer that does not fit."""

Ask: TypeAlias = Callable[[ChatRequest], Awaitable[ChatResponse]]

Lines: TypeAlias = tuple[str, ...]

_MOST: Final = 20
"""Problems that are told of one answer."""

_NOT_AGAIN: Final = {
    "length": "the answer was cut at its limit of tokens: raise max_tokens",
    "content_filter": "the service's content filter stopped the answer",
}
"""Reasons for an end after which the same would come again, and what is said of them."""

_REFUSAL: Final = "the model refused to answer"


class Validate(Layer):
    """Hold every answer to a type, a JSON schema, or a function of one's own.

    A call: the answer is read as JSON, alone or as one fenced block, and must fit; the value is in `response.output`. A
    function gets the response instead. What does not fit is, by `mode`:

    * `strict`: a ResponseValidationError, with the answer as `partial` and what is wrong in `errors`, as paths
      (`$.people[0].age: must be a whole number, not a text`);
    * `warn`: the answer, with a CallWarning `validation_failed`;
    * `retry`: asked again with the answer and what is wrong with it put after the messages, each time taking one of the
      attempts left in the call's context; then as `strict`. Not asked again is what was cut at its limit of tokens, or refused.

    An answer that a cache gave is, except with `warn`, asked for again first as it was, with `context.cache = "refresh"`: so
    the wrong entry is overwritten.

    A stream, with `strict` and `warn`: handed out as it comes and checked when it is complete, so that the error comes in
    place of the last chunk, and what was read till then may be wrong; a stream that is left early is not checked. With
    `buffer=True` the whole answer is read and checked before the first chunk is handed out. `retry` needs that: without it, a
    stream is refused. Never checked: answers that call tools, the further ones of `n`, dry runs, and embeddings. Place:
    outside cache, fallback and retry; inside whatever looks at the whole call. A budget inside holds each answer to its limit
    by itself, one outside reserves for one answer and counts all.

    The errors hold nothing of the answer: they are made of the type or the schema. What a function says, or a class of your
    own when it refuses a value, is passed on as it is, to the caller and to the model.

    Args:
        expects: A type (a class, a dataclass, a TypedDict, `list[...]`, a union, `Literal`, an Enum, ...), a JSON schema as a
            dict (needs `pip install 'aiclient[validation]'`), or a function of a ChatResponse, sync or async: it returns
            None or True, or says what is wrong by a text or texts, False, or raising ValueError or AssertionError.
        mode: `strict`, `warn` or `retry`. Default `strict`.
        attempts: With `retry`: answers asked of the service in all, the first included; at least 2. Default 3.
        buffer: Read a stream whole before it is handed out. Default False.
        feedback: Makes the further user message of what is wrong; None takes an English one.

    Raises:
        ConfigError: An option is not what it must be, or nothing can be held to `expects`.
        ResponseValidationError: The answer does not fit; it is not retried and does not fall over.
        UnsupportedFeatureError: A stream in mode `retry` without `buffer`.

    Cancelling goes through at once, also while an async function decides; nothing is kept.

    Example:
        >>> client = Client(MockProvider(['"many"', "3"])).use(Validate(int, mode="retry"))
        >>> response = client.chat("How many rivers? Answer with a number.")
        >>> response.output, len(response.attempts)
        (3, 2)
        >>> client.close()
    """

    slot: ClassVar[str | None] = "validate"

    def __init__(
        self,
        expects: Any,
        mode: Mode = "strict",
        *,
        attempts: int | None = None,
        buffer: bool = False,
        feedback: Callable[[Lines], str] | None = None,
    ) -> None:
        if mode not in ("strict", "warn", "retry"):
            raise ConfigError(f"mode={mode!r} must be 'strict', 'warn' or 'retry'")
        if mode != "retry" and not (attempts is None and feedback is None):
            raise ConfigError(f"attempts= and feedback= are for mode='retry'; with {mode!r} nothing is asked again")
        if type(buffer) is not bool:
            raise ConfigError(f"buffer={buffer!r} must be True or False")
        if feedback is not None and not callable(feedback):
            raise ConfigError(f"feedback={feedback!r} must be a function of the errors that returns a text")
        self._expected = expected(expects)
        self.mode: Mode = mode
        self.buffer = buffer
        self.attempts = whole("attempts", 3 if attempts is None else attempts, least=2) if mode == "retry" else 1
        self._feedback = feedback or self._said

    def __repr__(self) -> str:
        options = [self._expected.label, *([f"mode={self.mode!r}"] if self.mode != "strict" else [])]
        options += [f"attempts={self.attempts}"] if self.mode == "retry" else []
        options += ["buffer=True"] if self.buffer else []
        return f"Validate({', '.join(options)})"

    # --- calls ---

    async def chat(self, request: ChatRequest, inner: Provider) -> ChatResponse:
        """Do the call, and as many more as it takes."""
        return await self._fitting(request, await inner.chat(request), inner.chat)

    async def chat_stream(self, request: ChatRequest, inner: Provider) -> ChatStream:
        """Open a stream, and check it when it is complete, or before it begins."""
        if self.mode == "retry" and not self.buffer:
            raise UnsupportedFeatureError(
                "Validate(mode='retry') cannot take back what a stream has shown: give it buffer=True, so that the answer is "
                "read and checked before its first chunk, or mode='strict'"
            )
        context = request.context
        assert context is not None  # opened by Layered

        async def whole_answer(request: ChatRequest) -> ChatResponse:
            return await collect(inner.chat_stream(request))

        if self.buffer:
            return replay(await self._fitting(request, await whole_answer(request), whole_answer))
        stream = await inner.chat_stream(request)
        if self.mode == "strict" and stream.partial.cached:  # it is all there, and another can still be asked for
            return replay(await self._fitting(request, await collect(_opened(stream)), whole_answer))

        async def end(end: End) -> ChatResponse | None:
            if end.outcome != "completed" or not isinstance(end.response, ChatResponse):
                return None
            return self._judged(await self._read(end.response), context)

        return await observed(_opened(stream), end)

    async def embeddings(self, request: Any, inner: Provider) -> Any:
        """Pass by."""
        return await inner.embeddings(request)

    # --- inside ---

    async def _fitting(self, request: ChatRequest, answer: ChatResponse, ask: Ask) -> ChatResponse:
        """Return `answer` if it fits, else one that does, if asking again may help."""
        context = request.context
        assert context is not None  # opened by Layered
        asked, tried, fresh = request, 0, False
        while True:
            found, problems = await self._read(answer)
            if not problems or self.mode == "warn":
                return self._judged((found, problems), context)
            if answer.cached and not fresh and context.take_extra():
                self._tell("refreshed", answer, context)
                answer, fresh = await _refreshed(asked, context, ask), True
                continue
            tried, fresh = tried + 1, False
            if not self._asks_again(answer, tried, context):
                return self._judged((found, problems), context)
            self._tell("retried", answer, context, tried)
            asked = self._again(request, answer, problems)
            answer = await ask(asked)

    async def _read(self, answer: ChatResponse) -> tuple[ChatResponse, Lines]:
        """Return the answer with its value, and what is wrong with it."""
        if answer.dry_run or answer.message.tool_calls:
            return answer, ()
        try:
            value = await self._expected.read(answer)
        except Unfit as unfit:
            lines = unfit.lines
        else:
            return (answer if value is None and not self._expected.as_json else evolve(answer, output=value)), ()
        reason = _REFUSAL if answer.message.refusal is not None else _NOT_AGAIN.get(answer.finish_reason or "")
        more = [f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
        return answer, (*([reason] if reason else []), *lines[:_MOST], *more)

    def _asks_again(self, answer: ChatResponse, tried: int, context: CallContext) -> bool:
        if tried >= self.attempts or answer.finish_reason in _NOT_AGAIN or answer.message.refusal is not None:
            return False
        return context.remaining() > 0 and context.take_extra()

    def _again(self, request: ChatRequest, answer: ChatResponse, problems: Lines) -> ChatRequest:
        """Return the request with the last answer, and what is wrong with it, put after its messages."""
        said = [Message("assistant", answer.message.parts)] if answer.message.parts else []
        return evolve(request, messages=(*request.messages, *said, Message("user", self._feedback(problems))))

    def _said(self, problems: Lines) -> str:
        lines = "\n".join(f"- {problem}" for problem in problems)
        how = "Answer again, in full, with the JSON alone." if self._expected.as_json else "Answer again, in full."
        return f"Your answer cannot be used:\n{lines}\n{how}"

    def _judged(self, found: tuple[ChatResponse, Lines], context: CallContext) -> ChatResponse:
        """Return an answer that fits, or that may go out with a warning; else raise."""
        answer, problems = found
        if not problems:
            return answer
        told = f"the answer is not what was asked for: {problems[0]}"
        more = f" (and {len(problems) - 1} more, see .errors)" if len(problems) > 1 else ""
        if self.mode == "warn":
            self._tell("warned", answer, context)
            every = "; ".join(problems)
            warning = CallWarning(
                "validation_failed", f"the answer is not what was asked for: {every}", None, answer.provider
            )
            return evolve(answer, warnings=(*answer.warnings, warning))
        self._tell("rejected", answer, context)
        raise ResponseValidationError(
            told + more,
            errors=problems,
            partial=answer,
            provider=answer.provider,
            model=answer.model,
            request_id=answer.request_id,
        )

    def _tell(self, what: str, answer: ChatResponse, context: CallContext, number: int | None = None) -> None:
        if context.observers:
            event = CallEvent("validation", answer.provider, answer.model, number, category="policy", detail=what)
            context.emit(event)


async def _opened(stream: ChatStream) -> ChatStream:
    return stream


async def _refreshed(request: ChatRequest, context: CallContext, ask: Ask) -> ChatResponse:
    """Ask past the cache, which keeps the new answer in place of the old."""
    before, context.cache = context.cache, "refresh"
    try:
        return await ask(request)
    finally:
        context.cache = before
