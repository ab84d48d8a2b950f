"""The report of a dry run: what would be sent, of every provider, and nothing secret in it."""

from __future__ import annotations

import json
import pickle

import attrs
import httpx
import pytest

from aiclient.attempt import chain
from aiclient.context import CallContext
from aiclient.dryrun import DryRunReport, redacted, report_of
from aiclient.errors import AIClientError, DryRunStop, InvalidModelError, UnsupportedFeatureError
from aiclient.messages import Message
from aiclient.pricing import TABLE, ceiling
from aiclient.provider import opened
from aiclient.registry import PROVIDERS, provider_for
from aiclient.request import ChatOptions, ChatRequest, EmbeddingRequest, HTTPCall
from aiclient.response import CallWarning, ChatResponse
from aiclient.tokens import estimate

pytestmark = pytest.mark.anyio

CANARY = "canary-0123456789abcdef"
HI = ChatRequest([Message("user", "Hello")], ChatOptions(max_tokens=7, temperature=0.5))
TEXTS = EmbeddingRequest(["one", "two"])

SET_UP = {
    "azure": {"endpoint": "https://res.example", "api_key": CANARY},
    "bedrock": {"region": "us-east-1", "credentials": ("AKIA0123456789ABCDEF", CANARY, CANARY)},
    "cloudflare": {"account": "acc-1", "api_key": CANARY},
    "compatible": {"base_url": "https://gate.example/v1?team=a", "api_key": CANARY},
    "databricks": {"host": "https://dbc-1.cloud.example/", "api_key": CANARY},
    "snowflake": {"account": "acc-1", "api_key": CANARY},
    "vertex": {"project": "my-project", "credentials": lambda: CANARY},
}
NAMES = sorted(PROVIDERS.keys() - {"mock"})
WITHOUT_EMBEDDINGS = frozenset({"anthropic", "bedrock"})


def made(name, **options):
    return provider_for(name, **{"model": "m", **SET_UP.get(name, {"api_key": CANARY}), **options})


async def chat(provider, context, request=HI):
    return await opened(request, provider.chat, context)


async def stream(provider, context, request=HI):
    return await opened(request, provider.chat_stream, context)


async def embed(provider, context, request=TEXTS):
    return await opened(request, provider.embeddings, context)


async def dry(call, provider, *request, context=None):
    """Return the report of a call as a dry run."""
    context = context or CallContext(id="call-1")
    context.dry_run = True
    with pytest.raises(DryRunStop) as caught:
        await call(chain([], provider), context, *request)
    return caught.value.report


CALLS = pytest.mark.parametrize("call", [chat, stream], ids=["chat", "stream"])
every_provider = pytest.mark.parametrize("name", NAMES)


# --- of every provider ---


@CALLS
@every_provider
async def test_no_key_is_anywhere_in_the_report(call, name):
    report = await dry(call, made(name, headers={"X-Gateway-Key": CANARY, "Cookie": CANARY}))
    assert report.call.method == "POST"
    for shown in (repr(report), str(report), json.dumps(report.to_dict()), repr(attrs.asdict(report))):
        assert CANARY not in shown


@pytest.mark.parametrize("name", sorted(set(NAMES) - WITHOUT_EMBEDDINGS))
async def test_no_key_is_anywhere_in_the_report_of_embeddings(name):
    report = await dry(embed, made(name, headers={"X-Gateway-Key": CANARY}))
    for shown in (repr(report), str(report), json.dumps(report.to_dict()), repr(attrs.asdict(report))):
        assert CANARY not in shown


class Refuses:
    """A service that refuses everything, and remembers what it was sent."""

    def __init__(self):
        self.sent = []
        self.client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request):
        self.sent.append(request)
        return httpx.Response(400, json={})


def facts(call):
    """What of a call can be compared: everything but what httpx adds and what is masked."""
    ours = {name.lower(): value for name, value in call.headers if "***" not in value}
    return call.method, str(call.url).partition("?")[0], ours


EVERY_WAY = [
    (name, call)
    for name in NAMES
    for call in (chat, stream, embed)
    if call is not embed or name not in WITHOUT_EMBEDDINGS
]


async def test_the_report_says_what_the_call_could_cost_at_most():
    request_, provider = HI, made("openai", model="gpt-5-mini")
    report = await dry(chat, provider, request_, context=CallContext(prices=TABLE))
    assert report.cost == ceiling(request_, provider.info, TABLE)
    assert report.cost.estimated and report.cost.usd > 0


@pytest.mark.parametrize(("name", "call"), EVERY_WAY, ids=lambda value: getattr(value, "__name__", value))
async def test_the_report_shows_what_is_sent_in_earnest(name, call):
    service = Refuses()
    provider = made(name, http_client=service.client)
    with pytest.raises(AIClientError):
        await call(chain([], provider), CallContext(id="call-1"))
    (sent,) = service.sent
    report = await dry(call, provider)
    method, url, headers = facts(report.call)
    assert (method, url, report.call.body) == (sent.method, str(sent.url).partition("?")[0], sent.content)
    assert {key: sent.headers.get(key) for key in headers} == headers
    assert len(service.sent) == 1


def test_the_key_of_a_service_that_needs_none_is_not_shown_as_if_there_were_one(monkeypatch):
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
    assert "Authorization" not in dict(provider_for("ollama", model="m").preview(HI).headers)


# --- what it says ---


@pytest.mark.parametrize(
    ("call", "request_", "limit"),
    [(chat, HI, 7), (stream, HI, 7), (embed, TEXTS, None)],
    ids=["chat", "stream", "embed"],
)
async def test_it_says_who_would_be_asked_and_how_much(call, request_, limit):
    report = await dry(call, made("openai", base_url="https://gate.example:8443/v1"))
    assert (report.provider, report.model, report.origin) == ("openai", "m", "https://gate.example:8443")
    assert (report.prompt_tokens, report.max_tokens, report.cost) == (estimate(request_), limit, None)
    assert report.body["model"] == "m" and not report.answered


async def test_the_model_that_the_request_names_is_shown():
    report = await dry(chat, made("openai"), ChatRequest([Message("user", "x")], ChatOptions(model="other")))
    assert (report.model, report.body["model"]) == ("other", "other")


@CALLS
async def test_what_the_provider_cannot_honour_is_a_warning_of_the_report(call):
    request = ChatRequest([Message("user", "x")], ChatOptions(seed=1, top_k=5))
    report = await dry(call, made("openai"), request)
    assert [warning.setting for warning in report.warnings] == ["top_k"]


@CALLS
async def test_what_a_strict_call_would_be_refused_for_is_refused(call):
    request = ChatRequest([Message("user", "x")], ChatOptions(top_k=5))
    with pytest.raises(UnsupportedFeatureError, match="top_k"):
        await call(chain([], made("openai")), CallContext(dry_run=True, strict=True), request)


@pytest.mark.parametrize(("call", "request_"), [(chat, HI), (embed, TEXTS)], ids=["chat", "embed"])
async def test_a_call_without_a_model_is_refused_as_it_would_be(call, request_):
    with pytest.raises(InvalidModelError):
        await call(chain([], made("openai", model=None)), CallContext(dry_run=True), request_)


async def test_embeddings_that_take_several_exchanges_show_the_first_and_say_so():
    report = await dry(embed, made("cohere"), EmbeddingRequest(["x"] * 200))
    assert len(report.body["texts"]) == 96
    assert [warning.message for warning in report.warnings] == [
        "the texts take 3 exchanges, of which this is the first"
    ]


async def test_a_service_without_embeddings_refuses_a_dry_run_of_them():
    with pytest.raises(UnsupportedFeatureError, match="anthropic has no embeddings"):
        await embed(chain([], made("anthropic")), CallContext(dry_run=True))


# --- redaction ---


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        (("Authorization", f"Bearer {CANARY}"), "Bearer ***"),
        (("Authorization", f"AWS4-HMAC-SHA256 Credential={CANARY}"), "AWS4-HMAC-SHA256 ***"),
        (("Authorization", CANARY), "***"),
        (("authorization", f"{CANARY} x"), "***"),
        (("x-api-key", CANARY), "***"),
        (("Anything", "of the caller's"), "***"),
        (("CONTENT-TYPE", "application/json"), "application/json"),
        (("anthropic-version", "2023-06-01"), "2023-06-01"),
    ],
)
def test_the_value_of_a_header_is_shown_if_it_is_known_to_be_harmless(header, shown):
    assert redacted(HTTPCall("POST", "https://x.example", [header])).headers == [(header[0], shown)]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example/v1/chat", "https://x.example/v1/chat"),
        (f"https://x.example/v1?key={CANARY}", "https://x.example/v1?key=***"),
        (
            f"https://x.example/v1?alt=sse&KEY={CANARY}&API-version=1",
            "https://x.example/v1?alt=sse&KEY=***&API-version=1",
        ),
        (f"https://user:{CANARY}@x.example/a@b", "https://***@x.example/a@b"),
        (f"https://x.example?token={CANARY}=", "https://x.example?token=***"),
        ("https://x.example/v1?flag", "https://x.example/v1?flag"),
    ],
)
def test_of_a_url_the_credentials_and_unknown_parameters_are_hidden(url, shown):
    assert redacted(HTTPCall("POST", url)).url == shown


def test_redacting_twice_changes_nothing_more():
    once = redacted(HTTPCall("POST", "https://a:b@x.example/?k=1", [("Authorization", "Bearer x")], b"{}"))
    assert redacted(once) == once and once.body == b"{}"


class Careless:
    """A provider of somebody's own, whose preview holds its key."""

    name = "careless"

    def preview(self, request, /):
        return HTTPCall("POST", f"https://x.example/?key={CANARY}", [("x-key", CANARY)], b"not JSON")

    async def chat(self, request, /):
        raise AssertionError("nothing may be sent")


async def test_the_preview_of_somebody_s_own_provider_is_redacted_too():
    report = await dry(chat, Careless())
    assert (report.call.url, report.call.headers) == ("https://x.example/?key=***", [("x-key", "***")])
    assert report.body == b"not JSON"


# --- the value ---


REPORT = DryRunReport(
    call=HTTPCall("POST", "https://x.example/v1", [("Accept", "*/*")], b'{"model": "m"}'),
    provider="p",
    model="m",
    origin="https://x.example",
    prompt_tokens=5,
    warnings=(CallWarning("unsupported", "no", "top_k", "p"),),
)


def test_a_report_is_a_dict_for_json():
    saved = json.loads(json.dumps(REPORT.to_dict()))
    assert saved["call"] == {
        "method": "POST",
        "url": "https://x.example/v1",
        "headers": [["Accept", "*/*"]],
        "body": {"model": "m"},
    }
    assert (saved["provider"], saved["prompt_tokens"], saved["cost"], saved["answered"]) == ("p", 5, None, False)
    assert saved["warnings"][0]["setting"] == "top_k"
    assert saved.keys() == {field.name for field in attrs.fields(DryRunReport)}


def test_a_report_without_a_call_has_no_body():
    report = DryRunReport(provider="p", prompt_tokens=1)
    assert report.body is None and report.to_dict()["call"] is None


def test_the_repr_shows_no_content():
    assert '"model"' not in repr(REPORT) and "https://x.example/v1" in repr(REPORT)


def test_a_report_cannot_be_changed_and_can_be_pickled():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        REPORT.provider = "other"
    assert pickle.loads(pickle.dumps(REPORT)) == REPORT


def test_an_answer_in_earnest_gives_a_report_that_a_layer_answered():
    answer = ChatResponse(Message("assistant", "kept"), model="m", cached=True)
    report = report_of(answer, HI, "p")
    assert (report.answered, report.call, report.provider, report.model) == (True, None, "p", "m")
    assert (report.prompt_tokens, report.max_tokens) == (estimate(HI), 7)


def test_an_answer_of_a_dry_run_gives_the_report_it_carries():
    assert report_of(ChatResponse(Message("assistant"), raw=REPORT, dry_run=True), HI, "p") is REPORT
