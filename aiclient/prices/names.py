"""Names of models: under which names of the table the model of a service may stand.

Nothing is guessed. A name stands for a model if it is written in the table, or differs from one that is by what is known not to
change the model: a date at its end, the path or the region that a service puts before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from ..provider import ProviderInfo

__all__ = ["ALIASES", "LOCAL", "is_local", "spellings", "table_of"]

ALIASES: Final = {"google": "gemini", "vertex": "gemini", "openai-responses": "openai"}
"""Vendors and prefixes whose models stand in the table under another provider."""

LOCAL: Final = frozenset({"llamacpp", "lmstudio", "ollama", "sglang", "vllm"})
"""Servers that people run themselves."""

_HOSTS: Final = (
    # ends of host names that tell more than the name of the provider does: one that was pointed at another service
    ("api.anthropic.com", "anthropic"),
    ("api.openai.com", "openai"),
    (".openai.azure.com", "azure"),
    (".cognitiveservices.azure.com", "azure"),
    (".services.ai.azure.com", "azure"),
    ("generativelanguage.googleapis.com", "gemini"),
    ("aiplatform.googleapis.com", "gemini"),
    (".amazonaws.com", "bedrock"),
    ("api.cerebras.ai", "cerebras"),
    ("api.cohere.com", "cohere"),
    ("api.deepseek.com", "deepseek"),
    ("api.fireworks.ai", "fireworks"),
    ("api.groq.com", "groq"),
    ("api.minimax.io", "minimax"),
    ("api.mistral.ai", "mistral"),
    ("api.moonshot.ai", "moonshot"),
    ("openrouter.ai", "openrouter"),
    ("api.perplexity.ai", "perplexity"),
    ("api.together.ai", "together"),
    ("api.together.xyz", "together"),
    ("ai-gateway.vercel.sh", "vercel"),
    ("api.x.ai", "xai"),
    ("api.z.ai", "zai"),
)

_DATE: Final = re.compile(r"[-@](20\d\d-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01]))$")
_REGION: Final = re.compile(r"(us|eu|apac|au|jp|ca|in)\.(?=[a-z0-9]+\.)")
_VERSION: Final = re.compile(r"-v\d+(:\d+)?$|:\d+$")


def table_of(info: ProviderInfo) -> str:
    """Return the provider of the table whose prices hold at `info`: by host, else by vendor; a name nobody knows is itself."""
    host = _host(info)
    for end, provider in _HOSTS:
        if host.endswith(end):
            return provider
    if info.name == "azure":
        return "azure"
    vendor = info.vendor or info.name
    return ALIASES.get(vendor, vendor)


def is_local(info: ProviderInfo) -> bool:
    """Whether `info` is a server of one's own on this machine: models that Ollama only passes on are not there."""
    host = _host(info)
    if (info.vendor or info.name) not in LOCAL or (info.model or "").endswith(("-cloud", ":cloud")):
        return False
    return host in ("localhost", "::1") or host.startswith("127.")


def _host(info: ProviderInfo) -> str:
    try:
        return urlsplit(info.origin or "").hostname or ""
    except ValueError:  # somebody's own provider that says nonsense
        return ""


def spellings(provider: str, model: str) -> Iterator[str]:
    """Yield the names under which `model` may stand among those of `provider`, the most exact first, in lower case.

    Example:
        >>> list(spellings("openai", "gpt-5.4-mini-2026-03-17"))
        ['gpt-5.4-mini-2026-03-17', 'gpt-5.4-mini']
        >>> list(spellings("bedrock", "eu.amazon.nova-pro-v1:0"))[-2:]
        ['eu.amazon.nova-pro', '*.amazon.nova-pro']
    """
    for name in _bare(provider, model.lower()):
        yield name
        if provider == "gemini" and re.search(r"-00\d$", name):
            yield name[:-4]  # the numbered release of a stable model
        if dated := _DATE.search(name):
            yield name[: dated.start()]


def _bare(provider: str, name: str) -> Iterator[str]:
    """Yield the name, and the name without what the service puts around it."""
    yield name
    if provider == "gemini" and "models/" in name:
        yield name.rpartition("models/")[2]
    if provider == "fireworks" and name.startswith("accounts/fireworks/models/"):
        yield name.removeprefix("accounts/fireworks/models/")
    if provider == "bedrock":
        name = name.rpartition("/")[2] if name.startswith("arn:") else name
        yield name
        yield name.rpartition(":")[0] or name
        yield _VERSION.sub("", name)
        if region := _REGION.match(name):  # where the table says that the region makes no difference
            yield "*." + _VERSION.sub("", name[region.end() :])
