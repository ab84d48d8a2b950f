"""Which recordings go to which provider: one row per API. Used by conformance.py.

A row says how the provider is made (`make(**options)`, where `options` are `http_client=`, or `base_url=` of a server on this
machine), what it is asked, and by which protocol's rules the answer is compared (conformance_rules.py). An API that no provider
speaks on purpose stands in LEFT_OUT, with the reason.
"""

from functools import partial

from attrs import frozen
from conformance_rules import ANTHROPIC, COHERE, CONVERSE, GEMINI, MISTRAL, OLLAMA, OPENAI, RESPONSES, Rules

from aiclient.providers.anthropic import AnthropicProvider
from aiclient.providers.azure import AzureOpenAIProvider
from aiclient.providers.bedrock import BedrockProvider
from aiclient.providers.cohere import CohereProvider
from aiclient.providers.gemini import GeminiProvider
from aiclient.providers.mistral import MistralProvider
from aiclient.providers.ollama import OllamaProvider
from aiclient.providers.openai import OpenAIProvider
from aiclient.providers.openai_compatible import CompatibleProvider
from aiclient.providers.openai_compatible import compatible as of_the_table
from aiclient.providers.vertex import VertexProvider

URL = "https://service.test/v1"


@frozen
class Api:
    """A row: `ask` is chat, embeddings, count or models."""

    ask: str
    make: object
    rules: Rules = OPENAI


def compatible(name, profile=None, *, base_url=URL, **options):
    """A server of which only the protocol is known."""
    return CompatibleProvider(base_url, api_key="test-key", profile=profile, name=name, **options)


def listed(name, *, base_url=URL, **options):
    """A service of the table in aiclient.providers.services."""
    return of_the_table(name, api_key="test-key", base_url=base_url, **options)


def responses(name, *, base_url=URL, **options):
    return OpenAIProvider("test-key", base_url=base_url, api="responses", name=name, **options)


def azure(api, *, base_url=URL, **options):
    return AzureOpenAIProvider(base_url, api_key="test-key", api=api, **options)


def vertex(*, base_url=None, **options):
    return VertexProvider("project", "us-central1", credentials=lambda: "token", base_url=base_url, **options)


openai = partial(OpenAIProvider, "sk-test-key")
anthropic = partial(AnthropicProvider, "sk-ant-test")
bedrock = partial(BedrockProvider, "us-east-1", bearer_token="test-key")
gemini = partial(GeminiProvider, "test-key")
cohere = partial(CohereProvider, "test-key")
mistral = partial(MistralProvider, "test-key")

APIS = {
    "anthropic.chat": Api("chat", partial(compatible, "anthropic")),
    "anthropic.count_tokens": Api("count", anthropic, ANTHROPIC),
    "anthropic.messages": Api("chat", anthropic, ANTHROPIC),
    "anthropic.models": Api("models", anthropic, ANTHROPIC),
    "azure.chat": Api("chat", partial(azure, "chat")),
    "azure.embeddings": Api("embeddings", partial(azure, "chat")),
    "azure.responses": Api("chat", partial(azure, "responses"), RESPONSES),
    "bedrock.converse": Api("chat", bedrock, CONVERSE),
    "bedrock.converse_stream": Api("chat", bedrock, CONVERSE),
    "bedrock.count_tokens": Api("count", bedrock, CONVERSE),
    "bedrock_mantle.models": Api("models", partial(compatible, "bedrock_mantle")),
    "bedrock_mantle.openai_chat": Api("chat", partial(compatible, "bedrock_mantle")),
    "bedrock_mantle.responses": Api("chat", partial(responses, "bedrock_mantle"), RESPONSES),
    "cerebras.chat": Api("chat", partial(listed, "cerebras")),
    "cerebras.models": Api("models", partial(listed, "cerebras")),
    "cohere.chat_v2": Api("chat", cohere, COHERE),
    "cohere.embeddings_v2": Api("embeddings", cohere, COHERE),
    "compat.chat": Api("chat", partial(compatible, "compat")),
    "crusoe.chat": Api("chat", partial(compatible, "crusoe")),
    "deepseek.chat": Api("chat", partial(listed, "deepseek")),
    "deepseek.responses": Api("chat", partial(responses, "deepseek"), RESPONSES),
    "gateway.chat": Api("chat", partial(compatible, "gateway")),
    "gateway.generate": Api("chat", gemini, GEMINI),
    "gateway.messages": Api("chat", anthropic, ANTHROPIC),
    "gateway.responses": Api("chat", partial(responses, "gateway"), RESPONSES),
    "gateway.stream": Api("chat", gemini, GEMINI),
    "google.count_tokens": Api("count", gemini, GEMINI),
    "google.embeddings": Api("embeddings", gemini, GEMINI),
    "google.generate": Api("chat", gemini, GEMINI),
    "google.models": Api("models", gemini, GEMINI),
    "google.openai_chat": Api("chat", partial(compatible, "google")),
    "google.stream": Api("chat", gemini, GEMINI),
    "google.stream_json": Api("chat", gemini, GEMINI),
    "gpustack.chat": Api("chat", partial(compatible, "gpustack")),
    "groq.chat": Api("chat", partial(listed, "groq")),
    "heroku.chat": Api("chat", partial(compatible, "heroku")),
    "huggingface.chat": Api("chat", partial(listed, "huggingface")),
    "local.chat": Api("chat", partial(compatible, "local")),
    "local.embeddings": Api("embeddings", partial(compatible, "local")),
    "local.messages": Api("chat", anthropic, ANTHROPIC),
    "local.responses": Api("chat", partial(responses, "local"), RESPONSES),
    "mistral.chat": Api("chat", mistral, MISTRAL),
    "mistral.embeddings": Api("embeddings", mistral),
    "ollama.chat": Api("chat", OllamaProvider, OLLAMA),
    "ollama.embed": Api("embeddings", OllamaProvider, OLLAMA),
    "ollama.models": Api("models", OllamaProvider, OLLAMA),
    "ollama.openai_chat": Api("chat", partial(compatible, "ollama", "ollama")),
    "ollama.openai_embeddings": Api("embeddings", partial(compatible, "ollama", "ollama")),
    "openai.chat": Api("chat", openai),
    "openai.embeddings": Api("embeddings", openai),
    "openai.models": Api("models", openai),
    "openai.responses": Api("chat", partial(openai, api="responses"), RESPONSES),
    "openai.responses_input_tokens": Api("count", partial(openai, api="responses"), RESPONSES),
    "openrouter.chat": Api("chat", partial(listed, "openrouter")),
    "openrouter.embeddings": Api("embeddings", partial(listed, "openrouter")),
    "openrouter.models": Api("models", partial(listed, "openrouter")),
    "openrouter.responses": Api("chat", partial(responses, "openrouter"), RESPONSES),
    "perplexity.chat": Api("chat", partial(listed, "perplexity")),
    "perplexity.embeddings": Api("embeddings", partial(listed, "perplexity")),
    "perplexity.models": Api("models", partial(listed, "perplexity")),
    "snowflake.chat": Api("chat", partial(listed, "snowflake")),
    "together.chat": Api("chat", partial(listed, "together")),
    "vercel_gateway.chat": Api("chat", partial(listed, "vercel")),
    "vertex.anthropic_messages": Api("chat", vertex, ANTHROPIC),
    "vertex.count_tokens": Api("count", vertex, GEMINI),
    "vertex.embeddings": Api("embeddings", vertex, GEMINI),
    "vertex.generate": Api("chat", vertex, GEMINI),
    "vertex.stream": Api("chat", vertex, GEMINI),
    "vertex.stream_json": Api("chat", vertex, GEMINI),
    "voyage.embeddings": Api("embeddings", partial(compatible, "voyage")),
    "writer.chat": Api("chat", partial(compatible, "writer")),
    "xai.chat": Api("chat", partial(listed, "xai")),
    "xai.responses": Api("chat", partial(responses, "xai"), RESPONSES),
    "zai.chat": Api("chat", partial(listed, "zai")),
}
"""What is checked."""

_BATCHES = "batches: jobs, not calls"
_FILES = "files: storage, not calls"
_CACHES = "cached contents: storage, not calls"
_COMPLETIONS = "legacy text completions, which chat replaced"
_INVOKE = "raw InvokeModel, every model family's own JSON; Converse is one protocol for all"

LEFT_OUT = {
    "anthropic.batches": _BATCHES,
    "anthropic.complete": _COMPLETIONS,
    "anthropic.files": _FILES,
    "azure.completions": _COMPLETIONS,
    "bedrock.invoke": _INVOKE,
    "bedrock.invoke_stream": _INVOKE,
    "cohere.chat_v1": "version 1 of Cohere's chat, which version 2 replaced",
    "cohere.generate_v1": "Cohere's text completions, which chat replaced",
    "cohere.tokenize_v1": "splits text into tokens; counts those of no request",
    "gateway.completions": _COMPLETIONS,
    "google.batches": _BATCHES,
    "google.cached_contents": _CACHES,
    "google.files": _FILES,
    "google.interactions": "a second chat protocol of Gemini's, in preview; generateContent is the stable one",
    "local.completions": _COMPLETIONS,
    "mistral.batches": _BATCHES,
    "mistral.files": _FILES,
    "ollama.embeddings_legacy": "the older of Ollama's embeddings, which /api/embed replaced",
    "ollama.generate": "text completions; /api/chat reaches the same models",
    "openai.batches": _BATCHES,
    "openai.completions": _COMPLETIONS,
    "openai.files": _FILES,
    "openai.responses_compact": "answers items to send on, not an answer to anyone",
    "openai.responses_retrieve": "reads, cancels or deletes what the service stored; nothing is stored unless the caller asks",
    "together.completions": _COMPLETIONS,
    "vertex.cached_contents": _CACHES,
    "writer.completions": _COMPLETIONS,
    "xai.batches": _BATCHES,
    "xai.files": _FILES,
}
"""What no provider speaks, on purpose."""
