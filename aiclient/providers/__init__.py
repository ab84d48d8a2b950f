"""The providers; each is loaded when it is first named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._lazy import lazy

if TYPE_CHECKING:
    from .anthropic import AnthropicProvider
    from .azure import AzureOpenAIProvider
    from .bedrock import BedrockProvider
    from .compatible import CompatibleProvider
    from .gemini import GeminiProvider
    from .ollama import OllamaProvider
    from .openai import OpenAIProvider
    from .vertex import VertexProvider

__all__ = [
    "AnthropicProvider",
    "AzureOpenAIProvider",
    "BedrockProvider",
    "CompatibleProvider",
    "GeminiProvider",
    "OllamaProvider",
    "OpenAIProvider",
    "VertexProvider",
]

_MODULES: Final = {
    "AnthropicProvider": ".anthropic",
    "AzureOpenAIProvider": ".azure",
    "BedrockProvider": ".bedrock",
    "CompatibleProvider": ".compatible",
    "GeminiProvider": ".gemini",
    "OllamaProvider": ".ollama",
    "OpenAIProvider": ".openai",
    "VertexProvider": ".vertex",
}


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _MODULES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
