"""Filling in what a request leaves unset, and nothing else."""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st

from aiclient.attempt import chain
from aiclient.chunks import ChatStreamChunk
from aiclient.client import AsyncClient
from aiclient.composition import compose
from aiclient.errors import ConfigError, ServerError, StreamInterruptedError
from aiclient.messages import Message
from aiclient.middleware import Defaults, Retry
from aiclient.opening import collect
from aiclient.provider import opened
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
from aiclient.settings import STEERING, Settings
from aiclient.testutil.mock import MockProvider

pytestmark = pytest.mark.anyio

USER = Message("user", "hi")
WEATHER, MAIL = Tool("weather"), Tool("mail")


async def chat(provider, request):
    return await opened(request, provider.chat)


async def stream(provider, request):
    return await collect(opened(request, provider.chat_stream))


PATHS = pytest.mark.parametrize("call", [chat, stream], ids=["chat", "stream"])


async def sent(defaults, options=None, *, messages=(USER,), call=chat):
    """Return the request that reaches the provider."""
    mock = MockProvider("yes")
    await call(defaults(mock), ChatRequest(messages, options or ChatOptions()))
    return mock.requests[0]


# --- what is filled in ---

VALUES = {
    "model": ("m", "m"),
    "temperature": (0.0, 0.0),
    "max_tokens": (100, 100),
    "top_p": (0.5, 0.5),
    "top_k": (5, 5),
    "seed": (0, 0),
    "stop": ("END", ("END",)),
    "frequency_penalty": (0.5, 0.5),
    "presence_penalty": (-1, -1),
    "tools": ([WEATHER], (WEATHER,)),
    "response_format": ("json", ResponseFormat("json")),
    "reasoning": ("low", Reasoning("low")),
    "prompt_cache": ("1h", PromptCache("1h")),
    "n": (2, 2),
    "logprobs": (0, 0),
    "service_tier": ("flex", "flex"),
    "user_id": ("u", "u"),
    "metadata": ({"a": "1"}, {"a": "1"}),
    "extra": ({"openai": {"x": 1}}, {"openai": {"x": 1}}),
}
OTHERS = {
    "model": "o",
    "temperature": 1.0,
    "max_tokens": 7,
    "top_p": 0.1,
    "top_k": 1,
    "seed": 9,
    "stop": ("STOP",),
    "frequency_penalty": 0.0,
    "presence_penalty": 0.0,
    "tools": (MAIL,),
    "response_format": ResponseFormat("text"),
    "reasoning": Reasoning("high"),
    "prompt_cache": PromptCache("5m"),
    "n": 1,
    "logprobs": 5,
    "service_tier": "default",
    "user_id": "o",
    "metadata": {"a": "2"},
    "extra": {"openai": {"x": 2}},
}
each_setting = pytest.mark.parametrize("name", VALUES)


@PATHS
@each_setting
async def test_a_setting_that_the_request_leaves_unset_is_filled_in(call, name):
    value, expected = VALUES[name]
    assert (await sent(Defaults(**{name: value}), call=call)).options == ChatOptions(**{name: expected})


@PATHS
@each_setting
async def test_a_setting_of_the_request_stays(call, name):
    asked = ChatOptions(**{name: OTHERS[name]})
    assert (await sent(Defaults(**{name: VALUES[name][0]}), asked, call=call)).options == asked


def test_every_option_is_a_setting_or_steers_the_call():
    assert set(Settings.__annotations__) | STEERING == {field.name for field in fields(ChatOptions)}
    assert set(VALUES) | {"tool_choice", "parallel_tool_calls"} == set(Settings.__annotations__)


async def test_what_is_none_is_not_given():
    assert (await sent(Defaults(None, temperature=None, tools=None))).options == ChatOptions()


async def test_of_extra_the_single_settings_that_are_missing_are_added():
    defaults = Defaults(extra={"openai": {"x": 1, "y": 1}, "cohere": {"z": 1}})
    asked = ChatOptions(extra={"openai": {"x": 2}, "gemini": {"w": 2}})
    assert (await sent(defaults, asked)).options.extra == {
        "openai": {"x": 2, "y": 1},
        "cohere": {"z": 1},
        "gemini": {"w": 2},
    }


async def test_of_metadata_the_single_notes_that_are_missing_are_added():
    request = await sent(Defaults(metadata={"a": "1", "b": "1"}), ChatOptions(metadata={"a": "2"}))
    assert request.options.metadata == {"a": "2", "b": "1"}


async def test_what_steers_the_call_stays():
    asked = ChatOptions(timeout=5.0, tags={"team": "a"}, tenant="t", cache="bypass", strict=True)
    assert (await sent(Defaults(temperature=0), asked)).options == evolve(asked, temperature=0)


@given(
    st.dictionaries(st.sampled_from(sorted(VALUES)), st.none()),
    st.dictionaries(st.sampled_from(sorted(VALUES)), st.none()),
)
def test_whatever_is_set_where_the_request_wins_and_no_option_is_lost(ours, theirs):
    asked = ChatOptions(**{name: OTHERS[name] for name in theirs})
    filled = Defaults(**{name: VALUES[name][0] for name in ours})._filled(ChatRequest([USER], asked)).options
    expected = {name: VALUES[name][1] for name in ours} | {name: OTHERS[name] for name in theirs}
    assert filled == ChatOptions(**expected)


# --- the system prompt ---


@PATHS
async def test_the_system_prompt_is_put_first(call):
    request = await sent(Defaults("Be brief."), messages=[USER, Message("assistant", "yes"), USER], call=call)
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "user"]
    assert request.messages[0].content == "Be brief."


@PATHS
@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize("place", [0, 1])
async def test_a_request_with_a_system_prompt_keeps_its_own_alone(call, role, place):
    messages = [USER, USER]
    messages.insert(place, Message(role, "Be long."))
    assert (await sent(Defaults("Be brief."), messages=messages, call=call)).messages == tuple(messages)


async def test_without_anything_to_add_the_request_is_the_caller_s_own():
    request = ChatRequest([USER])
    assert Defaults()._filled(request) is request


async def test_the_caller_s_request_is_not_changed():
    request = ChatRequest([USER])
    await chat(Defaults("Be brief.", temperature=0)(MockProvider()), request)
    assert request == ChatRequest([USER])


# --- tools ---


async def test_a_choice_is_added_where_the_tools_are_added_too():
    request = await sent(Defaults(tools=[WEATHER], tool_choice="required", parallel_tool_calls=False))
    assert (request.options.tool_choice, request.options.parallel_tool_calls) == (ToolChoice("required"), False)


@pytest.mark.parametrize(
    "setting", [{"tool_choice": "auto"}, {"tool_choice": "weather"}, {"parallel_tool_calls": True}]
)
async def test_what_is_about_tools_is_left_out_where_none_is_offered(setting):
    assert (await sent(Defaults(**setting, temperature=0))).options == ChatOptions(temperature=0)


@pytest.mark.parametrize(("offered", "choice"), [(WEATHER, ToolChoice("named", "weather")), (MAIL, None)])
async def test_the_choice_of_a_tool_by_name_is_added_where_it_is_offered(offered, choice):
    request = await sent(Defaults(tools=[WEATHER], tool_choice="weather"), ChatOptions(tools=[offered]))
    assert request.options.tool_choice == choice


# --- in a chain ---


async def test_embeddings_pass_by():
    mock, request = MockProvider(), EmbeddingRequest("hi")
    await opened(request, Defaults("Be brief.", model="m", user_id="u")(mock).embeddings)
    assert mock.requests == [request]


async def test_of_two_the_outer_one_wins_and_the_inner_one_adds():
    provider = compose(
        [Defaults("Outer.", temperature=0), Defaults("Inner.", temperature=1, seed=1)], mock := MockProvider()
    )
    await chat(provider, ChatRequest([USER]))
    assert mock.requests[0].options == ChatOptions(temperature=0, seed=1)
    assert [message.content for message in mock.requests[0].messages] == ["Outer.", "hi"]


async def test_the_defaults_of_a_derived_client_go_before_its_parent_s():
    mock = MockProvider()
    async with AsyncClient(mock).use(Defaults("Be brief.", temperature=0)) as client:
        await client.derive(Defaults("Be long.")).chat("hi")
    assert mock.requests[0].messages[0].content == "Be long." and mock.requests[0].options.temperature == 0


async def test_inside_retry_every_attempt_is_filled_in_once(clock):
    mock = MockProvider([ServerError(), "yes"])
    async with AsyncClient(mock, clock=clock).use(Retry(), Defaults("Be brief.")) as client:
        await client.chat("hi")
    assert [[message.role for message in request.messages] for request in mock.requests] == [["system", "user"]] * 2


@PATHS
async def test_an_error_comes_through(call):
    with pytest.raises(ServerError):
        await call(Defaults("Be brief.")(MockProvider(ServerError())), ChatRequest([USER]))


async def test_an_error_after_the_first_output_comes_through():
    with pytest.raises(StreamInterruptedError):
        await stream(Defaults("x")(MockProvider((ChatStreamChunk(content="a"), ServerError()))), ChatRequest([USER]))


async def test_the_stream_is_handed_on_as_it_is():
    given = await MockProvider("yes").chat_stream(ChatRequest([USER]))
    provider = Defaults("x")(MockProvider(chat_stream_func=lambda _: given))
    assert await provider.chat_stream(ChatRequest([USER])) is given
    await given.close()


@PATHS
async def test_a_cancellation_at_any_step_goes_through(at_every_step, call):
    def scene():
        async def slow(_):
            await asyncio.sleep(0)
            return "yes"

        provider = chain([Defaults("Be brief.", temperature=0)], mock := MockProvider(slow))

        def verify(task):
            assert task.cancelled() or task.result().message.content == "yes"
            assert mock.calls <= 1

        return call(provider, ChatRequest([USER])), verify

    assert await at_every_step(scene) > 4


async def test_two_users_of_one_instance_do_not_see_each_other():
    mock = MockProvider()
    provider = Defaults("Be brief.", metadata={"a": "1"})(mock)
    mine, theirs = ChatOptions(metadata={"b": "mine"}), ChatOptions(metadata={"b": "theirs"})
    await asyncio.gather(chat(provider, ChatRequest([USER], mine)), chat(provider, ChatRequest([USER], theirs)))
    assert [request.options.metadata for request in mock.requests] == [
        {"a": "1", "b": "mine"},
        {"a": "1", "b": "theirs"},
    ]


# --- options ---


@pytest.mark.parametrize("system", ["", " \n", 5, b"x"], ids=repr)
def test_a_system_prompt_must_be_a_text(system):
    with pytest.raises(ConfigError, match=r"system=.* must be a text that is not empty, or None"):
        Defaults(system)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("temprature", r"did you mean temperature=\?"),
        ("systen", r"did you mean system=\?"),
        ("zzz", "there are system, mo"),
    ],
)
def test_an_unknown_setting_is_refused_with_a_suggestion(name, hint):
    with pytest.raises(ConfigError, match=f"Defaults has no '{name}'; {hint}"):
        Defaults(**{name: 1})


@pytest.mark.parametrize("name", sorted(STEERING))
def test_what_steers_the_call_is_refused_with_the_place_to_set_it(name):
    with pytest.raises(ConfigError, match=rf"{name}= steers the call.*set it on the request \(.{name}\(...\)\)"):
        Defaults(**{name: 1})


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("temperature", 3, "temperature=3 must be a number from 0 to 2"),
        ("max_tokens", 0, "max_tokens=0 must be a whole number"),
        ("model", "", "model='' must be the name"),
        ("stop", 5, "text 0 must be a string"),
        ("tools", "weather", "a tool must be a Tool or a function with @tool, not str"),
        ("tools", 5, "not iterable"),
        ("tools", [WEATHER, WEATHER], "two tools have the same name"),
        ("tool_choice", 5, "a ToolChoice is needed"),
        ("parallel_tool_calls", "yes", "must be True or False"),
        ("response_format", "xml", "response format 'xml'"),
        ("reasoning", 5, "a Reasoning is needed"),
        ("prompt_cache", "forever", "ttl='forever'"),
        ("prompt_cache", 5, "a PromptCache is needed"),
        ("service_tier", 5, "must be a text"),
        ("user_id", 5, "must be a text"),
        ("metadata", "abc", "dicts of texts"),
        ("extra", {"openai": 5}, "a dict of settings"),
    ],
)
def test_a_value_that_no_request_could_have_is_refused_by_name(name, value, problem):
    with pytest.raises(ConfigError, match=f"{name}= of {type(value).__name__} cannot be a setting: .*{problem}"):
        Defaults(**{name: value})


@pytest.mark.parametrize(
    ("defaults", "shown"),
    [
        (Defaults(), "Defaults()"),
        (Defaults("A secret plan.", temperature=0, extra={"x": {"y": 1}}), "Defaults(system, temperature=0, extra)"),
    ],
)
def test_the_repr_shows_numbers_and_the_names_of_what_may_be_private(defaults, shown):
    assert repr(defaults) == shown
