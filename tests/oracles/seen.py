"""What a client, whichever it is, understood of an answer: plain values that can be compared."""

from __future__ import annotations

import asyncio
import json

import attrs

import aiclient

KEY = "sk-test-of-the-oracles"

QUESTION = "Say hello please"
REPLY = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
CUT_REPLY = REPLY.removesuffix(" seventeen eighteen")
THOUGHT = "The user wants an answer."

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "kelvin"]}},
    "required": ["city", "unit"],
}
CALLED = ("weather", {"city": "text", "unit": "celsius"})

WEATHER = aiclient.Tool("weather", "Tells the weather.", SCHEMA)


@attrs.frozen(kw_only=True)
class Ask:
    """One question, in no vendor's words."""

    limit: int | None = None
    tool: bool = False
    thinking: bool = False


PLAIN = Ask(limit=4000)
CUT = Ask(limit=16)  # the least that OpenAI's Responses take
TOOL = Ask(limit=4000, tool=True)
THINKING = Ask(limit=4000, thinking=True)


@attrs.frozen(kw_only=True)
class Seen:
    """One answer; `reason` in the vendor's words, counts as the vendor counts."""

    text: str = ""
    thought: str = ""
    calls: tuple = ()
    reason: str | None = None
    prompt: int | None = None
    completion: int | None = None
    model: str | None = None


@attrs.frozen(kw_only=True)
class Refused:
    """One error."""

    status: int
    message: str
    request_id: str | None = None


def called(name: str, arguments: str | dict) -> tuple[str, dict]:
    return name, json.loads(arguments) if isinstance(arguments, str) else dict(arguments)


def ours(answer: aiclient.ChatResponse) -> Seen:
    """What aiclient understood."""
    assert all(call.defect is None for call in answer.message.tool_calls)
    return Seen(
        text=answer.message.content,
        thought=answer.message.reasoning,
        calls=tuple((call.name, call.parsed) for call in answer.message.tool_calls),
        reason=answer.raw_finish_reason,
        prompt=answer.usage.prompt_tokens,
        completion=answer.usage.completion_tokens,
        model=answer.model,
    )


def in_a_loop(provider, method, *arguments):
    """Call what only the asynchronous provider offers."""

    async def call():
        try:
            return await getattr(provider, method)(*arguments)
        finally:
            await provider.close()

    return asyncio.run(call())


class Oracle:
    """An official SDK, and our provider for the same service.

    A subclass reads the SDK's own objects; what the service does not offer it leaves out, and names in `lacks`.
    """

    module = ""
    lacks: frozenset[str] = frozenset()
    errors: tuple[type[Exception], ...] = ()

    def __init__(self, server) -> None:
        self.server = server

    def close(self) -> None:
        """Give connections back, where the SDK says how."""

    def ask(self, ask: Ask) -> Seen:
        raise NotImplementedError

    def stream(self, ask: Ask) -> Seen:
        raise NotImplementedError

    def refused(self, error: Exception) -> Refused:
        raise NotImplementedError

    def provider(self):
        raise NotImplementedError

    def thinking(self, request):
        """Ask for thinking, in our own words."""
        return request.reasoning("low")

    def request(self, client: aiclient.Client, ask: Ask):
        """The same question in our words."""
        request = client.new_request().user(QUESTION)
        if ask.limit is not None:
            request = request.max_tokens(ask.limit)
        if ask.tool:
            request = request.tools(WEATHER).tool_choice("required")
        return self.thinking(request) if ask.thinking else request
