"""A configuration as a value: what it makes, who goes before whom, and that it can be written and read again."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient import AsyncClient, Client, ConfigError, MissingAPIKeyError, SecretStr, logs, registry
from aiclient.config import Config, LayerConfig, ProviderConfig, setup
from aiclient.config.parts import layer_options
from aiclient.testutil import LoopbackServer

KEY = "sk-0123456789-inline"


def layers(client):
    return [type(layer).__name__ for layer in client.middleware]


def made(source, **options):
    return Client.from_config(source, environ=options.pop("environ", {}), **options)


# --- what is made ---


def test_the_shortest_configuration_retries_as_a_client_from_the_environment_does():
    with made({"model": "mock:small"}) as client:
        assert [repr(layer) for layer in client.middleware] == ["Retry(attempts=3, base=0.5, cap=8)"]
        assert "model small" in client.explain()


@pytest.mark.parametrize("key", ["use", "each"])
def test_no_layers_are_none(key):
    with made({"model": "mock:small", key: []}) as client:
        assert layers(client) == []


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("fast", ["Logging", "Retry", "Hedge", "CircuitBreaker", "RateLimit"]),
        ("balanced", ["Logging", "Retry", "CircuitBreaker", "RateLimit"]),
        ("reliable", ["Logging", "Retry", "CircuitBreaker", "RateLimit"]),
        ("cheap", ["Logging", "Cache", "SingleFlight", "Retry", "CircuitBreaker", "RateLimit"]),
    ],
)
def test_a_preset_is_a_chain_in_a_good_order(preset, expected):
    with made({"model": "mock", "preset": preset}) as client:
        assert layers(client) == expected
        assert client.chat("hi").warnings == ()


def test_what_is_said_goes_before_the_preset():
    found = setup({"model": "mock", "preset": "fast", "timeout": 5, "each": []}, environ={})
    assert (found.timeouts.total, found.timeouts.first_output, found.max_attempts) == (5, 300, 3)
    assert [type(layer).__name__ for layer in found.layers] == ["Logging"]


def test_sections_stand_where_they_belong_in_the_chain():
    use = ["tracing", {"defaults": {"max_tokens": 5}}, "single_flight"]
    with made(
        {"model": "mock", "use": use, "budgets": [{"usd": 1}, {"tokens": 9, "per": "user"}], "cache": True}
    ) as client:
        assert layers(client) == ["Tracing", "Defaults", "Budget", "Cache", "SingleFlight"]
        assert len(client.middleware[2].limits) == 2


def test_of_several_providers_those_with_a_priority_are_asked_in_its_order():
    providers = {
        "c": {"provider": "mock", "priority": 3, "reply": "of c"},
        "a": {"provider": "mock", "priority": 1, "reply": "of a"},
        "other": {"provider": "mock"},
        "b": {"provider": "mock", "priority": 2, "reply": "of b"},
    }
    with made({"providers": providers, "each": []}) as client:
        assert repr(client.middleware[0]) == "Fallback(b, c)"
        assert client.chat("hi").message.content == "of a"


def test_without_a_priority_the_first_provider_is_the_clients():
    with made({"providers": {"x": "mock:a", "y": "mock:b"}, "each": []}) as client:
        assert (client.name, layers(client)) == ("x", [])


def test_a_providers_own_retry_and_layers_take_the_place_of_those_for_each():
    providers = {"a": {"provider": "mock", "retry": {"attempts": 7}, "use": ["circuit_breaker"]}}
    with made({"providers": providers, "each": ["rate_limit"]}) as client:
        assert layers(client) == ["Retry", "CircuitBreaker"]
        assert client.middleware[0].attempts == 7


def test_targets_are_entries_or_model_strings_with_their_own_chains():
    targets = ["mock:z", {"provider": "b", "model": "q", "when": ["overloaded"], "use": [{"retry": {"attempts": 9}}]}]
    config = {
        "providers": {"a": "mock:m", "b": {"provider": "mock", "reply": "of b"}},
        "use": [{"fallback": {"targets": targets, "each": [{"timeout": {"attempt": 5}}]}}],
    }
    with made(config) as client:
        drawn = client.explain()
    assert "Fallback(mock:z, b:q)" in drawn and "Retry(attempts=9" in drawn and drawn.count("Timeout(") == 2


def test_layers_of_each_are_one_instance_for_all_providers():
    providers = {"a": {"provider": "mock", "priority": 1}, "b": {"provider": "mock", "priority": 2}}
    with made({"providers": providers, "each": ["circuit_breaker"]}) as client:
        fallback, breaker = client.middleware
        assert fallback._further[0].provider.layer is breaker


def test_aliases_and_variables_stand_for_models():
    config = {"model": "small", "aliases": {"small": "mock:${SIZE:-mini}"}}
    with made(config) as client, made(config, environ={"SIZE": "big"}) as other:
        assert ("model mini" in client.explain(), "model big" in other.explain()) == (True, True)


def test_prices_go_before_the_librarys_own(tmp_path):
    (tmp_path / "prices.json").write_text('{"mini": {"input": 1000000, "output": 0}}')
    (tmp_path / "a.json").write_text('{"model": "mock:mini", "prices": "prices.json"}')
    with made(tmp_path / "a.json") as client:
        assert client.chat("hi").cost.usd > 0


def test_limits_of_a_provider_and_of_the_client_reach_them():
    found = setup(
        {
            "providers": {"openai": {"api_key": KEY, "timeout": "3s", "limits": {"max_connections": 2}}},
            "timeout": {"idle": None},
        },
        environ={},
    )
    assert (found.timeouts.total, found.timeouts.idle, found.strict, found.max_attempts) == (600, None, False, 6)
    assert found.provider._http is not None


def test_headers_and_keys_reach_the_service_and_are_masked():
    with LoopbackServer(api_key=KEY) as server:
        entry = {"provider": "compatible", "base_url": server.base_url, "api_key": "env:K", "model": "m"}
        entry["headers"] = {"X-Team": "${TEAM}", "X-Api-Token": "env:TOKEN"}
        with made({"providers": {"main": entry}}, environ={"K": KEY, "TEAM": "search", "TOKEN": "t-0123456"}) as client:
            assert client.chat("hi").provider == "main"
            assert "t-0123456" not in repr(client.config)
        sent = server.requests[0].headers
    assert (sent["x-team"], sent["x-api-token"]) == ("search", "t-0123456")


def test_a_target_without_a_key_is_told_when_the_client_is_made(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingAPIKeyError):
        made({"model": "mock:x", "use": [{"fallback": {"targets": ["openai:gpt-5"]}}]})


def test_parts_of_layers_are_named_too():
    use = [
        {"fetch_media": {"fetcher": {"https": {"max_bytes": 9, "ports": [443]}}}},
        {"metrics": {"collector": "memory"}},
    ]
    with made({"model": "mock", "use": use}) as client:
        assert repr(client.middleware[0]) == "FetchMedia(MediaFetcher, most=10)"


@pytest.fixture
def quiet():
    yield
    logs.reset()


@pytest.mark.usefixtures("quiet")
def test_records_go_where_the_configuration_or_the_variables_say(tmp_path):
    path, other = tmp_path / "a.log", tmp_path / "b.log"
    section = {"level": "DEBUG", "console": False, "file": str(path)}
    with made({"model": "mock", "logging": section}) as client:
        assert layers(client) == ["Logging", "Retry"]
        client.chat("hi")
    with made(
        written(tmp_path, {"model": "mock"}), environ={"AICLIENT_LOG_LEVEL": "DEBUG", "AICLIENT_LOG_FILE": str(other)}
    ) as client:
        client.chat("hi")
    assert "chat_completed" in path.read_text() and "chat_completed" in other.read_text()


# --- who goes before whom ---


def written(tmp_path, value, name="a.json"):
    path = tmp_path / name
    path.write_text(json.dumps(value), "utf-8")
    path.chmod(0o600)
    return path


def test_the_environment_goes_before_a_file(tmp_path):
    path = written(
        tmp_path, {"model": "mock:small", "timeout": {"total": 5, "idle": 3}, "each": [{"retry": {"cap": 1}}]}
    )
    environ = {"AI_DEFAULT_MODEL": "mock:big", "AI_TIMEOUT": "7", "AI_MAX_RETRIES": "4", "AICLIENT_BUDGET_USD": "2"}
    found = setup(path, environ=environ)
    assert (found.provider.info.model, found.timeouts.total, found.timeouts.idle) == ("big", 7, 3)
    assert [repr(layer) for layer in found.layers] == ["Budget($2)", "Retry(attempts=5, base=0.5, cap=1)"]


def test_code_goes_before_the_environment():
    environ = {"AI_DEFAULT_MODEL": "mock:big", "AI_TIMEOUT": "7", "AI_MAX_RETRIES": "4", "AICLIENT_BUDGET_USD": "2"}
    config = {"model": "mock:small", "timeout": 5, "use": [], "budgets": [{"usd": 1}]}
    found = setup(config, environ=environ)
    assert (found.provider.info.model, found.timeouts.total) == ("small", 5)
    assert [repr(layer) for layer in found.layers] == ["Budget($1)"]


def test_the_environment_fills_what_code_leaves_open():
    found = setup(
        {"model": "mock:small"}, environ={"AI_TIMEOUT": "7", "AI_MAX_RETRIES": "0", "AI_CIRCUIT_BREAKER": "1"}
    )
    assert (found.timeouts.total, [type(layer).__name__ for layer in found.layers]) == (7, ["CircuitBreaker"])


def test_explicit_keys_go_before_everything(tmp_path):
    path = written(tmp_path, {"model": "mock:small", "timeout": 5})
    found = setup(
        path, environ={"AI_TIMEOUT": "7", "AI_DEFAULT_MODEL": "mock:big"}, explicit={"timeout": 9, "model": "mock:mine"}
    )
    assert (found.timeouts.total, found.provider.info.model) == (9, "mine")


def test_of_another_provider_nothing_of_the_files_entry_is_left(tmp_path):
    path = written(tmp_path, {"providers": {"main": {"provider": "openai", "api_key": KEY, "use": ["retry"]}}})
    found = setup(path, environ={"AI_PROVIDER": "mock", "AI_DEFAULT_MODEL": "x"})
    assert (found.provider.info.vendor, found.provider.name) == ("mock", "main")
    assert [type(layer).__name__ for layer in found.layers] == ["Retry"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"api_key": KEY}, "of the vendor"),
        ({"api_key": "env:MINE"}, "of the file"),
        ({"api_key": KEY, "base_url": "http://127.0.0.1:9/v1"}, "in the file"),
    ],
)
def test_the_vendors_variable_goes_before_a_key_that_stands_in_a_file_for_the_vendors_own_address(
    tmp_path, monkeypatch, entry, expected
):
    keys = {"of the vendor": "sk-of-the-vendor", "of the file": "sk-of-the-file-0", "in the file": KEY}
    monkeypatch.setenv("OPENAI_API_KEY", keys["of the vendor"])
    found = setup(written(tmp_path, {"providers": {"openai": entry}}), environ={"MINE": keys["of the file"]})
    assert found.provider._key.secret == SecretStr(keys[expected])


def test_a_key_in_code_goes_before_the_vendors_variable(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-vendor")
    found = setup({"providers": {"openai": {"api_key": KEY}}}, environ={})
    assert found.provider._key.secret == SecretStr(KEY)


def test_the_file_of_the_variable_is_read_where_none_is_named(tmp_path):
    path = written(tmp_path, {"model": "mock:of-the-file"})
    assert setup(None, environ={"AICLIENT_CONFIG": str(path)}).provider.info.model == "of-the-file"


def test_a_file_of_variables_never_goes_before_one_that_is_set(tmp_path):
    lines = [
        "# ours",
        "",
        "export AI_PROVIDER=mock",
        'AI_DEFAULT_MODEL="of the file" # said',
        "AI_TIMEOUT=5 # seconds",
        "AI_MAX_RETRIES=",
    ]
    (tmp_path / ".env").write_text("\n".join(lines))
    found = setup(None, environ={"AI_TIMEOUT": "7"}, env_file=tmp_path / ".env")
    assert (found.provider.info.model, found.timeouts.total, len(found.layers)) == ("of the file", 7, 1)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("A=1\nnonsense", "line 2: must be NAME=value"),
        ("A='x", "line 1"),
        (b"\xff", "not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_file_of_variables_is_named_by_its_line(tmp_path, content, problem):
    path = tmp_path / ".env"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=problem):
        setup(None, environ={}, env_file=path)


# --- profiles ---

PROFILED = {
    "profile": "dev",
    "providers": {"main": {"provider": "mock", "model": "usual", "reply": "hi"}},
    "use": ["logging"],
    "profiles": {
        "dev": {"providers": {"main": {"model": "small"}}, "use": None},
        "prod": {"timeout": "9s", "use": ["retry"]},
    },
}


@pytest.mark.parametrize(
    ("options", "model", "names"),
    [
        ({}, "small", ["Retry"]),
        ({"profile": "prod"}, "usual", ["Retry"]),
        ({"environ": {"AICLIENT_PROFILE": "prod"}}, "usual", ["Retry"]),
    ],
)
def test_a_profile_changes_what_it_names_and_nothing_else(tmp_path, options, model, names):
    with made(written(tmp_path, PROFILED), **options) as client:
        assert (client.middleware[0].__class__.__name__, layers(client)) == ("Retry", names)
        assert f"model {model}" in client.explain()


@pytest.mark.parametrize("options", [{"profile": "prd"}, {"environ": {"AICLIENT_PROFILE": "prd"}}])
def test_an_unknown_profile_is_told_what_was_meant(tmp_path, options):
    with pytest.raises(ConfigError, match="no profile 'prd' in this configuration; did you mean 'prod'"):
        made(written(tmp_path, PROFILED), **options)


# --- written and read again ---


def test_a_config_made_in_code_is_what_a_file_would_say():
    code = Config(
        providers={"a": ProviderConfig(provider="mock", model="x"), "b": "mock:y"},
        use=[LayerConfig("retry", {"attempts": 2}), "logging"],
    )
    assert code == Config.of(
        {
            "providers": {"a": {"provider": "mock", "model": "x"}, "b": "mock:y"},
            "use": [{"retry": {"attempts": 2}}, "logging"],
        }
    )


ADDRESS = f"redis://:{KEY}@cache.example:6379/0"


def test_what_is_written_holds_references_and_no_secrets():
    entry = {"provider": "openai", "api_key": KEY, "headers": {"Authorization": KEY, "X-Team": "search"}}
    config = Config.of({"providers": {"a": entry, "b": {"provider": "openai", "api_key": "env:B"}}})
    text = json.dumps(config.to_dict()) + repr(config)
    assert KEY not in text and "env:B" in text and "search" in text
    assert config.to_dict()["providers"]["a"]["api_key"] == "***"
    assert config.secrets_inside == ("$.providers.a.api_key", "$.providers.a.headers.Authorization")


@pytest.mark.parametrize(
    "store", [{"redis": ADDRESS}, {"redis": {"url": ADDRESS, "prefix": "ours:"}}], ids=["short", "long"]
)
def test_the_address_of_a_server_is_a_secret_as_it_may_hold_a_password(store):
    budget = {"budget": {"usd": 1, "ledger": {"store": store}}}
    config = Config.of({"model": "mock:x", "cache": {"store": store}, "use": [budget]})
    assert KEY not in json.dumps(config.to_dict()) + repr(config)
    assert len(config.secrets_inside) == 2
    made = setup(config, environ={}).stores
    assert {repr(one).partition(",")[0] for one in made} == {"RedisStore('redis://cache.example:6379/0'"}


@pytest.mark.parametrize("store", [{"redis": "env:PLACE"}, {"redis": {"url": "${PLACE}"}}], ids=["short", "long"])
def test_the_address_of_a_server_is_found_where_a_reference_says(store):
    (made,) = setup({"model": "mock:x", "cache": {"store": store}}, environ={"PLACE": ADDRESS}).stores
    assert repr(made) == "RedisStore('redis://cache.example:6379/0', prefix='aiclient:')"


@pytest.mark.parametrize("place", [f"http://:{KEY}@h", f"redis://:{KEY}@h?x=1"])
def test_an_address_that_is_none_is_told_by_its_path_alone(place):
    with pytest.raises(ConfigError, match=r"\$\.cache\.store\.redis.*url=") as caught:
        setup({"model": "mock:x", "cache": {"store": {"redis": place}}}, environ={})
    assert KEY not in str(caught.value)


def test_a_secret_in_a_config_is_not_pickled():
    with pytest.raises(TypeError, match="SecretStr cannot be pickled"):
        pickle.dumps(Config.of({"providers": {"openai": {"api_key": KEY}}}))


def test_the_caller_may_change_a_dict_afterwards():
    source = {"model": "mock:x", "use": [{"retry": {"attempts": 2}}]}
    config = Config.of(source)
    source["use"][0]["retry"]["attempts"] = 9
    assert config.use[0].options == {"attempts": 2}


WORDS = st.text("abcdefgh", min_size=1, max_size=6)
NUMBERS = st.integers(1, 1000) | st.floats(0.5, 1000)
LAYER = st.one_of(
    st.sampled_from(["retry", "logging", "circuit_breaker", "rate_limit", "single_flight", "tracing"]),
    st.fixed_dictionaries(
        {"retry": st.fixed_dictionaries({}, optional={"attempts": st.integers(1, 9), "base": NUMBERS})}
    ),
    st.fixed_dictionaries({"hedge": st.fixed_dictionaries({"after": NUMBERS})}),
    st.fixed_dictionaries(
        {"cache": st.fixed_dictionaries({}, optional={"store": st.sampled_from(["memory", {"sqlite": "x.db"}])})}
    ),
)
LAYERS = st.lists(
    st.recursive(
        LAYER,
        lambda inner: st.fixed_dictionaries(
            {
                "fallback": st.fixed_dictionaries(
                    {
                        "targets": st.lists(
                            st.fixed_dictionaries(
                                {"provider": WORDS}, optional={"use": st.lists(inner, max_size=2), "model": WORDS}
                            ),
                            min_size=1,
                            max_size=2,
                        )
                    }
                )
            }
        ),
        max_leaves=4,
    ),
    max_size=3,
)
ENTRY = st.one_of(
    st.builds("mock:{}".format, WORDS),
    st.fixed_dictionaries(
        {"provider": st.sampled_from(["openai", "anthropic", "groq"])},
        optional={
            "model": WORDS,
            "priority": st.integers(-3, 3),
            "api_key": st.sampled_from(["env:KEY", "file:/run/key", "${KEY}", "${A:-b}"]),
            "headers": st.dictionaries(WORDS, WORDS, max_size=2),
            "timeout": NUMBERS | st.just("30s"),
            "use": LAYERS,
            "retry": st.booleans() | st.fixed_dictionaries({"attempts": st.integers(1, 5)}),
        },
    ),
)
KEYS = {
    "preset": st.sampled_from(["fast", "balanced", "reliable", "cheap"]),
    "providers": st.dictionaries(WORDS, ENTRY, min_size=1, max_size=3),
    "aliases": st.dictionaries(WORDS, st.builds("mock:{}".format, WORDS), max_size=2),
    "timeout": NUMBERS | st.fixed_dictionaries({}, optional={"total": NUMBERS, "idle": st.none() | NUMBERS}),
    "max_attempts": st.integers(1, 9),
    "strict": st.booleans(),
    "use": LAYERS.filter(lambda items: not any("cache" in item or item == "logging" for item in items)),
    "each": LAYERS,
    "budgets": st.lists(
        st.fixed_dictionaries({"usd": NUMBERS}, optional={"per": WORDS, "hard": st.booleans()}), max_size=2
    ),
    "cache": st.booleans() | st.fixed_dictionaries({"ttl": NUMBERS}),
    "logging": st.fixed_dictionaries({"level": st.sampled_from(["INFO", "DEBUG"])}),
    "prices": st.dictionaries(WORDS, st.fixed_dictionaries({"input": NUMBERS, "output": NUMBERS}), max_size=2),
}
CONFIGS = st.fixed_dictionaries({}, optional=KEYS)


@given(st.fixed_dictionaries({}, optional={**KEYS, "profiles": st.dictionaries(WORDS, CONFIGS, max_size=2)}))
def test_a_configuration_is_read_again_as_it_was_written(value):
    config = Config.of(value)
    again = Config.of(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert again.to_dict() == config.to_dict()


# --- where options come from ---


@pytest.mark.parametrize("name", registry.MIDDLEWARE)
def test_every_option_that_a_file_may_give_is_said_in_the_constructors_docstring(name):
    told = [option for option in layer_options(name).options.values() if option.form is not None and not option.note]
    assert [option.name for option in told] == [] or name == "defaults"  # whose options are those of a request


def test_every_layer_of_the_library_has_a_name_but_that_which_takes_functions_alone():
    from aiclient import middleware
    from aiclient.layer import Layer

    kinds = {
        name
        for name in middleware.__all__
        if isinstance(kind := getattr(middleware, name), type) and issubclass(kind, Layer)
    }
    named = {where.partition(":")[2] for where in registry.MIDDLEWARE.values()}
    assert kinds - named == {"Hooks"}


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_made_in_code_has_no_configuration(kind):
    assert kind("mock:x").config is None


@pytest.mark.parametrize("given", ["closed", "0.50", 0.5])
def test_what_a_ledger_allows_while_its_store_fails_can_be_said(given):
    config = {"model": "mock", "use": [{"budget": {"usd": 1, "ledger": {"on_store_error": given}}}]}
    client = AsyncClient.from_config(config, environ={})
    assert repr(client.middleware[0]) == "Budget($1)"


def test_what_a_ledger_cannot_allow_is_refused():
    config = {"model": "mock", "use": [{"budget": {"usd": 1, "ledger": {"on_store_error": "open"}}}]}
    with pytest.raises(ConfigError, match="on_store_error must be an amount of US dollars"):
        AsyncClient.from_config(config, environ={})
