"""The key of an answer: equal only for calls that ask the same services the same, on the same behalf."""

from __future__ import annotations

import json

import pytest
from attrs import evolve, fields
from hypothesis import example, given
from hypothesis import strategies as st

from aiclient.abilities import Description
from aiclient.composition import Branched, compose
from aiclient.context import CallContext
from aiclient.layer import Layer
from aiclient.messages import (
    AudioPart,
    Citation,
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    ReasoningPart,
    TextPart,
    ToolCall,
    ToolResultPart,
)
from aiclient.middleware import Fallback, LoadBalance, Retry, Target
from aiclient.middleware._cache_key import key_of, prefix_of
from aiclient.provider import BaseProvider, ProviderInfo
from aiclient.providers import CompatibleProvider, OpenAIProvider
from aiclient.request import (
    ChatOptions,
    ChatRequest,
    EmbeddingRequest,
    PromptCache,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from aiclient.testutil.mock import MockProvider

ASK = ChatRequest([Message("user", "Capital of France?")])
MOCK = MockProvider()


def with_options(**options):
    return ChatRequest(ASK.messages, ChatOptions(**options))


def place(**info):
    """A provider that is nothing but what it says of itself."""
    provider = MockProvider()
    provider.info = ProviderInfo(**{"name": "one", **info})
    return provider


# --- what is in it ---

CHANGED = {
    "model": "other",
    "temperature": 0.5,
    "max_tokens": 5,
    "top_p": 0.5,
    "top_k": 5,
    "seed": 5,
    "stop": ("end",),
    "frequency_penalty": 1,
    "presence_penalty": 1,
    "tools": (Tool("look"),),
    "tool_choice": ToolChoice("none"),
    "parallel_tool_calls": False,
    "response_format": ResponseFormat("json"),
    "reasoning": Reasoning("high"),
    "prompt_cache": PromptCache(),
    "n": 2,
    "logprobs": 2,
    "service_tier": "flex",
    "extra": {"openai": {"store": True}},
}
STEERING = {
    "timeout": 5,
    "tags": {"team": "a"},
    "cache": "refresh",
    "strict": True,
    "user_id": "u",
    "metadata": {"a": "b"},
}


def test_every_option_is_known_to_these_tests():
    assert {field.name for field in fields(ChatOptions)} == {*CHANGED, *STEERING, "tenant"}


@pytest.mark.parametrize("name", CHANGED)
def test_an_option_that_is_sent_is_in_the_key(name):
    assert key_of(with_options(**{name: CHANGED[name]}), MOCK) != key_of(ASK, MOCK)


@pytest.mark.parametrize("name", STEERING)
def test_an_option_that_changes_no_answer_is_not(name):
    assert key_of(with_options(**{name: STEERING[name]}), MOCK) == key_of(ASK, MOCK)


MESSAGES = [
    [Message("user", "Capital of Spain?")],
    [Message("system", "Capital of France?")],
    [Message("user", "Capital of France?", name="Ann")],
    [Message("user", ["Capital of ", "France?"])],
    [Message("user", "Capital of France?"), Message("user", "Capital of France?")],
    [Message("user", TextPart("Capital of France?", (Citation("https://x"),)))],
    [Message("user", ReasoningPart("Capital of France?"))],
    [Message("user", OpaquePart("openai", "Capital of France?"))],
    [Message("user", TextPart("Capital of France?", origin="openai", provider_data={"a": 1}))],
    [Message("user", ImagePart(data=b"one"))],
    [Message("user", ImagePart(data=b"two"))],
    [Message("user", ImagePart(url="one"))],
    [Message("user", ImagePart(url="one", detail="low"))],
    [Message("user", ImagePart(file_id="one"))],
    [Message("user", AudioPart(data=b"one"))],
    [Message("user", DocumentPart(data=b"one", name="a.pdf"))],
    [Message("assistant", tool_calls=[ToolCall("1", "look", "{}")])],
    [Message("assistant", tool_calls=[ToolCall("2", "look", "{}")])],
    [Message("assistant", tool_calls=[ToolCall("1", "look", '{"a": 1}')])],
    [Message("tool", "one", tool_call_id="1")],
    [Message("tool", ToolResultPart("1", "one", is_error=True))],
    [Message("tool", ToolResultPart("1", ["o", "ne"]))],
]


def test_messages_that_differ_in_anything_that_is_sent_have_different_keys():
    keys = [key_of(ChatRequest(messages), MOCK) for messages in [ASK.messages, *MESSAGES]]
    assert len(set(keys)) == len(MESSAGES) + 1 and None not in keys


def test_the_callers_own_notes_on_a_message_are_not_in_the_key():
    assert key_of(ChatRequest([Message("user", "Capital of France?", metadata={"at": 5})]), MOCK) == key_of(ASK, MOCK)


def test_media_are_there_by_their_digest():
    keys = [key_of(ChatRequest([Message("user", ImagePart(data=data))]), MOCK) for data in (b"secret", b"secret", b"")]
    assert keys[0] == keys[1] != keys[2]
    assert "secret" not in keys[0] and "Capital" not in key_of(ASK, MOCK)


def test_texts_to_embed_and_their_settings_are_in_the_key():
    requests = [
        EmbeddingRequest("a"),
        EmbeddingRequest("b"),
        EmbeddingRequest(["a", "b"]),
        EmbeddingRequest("a", "model"),
        EmbeddingRequest("a", dimensions=5),
        EmbeddingRequest("a", task="query"),
        EmbeddingRequest("a", extra={"cohere": {"x": 1}}),
    ]
    assert len({key_of(request, MOCK) for request in requests}) == len(requests)


def test_what_steers_an_embeddings_call_is_not_in_its_key():
    assert key_of(EmbeddingRequest("a", user_id="u", timeout=5, tags={"a": "b"}), MOCK) == key_of(
        EmbeddingRequest("a"), MOCK
    )


def test_equal_numbers_make_one_key():
    assert key_of(with_options(temperature=0), MOCK) == key_of(with_options(temperature=0.0), MOCK)


def test_the_order_in_which_extra_settings_were_given_is_not_in_the_key():
    one = with_options(extra={"a": {"x": 1, "y": 2}, "b": {}})
    other = with_options(extra={"b": {}, "a": {"y": 2, "x": 1}})
    assert key_of(one, MOCK) == key_of(other, MOCK)


def test_the_order_of_a_schemas_properties_is_in_the_key():
    def asking(*names):
        schema = {"type": "object", "properties": {name: {} for name in names}}
        return key_of(with_options(response_format=ResponseFormat.of(schema)), MOCK)

    assert asking("reason", "answer") != asking("answer", "reason")


def test_halves_of_a_character_are_not_the_character():
    keys = [key_of(ChatRequest([Message("user", text)]), MOCK) for text in ("\ud83d\ude00", "\U0001f600")]
    assert keys[0] != keys[1]


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"], ids=["object", "set", "bytes"])
def test_what_has_no_json_form_has_no_key(value):
    assert key_of(with_options(extra={"openai": {"x": value}}), MOCK) is None


def test_what_contains_itself_has_no_key():
    loop = {}
    loop["loop"] = loop
    assert key_of(with_options(extra={"openai": loop}), MOCK) is None


# --- who would answer, and on whose behalf ---

PLACES = [
    place(),
    place(name="other"),
    place(vendor="v"),
    place(origin="https://a"),
    place(origin="https://b"),
    place(model="m"),
    place(scope="s1"),
    place(scope="s2"),
    place(name="s1"),
]


def test_another_service_or_credential_is_another_key():
    assert len({key_of(ASK, provider) for provider in PLACES}) == len(PLACES)


def test_services_of_one_origin_are_told_apart_by_path_and_protocol():
    providers = [
        CompatibleProvider("https://gateway.example/one", api_key="k", model="m"),
        CompatibleProvider("https://gateway.example/two", api_key="k", model="m"),
        OpenAIProvider("sk-k", model="m", base_url="https://gateway.example/one"),
        OpenAIProvider("sk-k", model="m", base_url="https://gateway.example/one", api="responses"),
    ]
    assert len({key_of(ASK, provider, "shared") for provider in providers}) == len(providers)


def test_two_keys_of_one_service_do_not_share():
    one, two, again = (OpenAIProvider(key, model="m") for key in ("sk-one", "sk-two", "sk-one"))
    assert key_of(ASK, one) != key_of(ASK, two)
    assert key_of(ASK, one) == key_of(ASK, again)


def test_a_credential_that_is_callable_shares_with_no_other():
    assert key_of(ASK, OpenAIProvider(lambda: "sk-one", model="m")) != key_of(
        ASK, OpenAIProvider(lambda: "sk-one", model="m")
    )


def test_every_service_behind_a_branch_counts():
    def branch(*further):
        return Branched(Layer(), MOCK, further)

    keys = [key_of(ASK, branch()), key_of(ASK, branch(place(name="a"))), key_of(ASK, branch(place(name="b")))]
    assert len(set(keys)) == 3


@pytest.mark.parametrize("layer", [Fallback, LoadBalance])
def test_the_model_that_a_target_is_asked_for_counts(layer):
    other = MockProvider(name="other", model="default")
    targets = [Target(other), Target(other, model="a"), Target(other, model="b")]
    assert len({key_of(ASK, compose([layer(target)], MOCK)) for target in targets}) == len(targets)


def test_layers_inside_do_not_count():
    assert key_of(ASK, compose([Retry()], MOCK)) == key_of(ASK, MOCK)


def on_behalf_of(tenant):
    return evolve(ASK, context=CallContext(tenant=tenant))


def test_tenants_do_not_share():
    keys = [
        key_of(ASK, MOCK),
        key_of(on_behalf_of("a"), MOCK),
        key_of(on_behalf_of("b"), MOCK),
        key_of(ASK, MOCK, "a"),
        key_of(on_behalf_of("b"), MOCK, "a"),
        key_of(on_behalf_of("a"), MOCK, "b"),
    ]
    assert len(set(keys)) == len(keys)


def test_the_tenant_of_the_options_counts_until_there_is_a_context():
    assert key_of(with_options(tenant="a"), MOCK) == key_of(on_behalf_of("a"), MOCK)


def test_a_tenant_of_the_call_stands_beside_the_credential_and_one_of_the_layer_instead_of_it():
    one, two = place(scope="s1"), place(scope="s2")
    assert key_of(on_behalf_of("a"), one) != key_of(on_behalf_of("a"), two)
    assert key_of(ASK, one, "a") == key_of(ASK, two, "a")


def test_keys_of_one_tenant_begin_alike_and_name_nobody():
    key = key_of(on_behalf_of("Ann"), place(scope="secret"), None)
    assert key.startswith(prefix_of(None, "Ann")) and key.startswith(prefix_of(None))
    assert "Ann" not in key and "secret" not in key


class Slotted(BaseProvider):
    """Cannot be held weakly, and describes itself."""

    __slots__ = ("url",)
    __hash__ = None

    def __init__(self, url):
        self.url = url

    def describe(self):
        return Description("slotted", base_url=self.url)


def test_a_provider_that_cannot_be_hashed_has_its_keys_too():
    assert key_of(ASK, Slotted("https://a")) == key_of(ASK, Slotted("https://a")) != key_of(ASK, Slotted("https://b"))


# --- the property ---

TEXTS = st.text(st.sampled_from('ab"\\,:[]{}\n\ud83d\ude00é\U0001f600'), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
PARTS = st.one_of(
    st.builds(TextPart, TEXTS, origin=st.none() | st.just("v"), provider_data=st.none() | st.dictionaries(TEXTS, JSON)),
    st.builds(ReasoningPart, TEXTS, st.none() | TEXTS),
    st.builds(OpaquePart, st.just("v"), JSON),
    st.builds(ImagePart, data=st.binary(max_size=2)),
    st.builds(ImagePart, url=TEXTS),
    st.builds(ToolCall, TEXTS, TEXTS, TEXTS),
    st.builds(ToolResultPart, TEXTS, st.lists(st.builds(TextPart, TEXTS), max_size=2)),
)
ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["a", "b"]),
        "temperature": st.sampled_from([0, 0.0, 1, 0.5]),
        "stop": st.lists(TEXTS.filter(bool), max_size=2).map(tuple),
        "seed": st.integers(0, 2),
        "n": st.integers(1, 2),
        "tools": st.lists(st.builds(Tool, st.sampled_from("ab"), TEXTS), max_size=2, unique_by=lambda tool: tool.name),
        "response_format": st.builds(ResponseFormat, st.just("schema"), st.dictionaries(TEXTS, JSON, max_size=2)),
        "extra": st.dictionaries(TEXTS, st.dictionaries(TEXTS, JSON, max_size=2), max_size=2),
        "tenant": st.sampled_from(["a", "b"]),
    },
)
REQUESTS = st.builds(
    lambda messages, options: ChatRequest(messages, ChatOptions(**options)),
    st.lists(st.builds(Message, ROLES, st.lists(PARTS, max_size=2)), max_size=2),
    OPTIONS,
)
PROVIDERS = st.builds(
    lambda name, origin, model, scope: place(name=name, origin=origin, model=model, scope=scope),
    *([st.sampled_from(["a", "b"])] + [st.sampled_from([None, "a", "b"])] * 3),
)
CALLS = st.tuples(REQUESTS, PROVIDERS, st.sampled_from([None, "a", "b"]))


def meaning(call):
    """What two calls must have in common to share an answer, said in another way than the key does: as saved records."""
    request, provider, tenant = call
    options = evolve(request.options, tenant=None, temperature=_as_float(request.options.temperature)).to_dict()
    scope = (tenant, request.options.tenant, provider.info.scope if tenant is None else None)
    where = evolve(provider.info, scope=None)
    messages = [message.to_dict() for message in request.messages]
    extra = options.pop("extra", None)
    ordered = json.dumps([messages, options]), json.dumps(extra, sort_keys=True)
    halves = [list(map(ord, str(text))) for text in _texts(messages)]
    return ordered, halves, scope, where


def _as_float(value):
    return None if value is None else float(value)


def _texts(value):
    if isinstance(value, dict):
        return [text for pair in value.items() for item in pair for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


@given(CALLS, CALLS)
@example((ASK, place(scope="a"), None), (ASK, place(scope="b"), None))
def test_calls_that_have_one_key_mean_the_same_on_the_same_behalf(one, other):
    assert key_of(*one) != key_of(*other) or meaning(one) == meaning(other)


@given(CALLS, st.data())
def test_a_call_and_its_copy_with_one_thing_changed_differ_in_key_as_in_meaning(one, data):
    """Random pairs hardly ever come near each other: change one thing at a time."""
    request, provider, tenant = one
    near = data.draw(
        st.one_of(
            st.builds(lambda new: (evolve(request, messages=new.messages), provider, tenant), REQUESTS),
            st.builds(lambda new: (evolve(request, options=new.options), provider, tenant), REQUESTS),
            st.builds(lambda new: (request, new, tenant), PROVIDERS),
            st.builds(lambda new: (request, provider, new), st.sampled_from([None, "a", "b"])),
        )
    )
    assert (key_of(*one) == key_of(*near)) == (meaning(one) == meaning(near))
