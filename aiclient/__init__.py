"""One small, typed client for every language-model service.

    client = aiclient.Client("openai:gpt-5.4-mini").use(Logging(), Retry())
    response = client.new_request().user("Capital of France?").do()

Providers are in `aiclient.providers`, middleware in `aiclient.middleware`, test doubles in `aiclient.testutil`. Every name is
imported when it is first used.
"""

from __future__ import annotations

from typing import Any

from ._lazy import lazy

__version__ = "0.1.0.dev0"

_NAMES = {
    ".abilities": """
        Checks ChecksKey CountsTokens Describes Description Health KeyCheck KnowsHealth ListedModel ListsModels
        Previews PreviewsEmbeddings PreviewsStreams
    """,
    ".attempt": "chain",
    ".builder": "AsyncRequestBuilder",
    ".bulk.items": "BulkItem BulkProgress BulkResult",
    ".chains": "resilient",
    ".checks": "CheckReport CheckResult",
    ".chunks": "ChatStreamChunk ToolCallDelta",
    ".client": "AsyncClient",
    ".clock": "Clock",
    ".composition": "Destination Reports compose destinations find",
    ".context": "CallContext CallEvent Timeouts",
    ".dryrun": "DryRunReport",
    ".ends": "End",
    ".errors": """
        AIClientDeprecationWarning AIClientError AIClientWarning AllProvidersFailedError AuthenticationError
        BadRequestError BudgetExceededError CircuitOpenError ClientClosedError ConfigError ConnectError
        ContentFilterError ContextLengthError DryRunStop EmptyMessagesError InvalidMessageError InvalidModelError
        InvalidProviderError InvalidRequestError MediaError MissingAPIKeyError ModelNotFoundError OverloadedError
        PermissionDeniedError ProtocolError ProviderError QuotaExceededError RateLimitError
        ResponseValidationError ServerError StoreError StreamClosedError StreamInterruptedError TimeoutError
        ToolArgumentsError UnsupportedFeatureError Verdict outcome
    """,
    ".fetching": "MediaFetcher",
    ".layer": "Layer Wrapper",
    ".ledger.ledger": "Funds Ledger",
    ".ledger.limits": "BudgetAlert Limit",
    ".logs": "correlation",
    ".media": "MediaSource audio document image video",
    ".messages": """
        AudioPart Citation DocumentPart ImagePart Message OpaquePart ReasoningPart RefusalPart TextPart ToolCall
        ToolResultPart VideoPart
    """,
    ".models": "ModelInfo",
    ".net.transport": "HTTPLimits",
    ".opening": "OpenStream collect replay",
    ".prices.expenses": "Expense",
    ".prices.rates": "Rates",
    ".pricing": "DictPrices Estimate FirstKnown GenAIPrices PriceBook ReportedPrices TablePrices",
    ".priority": "Failover FailoverState failover",
    ".provider": "BaseProvider Middleware Provider ProviderInfo begin observed",
    ".registry": "provider_for",
    ".redis_store": "RedisStore",
    ".request": """
        ChatOptions ChatRequest Effort EmbeddingRequest HTTPCall OffersTool PromptCache Reasoning ResponseFormat
        Tool ToolChoice
    """,
    ".response": "Attempt CallWarning ChatResponse Choice Cost EmbeddingResponse RateLimitInfo TypedResponse Usage",
    ".schema.bounds": "Bounds",
    ".schema.jsonvalues": "to_json",
    ".schema.lowering": "Lowered SchemaChange lowered",
    ".schema.schema": "json_schema",
    ".secrets": "SecretStr",
    ".session.book": "SpendingAlert",
    ".session.record": "SessionRecord",
    ".session.rows": "ModelShare SessionRow",
    ".session.session": "AsyncSession",
    ".session.summary": "Projection SessionSummary Spread",
    ".sqlite_store": "SQLiteStore",
    ".statuses": "ServiceStatus Status",
    ".store": "MemoryStore Store StoreSize",
    ".stream": "ChatStream",
    ".sync.client": "Client RequestBuilder",
    ".sync.session": "Session",
    ".sync.stream": "Stream",
    ".template": "Template",
    ".tools.functions": "FunctionTool tool",
    ".tools.loop": "ToolLoop",
    ".tools.runs": "RunEvent RunResult ToolUse",
    ".tools.use": "ToolError",
    ".vectors": "nearest similarity",
}
"""Each module with the public names that come from it; `__init__.pyi` says the same to type checkers."""

_WHERE = {name: module for module, names in _NAMES.items() for name in names.split()}

# Without the one that would shadow a builtin in a star import.
__all__ = [name for name in sorted(_WHERE) if name != "TimeoutError"]  # pyright: ignore[reportUnsupportedDunderAll]  # the stub has it


def __getattr__(name: str) -> Any:
    return lazy(__name__, name, _WHERE)


def __dir__() -> list[str]:
    return sorted(_WHERE)
