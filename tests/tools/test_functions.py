"""Functions as tools: what becomes of a signature, and what a model may and may not call it with."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import enum
import functools
import json
import pickle
import subprocess
import sys
import threading
import time
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aiclient import Bounds, Client, tool
from aiclient.errors import ConfigError, InvalidRequestError, ToolArgumentsError
from aiclient.messages import ToolCall
from aiclient.request import ChatOptions, ChatRequest, Tool
from aiclient.testutil import MockProvider
from aiclient.tools.functions import FunctionTool


class Unit(enum.Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


@dataclasses.dataclass
class Place:
    city: str
    country: str = "DE"


@tool
def forecast(place: Place, days: Annotated[int, Bounds(ge=1, le=14)] = 3, unit: Unit = Unit.CELSIUS) -> str:
    """Say how the weather will be.

    For some days.

    Args:
        place: Where.
        days: For how many days.

    Returns:
        A sentence.
    """
    return f"{place.city}, {place.country}: {days} {unit.name}"


@tool(name="look-up", description="Look up.", strict=True)
async def lookup(word: str, *, limit: int | None = None) -> list[Place]:
    await asyncio.sleep(0)
    return [Place(word)] * (limit or 1)


def run(coroutine):
    return asyncio.run(coroutine)


# --- definitions ---


def test_a_signature_and_a_docstring_become_a_tool():
    assert forecast.tool == Tool(
        "forecast",
        "Say how the weather will be.\n\nFor some days.",
        {
            "type": "object",
            "properties": {
                "place": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}, "country": {"type": "string", "default": "DE"}},
                    "required": ["city"],
                    "additionalProperties": False,
                    "description": "Where.",
                },
                "days": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 14,
                    "description": "For how many days.",
                    "default": 3,
                },
                "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
            },
            "required": ["place"],
            "additionalProperties": False,
        },
    )
    Draft202012Validator.check_schema(forecast.tool.parameters)


def test_name_description_and_strictness_can_be_given():
    assert (lookup.name, lookup.tool.description, lookup.tool.strict) == ("look-up", "Look up.", True)


def test_the_function_is_called_as_before():
    assert forecast(Place("Bonn"), 2) == "Bonn, DE: 2 CELSIUS"
    assert run(lookup("a")) == [Place("a")]
    assert (forecast.__name__, forecast.__doc__[:3], repr(forecast)) == (
        "forecast",
        "Say",
        "FunctionTool(forecast(place, days, unit))",
    )


def test_a_function_without_parameters_takes_none():
    @tool
    def now() -> str:
        return "noon"

    assert now.tool.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert run(now.call()) == run(now.call("{}")) == "noon"
    with pytest.raises(ToolArgumentsError, match="keys that are not known; there are none"):
        now.read('{"zone": "UTC"}')


class Shop:
    def price(self, sku: str, currency: str = "EUR") -> str:
        """Say a price."""
        return f"{sku} in {currency}"

    def __call__(self, sku: str) -> str:
        return sku

    @staticmethod
    @tool
    def opening(day: Literal["mon", "sun"]) -> str:
        return f"9 on {day}"


def test_bound_methods_partials_and_objects_are_functions_too():
    assert run(tool(Shop().price).call({"sku": "A"})) == "A in EUR"
    fixed = tool(functools.partial(Shop().price, currency="USD"), name="price")
    assert list(fixed.tool.parameters["properties"]) == ["sku"]
    assert run(fixed.call({"sku": "A"})) == "A in USD"
    assert run(tool(Shop(), name="shop").call({"sku": "A"})) == "A"
    assert run(Shop.opening.call({"day": "mon"})) == "9 on mon"


def test_a_type_of_the_surrounding_function_is_found_where_it_is_used():
    @dataclasses.dataclass
    class Local:
        x: int

    @tool
    def take(value: Local) -> bool:
        return isinstance(value, Local)

    assert run(take.call({"value": {"x": 1}})) is True


def test_what_a_function_returns_may_be_known_to_type_checkers_alone():
    def table(city: str) -> Nowhere: ...  # noqa: F821  # it is what is tested

    assert list(tool(table).tool.parameters["properties"]) == ["city"]


def no_annotation(city): ...
def star(*cities: str): ...
def stars(**options: str): ...
def positional(city: str, /): ...
def unknown(city: Nowhere): ...  # noqa: F821  # it is what is tested
def unfit(path: complex): ...
def inside(paths: list[complex]): ...
def keys(names: dict[int, str]): ...
def bounded(city: Annotated[str, Bounds(ge=1)]): ...
def yields(n: int):
    yield n


async def streams(n: int):
    yield n


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_annotation, "no_annotation: the parameter city has no annotation; write its type"),
        (
            Shop.price,
            r"price: the parameter self has no annotation; write its type or decorate the bound method: tool\(thing.method\)",
        ),
        (star, r"star: \*cities takes any number of arguments: a model gives arguments by name"),
        (stars, r"stars: \*\*options takes arguments of any name"),
        (positional, "positional: city has no name for its caller"),
        (unknown, "the signature of unknown cannot be read: name 'Nowhere' is not defined"),
        (unfit, "unfit: the parameter path: complex has no JSON schema"),
        (inside, "inside: the parameter paths: complex has no JSON schema"),
        (keys, r"keys: the parameter names: keys of dict\[int, str\] must be texts"),
        (bounded, "bounded: the parameter city: the bound ge=1 means nothing to str"),
        (yields, "yields yields values; a tool returns one"),
        (streams, "streams yields values; a tool returns one"),
        (lambda x: x, "a lambda has neither a name nor annotations"),
        (Place, "@tool takes a function, not <class"),
        (3, "@tool takes a function, not 3"),
        (functools.partial(no_annotation), "name=None of a tool must be 1 to 64 letters"),
        (forecast, "forecast is a tool already"),
    ],
)
def test_what_cannot_be_described_is_refused_when_it_is_defined(function, said):
    with pytest.raises(ConfigError, match=said):
        tool(function)


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "ä", 3])
def test_a_name_that_no_service_takes_is_refused(name):
    with pytest.raises(ConfigError, match="name="):
        tool(forecast._function, name=name)


def test_defining_a_tool_loads_no_converter():
    code = "import sys\nfrom aiclient import tool\ndef f(x: int = 1): ...\ntool(f)\nsys.exit('cattrs' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


# --- requests ---


def test_requests_hold_plain_tools_and_compare_and_save_as_ever():
    options = ChatOptions(tools=[forecast, lookup])
    assert options == ChatOptions(tools=[forecast.tool, lookup.tool])
    request = ChatRequest([], options)
    assert ChatRequest.from_dict(json.loads(json.dumps(request.to_dict()))) == request
    assert pickle.loads(pickle.dumps(request)) == request


def test_the_builder_offers_functions():
    mock = MockProvider("x")
    with Client(mock) as client:
        client.new_request().user("x").tools(forecast, Tool("other")).tool_choice("forecast").do()
    assert mock.requests[0].options.tools == (forecast.tool, Tool("other"))


def test_a_function_that_is_no_tool_is_refused_with_what_to_do():
    with pytest.raises(InvalidRequestError, match="not function; decorate star with @aiclient"):
        ChatOptions(tools=[star])


def test_a_schema_can_be_had_for_each_service():
    assert forecast.schema_for("anthropic").lost == ("minimum", "maximum")
    assert forecast.schema_for("openai").schema["required"] == ["place", "days", "unit"]


# --- calls ---


@pytest.mark.parametrize(
    "arguments",
    [
        '{"place": {"city": "Bonn"}, "days": null, "unit": "f"}',
        {"place": {"city": "Bonn"}, "unit": "f"},
        ToolCall("1", "forecast", '{"place": {"city": "Bonn", "country": null}, "days": 3.0, "unit": "f"}'),
    ],
    ids=["text", "dict", "call"],
)
def test_a_call_is_typed_and_leaves_defaults_to_the_function(arguments):
    assert run(forecast.call(arguments)) == "Bonn, DE: 3 FAHRENHEIT"


def test_an_async_function_runs_in_the_callers_task_and_a_sync_one_in_a_thread():
    @tool
    async def here() -> Any:
        return threading.current_thread()

    @tool
    def there() -> Any:
        return threading.current_thread()

    async def both():
        return await here.call(), await there.call()

    assert run(both())[0] is threading.main_thread()
    assert run(both())[1] is not threading.main_thread()


def test_a_sync_function_that_returns_a_coroutine_is_awaited():
    assert run(tool(lambda_like).call({"word": "a"})) == [Place("a")]


def lambda_like(word: str) -> Any:
    return lookup(word)


PLACE = contextvars.ContextVar("PLACE", default=None)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_functions_see_the_callers_context(kind):
    def sync() -> Any:
        return PLACE.get()

    async def asynchronous() -> Any:
        return PLACE.get()

    async def main():
        PLACE.set("here")
        return await tool(sync if kind == "sync" else asynchronous).call()

    assert run(main()) == "here"


def test_what_a_function_raises_comes_unchanged():
    @tool
    def fail(x: int) -> None:
        raise KeyError(x)

    with pytest.raises(KeyError):
        run(fail.call({"x": 1}))


@pytest.mark.anyio
async def test_cancelling_cancels_an_async_function():
    seen = []

    @tool
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("left")

    task = asyncio.ensure_future(wait.call())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["left"]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("as it is", "as it is"),
        (None, "null"),
        ([Place("ä")], '[{"city": "ä", "country": "DE"}]'),
        (Unit.CELSIUS, '"c"'),
    ],
)
def test_results_are_texts_as_they_are_and_anything_else_json(result, text):
    assert forecast.text_of(result) == text


@pytest.mark.parametrize("result", [object(), [10**5000]], ids=["of no form", "of too many digits"])
def test_a_result_that_no_model_can_read_names_the_tool(result):
    with pytest.raises(ConfigError, match="the tool forecast returned what no model can read"):
        forecast.text_of(result)


# --- hostile models ---


def nested(levels):
    return '{"place": ' + "[" * levels + "]" * levels + "}"


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        ("{}", ["$.place: is missing"]),
        ('{"place": {"city": "x"}, "days": "3"}', ["$.days: must be a whole number, not a text"]),
        ('{"place": {"city": "x"}, "days": true}', ["$.days: must be a whole number, not a boolean"]),
        ('{"place": {"city": "x"}, "days": 99}', ["$.days: must be at most 14"]),
        ('{"place": {"city": "x"}, "unit": "k"}', ['$.unit: must be one of "c", "f"']),
        ('{"place": {"city": "x", "secret": 1}}', ["$.place: has keys that are not known; there are city, country"]),
        ('{"place": {"city": "x"}, "secret": 1}', ["$: has keys that are not known; there are place, days, unit"]),
        ('{"place": {"city": null}}', ["$.place.city: must be a text, not null"]),
        ('{"place": null}', ["$.place: must be an object (Place), not null"]),
        (
            '{"place": {"city": 1}, "days": 0}',
            ["$.place.city: must be a text, not a number", "$.days: must be at least 1"],
        ),
        ('{"place": 1, "place": 2}', ["the arguments are not valid JSON: the key 'place' is given twice"]),
        ('{"days": NaN}', ["the arguments are not valid JSON: NaN is not JSON"]),
        ('{"days": 1e999}', ["the arguments are not valid JSON: a number is too large"]),
        ('{"days": ' + "9" * 5000 + "}", ["the arguments are not valid JSON: an integer has too many digits"]),
        ("[]", ["the arguments must be a JSON object, not an array"]),
        (nested(100_000), ["the arguments are not valid JSON: it is nested too deeply"]),
        (nested(200), ["$.place: must be an object (Place), not an array"]),
        ('"' + "x" * 4 * 2**20 + '"', [f"the arguments are longer than {4 * 2**20} characters"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_hostile_arguments_are_told_in_words_a_model_can_act_on_and_nothing_is_called(arguments, errors):
    with pytest.raises(ToolArgumentsError) as found:
        run(forecast.call(arguments))
    assert sorted(found.value.errors) == sorted(errors)
    assert found.value.tool == "forecast" and str(found.value).startswith("forecast cannot be called like that: ")


def test_an_error_names_at_most_twenty_things():
    @tool
    def many(numbers: list[int]) -> None: ...

    with pytest.raises(ToolArgumentsError) as found:
        many.read({"numbers": ["x"] * 25})
    assert len(found.value.errors) == 21 and found.value.errors[-1] == "and 5 more"


def test_what_is_wrong_a_million_times_is_not_read_to_the_end():
    @tool
    def many(numbers: list[list[int]]) -> None: ...

    began = time.process_time()
    with pytest.raises(ToolArgumentsError) as found:
        many.read({"numbers": [["x"] * 1_000_000] * 10})
    assert found.value.errors[-1] == "and many more"
    assert time.process_time() - began < 10  # half a minute for all of them


def test_a_call_of_another_tool_is_a_mistake_of_the_program():
    with pytest.raises(InvalidRequestError, match="the call is of the tool 'other', not of 'forecast'"):
        forecast.read(ToolCall("1", "other", "{}"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.just("canary"),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["place", "days", "city", "canary"]), inner)
    ),
    max_leaves=8,
)


def tried(arguments):
    try:
        forecast.read(arguments)
    except ToolArgumentsError as error:
        return (str(error), *error.errors)
    return ()


@given(st.dictionaries(st.sampled_from(["place", "days", "unit", "canary"]), JSON))
def test_no_arguments_crash_a_tool_and_none_are_quoted(arguments):
    assert [line for line in tried(arguments) if "canary" in line] == []
    assert [line for line in tried(json.dumps(arguments)) if "canary" in line] == []


def test_an_error_of_a_tool_survives_pickling():
    with pytest.raises(ToolArgumentsError) as found:
        forecast.read("{}")
    again = pickle.loads(pickle.dumps(found.value))
    assert (again.tool, again.errors) == ("forecast", ("$.place: is missing",))


def test_a_tool_knows_its_own_class():
    assert isinstance(forecast, FunctionTool)
