"""Model strings: which provider they name, and what is left for the model."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from aiclient import (
    AIClientWarning,
    Client,
    ConfigError,
    InvalidModelError,
    InvalidProviderError,
    provider_for,
    registry,
)
from aiclient.config import schema
from aiclient.layer import Layer
from aiclient.plugins import Names
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


# --- names of one's own ---


@pytest.fixture
def names():
    return Names("provider", "aiclient.no_such_group", {"mock": "aiclient.testutil.mock:MockProvider"})


def test_a_registered_name_makes_what_it_stands_for_until_it_is_taken_back():
    registry.register("acme", MockProvider)
    try:
        assert provider_for("acme:small").info.model == "small"
        assert "acme" in registry.names() and registry.get("acme") is MockProvider
    finally:
        registry.unregister("acme")
    assert "acme" not in registry.names()
    with pytest.raises(InvalidProviderError):
        provider_for("acme:small")


def test_a_dotted_name_is_imported_when_it_is_first_used(names):
    names.register("later", "no.such.module:Thing")
    assert "later" in names.names()
    with pytest.raises(ConfigError, match="'later' cannot be imported: ModuleNotFoundError"):
        names.get("later")


def test_a_service_of_the_table_is_made_by_its_row_and_another_in_its_place_is_not():
    assert registry.get("groq")(api_key="gsk_0123456789").name == "groq"
    registry.register("groq", MockProvider, replace=True)
    try:
        assert isinstance(provider_for("groq:x"), MockProvider)
    finally:
        registry.unregister("groq")
    assert provider_for("groq", api_key="gsk_0123456789").name == "groq"


@pytest.mark.parametrize("name", ["mock", "mine"])
def test_a_name_that_is_taken_is_refused_unless_it_is_to_be_replaced(names, name):
    names.register("mine", MockProvider)
    with pytest.raises(ConfigError, match=f"the provider '{name}' is known already; pass replace=True"):
        names.register(name, MockProvider)
    names.register(name, dict, replace=True)
    assert names.get(name) is dict
    names.unregister(name)
    assert (name in names) == (name == "mock")


@pytest.mark.parametrize("name", ["", "Upper", "a:b", "a/b", "1a", "a b", None])
def test_what_cannot_be_a_name_is_refused(names, name):
    with pytest.raises(ConfigError, match="cannot be the name of a provider"):
        names.register(name, MockProvider)


@pytest.mark.parametrize("factory", [None, 3, "module.only", "a:b:c"])
def test_what_makes_nothing_is_refused(names, factory):
    with pytest.raises(ConfigError, match="must be a class, a function, or 'module:attribute'"):
        names.register("mine", factory)


def test_what_is_imported_must_make_something(names):
    names.register("mine", "aiclient:__version__")
    with pytest.raises(ConfigError, match="'mine' is str, which nothing can be made with"):
        names.get("mine")


def test_what_was_not_registered_is_not_taken_back(names):
    with pytest.raises(ConfigError, match="no provider was registered as 'mock'"):
        names.unregister("mock")


def test_an_unknown_name_is_told_what_was_meant(names):
    with pytest.raises(ConfigError, match="the provider 'mok' is not known; did you mean 'mock'"):
        names.get("mok")


@pytest.mark.parametrize("made", [None, "text", MockProvider, object()])
def test_what_a_factory_makes_must_have_what_a_provider_has(made):
    registry.register("acme", lambda: made)
    try:
        with pytest.raises(InvalidProviderError, match=r"returned .*, which is no provider: it needs name, chat"):
            provider_for("acme")
    finally:
        registry.unregister("acme")


def test_threads_that_ask_at_once_are_given_one_factory(names):
    names.register("mine", "aiclient.testutil.mock:MockProvider")
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait()
        return names.get("mine")

    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(ask) for _ in range(8)]
        assert {future.result() for future in found} == {MockProvider}


def test_threads_may_register_while_others_look():
    names = Names("provider", "aiclient.no_such_group", {})

    def work(number):
        names.register(f"n{number}", MockProvider)
        found = names.names()
        names.unregister(f"n{number}")
        return f"n{number}" in found

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(200)))
    assert names.names() == ()


def test_an_alias_stands_for_a_model_string_wherever_one_is_asked_for():
    registry.alias("small", "mock:mini")
    try:
        assert provider_for("small").info.model == "mini"
        assert split("small") == ("mock", "mini")
    finally:
        registry.alias("small", None)
    with pytest.raises(InvalidProviderError):
        provider_for("small")


@pytest.mark.parametrize(
    ("name", "model"), [("mock", "mock:x"), ("a:b", "mock:x"), ("", "mock:x"), ("small", "nothing:x")]
)
def test_what_cannot_be_an_alias_is_refused(name, model):
    with pytest.raises(ConfigError):
        registry.alias(name, model)


def test_a_default_model_is_that_of_requests_and_strings_that_name_none():
    registry.default_model("mock", "usual")
    try:
        assert (provider_for("mock").info.model, provider_for("mock:other").info.model) == ("usual", "other")
    finally:
        registry.default_model("mock", None)
    assert provider_for("mock").info.model == "mock-model"


def test_a_default_model_needs_a_provider():
    with pytest.raises(InvalidProviderError):
        registry.default_model("nothing", "x")


def test_available_are_those_whose_credentials_are_found(monkeypatch):
    for variable in {row.key for row in SERVICES.values() if row.key} | {
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
    }:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    monkeypatch.setenv("GROQ_API_KEY", "gsk_0123456789")
    found = registry.available()
    assert {"openai", "openai-responses", "groq"} <= set(found)
    assert not {"anthropic", "gemini", "deepseek", "mock", "ollama"} & set(found)


def test_every_name_of_a_layer_leads_to_one():
    assert [name for name in registry.middleware.names() if not issubclass(registry.middleware.get(name), Layer)] == []


@pytest.fixture
def leaving(tmp_path, monkeypatch):
    """A package that ends the process while it is imported."""
    (tmp_path / "aiclient_leaving.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.register("leaving", "aiclient_leaving:Provider")
    yield
    registry.unregister("leaving")


def test_a_package_that_ends_the_process_when_it_is_imported_is_said_to(leaving):
    with pytest.raises(ConfigError, match="'leaving' cannot be imported: SystemExit: 3"):
        registry.get("leaving")
    assert "leaving" not in registry.available()


def test_a_package_that_cannot_be_imported_is_left_out_of_the_schema_with_a_warning(leaving):
    with pytest.warns(AIClientWarning, match="'leaving' cannot be imported: SystemExit: 3; it is left out"):
        found = schema()
    assert "leaving" not in str(found) and "mistral" in str(found)


class Picky:
    """Of others: it refuses with an error of its own."""

    def __init__(self, size: int = 0, **others: object) -> None:
        raise ValueError(f"size {size} is too small")


@pytest.fixture
def picky():
    registry.register("picky", Picky)
    registry.middleware.register("picky", Picky)
    yield
    registry.unregister("picky")
    registry.middleware.unregister("picky")


@pytest.mark.usefixtures("picky")
def test_a_provider_that_raises_when_it_is_made_hides_no_other(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdef")
    with pytest.warns(AIClientWarning, match="the provider 'picky' cannot be made: ValueError; it is left out"):
        found = registry.available()
    assert "openai" in found and "picky" not in found


@pytest.mark.usefixtures("picky")
@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"model": "mock", "use": [{"picky": {"size": 3}}]}, "$.use[0].picky"),
        ({"providers": {"a": {"provider": "picky", "size": 3}}}, "$.providers.a"),
    ],
)
def test_what_a_class_of_others_refuses_is_said_by_its_place(config, place):
    with pytest.raises(ConfigError) as caught:
        Client.from_config(config, environ={})
    assert f"{place}: cannot be made: ValueError: size" in str(caught.value)
    assert caught.value.__cause__ is None
