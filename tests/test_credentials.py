import asyncio

import pytest

from aiclient.credentials import ApiKey, vendor_of
from aiclient.errors import ConfigError, MissingAPIKeyError
from aiclient.secrets import SecretStr


def got(key):
    secret = asyncio.run(key.get())
    return secret and secret.reveal()


@pytest.mark.parametrize(
    "source",
    ["k-1", SecretStr("k-1"), lambda: "k-1", lambda: SecretStr("k-1"), "k-1\n", "k-1\r\n"],
    ids=["text", "secret", "callable", "secret-callable", "newline", "crlf"],
)
def test_a_key_comes_from_anywhere(source):
    assert got(ApiKey(source, provider="p")) == "k-1"


def test_a_key_comes_from_an_async_callable():
    async def ask():
        return "k-1"

    assert got(ApiKey(ask, provider="p")) == "k-1"


def test_a_key_comes_from_the_environment_when_it_is_needed(monkeypatch):
    key = ApiKey(variable="SOME_KEY", provider="p")
    monkeypatch.setenv("SOME_KEY", "from-env")
    assert got(key) == "from-env"
    assert got(ApiKey("given", variable="SOME_KEY", provider="p")) == "given"


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_key_names_the_variable_and_the_argument(monkeypatch, value):
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(MissingAPIKeyError, match=r"set SOME_KEY or pass api_key="):
        got(ApiKey(value, variable="SOME_KEY", provider="p"))
    with pytest.raises(MissingAPIKeyError, match=r"pass api_key="):
        got(ApiKey(value, provider="p"))


def test_a_key_may_be_optional():
    key = ApiKey(provider="p", optional=True)
    assert got(key) is None
    assert key.scope is None


@pytest.mark.parametrize(
    "value", ["se cret", "secret ", " secret", "secret\n\n", "sec\tret", "sec\0ret", "secrét", "secret\x7f"]
)
def test_what_cannot_be_a_key_is_refused_and_not_shown(value):
    with pytest.raises(ConfigError) as caught:
        got(ApiKey(value, provider="p"))
    assert "sec" not in str(caught.value)


@pytest.mark.parametrize("answer", [None, 5, "", "\n"])
def test_what_a_callable_gives_is_checked(answer):
    with pytest.raises(ConfigError):
        got(ApiKey(lambda: answer, provider="p"))


def test_a_callable_is_asked_once_until_its_key_is_refused():
    asked = []

    def ask():
        asked.append(1)
        return f"k-{len(asked)}"

    async def scenario():
        key = ApiKey(ask, provider="p")
        first, again = await key.get(), await key.get()
        renewed = await asyncio.gather(*(key.refresh(first) for _ in range(5)))
        return first, again, renewed, key.known

    first, again, renewed, known = asyncio.run(scenario())
    assert first == again == SecretStr("k-1")
    assert renewed == [SecretStr("k-2")] * 5
    assert known == SecretStr("k-2")
    assert len(asked) == 2


def test_many_callers_wait_for_one_answer():
    asked = []

    async def ask():
        asked.append(1)
        await asyncio.sleep(0)
        return "k"

    async def scenario():
        key = ApiKey(ask, provider="p")
        return await asyncio.gather(*(key.get() for _ in range(10)))

    assert len(asyncio.run(scenario())) == 10
    assert len(asked) == 1


def test_a_failing_callable_does_not_block_the_next_caller():
    answers = [RuntimeError("down"), "k"]

    def ask():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def scenario():
        key = ApiKey(ask, provider="p")
        with pytest.raises(RuntimeError):
            await key.get()
        return await key.get()

    assert asyncio.run(scenario()) == SecretStr("k")


@pytest.mark.parametrize("source", ["k", lambda: "k"], ids=["text", "same-again"])
def test_there_is_nothing_to_refresh_when_the_key_stays_the_same(source):
    async def scenario():
        key = ApiKey(source, provider="p")
        return await key.refresh(await key.get())

    assert asyncio.run(scenario()) is None


def test_scopes_tell_keys_apart_and_do_not_show_them(monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    one, same, other = (ApiKey(value, provider="p").scope for value in ("key-one", "key-one", "key-two"))
    assert one == same != other
    assert "key" not in one
    asked, again = ApiKey(lambda: "k", provider="p"), ApiKey(lambda: "k", provider="p")
    assert asked.scope == asked.scope != again.scope
    assert ApiKey(variable="SOME_KEY", provider="p").scope is None


@pytest.mark.parametrize(
    ("key", "vendor"),
    [
        ("sk-ant-x", "Anthropic"),
        ("sk-or-x", "OpenRouter"),
        ("gsk_x", "Groq"),
        ("sk-proj-x", "OpenAI"),
        ("sk-x", None),
        ("x", None),
    ],
)
def test_keys_look_like_their_vendors(key, vendor):
    assert vendor_of(SecretStr(key)) == vendor
