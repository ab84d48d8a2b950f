"""What the models behind Bedrock's Converse take: the one place where a model's name means something to the codec.

Rows as of 2026-11. The names are those of base models, inference profiles (`us.`, `global.`) and ARNs that hold either; an
ARN of an application's own profile says nothing, and its model is taken to accept whatever the protocol has.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from attrs import frozen

from .anthropic_facts import Claude, claude

__all__ = ["Served", "served"]

_NAME: Final = re.compile(r"(?:^|[./])(?P<base>(?P<vendor>[a-z0-9-]+)\.(?P<model>[a-z][\w.:-]*))$", re.IGNORECASE)
_GEOGRAPHIES: Final = frozenset(
    {"us", "us-gov", "eu", "apac", "global", "jp", "au", "ca", "sa", "mx", "uk", "in", "af", "me"}
)

_TOP_K: Final = {
    # Where `top_k` stands in `additionalModelRequestFields`: "Inference request parameters and response fields for foundation
    # models", Amazon Bedrock user guide; Nova's: record 6a0fccd46a39.
    "anthropic": ("top_k",),
    "amazon": ("inferenceConfig", "topK"),
    "mistral": ("top_k",),
    "cohere": ("k",),
}


@frozen
class Served:
    """What one model takes."""

    name: str
    vendor: str | None
    base: str
    claude: Claude

    @property
    def is_claude(self) -> bool:
        """Whether it is one of Anthropic's."""
        return self.vendor == "anthropic"

    @property
    def foreign_id(self) -> str:
        """A character that ids of tool calls must not have: Claude is narrower than the protocol, `[a-zA-Z0-9_.:-]+`."""
        return r"[^a-zA-Z0-9_-]" if self.vendor in ("anthropic", None) else r"[^a-zA-Z0-9_.:-]"

    @property
    def tool_status(self) -> bool:
        """Whether it takes `toolResult.status`: "only supported by Amazon Nova and Anthropic Claude" (ToolResultBlock)."""
        return self.vendor in ("anthropic", "amazon", None)

    @property
    def takes_unsigned_thinking(self) -> bool:
        """Whether it takes its thinking back without a seal: Claude seals it, DeepSeek's is a 400 (langchain-aws issue 401)."""
        return self.vendor not in ("anthropic", "deepseek")

    @property
    def cached_tools(self) -> bool:
        """Whether tools take a cache point; Nova caches system prompt and messages only (user guide, "Prompt caching")."""
        return self.vendor != "amazon"

    @property
    def caches(self) -> bool:
        """Whether it takes cache points: Claude and Nova do ("Prompt caching", Amazon Bedrock user guide)."""
        return self.vendor in ("anthropic", "amazon", None)

    @property
    def thinking(self) -> str | None:
        """The words in which it takes how much to think.

        `claude`; `nova` (Nova 2 user guide, "Extended thinking"); `gpt-oss` a flat `reasoning_effort`, later models of OpenAI's
        `reasoning.effort` (probed by opencode, pull request 48195, 2026-09).
        """
        if self.is_claude:
            return "claude"
        if self.vendor == "amazon" and ".nova-2" in self.base:
            return "nova"
        if self.vendor == "openai":
            return "gpt-oss" if ".gpt-oss" in self.base else "openai"
        return None

    @property
    def top_k(self) -> tuple[str, ...] | None:
        """Where `top_k` stands in the model's own fields."""
        return _TOP_K.get(self.vendor or "")


@lru_cache(maxsize=256)
def served(name: str) -> Served:
    """Return what the model `name` takes."""
    facts = claude(name)
    found = _NAME.search(name)
    while found is not None and found["vendor"].lower() in _GEOGRAPHIES:
        found = _NAME.search(found["model"])
    if found is not None:
        return Served(name, found["vendor"].lower(), found["base"], facts)
    return Served(name, "anthropic" if facts.version is not None else None, name, facts)
