"""What the Claude models take, by their version: the one place where a model's name means something to the codec.

Rows as of 2026-11, from platform.claude.com/docs: build-with-claude/thinking, /adaptive-thinking, /effort,
/mid-conversation-system-messages, /structured-outputs, about-claude/models. The cut-offs are versions, so that the next model
is treated like the newest known one. A name without a version (another vendor's model behind the same protocol) is taken to
accept everything but adaptive thinking.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from attrs import frozen

__all__ = ["Claude", "claude"]

_NAME: Final = re.compile(r"claude-(?:(?P<family>[a-z]+)-)?(?P<major>\d{1,2})(?:[-.](?P<minor>\d{1,2})(?!\d))?(?!\d)")
"""Families stand before the version (claude-opus-4-6) or, up to 3.7, behind it; dates and `-v1:0` follow."""

_ALWAYS_THINKING: Final = re.compile(r"claude-(?:fable|mythos)\b")


@frozen
class Claude:
    """What one model takes."""

    name: str
    version: tuple[int, int] | None

    def _from(self, major: int, minor: int) -> bool:
        return self.version is not None and self.version >= (major, minor)

    @property
    def sampling(self) -> bool:
        """Whether `temperature`, `top_p` and `top_k` are taken; from 4.7 on, other values than the default are a 400."""
        return not self._from(4, 7)

    @property
    def one_sampler(self) -> bool:
        """Whether `temperature` and `top_p` exclude each other (a 400 from Opus 4.1 on)."""
        return self._from(4, 1)

    @property
    def adaptive(self) -> bool:
        """Whether it knows `thinking.type: adaptive` with `output_config.effort`."""
        return self._from(4, 6)

    @property
    def budgets(self) -> bool:
        """Whether it knows `thinking.type: enabled` with `budget_tokens` (deprecated in 4.6, a 400 from 4.7 on)."""
        return not self._from(4, 7)

    @property
    def xhigh(self) -> bool:
        """Whether it knows the effort `xhigh`: 4.6 does not (record ed1a1ddd8587)."""
        return self._from(4, 7)

    @property
    def hides_thinking(self) -> bool:
        """Whether it leaves its thinking out of the answer unless `thinking.display` asks for a summary."""
        return self._from(4, 7)

    @property
    def always_thinks(self) -> bool:
        """Whether `thinking.type: disabled` is a 400."""
        return _ALWAYS_THINKING.search(self.name) is not None

    @property
    def forced_tools_while_thinking(self) -> bool:
        """Whether a forced tool choice and thinking go together ("Thinking may not be enabled when tool_choice forces ...")."""
        return self._from(4, 8)

    @property
    def system_inside(self) -> bool:
        """Whether system messages may stand among the others (records 0448d9ec8134 and following, Opus 4.8)."""
        return self._from(4, 8)

    @property
    def schemas(self) -> bool:
        """Whether it has structured outputs and strict tools: from 4.5 on."""
        return self.version is None or self._from(4, 5)

    @property
    def max_tokens(self) -> int:
        """What is asked for when the caller sets no limit, which the protocol demands.

        Thinking counts towards it; every model since Claude 4 writes 32,000 and more, Claude 3 only 4,096.
        """
        return 16384 if self._from(4, 0) else 4096


@lru_cache(maxsize=256)
def claude(name: str) -> Claude:
    """Return what the model `name` takes; names of Bedrock, Vertex and gateways are understood too."""
    found = _NAME.search(name)
    if found is not None:
        return Claude(name, (int(found["major"]), int(found["minor"] or 0)))
    return Claude(name, (5, 0) if _ALWAYS_THINKING.search(name) else None)  # claude-mythos-preview
