"""Providers as the pages of the documentation speak of them, by the words of those pages."""

from __future__ import annotations

from aiclient.providers import (
    AnthropicProvider,
    AzureOpenAIProvider,
    BedrockProvider,
    CohereProvider,
    CompatibleProvider,
    GeminiProvider,
    MistralProvider,
    OllamaProvider,
    OpenAIProvider,
    VertexProvider,
)

MADE = {
    "`openai`, gpt-5.2": lambda: OpenAIProvider("k", model="gpt-5.2"),
    "`openai-responses`, gpt-5.2": lambda: OpenAIProvider("k", model="gpt-5.2", api="responses"),
    "`anthropic`, claude-opus-4-8": lambda: AnthropicProvider("k", model="claude-opus-4-8"),
    "`gemini`, gemini-3-pro-preview": lambda: GeminiProvider("k", model="gemini-3-pro-preview"),
    "`vertex`, gemini-3-pro-preview": lambda: VertexProvider("p", credentials=str, model="gemini-3-pro-preview"),
    "`vertex`, claude-opus-4-8": lambda: VertexProvider("p", credentials=str, model="claude-opus-4-8"),
    "`bedrock`, claude-opus-4-8": lambda: BedrockProvider(
        "us-east-1", credentials=("i", "s"), model="us.anthropic.claude-opus-4-8-v1:0"
    ),
    "`bedrock`, nova-pro": lambda: BedrockProvider(
        "us-east-1", credentials=("i", "s"), model="us.amazon.nova-pro-v1:0"
    ),
    "`azure`, any": lambda: AzureOpenAIProvider("https://a.openai.azure.com", api_key="k", model="any"),
    "`cohere`, command-a-03-2025": lambda: CohereProvider("k", model="command-a-03-2025"),
    "`mistral`, mistral-large-latest": lambda: MistralProvider("k", model="mistral-large-latest"),
    "`ollama`, qwen3": lambda: OllamaProvider(model="qwen3"),
    "`compatible`, any": lambda: CompatibleProvider("http://127.0.0.1:8000/v1", model="any"),
}
