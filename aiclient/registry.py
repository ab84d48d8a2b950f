"""Names of providers and of middleware: `provider:model` strings become providers here, and nowhere else.

They are loaded by dotted name when they are asked for, so that naming one costs nothing until then. A program adds its own
with `register`, an installed package with an entry point in the group `aiclient.providers` or `aiclient.middleware`:

    [project.entry-points."aiclient.providers"]
    acme = "acme_models:AcmeProvider"

From then on `acme:some-model` is a model string like any other, and a configuration may name it.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import warnings
from typing import Any, Final, cast

from .composition import is_provider
from .errors import AIClientWarning, ConfigError, InvalidModelError, InvalidProviderError
from .plugins import Factory, Names
from .provider import Provider
from .providers.services import RETIRED, SERVICES

__all__ = [
    "MIDDLEWARE",
    "PROVIDERS",
    "alias",
    "available",
    "default_model",
    "get",
    "meant",
    "middleware",
    "names",
    "provider_for",
    "providers",
    "register",
    "resolved",
    "split",
    "unregister",
]

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

MIDDLEWARE: Final = {
    "budget": "aiclient.middleware:Budget",
    "cache": "aiclient.middleware:Cache",
    "circuit_breaker": "aiclient.middleware:CircuitBreaker",
    "concurrency": "aiclient.middleware:Concurrency",
    "defaults": "aiclient.middleware:Defaults",
    "dry_run": "aiclient.middleware:DryRun",
    "fallback": "aiclient.middleware:Fallback",
    "fetch_media": "aiclient.middleware:FetchMedia",
    "hedge": "aiclient.middleware:Hedge",
    "load_balance": "aiclient.middleware:LoadBalance",
    "logging": "aiclient.middleware:Logging",
    "metrics": "aiclient.middleware:Metrics",
    "rate_limit": "aiclient.middleware:RateLimit",
    "retry": "aiclient.middleware:Retry",
    "single_flight": "aiclient.middleware:SingleFlight",
    "timeout": "aiclient.middleware:Timeout",
    "tracing": "aiclient.middleware:Tracing",
    "validate": "aiclient.middleware:Validate",
}
"""Name in a configuration's `use` -> the layer. Hooks has none: all that it takes are functions."""

providers: Final = Names("provider", "aiclient.providers", PROVIDERS)
"""Providers by the prefix of model strings."""

middleware: Final = Names("middleware", "aiclient.middleware", MIDDLEWARE)
"""Layers by the name that a configuration gives them."""

_aliases: Final[dict[str, str]] = {}
_defaults: Final[dict[str, str]] = {}


def register(name: str, factory: Factory | str, *, replace: bool = False) -> None:
    """Have `name:model` strings stand for what `factory` makes; see `Names.register`.

    Example:
        >>> from aiclient import registry
        >>> registry.register("acme", MockProvider)
        >>> registry.provider_for("acme:small").info.model
        'small'
        >>> registry.unregister("acme")
    """
    providers.register(name, factory, replace=replace)


def unregister(name: str) -> None:
    """Take back what `register` said of `name`."""
    providers.unregister(name)


def get(name: str) -> Factory:
    """Return what makes providers of this name: a class, or a function of its options.

    Raises:
        ConfigError: The name is not known, or what it stands for cannot be imported.
    """
    factory = providers.get(name)
    return functools.partial(factory, name) if name in SERVICES and not providers.registered(name) else factory


def names() -> tuple[str, ...]:
    """Return the names of all providers: the library's, registered ones, and those of installed packages."""
    return providers.names()


def available() -> tuple[str, ...]:
    """Return the providers whose credentials are found where they look for them; nothing is sent.

    Those that need none (servers of one's own, mocks) are not among them. Every provider is imported for it.
    """
    return tuple(name for name in names() if _has_credentials(name))


def _has_credentials(name: str) -> bool:
    try:
        made = provider_for(name)
        made.validate_config()
    except ConfigError:
        return False
    except Exception as error:  # noqa: BLE001  # of others' code, which must not hide what else is there
        words = f"the provider {name!r} cannot be made: {type(error).__name__}; it is left out"
        warnings.warn(words, AIClientWarning, stacklevel=4)
        return False
    return getattr(getattr(made, "info", None), "scope", None) is not None


def alias(name: str, model: str | None) -> None:
    """Have `name` stand for a model string wherever one is asked for; None takes it back.

    Raises:
        ConfigError: The name is that of a provider, or holds a `:` or `/`, or what it stands for names no provider.

    Example:
        >>> from aiclient import registry
        >>> registry.alias("small", "mock:mini")
        >>> registry.provider_for("small").info.model
        'mini'
        >>> registry.alias("small", None)
    """
    if not name or ":" in name or "/" in name or name in providers:
        raise ConfigError(f"{name!r} cannot be an alias: it is a provider's name, empty, or holds : or /")
    if model is None:
        _aliases.pop(name, None)
        return
    if split(model)[0] is None:
        raise InvalidProviderError(_unknown(model))
    _aliases[name] = model


def default_model(provider: str, model: str | None) -> None:
    """Have `provider_for(provider)` ask for `model` where none is named; None takes it back.

    Raises:
        ConfigError: There is no such provider.
    """
    if provider not in providers:
        raise InvalidProviderError(_unknown(provider))
    if model is None:
        _defaults.pop(provider, None)
    else:
        _defaults[provider] = model


def resolved(name: str) -> str:
    """Return the model string that an alias stands for, and any other as it is."""
    return _aliases.get(name, name)


def split(name: str) -> tuple[str | None, str]:
    """Return (prefix, model) of a model string; the prefix is None when the string names no provider.

    What stands before the first `:` or `/` is a prefix only if it is registered, so names that hold these characters
    survive.

    Example:
        >>> split("openai:gpt-5.4-mini")
        ('openai', 'gpt-5.4-mini')
        >>> split("meta-llama/llama-3"), split("llama3:8b")
        ((None, 'meta-llama/llama-3'), (None, 'llama3:8b'))
    """
    name = resolved(name)
    for separator in (":", "/"):
        prefix, found, model = name.partition(separator)
        if found and prefix in providers:
            return prefix, model
    return (name, "") if name in providers else (None, name)


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
    close = difflib.get_close_matches(word, [name for name in names() if name[:1] == word[:1]], 1, cutoff=0.8)
    return close[0] if close else None


def provider_for(name: str, /, **options: Any) -> Provider:
    """Make the provider that a string such as `openai:gpt-5.4-mini` names; without a model, as `openai`, it has no default.

    Args:
        name: `provider:model`, `provider`, or an alias.
        options: Given to the provider's class as they are.

    Raises:
        InvalidProviderError: The string names no provider that is known (the message lists what is), or what its factory
            returns is none.
        InvalidModelError: Nothing follows the colon.
        ConfigError: The provider does not take one of the options.
    """
    prefix, model = split(name)
    if prefix is None:
        raise InvalidProviderError(_unknown(name))
    if not model and name != prefix:
        raise InvalidModelError(f"{name!r} names no model; write {prefix}:<model>, or {prefix} alone for no default")
    factory = get(prefix)
    model = model or _defaults.get(prefix, "")
    given = {**({"model": model} if model else {}), **options}
    try:
        inspect.signature(factory).bind(**given)
    except TypeError as error:
        problem = str(error)
    else:
        return _checked(prefix, factory(**given))
    raise ConfigError(f"the provider {prefix!r} cannot be made with {sorted(given) or 'no options'}: {problem}")


def _checked(name: str, made: object) -> Provider:
    """Refuse what a factory made that has not what a provider has: it would fail at the first call instead."""
    if is_provider(made) and callable(getattr(made, "validate_config", None)) and hasattr(made, "name"):
        return cast("Provider", made)
    raise InvalidProviderError(
        f"what makes the provider {name!r} returned {type(made).__name__}, which is no provider: it needs name, chat, "
        "chat_stream, embeddings, validate_config and close"
    )


def _sold(model: str) -> str:
    """Say whose model it is that was named without its provider."""
    from . import models  # noqa: PLC0415  # only for people who left something out

    found = [f"{each.provider}:{each.name}" for each in models.list() if each.name == model]
    return f"; did you mean {' or '.join(found[:3])}?" if found else "."


def _unknown(name: str) -> str:
    known = ", ".join(f"{prefix}:" for prefix in names())
    prefix = name.partition(":")[0].partition("/")[0]
    if prefix in RETIRED:
        return f"{name!r} names no provider: {RETIRED[prefix]}"
    close = difflib.get_close_matches(prefix, names(), 1, cutoff=0.75)
    hint = f"; did you mean {close[0]}:?" if close else _sold(name)
    return f"{name!r} names no provider{hint} Write provider:model, with one of {known}, or pass a Provider"
