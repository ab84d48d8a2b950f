"""What `client.map(checkpoint=...)` remembers: an answer that is in the file is not asked for again."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from ..prompts import Prompt, messages_of
from ..request import ChatRequest
from ..response import ChatResponse
from .journal import Journal, key_of

__all__ = ["Remembered"]


class Remembered:
    """A call that looks into a file first, and writes there what it was answered; failures are not kept.

    Args:
        chat: Asks.
        path: The file, one JSON line for each answer; equal requests have a line each.

    Raises:
        ConfigError: The file cannot be opened, another process writes it, or it holds something else.
    """

    def __init__(self, chat: Callable[[ChatRequest], Awaitable[ChatResponse]], path: str | os.PathLike[str]) -> None:
        self._chat, self._journal = chat, Journal(path)
        self._there: defaultdict[str, list[int]] = defaultdict(list)

    def __enter__(self) -> Self:
        try:
            for found in self._journal.found():
                if not (found.failed or found.again):
                    self._there[found.key].append(found.offset)
        except BaseException:  # whatever it was, the file must not stay open and locked; raised again
            self._journal.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()

    async def __call__(self, prompt: Prompt) -> ChatResponse:
        """Return the answer that is in the file, or ask."""
        request = prompt if isinstance(prompt, ChatRequest) else ChatRequest(messages_of(prompt))
        key = key_of(request.to_dict())
        places = self._there.get(key)
        if places:
            return ChatResponse.from_dict(self._journal.at(places.pop(0)).get("response", {}))
        answer = await self._chat(request)
        cost: Any = None if answer.cost is None else str(answer.cost.usd)
        self._journal.append(key, {"content": answer.message.content, "response": answer.to_dict(), "cost": cost})
        return answer
