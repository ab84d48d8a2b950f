# For type checkers: the names that `__init__.py` loads when they are used; tests/test_exports.py compares the two.

from .abilities import (
    Checks as Checks,
    ChecksKey as ChecksKey,
    CountsTokens as CountsTokens,
    Describes as Describes,
    Description as Description,
    Health as Health,
    KeyCheck as KeyCheck,
    KnowsHealth as KnowsHealth,
    ListedModel as ListedModel,
    ListsModels as ListsModels,
    Previews as Previews,
    PreviewsEmbeddings as PreviewsEmbeddings,
    PreviewsStreams as PreviewsStreams,
)
from .attempt import chain as chain
from .builder import AsyncRequestBuilder as AsyncRequestBuilder
from .bulk.items import (
    BulkItem as BulkItem,
    BulkProgress as BulkProgress,
    BulkResult as BulkResult,
)
from .chains import resilient as resilient
from .checks import (
    CheckReport as CheckReport,
    CheckResult as CheckResult,
)
from .chunks import (
    ChatStreamChunk as ChatStreamChunk,
    ToolCallDelta as ToolCallDelta,
)
from .client import AsyncClient as AsyncClient
from .clock import Clock as Clock
from .composition import (
    Destination as Destination,
    Reports as Reports,
    compose as compose,
    destinations as destinations,
    find as find,
)
from .context import (
    CallContext as CallContext,
    CallEvent as CallEvent,
    Timeouts as Timeouts,
)
from .dryrun import DryRunReport as DryRunReport
from .ends import End as End
from .errors import (
    AIClientDeprecationWarning as AIClientDeprecationWarning,
    AIClientError as AIClientError,
    AIClientWarning as AIClientWarning,
    AllProvidersFailedError as AllProvidersFailedError,
    AuthenticationError as AuthenticationError,
    BadRequestError as BadRequestError,
    BudgetExceededError as BudgetExceededError,
    CircuitOpenError as CircuitOpenError,
    ClientClosedError as ClientClosedError,
    ConfigError as ConfigError,
    ConnectError as ConnectError,
    ContentFilterError as ContentFilterError,
    ContextLengthError as ContextLengthError,
    DryRunStop as DryRunStop,
    EmptyMessagesError as EmptyMessagesError,
    InvalidMessageError as InvalidMessageError,
    InvalidModelError as InvalidModelError,
    InvalidProviderError as InvalidProviderError,
    InvalidRequestError as InvalidRequestError,
    MediaError as MediaError,
    MissingAPIKeyError as MissingAPIKeyError,
    ModelNotFoundError as ModelNotFoundError,
    OverloadedError as OverloadedError,
    PermissionDeniedError as PermissionDeniedError,
    ProtocolError as ProtocolError,
    ProviderError as ProviderError,
    QuotaExceededError as QuotaExceededError,
    RateLimitError as RateLimitError,
    ResponseValidationError as ResponseValidationError,
    ServerError as ServerError,
    StoreError as StoreError,
    StreamClosedError as StreamClosedError,
    StreamInterruptedError as StreamInterruptedError,
    TimeoutError as TimeoutError,
    ToolArgumentsError as ToolArgumentsError,
    UnsupportedFeatureError as UnsupportedFeatureError,
    Verdict as Verdict,
    outcome as outcome,
)
from .fetching import MediaFetcher as MediaFetcher
from .layer import Layer as Layer, Wrapper as Wrapper
from .ledger.ledger import (
    Funds as Funds,
    Ledger as Ledger,
)
from .ledger.limits import (
    BudgetAlert as BudgetAlert,
    Limit as Limit,
)
from .logs import correlation as correlation
from .media import (
    MediaSource as MediaSource,
    audio as audio,
    document as document,
    image as image,
    video as video,
)
from .messages import (
    AudioPart as AudioPart,
    Citation as Citation,
    DocumentPart as DocumentPart,
    ImagePart as ImagePart,
    Message as Message,
    OpaquePart as OpaquePart,
    ReasoningPart as ReasoningPart,
    RefusalPart as RefusalPart,
    TextPart as TextPart,
    ToolCall as ToolCall,
    ToolResultPart as ToolResultPart,
    VideoPart as VideoPart,
)
from .models import ModelInfo as ModelInfo
from .net.transport import HTTPLimits as HTTPLimits
from .opening import (
    OpenStream as OpenStream,
    collect as collect,
    replay as replay,
)
from .prices.expenses import Expense as Expense
from .prices.rates import Rates as Rates
from .pricing import (
    DictPrices as DictPrices,
    Estimate as Estimate,
    FirstKnown as FirstKnown,
    GenAIPrices as GenAIPrices,
    PriceBook as PriceBook,
    ReportedPrices as ReportedPrices,
    TablePrices as TablePrices,
)
from .priority import (
    Failover as Failover,
    FailoverState as FailoverState,
    failover as failover,
)
from .provider import (
    BaseProvider as BaseProvider,
    Middleware as Middleware,
    Provider as Provider,
    ProviderInfo as ProviderInfo,
    begin as begin,
    observed as observed,
)
from .registry import provider_for as provider_for
from .redis_store import RedisStore as RedisStore
from .request import (
    ChatOptions as ChatOptions,
    ChatRequest as ChatRequest,
    Effort as Effort,
    EmbeddingRequest as EmbeddingRequest,
    HTTPCall as HTTPCall,
    OffersTool as OffersTool,
    PromptCache as PromptCache,
    Reasoning as Reasoning,
    ResponseFormat as ResponseFormat,
    Tool as Tool,
    ToolChoice as ToolChoice,
)
from .response import (
    Attempt as Attempt,
    CallWarning as CallWarning,
    ChatResponse as ChatResponse,
    Choice as Choice,
    Cost as Cost,
    EmbeddingResponse as EmbeddingResponse,
    RateLimitInfo as RateLimitInfo,
    TypedResponse as TypedResponse,
    Usage as Usage,
)
from .schema.bounds import Bounds as Bounds
from .schema.jsonvalues import to_json as to_json
from .schema.lowering import (
    Lowered as Lowered,
    SchemaChange as SchemaChange,
    lowered as lowered,
)
from .schema.schema import json_schema as json_schema
from .secrets import SecretStr as SecretStr
from .session.book import SpendingAlert as SpendingAlert
from .session.record import SessionRecord as SessionRecord
from .session.rows import (
    ModelShare as ModelShare,
    SessionRow as SessionRow,
)
from .session.session import AsyncSession as AsyncSession
from .session.summary import (
    Projection as Projection,
    SessionSummary as SessionSummary,
    Spread as Spread,
)
from .sqlite_store import SQLiteStore as SQLiteStore
from .statuses import (
    ServiceStatus as ServiceStatus,
    Status as Status,
)
from .store import (
    MemoryStore as MemoryStore,
    Store as Store,
    StoreSize as StoreSize,
)
from .stream import ChatStream as ChatStream
from .sync.client import (
    Client as Client,
    RequestBuilder as RequestBuilder,
)
from .sync.session import Session as Session
from .sync.stream import Stream as Stream
from .template import Template as Template
from .tools.functions import (
    FunctionTool as FunctionTool,
    tool as tool,
)
from .tools.loop import ToolLoop as ToolLoop
from .tools.runs import (
    RunEvent as RunEvent,
    RunResult as RunResult,
    ToolUse as ToolUse,
)
from .tools.use import ToolError as ToolError
from .vectors import (
    nearest as nearest,
    similarity as similarity,
)

__version__: str
