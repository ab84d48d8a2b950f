"""The providers; each is loaded when it is first named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._lazy import lazy

if TYPE_CHECKING:
    from .azure import AzureOpenAIProvider
    from .compatible import CompatibleProvider
    from .ollama import OllamaProvider
    from .openai import OpenAIProvider

__all__ = ["AzureOpenAIProvider", "CompatibleProvider", "OllamaProvider", "OpenAIProvider"]

_MODULES: Final = {
    "AzureOpenAIProvider": ".azure",
    "CompatibleProvider": ".compatible",
    "OllamaProvider": ".ollama",
    "OpenAIProvider": ".openai",
}


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _MODULES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
