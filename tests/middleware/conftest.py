"""What several tests of middleware play."""

from __future__ import annotations

import asyncio

import pytest

from aiclient.attempt import chain
from aiclient.context import CallContext
from aiclient.messages import Message
from aiclient.middleware import SingleFlight
from aiclient.provider import opened
from aiclient.request import ChatOptions, ChatRequest
from aiclient.testutil.mock import MockProvider

REQUEST = ChatRequest([Message("user", "two words")], ChatOptions(temperature=0))


@pytest.fixture
def shared():
    """`leader, follower, go = await shared(*layers)`: two callers of one call, which ends when `go` is set.

    It answers, or raises `error`, after which another answers; `inside` stands within what the two share.
    """

    async def begin(*layers, inside=(), error=None, **context):
        entered, go = asyncio.Event(), asyncio.Event()

        async def slow(_):
            entered.set()
            await go.wait()
            if error is not None:
                raise error
            return "Paris"

        provider = chain([*layers, SingleFlight(), *inside], MockProvider([slow, "Paris"]))

        def ask():
            return asyncio.create_task(opened(REQUEST, provider.chat, CallContext(**context)))

        leader = ask()
        await entered.wait()
        follower = ask()
        for _ in range(5):
            await asyncio.sleep(0)
        return leader, follower, go

    return begin
