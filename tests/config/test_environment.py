"""The environment: every variable, its wrong values, and who wins."""

from __future__ import annotations

import pytest

from aiclient import AsyncClient, Client, ConfigError, InvalidProviderError, MissingAPIKeyError
from aiclient.config import duration, from_env
from aiclient.middleware import Retry
from aiclient.testutil import LoopbackServer

SECRET = "sk-0123456789-secret"  # a value no message may repeat
MOCK = {"AI_PROVIDER": "mock"}


def retry_of(environ):
    layers = from_env({**MOCK, **environ}).layers
    assert all(isinstance(layer, Retry) for layer in layers)
    return layers[0] if layers else None


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({**MOCK, "AI_TIMEOUT": 30}, "the variable AI_TIMEOUT must be a text, as in an environment, not int"),
        ([], "the environment must be a mapping of names to texts, not list"),
        ({**MOCK, "AICLIENT_LOG_LEVEL": "loud"}, "AICLIENT_LOG_LEVEL='loud' must be debug, info, warning, error or"),
        ({**MOCK, "AI_RETRY_BACKOFF": "9" * 400}, "must be a duration such as 30s"),
    ],
)
def test_what_no_environment_holds_is_named(environ, said):
    with pytest.raises(ConfigError, match=said):
        from_env(environ)


# --- which provider, which model ---


@pytest.mark.parametrize(
    ("environ", "name", "model"),
    [
        ({"AI_PROVIDER": "mock"}, "mock", "mock-model"),
        ({"AI_PROVIDER": " Mock "}, "mock", "mock-model"),
        ({"AI_PROVIDER": "mock", "AI_DEFAULT_MODEL": "small"}, "mock", "small"),
        ({"AI_PROVIDER": "mock", "AI_DEFAULT_MODEL": "mock:small"}, "mock", "small"),
        ({"AI_DEFAULT_MODEL": "mock:small"}, "mock", "small"),
        ({"AI_DEFAULT_MODEL": "mock/small"}, "mock", "small"),
        ({"AI_PROVIDER": "mock", "AI_DEFAULT_MODEL": "openai/gpt-5"}, "mock", "openai/gpt-5"),
        ({"AI_PROVIDER": "mock", "AI_DEFAULT_MODEL": "meta-llama/llama-3"}, "mock", "meta-llama/llama-3"),
        ({"AI_PROVIDER": "mock", "AI_DEFAULT_MODEL": "llama3:8b"}, "mock", "llama3:8b"),
        ({"AI_API_KEY": SECRET}, "openai", None),
        ({"AI_API_KEY": SECRET, "AI_DEFAULT_MODEL": "gpt-5-mini"}, "openai", "gpt-5-mini"),
        ({"AI_API_KEY": SECRET, "AI_DEFAULT_MODEL": "llama3:8b"}, "openai", "llama3:8b"),
        ({"AI_API_KEY": SECRET, "AI_DEFAULT_MODEL": "ft:gpt-5-mini:acme::a1"}, "openai", "ft:gpt-5-mini:acme::a1"),
        ({"AI_PROVIDER": "mock", "AI_DEFAULT_MODEL": "opnai:x"}, "mock", "opnai:x"),
        (
            {"AI_API_KEY": SECRET, "AI_BASE_URL": "http://127.0.0.1:1/v1", "AI_DEFAULT_MODEL": "mixtral:8x7b"},
            "openai",
            "mixtral:8x7b",
        ),
    ],
)
def test_provider_and_model(environ, name, model):
    provider = from_env(environ).provider
    assert (provider.info.name, provider.info.model) == (name, model)


def test_key_and_address_reach_the_provider():
    environ = {"AI_PROVIDER": "compatible", "AI_DEFAULT_MODEL": "any", "AI_API_KEY": SECRET}
    with LoopbackServer(api_key=SECRET) as server:
        with Client.from_env({**environ, "AI_BASE_URL": server.base_url}) as client:
            client.chat("hi")
        assert server.requests[0].json["model"] == "any"


@pytest.mark.parametrize("name", ["azure", "bedrock"])
def test_key_and_address_reach_providers_that_call_them_otherwise(name, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    environ = {"AI_PROVIDER": name, "AI_BASE_URL": "https://gateway.example", "AI_API_KEY": SECRET}
    with Client.from_env(environ) as client:
        assert "https://gateway.example" in client.explain()
        client.validate_config()


@pytest.mark.parametrize(
    ("name", "variable"), [("vertex", "AI_API_KEY"), ("mock", "AI_API_KEY"), ("mock", "AI_BASE_URL")]
)
def test_a_variable_that_the_provider_has_no_use_for_is_named(name, variable):
    with pytest.raises(ConfigError, match=f"^{variable} is set, and the provider '{name}'") as caught:
        from_env({"AI_PROVIDER": name, variable: SECRET})
    assert SECRET not in str(caught.value)


def test_a_compatible_server_without_an_address_is_told_which_variable_to_set():
    with pytest.raises(ConfigError, match="set AI_BASE_URL"):
        from_env({"AI_PROVIDER": "compatible"})


def test_the_neutral_variables_win_over_the_vendors():
    with LoopbackServer(api_key=SECRET) as server, pytest.MonkeyPatch.context() as environ:
        environ.setenv("OPENAI_API_KEY", "sk-of-the-vendor-variable")
        environ.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        with Client.from_env({"AI_API_KEY": SECRET, "AI_BASE_URL": server.base_url, "AI_DEFAULT_MODEL": "m"}) as client:
            assert client.chat("hi").finish_reason == "stop"


def test_the_vendors_variables_fill_what_the_neutral_ones_leave_open(monkeypatch):
    with LoopbackServer(api_key=SECRET) as server:
        monkeypatch.setenv("OPENAI_API_KEY", SECRET)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        with Client.from_env({"AI_DEFAULT_MODEL": "m"}) as client:
            assert client.chat("hi").finish_reason == "stop"


def test_a_missing_key_names_the_variable_when_the_client_is_made(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingAPIKeyError, match="OPENAI_API_KEY"):
        Client.from_env({})


def test_an_unknown_provider_is_told_which_there_are():
    with pytest.raises(
        ConfigError,
        match=r"AI_PROVIDER='opanai' is not known \(did you mean 'openai'\?\); it must be one of .*compatible, .*openai",
    ):
        from_env({"AI_PROVIDER": "opanai"})


def test_a_prefix_without_a_model_is_refused():
    with pytest.raises(ConfigError, match="AI_DEFAULT_MODEL='mock:' names no model; write mock:<model>"):
        from_env({"AI_DEFAULT_MODEL": "mock:"})


def test_without_an_argument_the_process_environment_is_read(monkeypatch):
    monkeypatch.setenv("AI_PROVIDER", "mock")
    monkeypatch.setenv("AI_DEFAULT_MODEL", "small")
    monkeypatch.setenv("AI_TIMEOUT", "7")
    monkeypatch.delenv("AICLIENT_PYRIGHT", raising=False)  # which the suite knows, see test_typing.py
    setup = from_env()
    assert (setup.provider.info.model, setup.timeouts.total) == ("small", 7)


# --- limits ---


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1.5", 1.5), ("45", 45), (" 3 s ", 3)],
)
def test_timeout_is_the_limit_of_the_whole_call(text, seconds):
    assert from_env({**MOCK, "AI_TIMEOUT": text}).timeouts.total == seconds
    assert duration(text) == seconds


def test_without_a_timeout_the_usual_limits_hold():
    assert from_env(MOCK).timeouts.total == 600


@pytest.mark.parametrize(("text", "attempts"), [("1", 2), ("2", 3), ("7", 8)])
def test_max_retries_counts_beyond_the_first_call(text, attempts):
    assert retry_of({"AI_MAX_RETRIES": text}).attempts == attempts


def test_the_usual_number_of_retries_is_two():
    assert (retry_of({}).attempts, retry_of({}).base) == (3, 0.5)


def test_no_retries_is_no_layer():
    assert retry_of({"AI_MAX_RETRIES": "0"}) is None


@pytest.mark.parametrize(("text", "seconds"), [("2s", 2), ("250ms", 0.25), ("0", 0), ("1", 1)])
def test_retry_backoff_is_the_longest_first_wait(text, seconds):
    assert retry_of({"AI_RETRY_BACKOFF": text}).base == seconds


@pytest.mark.parametrize(
    "variable",
    ["AI_TIMEOUT", "AI_MAX_RETRIES", "AI_RETRY_BACKOFF", "AI_DEFAULT_MODEL", "AI_RATE_LIMIT", "AI_CIRCUIT_BREAKER"],
)
@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_counts_as_not_set(variable, empty):
    setup = from_env({**MOCK, variable: empty})
    assert (setup.timeouts.total, len(setup.layers), setup.provider.info.model) == (600, 1, "mock-model")


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("AI_TIMEOUT", "soon", "must be a duration such as 30s"),
        ("AI_TIMEOUT", "-1", "must be a duration"),
        ("AI_TIMEOUT", "1d", "must be a duration"),
        ("AI_TIMEOUT", "inf", "must be a duration"),
        ("AI_TIMEOUT", "0", "must be longer than 0"),
        ("AI_TIMEOUT", "0ms", "must be longer than 0"),
        ("AI_MAX_RETRIES", "two", "must be a whole number of at least 0"),
        ("AI_MAX_RETRIES", "-1", "must be a whole number of at least 0"),
        ("AI_MAX_RETRIES", "1.5", "must be a whole number of at least 0"),
        ("AI_RETRY_BACKOFF", "fast", "must be a duration"),
        ("AI_CIRCUIT_BREAKER", "maybe", "must be true or false"),
        ("AI_CIRCUIT_BREAKER_THRESHOLD", "0", "must be a whole number of at least 1"),
        ("AI_CIRCUIT_BREAKER_THRESHOLD", "x", "must be a whole number of at least 1"),
        ("AI_RATE_LIMIT", "-1", "must be a number of requests per second"),
        ("AI_RATE_LIMIT", "nan", "must be a number of requests per second"),
        ("AI_RATE_LIMIT", "inf", "must be a number of requests per second"),
        ("AI_RATE_LIMIT", "10/s", "must be a number of requests per second"),
        ("AICLIENT_BUDGET_USD", "five", "must be US dollars"),
        ("AICLIENT_BUDGET_USD", "-1", "must be US dollars"),
        ("AICLIENT_BUDGET_USD", "nan", "must be US dollars"),
    ],
)
def test_a_wrong_value_names_its_variable(variable, value, reason):
    with pytest.raises(ConfigError) as caught:
        from_env({**MOCK, variable: value})
    assert str(caught.value).startswith(f"{variable}={value!r} {reason}")


@pytest.mark.parametrize(
    ("environ", "layers"),
    [
        (
            {"AI_CIRCUIT_BREAKER": "true"},
            ["Retry(attempts=3, base=0.5, cap=8)", "CircuitBreaker(failures=5, open_for=5, max_open=8)"],
        ),
        ({"AI_CIRCUIT_BREAKER": "OFF"}, ["Retry(attempts=3, base=0.5, cap=8)"]),
        ({"AI_CIRCUIT_BREAKER": "no", "AI_CIRCUIT_BREAKER_THRESHOLD": "3"}, ["Retry(attempts=3, base=0.5, cap=8)"]),
        (
            {"AI_MAX_RETRIES": "0", "AI_CIRCUIT_BREAKER_THRESHOLD": "3"},
            ["CircuitBreaker(failures=3, open_for=5, max_open=8)"],
        ),
        ({"AI_MAX_RETRIES": "0", "AI_RATE_LIMIT": "0"}, []),
        ({"AICLIENT_BUDGET_USD": "5", "AI_MAX_RETRIES": "0"}, ["Budget($5)"]),
    ],
)
def test_variables_stand_for_layers_in_their_right_order(environ, layers):
    assert [repr(layer) for layer in from_env({**MOCK, **environ}).layers] == layers


def test_a_rate_is_so_many_calls_a_second():
    retry, limit = from_env({**MOCK, "AI_RATE_LIMIT": "2.5"}).layers
    assert (type(retry).__name__, type(limit).__name__) == ("Retry", "RateLimit")
    assert "2.5" in repr(limit)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("AICLIENT_PROFLE", "did you mean 'AICLIENT_PROFILE'?"),
        ("AICLIENT_LOGLEVEL", "did you mean 'AICLIENT_LOG_LEVEL'?"),
        ("AICLIENT_BUDGET", "did you mean 'AICLIENT_BUDGET_USD'?"),
        ("AICLIENT_ZZZZZZZZ", "there are AICLIENT_BUDGET_USD, AICLIENT_CONFIG, AICLIENT_LOG_FILE"),
    ],
)
def test_an_unknown_variable_of_ours_is_an_error_with_a_suggestion(name, hint):
    with pytest.raises(ConfigError, match=f"the variable {name} is not known; {hint}".replace("?", r"\?")) as caught:
        from_env({**MOCK, name: SECRET})
    assert SECRET not in str(caught.value)


def test_an_address_that_is_none_is_told_by_its_variable_alone():
    with pytest.raises(ConfigError, match=r"^AI_BASE_URL must begin with https://") as caught:
        from_env({"AI_BASE_URL": SECRET})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("environ", [{"AI_TIMEOUT": "x"}, {"AI_PROVIDER": "x"}, {"AI_BASE_URL": "no address"}])
def test_no_message_and_no_repr_shows_a_key(environ):
    environ = {"AI_PROVIDER": "compatible", "AI_BASE_URL": "http://127.0.0.1:9", "AI_API_KEY": SECRET, **environ}
    with pytest.raises(ConfigError) as caught:
        from_env(environ)
    assert SECRET not in repr(caught.value)


def test_the_setup_shows_no_key():
    assert SECRET not in repr(from_env({"AI_API_KEY": SECRET, "AI_DEFAULT_MODEL": "gpt-5"}))


# --- clients ---


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_both_clients_are_made_from_the_environment(kind):
    client = kind.from_env({"AI_PROVIDER": "mock", "AI_MAX_RETRIES": "4", "AI_TIMEOUT": "9s"})
    assert type(client) is kind
    assert [repr(layer) for layer in client.middleware] == ["Retry(attempts=5, base=0.5, cap=8)"]
    assert client.name == "mock"


@pytest.mark.anyio
async def test_the_timeout_of_the_environment_holds_for_calls():
    seen = []
    async with AsyncClient.from_env({"AI_PROVIDER": "mock", "AI_TIMEOUT": "9s"}) as client:
        await client.use(seen_timeouts(seen)).chat("hi")
    assert seen == [9]


def seen_timeouts(seen):
    from aiclient.middleware import middleware

    @middleware(stream="open")
    async def look(request, call_next):
        seen.append(request.context.timeouts.total)
        return await call_next(request)

    return look


@pytest.mark.parametrize(
    ("name", "meant"), [("opnai:x", "openai"), ("OpenAI:gpt-5", "openai"), ("antropic:claude-x", "anthropic")]
)
def test_a_misspelt_provider_does_not_become_a_model_of_openais(name, meant):
    with pytest.raises(InvalidProviderError, match=f"AI_DEFAULT_MODEL='{name}' .*did you mean '{meant}'"):
        from_env({"AI_API_KEY": SECRET, "AI_DEFAULT_MODEL": name})
