"""Names of providers: `provider:model` strings become providers here, and nowhere else.

Providers are loaded by dotted name when they are asked for, so that naming one costs nothing until then.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from typing import Any, Final, cast

from .errors import ConfigError, InvalidModelError, InvalidProviderError
from .provider import Provider
from .providers.services import RETIRED, SERVICES

__all__ = ["PROVIDERS", "meant", "provider_for", "split"]

PROVIDERS: Final = {
    **dict.fromkeys(SERVICES, "aiclient.providers.openai_compatible:compatible"),
    "anthropic": "aiclient.providers.anthropic:AnthropicProvider",
    "azure": "aiclient.providers.azure:AzureOpenAIProvider",
    "bedrock": "aiclient.providers.bedrock:BedrockProvider",
    "cohere": "aiclient.providers.cohere:CohereProvider",
    "compatible": "aiclient.providers.openai_compatible:CompatibleProvider",
    "gemini": "aiclient.providers.gemini:GeminiProvider",
    "mistral": "aiclient.providers.mistral:MistralProvider",
    "mock": "aiclient.testutil.mock:MockProvider",
    "ollama": "aiclient.providers.ollama:OllamaProvider",
    "openai": "aiclient.providers.openai:OpenAIProvider",
    "openai-responses": "aiclient.providers.openai:responses",
    "vertex": "aiclient.providers.vertex:VertexProvider",
}
"""Prefix of model strings -> where the class is, or what makes the provider of a service that has only a row."""


def split(name: str) -> tuple[str | None, str]:
    """Return (prefix, model) of a model string; the prefix is None when the string names no provider.

    What stands before the first `:` or `/` is a prefix only if it is registered, so names that hold these characters
    survive.

    Example:
        >>> split("openai:gpt-5-mini")
        ('openai', 'gpt-5-mini')
        >>> split("meta-llama/llama-3"), split("llama3:8b")
        ((None, 'meta-llama/llama-3'), (None, 'llama3:8b'))
    """
    for separator in (":", "/"):
        prefix, found, model = name.partition(separator)
        if found and prefix in PROVIDERS:
            return prefix, model
    return (name, "") if name in PROVIDERS else (None, name)


def meant(prefix: str) -> str | None:
    """Return the registered prefix that another one is surely a misspelling of.

    Strict, since models of Ollama's look alike (`llama3:8b`, `qwen3:8b`): the first letters agree, and there is no digit.

    Example:
        >>> meant("opnai"), meant("llama3"), meant("qwen3")
        ('openai', None, None)
    """
    word = prefix.lower()
    if any(char.isdigit() for char in word):
        return None
    close = difflib.get_close_matches(word, [name for name in PROVIDERS if name[:1] == word[:1]], 1, cutoff=0.8)
    return close[0] if close else None


def provider_for(name: str, /, **options: Any) -> Provider:
    """Make the provider that a string such as `openai:gpt-5-mini` names; without a model, as `openai`, it has no default.

    Args:
        name: `provider:model` or `provider`.
        options: Given to the provider's class as they are.

    Raises:
        InvalidProviderError: The string names no provider that is known; the message lists what is.
        InvalidModelError: Nothing follows the colon.
        ConfigError: The provider does not take one of the options.
    """
    prefix, model = split(name)
    if prefix is None:
        raise InvalidProviderError(_unknown(name))
    if not model and name != prefix:
        raise InvalidModelError(f"{name!r} names no model; write {prefix}:<model>, or {prefix} alone for no default")
    module, _, cls = PROVIDERS[prefix].partition(":")
    factory = getattr(importlib.import_module(module), cls)
    named = (prefix,) if prefix in SERVICES else ()
    given = {**({"model": model} if model else {}), **options}
    try:
        inspect.signature(factory).bind(*named, **given)
    except TypeError as error:
        problem = str(error)
    else:
        return cast("Provider", factory(*named, **given))
    raise ConfigError(f"the provider {prefix!r} cannot be made with {sorted(given) or 'no options'}: {problem}")


def _unknown(name: str) -> str:
    known = ", ".join(f"{prefix}:" for prefix in sorted(PROVIDERS))
    prefix = name.partition(":")[0].partition("/")[0]
    if prefix in RETIRED:
        return f"{name!r} names no provider: {RETIRED[prefix]}"
    close = difflib.get_close_matches(prefix, PROVIDERS, 1, cutoff=0.75)
    hint = f"; did you mean {close[0]}:?" if close else "."
    return f"{name!r} names no provider{hint} Write provider:model, with one of {known}, or pass a Provider"
