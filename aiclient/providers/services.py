"""The services that speak OpenAI's protocol: one row each, and nothing else is needed for one more.

What a service understands beyond the usual is the row of its name in `wire/profiles.py`. Each row here says where its facts are
from; pages were read 2026-11. Two registries serve as witnesses: github pydantic/pydantic-ai 4fda38988f29 (2026-08-23), here P,
and github mozilla-ai/any-llm f9499232b988 (2026-08-19), here A.

GitHub Models has no row: it was retired on 2026-07-30 (docs.github.com/en/github-models, by P).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

__all__ = ["RETIRED", "SERVICES", "Service"]


@frozen(kw_only=True)
class Service:
    """One service.

    Args:
        name: What model strings call it.
        base_url: Everything before `/chat/completions`; `{word}` stands for what only the caller knows.
        key: Environment variable of the key; None if there is no usual one.
        needs_key: Whether it answers nobody without a key; servers of one's own mostly do.
        address: Environment variable that replaces `base_url`.
        places: For each `{word}` the environment variable that may hold it.
    """

    name: str
    base_url: str
    key: str | None = None
    needs_key: bool = True
    address: str | None = None
    places: Mapping[str, str] = field(factory=dict)


SERVICES: Final[dict[str, Service]] = {
    service.name: service
    for service in (
        # --- hosts ---
        # inference-docs.cerebras.ai/resources/openai; recorded; P, A
        Service(name="cerebras", base_url="https://api.cerebras.ai/v1", key="CEREBRAS_API_KEY"),
        # developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility
        Service(
            name="cloudflare",
            base_url="https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
            key="CLOUDFLARE_API_KEY",
            places={"account": "CLOUDFLARE_ACCOUNT_ID"},
        ),
        # "Get started querying LLMs", learn.microsoft.com/azure/databricks/large-language-models/llm-serving-intro; the name of
        # the variable for the host is the Databricks SDKs', not of that page
        Service(
            name="databricks",
            base_url="https://{host}/serving-endpoints",
            key="DATABRICKS_TOKEN",
            places={"host": "DATABRICKS_HOST"},
        ),
        # api-docs.deepseek.com; recorded; P, A
        Service(name="deepseek", base_url="https://api.deepseek.com", key="DEEPSEEK_API_KEY"),
        # docs.fireworks.ai/tools-sdks/openai-compatibility; key: P, A
        Service(name="fireworks", base_url="https://api.fireworks.ai/inference/v1", key="FIREWORKS_API_KEY"),
        # console.groq.com/docs/openai; recorded
        Service(name="groq", base_url="https://api.groq.com/openai/v1", key="GROQ_API_KEY"),
        # recorded; key: P, A
        Service(name="huggingface", base_url="https://router.huggingface.co/v1", key="HF_TOKEN"),
        # platform.minimaxi.com/docs/api-reference/text-openai-api (for China: api.minimaxi.com); key: ai-sdk.dev "MiniMax", A
        Service(name="minimax", base_url="https://api.minimax.io/v1", key="MINIMAX_API_KEY"),
        # platform.kimi.ai/docs/guide/migrating-from-openai-to-kimi (for China: api.moonshot.cn); P calls it MOONSHOTAI_API_KEY
        Service(name="moonshot", base_url="https://api.moonshot.ai/v1", key="MOONSHOT_API_KEY"),
        # docsearch.algolia.com, a copy of build.nvidia.com; the vendor's own page was not at hand
        Service(name="nvidia", base_url="https://integrate.api.nvidia.com/v1", key="NVIDIA_API_KEY"),
        # docs.perplexity.ai "OpenAI compatibility" of Sonar; recorded
        Service(name="perplexity", base_url="https://api.perplexity.ai", key="PERPLEXITY_API_KEY"),
        # alibabacloud.com/help/doc-detail/2833609.html (2026-03), P. Since 2026-06 the page "OpenAI-compatible - Chat" names a
        # host for each workspace and region instead: pass base_url= then
        Service(
            name="qwen", base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1", key="DASHSCOPE_API_KEY"
        ),
        # P, A; docs.sambanova.ai "OpenAI compatibility" leaves the address to the account's page
        Service(name="sambanova", base_url="https://api.sambanova.ai/v1", key="SAMBANOVA_API_KEY"),
        # "Cortex Chat Completions API", docs.snowflake.com/user-guide/snowflake-cortex/open_ai_sdk, and recorded; the names of
        # the variables are those of P
        Service(
            name="snowflake",
            base_url="https://{account}.snowflakecomputing.com/api/v2/cortex/v1",
            key="SNOWFLAKE_TOKEN",
            places={"account": "SNOWFLAKE_ACCOUNT"},
        ),
        # docs.together.ai/docs/inference/openai-compatibility; recorded, under api.together.xyz too
        Service(name="together", base_url="https://api.together.ai/v1", key="TOGETHER_API_KEY"),
        # docs.x.ai; recorded; P, A
        Service(name="xai", base_url="https://api.x.ai/v1", key="XAI_API_KEY"),
        # docs.z.ai/api-reference/introduction; recorded. The coding plan has an address of its own: .../api/coding/paas/v4
        Service(name="zai", base_url="https://api.z.ai/api/paas/v4", key="ZAI_API_KEY"),
        # --- gateways ---
        # recorded; key: P, A
        Service(name="openrouter", base_url="https://openrouter.ai/api/v1", key="OPENROUTER_API_KEY"),
        # vercel.com/docs/ai-gateway/openai-compat; recorded
        Service(name="vercel", base_url="https://ai-gateway.vercel.sh/v1", key="AI_GATEWAY_API_KEY"),
        # port: docs.litellm.ai "Proxy"; variables: litellm's own provider `litellm_proxy`, seen in other projects only
        Service(
            name="litellm",
            base_url="http://127.0.0.1:4000",
            key="LITELLM_PROXY_API_KEY",
            needs_key=False,
            address="LITELLM_PROXY_API_BASE",
        ),
        # --- servers of one's own ---
        # github ggml-org/llama.cpp 00dc8057ab28, tools/server/README.md; before its pull request 26508 (2026-08) port 8080
        Service(name="llamacpp", base_url="http://127.0.0.1:9931/v1", key="LLAMA_API_KEY", needs_key=False),
        # lmstudio.ai/docs/developer/openai-compat; a token only where the server asks for one
        Service(name="lmstudio", base_url="http://127.0.0.1:1234/v1", needs_key=False),
        # docs.sglang.io/docs/basic_usage/send_request
        Service(name="sglang", base_url="http://127.0.0.1:30000/v1", needs_key=False),
        # docs.vllm.ai "OpenAI-compatible server"; VLLM_BASE_URL is a custom of its users, not of that page
        Service(
            name="vllm",
            base_url="http://127.0.0.1:8000/v1",
            key="VLLM_API_KEY",
            needs_key=False,
            address="VLLM_BASE_URL",
        ),
    )
}
"""The rows by name."""

RETIRED: Final = {"github": "GitHub Models was retired on 2026-07-30 (docs.github.com/en/github-models)"}
"""Names that people know of services that are no more, and what became of them."""
