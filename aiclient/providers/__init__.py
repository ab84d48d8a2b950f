"""The providers; each is loaded when it is first named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._lazy import lazy

if TYPE_CHECKING:
    from .anthropic import AnthropicProvider
    from .azure import AzureOpenAIProvider
    from .bedrock import BedrockProvider
    from .cohere import CohereProvider
    from .gemini import GeminiProvider
    from .mistral import MistralProvider
    from .ollama import OllamaProvider
    from .openai import OpenAIProvider
    from .openai_compatible import CompatibleProvider, compatible
    from .vertex import VertexProvider

__all__ = [
    "AnthropicProvider",
    "AzureOpenAIProvider",
    "BedrockProvider",
    "CohereProvider",
    "CompatibleProvider",
    "GeminiProvider",
    "MistralProvider",
    "OllamaProvider",
    "OpenAIProvider",
    "VertexProvider",
    "compatible",
]

_MODULES: Final = {
    "AnthropicProvider": ".anthropic",
    "AzureOpenAIProvider": ".azure",
    "BedrockProvider": ".bedrock",
    "CohereProvider": ".cohere",
    "CompatibleProvider": ".openai_compatible",
    "GeminiProvider": ".gemini",
    "MistralProvider": ".mistral",
    "OllamaProvider": ".ollama",
    "OpenAIProvider": ".openai",
    "VertexProvider": ".vertex",
    "compatible": ".openai_compatible",
}


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _MODULES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
