"""Whatever the service answers: nothing unfit goes out, no more is asked than there are attempts, and every step is told."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.attempt import chain
from aiclient.context import CallContext
from aiclient.errors import ResponseValidationError, ServerError
from aiclient.layer import Layer
from aiclient.messages import Message, RefusalPart
from aiclient.middleware import Validate
from aiclient.opening import collect
from aiclient.provider import observed, opened
from aiclient.request import ChatRequest
from aiclient.response import ChatResponse
from aiclient.testutil import fixtures
from aiclient.testutil.mock import MockProvider

REQUEST = ChatRequest([Message("user", "How many?")])

ANSWERS = {
    "fits": ChatResponse(Message("assistant", "3"), "stop"),
    "unfit": ChatResponse(Message("assistant", "many"), "stop"),
    "cached": ChatResponse(Message("assistant", "many"), "stop", cached=True),
    "cached, fits": ChatResponse(Message("assistant", "4"), "stop", cached=True),
    "cut": ChatResponse(Message("assistant", "["), "length"),
    "refusal": ChatResponse(Message("assistant", [RefusalPart("no")]), "stop"),
    "tools": fixtures.tool_response(fixtures.tool_call()),
    "error": fixtures.server_error(),
}


class Seen(Layer):
    """Notes what is asked below Validate, and how calls end above it."""

    def __init__(self):
        self.modes, self.ends = [], []

    async def around(self, request, inner, call_next):
        self.modes.append(request.context.cache)
        return await observed(call_next(request), self._end)

    async def _end(self, end):
        self.ends.append(end.outcome)


class Play:
    """One call, played to its end."""

    def __init__(self, script, options, extras, *, stream):
        self.mock = MockProvider([ANSWERS[word] for word in itertools.islice(itertools.cycle(script), 40)])
        self.script, self.events = script, []
        self.context = CallContext(extra_attempts=extras)
        self.context.observe(lambda event: event.kind == "validation" and self.events.append(event.detail))
        self.outside, self.inside = Seen(), Seen()
        provider = chain([self.outside, Validate(int, **options), self.inside], self.mock)
        call = collect(opened(REQUEST, provider.chat_stream, self.context)) if stream else None
        self.error = self.answer = None
        try:
            self.answer = asyncio.run(run(call or opened(REQUEST, provider.chat, self.context)))
        except (ResponseValidationError, ServerError) as error:
            self.error = error

    @property
    def last(self):
        """The word of the last answer."""
        return self.script[(self.mock.calls - 1) % len(self.script)]


async def run(call):
    return await call


OPTIONS = st.one_of(
    st.builds(lambda buffer: {"buffer": buffer}, st.booleans()),
    st.builds(lambda attempts: {"mode": "retry", "attempts": attempts, "buffer": True}, st.integers(2, 5)),
)


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
@given(
    script=st.lists(st.sampled_from(sorted(ANSWERS)), min_size=1, max_size=6),
    options=OPTIONS,
    extras=st.integers(0, 6),
)
def test_nothing_unfit_goes_out_and_nothing_is_asked_beyond_what_is_allowed(script, options, extras, stream):
    play = Play(script, options, extras, stream=stream)
    assert 1 <= play.mock.calls <= 1 + extras
    refreshed, retried = play.events.count("refreshed"), play.events.count("retried")
    assert play.mock.calls == 1 + refreshed + retried == 1 + extras - play.context.extra_attempts
    assert retried < options.get("attempts", 2) and play.inside.modes.count("refresh") == refreshed
    assert play.context.cache == "use" and play.outside.ends == ["completed" if play.answer else "failed"]
    good = {"fits": 3, "cached, fits": 4, "tools": None}
    assert (play.answer is not None) is (play.last in good)
    assert play.answer is None or play.answer.output == good[play.last]
    assert isinstance(play.error, ServerError) is (play.last == "error")
    assert play.events[-1:] == ["rejected"] or not isinstance(play.error, ResponseValidationError)


@given(
    script=st.lists(st.sampled_from(sorted(set(ANSWERS) - {"error"})), min_size=1, max_size=4), extras=st.integers(0, 3)
)
def test_with_warn_the_first_answer_goes_out_whatever_it_is(script, extras):
    play = Play(script, {"mode": "warn"}, extras, stream=False)
    fits = script[0] in ("fits", "cached, fits", "tools")
    assert play.mock.calls == 1 and play.answer.message == ANSWERS[script[0]].message
    assert [warning.code for warning in play.answer.warnings] == ([] if fits else ["validation_failed"])
    assert play.events == ([] if fits else ["warned"])
