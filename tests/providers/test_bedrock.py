"""Bedrock: addresses, credentials from everywhere, signatures; the protocol itself is in tests/wire."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
import sys
import threading
import types
from datetime import UTC, datetime

import httpx
import pytest

from aiclient.context import CallContext
from aiclient.errors import (
    AuthenticationError,
    ConfigError,
    MissingAPIKeyError,
    PermissionDeniedError,
    UnsupportedFeatureError,
)
from aiclient.messages import Message
from aiclient.provider import Provider
from aiclient.providers import BedrockProvider
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest
from aiclient.secrets import SecretStr
from aiclient.testutil.clock import FakeClock
from aiclient.wire.eventstream import encode_message
from aiclient.wire.sigv4 import AWSCredentials

pytestmark = pytest.mark.anyio

HI = ChatRequest([Message("user", "hi")])
ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
    "metrics": {"latencyMs": 5},
}
VARIABLES = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
)
STATIC = ("AKIDEXAMPLE", "secret-access-key")
INVALID = "UnrecognizedClientException:http://internal.amazon.com/coral/"


def _find_spec(name, *rest):
    return None if name.partition(".")[0] == "botocore" else REAL_FIND_SPEC(name, *rest)


REAL_FIND_SPEC = importlib.util.find_spec


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """No variable of the machine, and no botocore, whatever is installed."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("aiclient.providers._aws.importlib.util.find_spec", _find_spec)


class Service:
    """Plays the service: keeps the requests, refuses the key ids it is told to refuse."""

    def __init__(self, *refused, error="ExpiredTokenException:http://internal.amazon.com/coral/"):
        self.requests = []
        self.refused = refused
        self.error = error
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))

    def answer(self, request):
        self.requests.append(request)
        if any(f"{word}" in request.headers.get("authorization", "") for word in self.refused):
            return httpx.Response(403, json={"message": "no"}, headers={"x-amzn-errortype": self.error})
        if request.url.path.endswith("count-tokens"):
            return httpx.Response(200, json={"inputTokens": 7})
        if request.url.path.endswith("converse-stream"):
            return httpx.Response(200, content=STREAM, headers={"x-amzn-requestid": "r1"})
        return httpx.Response(200, json=ANSWER, headers={"x-amzn-requestid": "r1"})


def event(kind, **payload):
    return encode_message({":event-type": kind, ":message-type": "event"}, json.dumps(payload).encode())


STREAM = (
    event("messageStart", role="assistant")
    + event("contentBlockDelta", delta={"text": "hello"}, contentBlockIndex=0)
    + event("contentBlockStop", contentBlockIndex=0)
    + event("messageStop", stopReason="end_turn")
    + event("metadata", usage=ANSWER["usage"], metrics={"latencyMs": 5})
)


def bedrock(service, **options):
    given = {"region": "us-east-1", "model": "amazon.nova-lite-v1:0", "http_client": service.client, **options}
    return BedrockProvider(**given)


def key_ids(service):
    """Return the key id that each request was signed with."""
    signed = [request.headers["authorization"] for request in service.requests]
    return [value.partition("Credential=")[2].partition("/")[0] for value in signed]


async def test_the_model_stands_in_the_path_and_the_call_is_signed():
    service = Service()
    answer = await bedrock(service, credentials=STATIC).chat(HI)
    (sent,) = service.requests
    assert sent.url.raw_path == b"/model/amazon.nova-lite-v1%3A0/converse"
    assert sent.url.host == "bedrock-runtime.us-east-1.amazonaws.com"
    assert sent.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/us-east-1/bedrock/aws4_request" in sent.headers["authorization"]
    assert json.loads(sent.content) == {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}
    assert (answer.message.content, answer.provider, answer.model) == ("hello", "bedrock", "amazon.nova-lite-v1:0")
    assert (answer.request_id, answer.usage.total_tokens) == ("r1", 3)


async def test_a_stream_is_read_to_its_metadata():
    service = Service()
    async with await bedrock(service, credentials=STATIC).chat_stream(HI) as stream:
        assert [chunk.content async for chunk in stream if chunk.content] == ["hello"]
    assert stream.response.usage.total_tokens == 3
    assert stream.response.request_id == "r1"
    assert service.requests[0].url.path.endswith("/converse-stream")


async def test_tokens_are_counted_by_the_service():
    service = Service()
    provider = bedrock(service, credentials=STATIC, model="us.anthropic.claude-sonnet-4-20250514-v1:0")
    assert await provider.count_tokens(HI) == 7
    assert service.requests[0].url.raw_path == b"/model/anthropic.claude-sonnet-4-20250514-v1%3A0/count-tokens"


@pytest.mark.parametrize(
    ("message", "category"),
    [("The provided model doesn't support counting tokens.", None), ("Malformed input request", "bad_request")],
)
async def test_a_model_that_does_not_count_is_a_service_that_answers(message, category):
    service = Service()
    service.client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: httpx.Response(400, json={"message": message}))
    )
    health = await bedrock(service, credentials=STATIC).health()
    assert (health.ok, health.category) == (category is None, category)


async def test_it_embeds_nothing():
    with pytest.raises(UnsupportedFeatureError, match="bedrock has no embeddings"):
        await bedrock(Service(), credentials=STATIC).embeddings(EmbeddingRequest("x", "m"))


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "bedrock-runtime.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "bedrock-runtime.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "bedrock-runtime.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_the_region_is_the_address(region, host):
    assert BedrockProvider(region, bearer_token="token-0123").info.origin == f"https://{host}"


def test_the_environment_names_region_and_address(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert "eu-west-1" in BedrockProvider(bearer_token="token-0123").info.origin
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    assert "eu-west-2" in BedrockProvider(bearer_token="token-0123").info.origin
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://vpce-1.example")
    assert BedrockProvider(bearer_token="token-0123").info.origin == "https://vpce-1.example"
    assert BedrockProvider(bearer_token="t", base_url="https://mine.example").info.origin == "https://mine.example"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no AWS region: pass region= or set AWS_REGION"),
        ({"region": "us east"}, "is not the name of an AWS region"),
        ({"region": "evil.example/"}, "is not the name of an AWS region"),
        ({"region": "us-east-1", "bearer_token": "t", "credentials": STATIC}, "not both"),
    ],
)
def test_what_cannot_work_is_said_at_once(options, message):
    with pytest.raises(ConfigError, match=message):
        BedrockProvider(**options)


# --- bearer tokens ---


async def test_a_bearer_token_needs_no_signature(monkeypatch):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-key-0123")
    service = Service()
    await bedrock(service).chat(HI)
    assert service.requests[0].headers["authorization"] == "Bearer bedrock-key-0123"
    assert "x-amz-date" not in service.requests[0].headers


async def test_credentials_that_are_given_win_over_the_token_of_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "bedrock-key-0123")
    service = Service()
    await bedrock(service, credentials=STATIC).chat(HI)
    assert key_ids(service) == ["AKIDEXAMPLE"]


async def test_a_token_that_is_refused_is_asked_for_once_more():
    tokens = iter(["old-token-0123", "new-token-0123"])
    service = Service("old-token-0123", error="AccessDeniedException")
    await bedrock(service, bearer_token=lambda: next(tokens)).chat(HI)
    assert [request.headers["authorization"][-14:] for request in service.requests] == [
        "old-token-0123",
        "new-token-0123",
    ]


# --- credentials ---


@pytest.mark.parametrize(
    "credentials",
    [
        STATIC,
        (SecretStr("AKIDEXAMPLE"), SecretStr("secret-access-key")),
        AWSCredentials("AKIDEXAMPLE", SecretStr("secret-access-key")),
        lambda: STATIC,
        types.SimpleNamespace(get_frozen_credentials=lambda: FROZEN),
        types.SimpleNamespace(get_credentials=lambda: types.SimpleNamespace(get_frozen_credentials=lambda: FROZEN)),
    ],
    ids=["tuple", "secrets", "value", "callable", "botocore", "session"],
)
async def test_credentials_come_in_many_forms(credentials):
    service = Service()
    provider = bedrock(service, credentials=credentials)
    provider.validate_config()
    await provider.chat(HI)
    assert key_ids(service) == ["AKIDEXAMPLE"]
    assert "x-amz-security-token" not in service.requests[0].headers


FROZEN = types.SimpleNamespace(access_key="AKIDEXAMPLE", secret_key="secret-access-key", token=None)


async def test_a_callable_may_be_asynchronous():
    async def give():
        await asyncio.sleep(0)
        return (*STATIC, "session-token")

    service = Service()
    await bedrock(service, credentials=give).chat(HI)
    assert service.requests[0].headers["x-amz-security-token"] == "session-token"


async def test_the_environment_holds_credentials_too(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-from-env\n")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-from-env")
    service = Service()
    await bedrock(service).chat(HI)
    assert key_ids(service) == ["AKIDENV"]
    assert service.requests[0].headers["x-amz-security-token"] == "token-from-env"
    assert "x-amz-security-token" in service.requests[0].headers["authorization"]


async def test_without_any_the_message_names_every_way():
    provider = bedrock(Service())
    with pytest.raises(MissingAPIKeyError) as caught:
        provider.validate_config()
    text = str(caught.value)
    assert all(
        word in text for word in ("AWS_BEARER_TOKEN_BEDROCK", "AWS_SECRET_ACCESS_KEY", "credentials=", "botocore")
    )
    with pytest.raises(MissingAPIKeyError):
        await provider.chat(HI)
    assert provider.info.scope is None


@pytest.mark.parametrize("credentials", [("only-one",), (None, "x"), ("", "x")])
def test_what_are_no_credentials_is_refused_without_showing_them(credentials):
    with pytest.raises(ConfigError) as caught:
        bedrock(Service(), credentials=credentials).validate_config()
    assert "only-one" not in str(caught.value)


async def test_a_source_that_gives_none_is_missing_credentials():
    session = types.SimpleNamespace(get_credentials=lambda: None)
    with pytest.raises(MissingAPIKeyError):
        await bedrock(Service(), credentials=session).chat(HI)
    with pytest.raises(ConfigError, match="object for bedrock are none"):
        await bedrock(Service(), credentials=object).chat(HI)


class Renewing:
    """Temporary credentials that say when they expire."""

    def __init__(self):
        self.expired = False
        self.asked = []

    def refresh_needed(self):
        return self.expired

    def get_frozen_credentials(self):
        self.asked.append(threading.current_thread())
        self.expired = False
        number = len(self.asked)
        return types.SimpleNamespace(access_key=f"AKID{number}", secret_key=f"secret-{number}", token=f"token-{number}")


async def test_temporary_credentials_are_asked_for_off_the_loop_and_once_for_all():
    service, source = Service(), Renewing()
    provider = bedrock(service, credentials=source)
    await asyncio.gather(*(provider.chat(HI) for _ in range(5)))
    assert key_ids(service) == ["AKID1"] * 5
    assert len(source.asked) == 1
    assert source.asked[0] is not threading.main_thread()


async def test_temporary_credentials_are_renewed_before_they_expire():
    service, source = Service(), Renewing()
    provider = bedrock(service, credentials=source)
    await provider.chat(HI)
    source.expired = True
    await asyncio.gather(provider.chat(HI), provider.chat(HI))
    assert key_ids(service) == ["AKID1", "AKID2", "AKID2"]


async def test_temporary_credentials_that_are_refused_are_asked_for_once_more():
    service, source = Service("AKID1"), Renewing()
    answer = await bedrock(service, credentials=source).chat(HI)
    assert answer.message.content == "hello"
    assert key_ids(service) == ["AKID1", "AKID2"]


async def test_credentials_that_stay_wrong_are_an_authentication_error_without_the_secret():
    service = Service("AKIDEXAMPLE", error=INVALID)
    with pytest.raises(AuthenticationError) as caught:
        await bedrock(service, credentials=lambda: STATIC).chat(HI)
    assert (caught.value.status_code, caught.value.code) == (403, "UnrecognizedClientException")
    assert len(service.requests) == 1
    assert STATIC[1] not in repr(caught.value)


async def test_rights_that_are_missing_do_not_ask_for_other_credentials():
    service, source = Service("AKID1", error="AccessDeniedException"), Renewing()
    with pytest.raises(PermissionDeniedError):
        await bedrock(service, credentials=source).chat(HI)
    assert len(source.asked) == 1


# --- botocore's chain ---


@pytest.fixture
def chain(monkeypatch):
    """A botocore whose session gives what `chain.credentials` gives."""
    found = types.SimpleNamespace(credentials=lambda: types.SimpleNamespace(get_frozen_credentials=lambda: FROZEN))
    session = types.ModuleType("botocore.session")
    session.Session = lambda: types.SimpleNamespace(get_credentials=lambda: found.credentials())
    package = types.ModuleType("botocore")
    package.session = session
    monkeypatch.setitem(sys.modules, "botocore", package)
    monkeypatch.setitem(sys.modules, "botocore.session", session)
    monkeypatch.setattr("aiclient.providers._aws.importlib.util.find_spec", lambda name: object())
    return found


async def test_botocore_finds_credentials_where_it_is_installed(chain):
    service = Service()
    provider = bedrock(service)
    provider.validate_config()
    await provider.chat(HI)
    assert key_ids(service) == ["AKIDEXAMPLE"]


async def test_botocore_that_finds_none_says_so(chain):
    chain.credentials = lambda: None
    with pytest.raises(MissingAPIKeyError, match="no AWS credentials"):
        await bedrock(Service()).chat(HI)


async def test_botocore_that_fails_is_an_authentication_error(chain):
    def fail():
        raise RuntimeError("the profile is broken")

    chain.credentials = fail
    with pytest.raises(AuthenticationError, match="RuntimeError: the profile is broken") as caught:
        await bedrock(Service()).chat(HI)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


# --- what is shown, what is signed ---


def test_it_is_a_provider_and_shows_no_secret():
    provider: Provider = bedrock(Service(), credentials=STATIC)
    call = provider.preview(HI)
    assert dict(call.headers)["Authorization"] == "AWS4-HMAC-SHA256 ***"
    assert call.url.endswith("/model/amazon.nova-lite-v1%3A0/converse")
    assert STATIC[1] not in repr(provider) + repr(call) + repr(call.headers) + repr(vars(provider))
    assert dict(bedrock(Service(), bearer_token="token-0123").preview(HI).headers)["Authorization"] == "Bearer ***"


def test_two_keys_are_two_scopes():
    one, other = (bedrock(Service(), credentials=(id_, f"secret-{id_}")).info for id_ in ("AKIDA", "AKIDB"))
    assert None not in (one.scope, other.scope)
    assert one.scope != other.scope
    assert one.vendor == "bedrock"


ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-7-sonnet-20250219-v1:0"


@pytest.mark.parametrize("model", ["amazon.nova-lite-v1:0", ARN], ids=["id", "arn"])
@pytest.mark.parametrize("token", [None, "session-token"])
async def test_what_is_sent_is_signed_as_botocore_signs_it(model, token):
    auth = pytest.importorskip("botocore.auth", reason="botocore is not installed")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    service, clock = Service(), FakeClock()
    provider = bedrock(service, credentials=(*STATIC, token) if token else STATIC, headers={"X-Amz-Mine": "1"})
    await provider.chat(ChatRequest(HI.messages, ChatOptions(model=model), CallContext(clock=clock)))
    (sent,) = service.requests
    stamp = datetime.fromtimestamp(clock.time(), UTC).strftime("%Y%m%dT%H%M%SZ")
    assert sent.headers["x-amz-date"] == stamp
    covered = sent.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: sent.headers[name] for name in covered if name != "host"}
    theirs = AWSRequest("POST", str(sent.url), headers, sent.content)
    theirs.context["timestamp"] = stamp
    signer = auth.SigV4Auth(Credentials(*STATIC, token), "bedrock", "us-east-1")
    text = signer.string_to_sign(theirs, signer.canonical_request(theirs))
    assert sent.headers["authorization"].endswith(f"Signature={signer.signature(text, theirs)}")
    assert {"content-type", "host", "x-amz-date", "x-amz-mine"} <= set(covered)
