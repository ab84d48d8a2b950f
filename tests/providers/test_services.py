"""The table of services that speak OpenAI's protocol, and the providers that are made of its rows."""

from __future__ import annotations

import gzip
import json
import pathlib
import re
from urllib.parse import urlsplit

import pytest

from aiclient import Client, provider_for
from aiclient.errors import ConfigError, InvalidProviderError, MissingAPIKeyError
from aiclient.messages import Message, ReasoningPart, ToolCall
from aiclient.providers import CompatibleProvider, OllamaProvider, compatible
from aiclient.providers.services import SERVICES
from aiclient.registry import PROVIDERS, split
from aiclient.request import ChatOptions, ChatRequest, Reasoning, Tool, ToolChoice
from aiclient.wire.profiles import PROFILES

pytestmark = pytest.mark.anyio

WIRE = pathlib.Path(__file__).parents[3] / "shared" / "wire"
HI = ChatRequest([Message("user", "Hello")])
ANSWER = {"id": "r1", "choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}]}
PLACES = {"account": "acc-1", "host": "https://dbc-1.cloud.example/"}
KEYED = sorted(name for name, row in SERVICES.items() if row.needs_key)
KEYLESS = sorted(SERVICES.keys() - set(KEYED))


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for row in SERVICES.values():
        for variable in (row.key, row.address, *row.places.values()):
            if variable is not None:
                monkeypatch.delenv(variable, raising=False)


def made(name, **options):
    places = {word: PLACES[word] for word in SERVICES[name].places}
    return compatible(name, **{"model": "m", "api_key": "test-key", **places, **options})


def body(name, request):
    return json.loads(made(name).preview(request).body)


# --- rows ---


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_row_makes_a_provider_of_its_name(name):
    provider = made(name)
    call = provider.preview(HI)
    assert isinstance(provider, CompatibleProvider)
    assert (provider.name, provider.info.vendor, provider.info.model) == (name, name, "m")
    assert call.url.endswith("/chat/completions")
    assert "{" not in call.url
    assert ("Authorization", "Bearer ***") in list(call.headers)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_row_is_a_name_of_model_strings(name):
    assert name in PROVIDERS
    assert split(f"{name}:some/model:free") == (name, "some/model:free")


@pytest.mark.parametrize("name", KEYED)
def test_a_service_that_needs_a_key_says_which_variable_holds_it(name, monkeypatch):
    with pytest.raises(MissingAPIKeyError, match=rf"no API key for {name}: set {SERVICES[name].key} "):
        made(name, api_key=None).validate_config()
    monkeypatch.setenv(SERVICES[name].key, "from-the-environment")
    made(name, api_key=None).validate_config()


@pytest.mark.parametrize("name", KEYLESS)
def test_a_server_of_ones_own_needs_no_key_and_is_on_this_machine(name):
    provider = made(name, api_key=None)
    provider.validate_config()
    assert urlsplit(provider.info.origin).hostname == "127.0.0.1"


@pytest.mark.parametrize("name", KEYED)
def test_what_a_key_is_sent_to_is_encrypted(name):
    assert SERVICES[name].base_url.startswith("https://")


RECORDED = {
    # API of the recordings: the row. Recordings of others' addresses, such as a coding plan's, are of the same host.
    "cerebras.chat": "cerebras",
    "deepseek.chat": "deepseek",
    "groq.chat": "groq",
    "huggingface.chat": "huggingface",
    "openrouter.chat": "openrouter",
    "perplexity.chat": "perplexity",
    "together.chat": "together",
    "vercel_gateway.chat": "vercel",
    "xai.chat": "xai",
    "zai.chat": "zai",
}


@pytest.mark.skipif(not WIRE.is_dir(), reason="the recorded exchanges are not beside this repository (../shared/wire)")
@pytest.mark.parametrize("api", sorted(RECORDED))
def test_a_row_leads_to_where_recorded_requests_went(api):
    with gzip.open(WIRE / f"{api}.jsonl.gz", "rt", encoding="utf-8") as records:
        urls = {json.loads(record)["request"]["url"] for record in records}
    assert made(RECORDED[api]).preview(HI).url in urls


# --- making one ---


async def test_a_service_answers_under_its_name(service, monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "gsk_test")
    played = service(ANSWER)
    response = await compatible("groq", model="llama", http_client=played.client).chat(HI)
    assert (response.message.content, response.provider) == ("Paris", "groq")
    assert str(played.sent.url) == "https://api.groq.com/openai/v1/chat/completions"
    assert played.sent.headers["authorization"] == "Bearer gsk_test"


def test_a_model_string_is_enough(monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-test")
    with Client("openrouter:deepseek/deepseek-chat") as client:
        assert "openrouter, model deepseek/deepseek-chat, https://openrouter.ai" in client.explain()


def test_the_environment_chooses_a_service_too():
    with Client.from_env({"AI_PROVIDER": "xai", "AI_API_KEY": "xai-test", "AI_DEFAULT_MODEL": "grok-5"}) as client:
        assert "xai, model grok-5, https://api.x.ai" in client.explain()


def test_words_of_an_address_come_from_arguments_or_the_environment(monkeypatch):
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "from-env")
    url = compatible("cloudflare", api_key="k", model="m").preview(HI).url
    assert url == "https://api.cloudflare.com/client/v4/accounts/from-env/ai/v1/chat/completions"
    url = compatible("cloudflare", api_key="k", model="m", account="given").preview(HI).url
    assert url.endswith("/accounts/given/ai/v1/chat/completions")
    monkeypatch.setenv("DATABRICKS_HOST", "https://dbc-1.cloud.example/")
    url = provider_for("databricks:m", api_key="k").preview(HI).url
    assert url == "https://dbc-1.cloud.example/serving-endpoints/chat/completions"


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("snowflake", {}, "no account for snowflake: pass account= or set SNOWFLAKE_ACCOUNT"),
        ("cloudflare", {"account": "a/../b"}, "cannot stand in the address of cloudflare"),
        ("cloudflare", {"account": "evil.example#"}, "cannot stand in the address of cloudflare"),
        ("groq", {"account": "x"}, "groq takes no account"),
        ("groq", {"organization": "x", "base_url": "https://e.x"}, "groq takes no organization"),
    ],
    ids=["missing", "a path", "a fragment", "foreign", "foreign beside an address"],
)
def test_a_wrong_word_is_told_at_once(name, options, words):
    with pytest.raises(ConfigError, match=re.escape(words)):
        compatible(name, api_key="k", **options)


def test_an_address_of_ones_own_wins_over_the_variable_and_that_over_the_row(monkeypatch):
    monkeypatch.setenv("VLLM_BASE_URL", "http://127.0.0.1:9000/v1")
    assert made("vllm").info.origin == "http://127.0.0.1:9000"
    assert made("vllm", base_url="http://127.0.0.1:7000/v1").info.origin == "http://127.0.0.1:7000"
    assert made("snowflake", base_url="https://private.example/v1").info.origin == "https://private.example"


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1/", "http://127.0.0.1:9"])
def test_ollamas_variable_may_hold_the_address_of_either_protocol(monkeypatch, address):
    monkeypatch.setenv("OLLAMA_BASE_URL", address)
    assert OllamaProvider(model="m").preview(HI).url == "http://127.0.0.1:9/api/chat"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("grok", "did you mean 'groq'?"),
        ("open-router", "did you mean 'openrouter'?"),
        ("nothing like it", "there are cerebras, "),
        ("github", "retired on 2026-07-30"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(name, words):
    with pytest.raises(InvalidProviderError, match=re.escape(words)):
        compatible(name)


def test_a_retired_service_is_told_as_such_in_a_model_string_too():
    with pytest.raises(InvalidProviderError, match="GitHub Models was retired"):
        provider_for("github:openai/gpt-5")


def test_two_services_never_share_what_they_sealed():
    vendors = [made(name).info.vendor for name in SERVICES]
    assert len(set(vendors)) == len(vendors)


# --- what their profiles say ---


@pytest.mark.parametrize(
    ("name", "options", "field"),
    [
        ("groq", {"logprobs": 1}, "logprobs"),
        ("groq", {"n": 2}, "n"),
        ("cerebras", {"frequency_penalty": 1}, "frequency_penalty"),
        ("cerebras", {"presence_penalty": 1}, "presence_penalty"),
        ("cerebras", {"service_tier": "flex"}, "service_tier"),
        ("cerebras", {"parallel_tool_calls": False, "tools": [Tool("f")]}, "parallel_tool_calls"),
    ],
)
async def test_what_a_service_refuses_is_left_out_with_a_warning(service, name, options, field):
    played = service(ANSWER)
    response = await made(name, http_client=played.client).chat(ChatRequest(HI.messages, ChatOptions(**options)))
    assert field not in played.body
    assert [warning.setting for warning in response.warnings] == [field]


def test_asking_for_one_answer_where_there_is_only_one_is_no_reason_to_warn():
    assert "n" not in body("groq", ChatRequest(HI.messages, ChatOptions(n=1, strict=True)))


def test_a_tool_that_cannot_be_required_is_left_to_the_model():
    request = ChatRequest(HI.messages, ChatOptions(tools=[Tool("f")], tool_choice=ToolChoice("required")))
    assert body("moonshot", request)["tool_choice"] == "auto"
    assert body("groq", request)["tool_choice"] == "required"


def test_fields_that_always_go_along_give_way_to_the_callers():
    assert body("minimax", HI)["reasoning_split"] is True
    own = ChatRequest(HI.messages, ChatOptions(extra={"minimax": {"reasoning_split": False}}))
    assert body("minimax", own)["reasoning_split"] is False


@pytest.mark.parametrize(("name", "field"), [("moonshot", "reasoning_content"), ("cerebras", "reasoning")])
def test_thinking_goes_back_where_the_service_wants_it(name, field):
    turn = Message("assistant", [ReasoningPart("hm", origin=name)], tool_calls=[ToolCall("c", "f")])
    request = ChatRequest([*HI.messages, turn, Message("tool", "3", tool_call_id="c")])
    assert body(name, request)["messages"][1][field] == "hm"


@pytest.mark.parametrize("name", ["snowflake", "openrouter", "vercel"])
def test_effort_goes_into_an_object_where_the_service_has_one(name):
    request = ChatRequest(HI.messages, ChatOptions(reasoning=Reasoning("low")))
    assert body(name, request)["reasoning"] == {"effort": "low"}


def test_ids_of_calls_are_left_alone_where_any_will_do():
    id_ = "call_PTLP8xhu3uwZk4l3nlnrrJha"
    turn = Message("assistant", tool_calls=[ToolCall(id_, "f")])
    messages = body("groq", ChatRequest([*HI.messages, turn, Message("tool", "3", tool_call_id=id_)]))["messages"]
    assert (messages[1]["tool_calls"][0]["id"], messages[2]["tool_call_id"]) == (id_, id_)


def test_every_profile_belongs_to_a_provider():
    assert PROFILES.keys() - SERVICES.keys() == {"openai", "compatible", "azure", "mistral", "ollama"}
