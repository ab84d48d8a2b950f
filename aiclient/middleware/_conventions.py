"""The names that telemetry is sent under: one table, because they are in flux.

OpenTelemetry's semantic conventions for generative AI are "in development". These are the names that instrumentations
release on 2026-11-28: opentelemetry-util-genai 1.3b0 over opentelemetry-semantic-conventions 0.66b2. The conventions' main
branch has renamed every metric of clients since; when that is released, this file changes and nothing else does.

Names of our own begin with `aiclient.`: the conventions have none for retries, caches, breakers, money or logical calls.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

__all__ = [
    "CONTENT_VARIABLE",
    "SECONDS",
    "TOKENS",
    "Name",
    "provider_name",
    "server",
]


class Name:
    """Attributes, metrics and events."""

    # --- attributes of the conventions ---
    OPERATION = "gen_ai.operation.name"
    PROVIDER = "gen_ai.provider.name"
    MODEL = "gen_ai.request.model"
    STREAM = "gen_ai.request.stream"
    TEMPERATURE = "gen_ai.request.temperature"
    TOP_P = "gen_ai.request.top_p"
    TOP_K = "gen_ai.request.top_k"
    MAX_TOKENS = "gen_ai.request.max_tokens"
    SEED = "gen_ai.request.seed"
    STOP = "gen_ai.request.stop_sequences"
    FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
    PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
    CHOICES = "gen_ai.request.choice.count"
    REASONING = "gen_ai.request.reasoning.level"
    OUTPUT_TYPE = "gen_ai.output.type"
    DIMENSIONS = "gen_ai.embeddings.dimension.count"
    RESPONSE_ID = "gen_ai.response.id"
    RESPONSE_MODEL = "gen_ai.response.model"
    FINISH_REASONS = "gen_ai.response.finish_reasons"
    FIRST_OUTPUT = "gen_ai.response.time_to_first_chunk"
    INPUT_TOKENS = "gen_ai.usage.input_tokens"
    OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
    CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
    CACHE_WRITE_TOKENS = "gen_ai.usage.cache_write.input_tokens"
    """Of util-genai and of main; the released table of names alone still says `cache_creation`."""
    REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
    INPUT_MESSAGES = "gen_ai.input.messages"
    OUTPUT_MESSAGES = "gen_ai.output.messages"
    SYSTEM = "gen_ai.system_instructions"
    TOOLS = "gen_ai.tool.definitions"
    TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  # a name
    SERVER_ADDRESS = "server.address"
    SERVER_PORT = "server.port"
    ERROR = "error.type"
    STATUS_CODE = "http.response.status_code"

    # --- attributes of our own ---
    CALL_ID = "aiclient.call.id"
    CONFIGURED = "aiclient.provider.name"
    """As the provider is called here: two accounts at one vendor are told apart by it."""
    NUMBER = "aiclient.attempt.number"
    ATTEMPTS = "aiclient.attempts"
    OUTCOME = "aiclient.outcome"
    CACHED = "aiclient.cached"
    SHARED = "aiclient.shared"
    REQUEST_ID = "aiclient.request.id"
    CALL_FIRST_OUTPUT = "aiclient.time_to_first_output"
    COST = "aiclient.cost.usd"
    COST_ESTIMATED = "aiclient.cost.estimated"
    CATEGORY = "aiclient.category"
    DETAIL = "aiclient.detail"
    DELAY = "aiclient.delay"
    EVENT = "aiclient.event"
    CACHE_RESULT = "aiclient.cache.result"

    # --- metrics of the conventions ---
    DURATION = "gen_ai.client.operation.duration"
    TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105  # a name
    TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"
    TIME_PER_CHUNK = "gen_ai.client.operation.time_per_output_chunk"

    # --- metrics of our own ---
    CALL_DURATION = "aiclient.client.call.duration"
    ACTIVE_CALLS = "aiclient.client.active_calls"
    TOTAL_COST = "aiclient.client.cost"
    RETRIES = "aiclient.client.retries"
    CACHE_LOOKUPS = "aiclient.client.cache"
    EVENTS = "aiclient.client.events"
    BREAKER = "aiclient.client.breaker.state"
    QUEUE = "aiclient.client.queue.duration"


SECONDS: Final = tuple(0.01 * 2**step for step in range(14))
"""Boundaries of the buckets for durations: 10 ms to 82 s."""

TOKENS: Final = tuple(4**step for step in range(14))
"""Boundaries of the buckets for tokens: 1 to 67 million."""

CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""Its values with content on spans are SPAN_ONLY and SPAN_AND_EVENT; `true` is what older instrumentations understood."""

_PROVIDERS: Final = {
    # our names and vendors -> the conventions' `gen_ai.provider.name`; others are called what they are called here
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}


def provider_name(name: str, vendor: str | None) -> str:
    """Return what the conventions call a provider: by its own name where that is known to them, else by its vendor's.

    Example:
        >>> provider_name("azure", "openai"), provider_name("my-account", "google"), provider_name("groq", "groq")
        ('azure.ai.openai', 'gcp.gemini', 'groq')
    """
    return _PROVIDERS.get(name) or _PROVIDERS.get(vendor or "") or vendor or name


@lru_cache(maxsize=256)
def server(origin: str) -> tuple[str, int] | None:
    """Return host and port of an origin; None of one that names no host.

    Example:
        >>> server("https://api.openai.com"), server("http://127.0.0.1:8080")
        (('api.openai.com', 443), ('127.0.0.1', 8080))
    """
    try:
        address = urlsplit(origin)
        port = address.port
    except ValueError:
        return None
    if not address.hostname:
        return None
    return address.hostname, port or (443 if address.scheme == "https" else 80)
