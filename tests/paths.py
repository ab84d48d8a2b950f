"""The three things that a provider can be asked for, as functions of the provider, and the tests' parameter of them."""

from __future__ import annotations

import pytest

from aiclient.messages import Message
from aiclient.opening import collect
from aiclient.request import ChatRequest, EmbeddingRequest

REQUEST = ChatRequest([Message("user", "hi")])
EMBED = EmbeddingRequest("hi")


async def chat(provider, request=REQUEST):
    return await provider.chat(request)


async def stream(provider, request=REQUEST):
    return await collect(provider.chat_stream(request))


async def embed(provider, request=EMBED):
    return await provider.embeddings(request)


PATHS = pytest.mark.parametrize("call", [chat, stream, embed], ids=["chat", "stream", "embeddings"])
