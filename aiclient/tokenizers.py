"""How the services of each family of models turn text into input tokens, as far as their reported usage tells.

The figures are fitted, not published: to two thirds of some two thousand recorded requests of text and tools, with what the
services counted for each (November 2026); docs/tokens.md states how well they do on the other third.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from attrs import frozen

__all__ = ["OTHER", "Family", "family"]


@frozen
class Family:
    """What input costs in tokens.

    Args:
        name: What docs/tokens.md calls it.
        once: Every request: the service's own words around it.
        message: Every message.
        text: Bytes of UTF-8 to a token of text.
        tools: Once, when tools are offered.
        tool: Every tool.
        data: Bytes to a token of what is JSON: parameters of tools, arguments of calls, the answer's schema.
        call: Every call of a tool.
        schema: Once, when an answer's schema is sent; None where it does not count.
    """

    name: str
    once: float = 0.0
    message: float = 4.0
    text: float = 4.0
    tools: float = 0.0
    tool: float = 0.0
    data: float = 4.0
    call: float = 0.0
    schema: float | None = 0.0


OTHER: Final = Family("other")
"""Four bytes to a token: English text. Chinese has about one token to a character, of three bytes."""

FAMILIES: Final = (
    Family("gpt", 2.8, 4.7, 4.8, 9.0, 0.0, 5.9, 12.0, 6.0),
    Family("gpt-4", 4.4, 3.6, 4.75, 6.2, 13.3, 6.4, 8.3, 20.0),  # and 3.5
    Family("gpt-oss", 62.8, 5.9, 4.3, 5.9, 8.0, 4.5, 10.4, 20.0),
    Family("claude", 6.1, 1.8, 4.3, 492.0, 4.5, 3.4, 18.2, 121.0),
    Family("gemini", 1.5, 0.0, 4.2, 0.0, 0.0, 5.9, 32.5, None),
    Family("mistral", 0.0, 2.6, 3.4, 12.7, 2.5, 3.0, 3.4, 20.0),
    Family("deepseek", 0.0, 2.9, 4.3, 306.0, 6.2, 4.7, 13.6, 20.0),
    Family("qwen", 7.5, 4.2, 4.2, 79.5, 9.2, 3.9, 9.0, 78.0),
    Family("grok", 0.0, 5.0, 4.9, 141.0, 19.9, 3.5, 4.1, 24.4),
    Family("nova", 0.0, 0.6, 4.4, 412.0, 10.3, 5.5, 5.9, 20.0),
    Family("command", 0.0, 0.0, 4.0, 1428.0, 8.5, 4.8, 9.4, 20.0),
)
"""Of a family of which less than two dozen different requests are at hand nothing is claimed: it is one of the others."""

_WORDS: Final = (
    # A pattern in a model's name -> the family; the first that fits counts.
    (r"claude", "claude"),
    (r"gemini", "gemini"),
    (r"command-", "command"),
    (r"(?:mi[sx]tr|ministr|magistr|codestr|pixtr|voxtr|devstr)al", "mistral"),
    (r"deepseek", "deepseek"),
    (r"llama", "other"),
    (r"qwen|qwq", "qwen"),
    (r"grok", "grok"),
    (r"nova", "nova"),
    (r"gpt-oss", "gpt-oss"),
    (r"gpt-(?:3\.5|4(?!o|\.))", "gpt-4"),
    (r"gpt-|(?:^|[/:.])o[134](?:-|$)", "gpt"),
)

_BY_NAME: Final = {each.name: each for each in (OTHER, *FAMILIES)}


@functools.lru_cache(maxsize=1024)
def family(model: str | None) -> Family:
    """Return the family of a model, by its name, whatever the gateway puts before it.

    Example:
        >>> family("anthropic/claude-haiku-4.5").name, family("gpt-4o").name, family("my-model").name
        ('claude', 'gpt', 'other')
    """
    name = (model or "").lower()
    return _BY_NAME[next((found for pattern, found in _WORDS if re.search(pattern, name)), "other")]
