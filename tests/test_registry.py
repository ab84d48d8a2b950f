"""Model strings: which provider they name, and what is left for the model."""

from __future__ import annotations

import pytest

from aiclient import ConfigError, InvalidModelError, InvalidProviderError, provider_for
from aiclient.provider import Identified
from aiclient.providers.services import SERVICES
from aiclient.registry import PROVIDERS, meant, split
from aiclient.testutil import MockProvider


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai:gpt-5-mini", ("openai", "gpt-5-mini")),
        ("openai/gpt-5-mini", ("openai", "gpt-5-mini")),
        ("openai:ft:gpt-5:acme::a1", ("openai", "ft:gpt-5:acme::a1")),
        ("openai:org/model", ("openai", "org/model")),
        ("openai/llama3:8b", ("openai", "llama3:8b")),
        ("mock", ("mock", "")),
        ("openai:", ("openai", "")),
        ("gpt-5", (None, "gpt-5")),
        ("llama3:8b", (None, "llama3:8b")),
        ("meta-llama/llama-3", (None, "meta-llama/llama-3")),
        ("groq:openai/gpt-oss-20b", ("groq", "openai/gpt-oss-20b")),
        ("nohost/x", (None, "nohost/x")),
        ("OpenAI:gpt-5", (None, "OpenAI:gpt-5")),
        ("", (None, "")),
        (":x", (None, ":x")),
    ],
)
def test_only_a_registered_prefix_is_split_off(name, expected):
    assert split(name) == expected


def test_every_name_in_the_registry_leads_to_a_class_that_makes_a_provider():
    made = [provider_for(name, **options) for name, options in OPTIONS.items()]
    named = [provider.info.model for provider in made if isinstance(provider, Identified)]
    assert [model for model in named if model] == ["mock-model"]
    assert OPTIONS.keys() == PROVIDERS.keys() - SERVICES.keys()


OPTIONS = {
    "anthropic": {"api_key": "sk-ant-0123456789"},
    "azure": {"endpoint": "https://x.example", "api_key": "azure-key-0123"},
    "bedrock": {"region": "us-east-1", "bearer_token": "bedrock-0123456789"},
    "cohere": {"api_key": "cohere-0123456789"},
    "compatible": {"base_url": "http://127.0.0.1:9/v1"},
    "gemini": {"api_key": "google-0123456789"},
    "mistral": {"api_key": "mistral-0123456789"},
    "mock": {},
    "ollama": {},
    "openai": {"api_key": "sk-0123456789"},
    "openai-responses": {"api_key": "sk-0123456789"},
    "vertex": {"project": "p", "credentials": lambda: "token"},
}


def test_the_model_becomes_the_default_model():
    provider = provider_for("mock:small")
    assert isinstance(provider, MockProvider)
    assert provider.info.model == "small"


def test_options_reach_the_class():
    assert provider_for("mock", name="mine").name == "mine"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("opanai:gpt-5", "did you mean openai:?"), ("mok", "did you mean mock:?"), ("Openai/x", "openai:?")],
)
def test_a_typo_is_told_the_name_it_is_close_to(name, hint):
    with pytest.raises(InvalidProviderError) as caught:
        provider_for(name)
    assert hint in str(caught.value)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["gpt-5", "llama3:8b", "meta-llama/llama-3", "nohost/x", ""])
def test_a_string_that_names_no_provider_is_told_which_there_are(name):
    with pytest.raises(
        InvalidProviderError, match=r"names no provider.* Write provider:model, with one of .*compatible:.*, openai:"
    ):
        provider_for(name)


@pytest.mark.parametrize("name", ["openai:", "mock/"])
def test_nothing_after_the_colon_is_no_model(name):
    with pytest.raises(InvalidModelError, match="names no model; write"):
        provider_for(name)


def test_an_option_that_the_class_does_not_take_is_a_config_error_without_its_value():
    with pytest.raises(ConfigError) as caught:
        provider_for("mock", api_key="sk-very-secret")
    assert "api_key" in str(caught.value)
    assert "sk-very-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("opnai", "openai"),
        ("OPENAI", "openai"),
        ("azur", "azure"),
        ("llama3", None),
        ("llama", None),
        ("qwen3", None),
        ("deepseek-r1", None),
        ("ft", None),
        ("", None),
    ],
)
def test_only_what_is_surely_a_misspelling_is_taken_for_one(prefix, expected):
    assert meant(prefix) == expected
