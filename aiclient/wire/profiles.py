"""How the services that speak OpenAI's chat protocol differ in what they understand.

A row holds what was seen in recorded exchanges, or what the service's own page says; the comment beside it names the record
or the page. Answers need no rows: one decoder reads them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from attrs import field, frozen

from .efforts import ALL_EFFORTS, taking

__all__ = ["COMPATIBLE", "OPENAI", "PROFILES", "Profile"]


@frozen(kw_only=True)
class Profile:
    """What one service understands.

    Args:
        name: Namespace of `extra` that this service reads, besides `openai`.
        max_tokens: Field that limits the length of the answer.
        developer_role: Whether the role `developer` is known; else it is sent as `system`.
        stream_options: Whether `stream_options.include_usage` is known.
        parallel_tool_calls: Whether the field of this name is known.
        json_schema: Whether `response_format` takes a schema; else any JSON object is asked for, with a warning.
        metadata: Whether the field `metadata` is known; `stored` takes it only with `store: true` in chat completions.
        top_k: Whether the field `top_k` is known.
        reasoning_object: Whether effort and budget go into a `reasoning` object instead of `reasoning_effort`.
        reasoning_back: Field of an assistant message that takes the model's earlier thinking, as text.
        required: The word for "use some tool"; None if it cannot be said.
        seed: Field for the seed.
        efforts: The word of the service for each of our efforts, as `efforts.taking` returns them.
        thinking_switch: Whether `thinking` with the type `enabled` or `disabled` says whether to think at all.
        prompt_cache: Whether `prompt_cache_key` is known (`key`), and `prompt_cache_retention` too (`time`).
        base64: Whether embeddings come as base64 when asked for.
        embeddings_limit: Texts that one embeddings request may carry.
        dimensions: Field for the length of the vectors.
        lacks: Options that the service refuses or ignores, by our name (`n` stands for more than one answer); and of
            messages the fields `name` and `refusal`. They are left out, with a warning.
        audio: How `input_audio` is written: OpenAI's object of bytes and format, or a text, base64 or an address.
        video: Whether content parts of the kind `video_url` are known.
        documents: The kind of content part that takes a document: OpenAI's `file`, or `document_url`.
        thinking_parts: Whether earlier thinking goes back as a content part of the assistant's message.
        prefix: Whether an assistant's message at the end, which the answer is to continue, must be marked as `prefix`.
        assistant_after_tools: Whether only the assistant may speak after a tool's result.
        longest_tool_id: Characters of the longest id of a tool call; longer ones are cut.
        tool_id_length: Letters and digits that the id of a tool call must have; None takes any id.
        schemas: The dialect of JSON Schema in which tools and answers can be strict (`dialects.DIALECTS`).
        grammar: Whether every schema is made a grammar, whether or not it is to be strict.
        always: Fields that go with every chat request, unless `extra` holds them.
    """

    name: str
    max_tokens: str = "max_tokens"
    developer_role: bool = False
    stream_options: bool = True
    parallel_tool_calls: bool = True
    json_schema: bool = True
    metadata: Literal[False, True, "stored"] = False
    top_k: bool = False
    reasoning_object: bool = False
    reasoning_back: str | None = None
    required: str | None = "required"
    seed: str = "seed"
    efforts: Mapping[str, str] = ALL_EFFORTS
    thinking_switch: bool = False
    prompt_cache: Literal["key", "time"] | None = None
    base64: bool = False
    embeddings_limit: int = 2048
    dimensions: str = "dimensions"
    lacks: frozenset[str] = frozenset()
    audio: Literal["object", "text"] = "object"
    video: bool = False
    documents: Literal["file", "document_url"] = "file"
    thinking_parts: bool = False
    prefix: bool = False
    assistant_after_tools: bool = False
    longest_tool_id: int | None = None
    tool_id_length: int | None = None
    schemas: str = "generic"
    grammar: bool = False
    always: Mapping[str, Any] = field(factory=dict)


OPENAI: Final = Profile(
    name="openai",
    max_tokens="max_completion_tokens",  # record 01fafa4dbd37; `max_tokens` is deprecated and refused by o-series models
    developer_role=True,
    # "'metadata' is only allowed when 'store' is enabled", a 400: github tmc/langchaingo issue 1484
    metadata="stored",
    prompt_cache="time",
    base64=True,
    embeddings_limit=2048,  # "Create embeddings", OpenAI API reference: the input array must be 2048 dimensions or less
    longest_tool_id=40,  # "string too long. Expected a string with maximum length 40": github anomalyco/opencode issue 12653
    schemas="openai",
)

COMPATIBLE: Final = Profile(name="compatible", video=True)
"""A server of which nothing more is known. OpenAI has no films; those who do agree on `video_url` (vLLM, SGLang, Qwen)."""

PROFILES: Final[dict[str, Profile]] = {
    profile.name: profile
    for profile in (
        OPENAI,
        COMPATIBLE,
        Profile(
            name="azure",
            max_tokens="max_completion_tokens",  # 0b2ec33f1771
            # "ReasoningEffort", learn.microsoft.com/javascript/api/@azure/ai-projects, read 2026-11
            efforts=taking("none", "minimal", "low", "medium", "high", "xhigh"),
            developer_role=True,
            base64=True,
            longest_tool_id=40,  # the same words as OpenAI: github Portkey-AI/gateway issue 1062
            # "Structured outputs", learn.microsoft.com/azure/ai-foundry/openai/how-to/structured-outputs, read 2026-11
            schemas="openai",
        ),
        Profile(
            name="deepseek",
            json_schema=False,  # api-docs.deepseek.com "JSON Output": only {"type": "json_object"}
            # "Thinking Mode", api-docs.deepseek.com/guides/thinking_mode, read 2026-11; `medium` by its own table
            efforts=taking("none", "low", "high", "max", medium="high"),
            thinking_switch=True,
            # the same page: within a tool loop the thinking must come back, else 400
            reasoning_back="reasoning_content",
        ),
        Profile(
            name="groq",  # 313062396fa1: max_tokens, stream_options; 1d84553692e8: reasoning_effort
            # "Currently unsupported OpenAI features", console.groq.com/docs/openai, read 2026-11: a 400 each
            lacks=frozenset({"logprobs", "n", "name"}),
            # "Reasoning", console.groq.com/docs/reasoning, seen in part: gpt-oss takes the last three, qwen only `none`
            efforts=taking("none", "low", "medium", "high"),
        ),
        Profile(
            name="mistral",
            stream_options=False,  # 19496d7b25b2, as the next two; fields it does not know are a 422
            seed="random_seed",
            efforts=taking("none", "high"),  # ChatCompletionRequest of the SDK mistralai 3.7.0, as the next
            prompt_cache="key",
            required="any",
            metadata=True,  # "Chat Completion", docs.mistral.ai/api, as of the SDK mistralai 3.7.0, read 2026-11
            top_k=True,  # the same, which knows no `user` and no `refusal`
            lacks=frozenset({"user_id", "name", "refusal"}),  # name: github langchain-ai/langchainjs issue 5144
            audio="text",  # AudioChunk of the SDK, "Audio & Transcription", docs.mistral.ai/capabilities/audio, read 2026-11
            documents="document_url",  # 53824bbf615f
            thinking_parts=True,  # ThinkChunk of the SDK; `reasoning_content` is a 422: github BerriAI/litellm issue 30835
            prefix=True,  # "Prefix", docs.mistral.ai/capabilities/completion; 0f683c50db4f names the field
            assistant_after_tools=True,  # "Unexpected role 'user' after role 'tool'": 0f683c50db4f; code 3230
            dimensions="output_dimension",  # EmbeddingRequest of the SDK
            schemas="mistral",
            tool_id_length=9,  # "must be a-z, A-Z, 0-9, with a length of 9": github anomalyco/opencode issue 1680; code 3280
        ),
        Profile(
            name="cerebras",
            reasoning_back="reasoning",  # 41fc552352b0
            # "Currently unsupported OpenAI features", inference-docs.cerebras.ai/resources/openai, as github
            # pydantic/pydantic-ai 4fda38988f29 (2026-08-23) reads it: a 400 each
            parallel_tool_calls=False,
            lacks=frozenset({"frequency_penalty", "presence_penalty", "service_tier"}),
        ),
        # github ggml-org/llama.cpp 00dc8057ab28, tools/server/README.md
        Profile(name="llamacpp", top_k=True, schemas="llamacpp", grammar=True),
        Profile(
            name="minimax",
            max_tokens="max_completion_tokens",  # java.agentscope.io, "MiniMax", read 2026-11: max_tokens is deprecated
            # platform.minimaxi.com "text-openai-api", read 2026-11: without it the thinking stands inside the text
            always={"reasoning_split": True},
        ),
        Profile(
            name="moonshot",
            # "Migrating from OpenAI to Kimi API", platform.kimi.ai/docs/guide/migrating-from-openai-to-kimi, read 2026-11
            required=None,
            # librechat.ai "Moonshot", read 2026-11: "reasoning_content is missing in assistant tool call message"
            reasoning_back="reasoning_content",
        ),
        Profile(
            name="ollama",
            reasoning_back="reasoning",  # 1f32287e12b3: stream_options; fe70ceee8287
            efforts=taking(
                "none", "low", "medium", "high"
            ),  # "OpenAI compatibility", docs.ollama.com/api/openai-compatibility
        ),
        Profile(
            name="openrouter",
            reasoning_object=True,  # 3c1a82f4d479
            # "Reasoning Tokens", openrouter.ai/docs/guides/best-practices/reasoning-tokens
            efforts=taking("none", "minimal", "low", "medium", "high", "xhigh"),
            top_k=True,  # ab62d56d9caa
            video=True,  # "Video Inputs", openrouter.ai/docs/guides/overview/multimodal/videos, read 2026-11
        ),
        Profile(name="perplexity"),  # eff74b11be4c: stream_options
        Profile(name="snowflake", reasoning_object=True),  # 8ed3a94fccfb, with a Claude model
        Profile(name="together", top_k=True),  # 2d21d1dca5b5
        Profile(name="vercel", reasoning_object=True),  # 111022b015dd
        Profile(
            name="vllm",
            top_k=True,  # "OpenAI-compatible server", docs.vllm.ai, "Extra parameters", read 2026-11
            video=True,  # "Multimodal Inputs", docs.vllm.ai/en/latest/features/multimodal_inputs
        ),
        Profile(
            name="xai",
            reasoning_back="reasoning_content",  # 164a3fefc5fb: stream_options; a9823f144b8c
            # grok-4.3: none to high (@ai-sdk/xai 4.0.0); grok-4.6 also xhigh (github chenyme/grok2api pull request 901);
            # earlier models refuse the field ("Reasoning", docs.x.ai/docs/guides/reasoning, read 2026-11)
            efforts=taking("none", "low", "medium", "high", "xhigh"),
        ),
        Profile(
            name="zai",  # 10b58bf506c5: stream_options
            reasoning_back="reasoning_content",  # f252ddf7c4c4
            # "Thinking Mode", docs.z.ai/guides/capabilities/thinking-mode, read 2026-11; efforts: GLM-5.2 and later
            thinking_switch=True,
        ),
    )
}
"""The rows by name."""
