"""A real inference server, llama.cpp's, with a tiny model whose answers are known (`../shared/peers` beside the checkout).

At temperature 0 it says `OK.`, four tokens, to whatever it is asked; a token is a byte; it calls a tool after some words when
it must. What the server itself ignores is not asked of it here: a tool by its name, a schema with Responses or Messages.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import httpx
import pytest
from jsonschema import Draft202012Validator

import aiclient
from aiclient import Bounds, json_schema, lowered, providers

from .seen import SCHEMA, WEATHER, in_a_loop

PEERS = Path(__file__).parents[3] / "shared" / "peers"
KEY = "sk-llama"
SLOTS = 2
CONTEXT = 100_000
"""Tokens: at some ten thousand a second an answer that is not cancelled takes many seconds."""


def free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as sock:
        return sock.getsockname()[1]


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """The server's URL."""
    if not PEERS.is_dir():
        pytest.skip("the model and its server's script are not beside this repository (../shared/peers)")
    for module in ("gguf", "numpy", "xllamacpp"):
        pytest.importorskip(module, reason=f"{module} is not installed: pip install 'aiclient[oracles]'")
    model = tmp_path_factory.mktemp("llama") / "tiny.gguf"
    subprocess.run([sys.executable, PEERS / "make_tiny_gguf.py", model], check=True, capture_output=True)
    options = ["--embeddings", "--api-key", KEY, "--slots", str(SLOTS), "--ctx", str(CONTEXT)]
    started = [sys.executable, PEERS / "run_llama_server.py", model, "--port", str(free_port()), *options]
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            line = next((line for line in process.stdout if line.startswith("ready ")), "")
            assert line, "the server did not start"
            yield line.split()[1]
        finally:
            process.terminate()


@pytest.fixture
def url(llama):
    yield llama
    deadline = time.monotonic() + 5
    while busy(llama) and time.monotonic() < deadline:
        time.sleep(0.01)  # the server is real, and so is its time


def told(url: str, path: str) -> httpx.Response:
    return httpx.get(url + path, headers={"authorization": f"Bearer {KEY}"}, trust_env=False)


def busy(url: str) -> int:
    return sum(slot["is_processing"] for slot in told(url, "/slots").json())


def predicted(url: str) -> int:
    """Tokens that were generated so far, of finished answers."""
    (line,) = (
        row for row in told(url, "/metrics").text.splitlines() if row.startswith("llamacpp:tokens_predicted_total")
    )
    return int(float(line.split()[1]))


def chat(url, key=KEY):
    return providers.OpenAIProvider(key, model="tiny", base_url=f"{url}/v1")


def lowering(url, key=KEY):
    return providers.CompatibleProvider(f"{url}/v1", api_key=key, model="tiny", profile="llamacpp")


def responses(url, key=KEY):
    return providers.OpenAIProvider(key, model="tiny", base_url=f"{url}/v1", api="responses")


def anthropic(url, key=KEY):
    return providers.AnthropicProvider(key, model="tiny", base_url=url)


PROVIDERS = pytest.mark.parametrize("made", [chat, responses, anthropic])


@pytest.fixture
def client(made, url):
    with aiclient.Client(made(url)) as client:
        yield client


def greeting(client):
    return client.new_request().user("hi").temperature(0).max_tokens(400)


def long(client):
    """A request whose answer goes on until the context is full, unless somebody stops it: a call with endless arguments."""
    row = {"type": "string", "minLength": 500}
    rows = {"type": "array", "items": row, "minItems": 500}
    endless = {"type": "object", "properties": {"rows": rows}, "required": ["rows"]}
    tool = aiclient.Tool("write", "Writes.", endless)
    return client.new_request().user("hi").max_tokens(CONTEXT - 2000).tools(tool).tool_choice("required")


@PROVIDERS
def test_a_chat_is_answered(client):
    answer = greeting(client).do()
    assert (answer.message.content, answer.finish_reason) == ("OK.", "stop")
    assert answer.usage.completion_tokens == 4
    assert answer.usage.prompt_tokens == 20


@PROVIDERS
def test_a_stream_says_what_the_whole_answer_says(client):
    with greeting(client).stream() as stream:
        pieces = [chunk.delta.content for chunk in stream]
    assert "".join(pieces) == "OK."
    assert len([piece for piece in pieces if piece]) > 1
    assert stream.response.finish_reason == "stop"
    assert stream.response.usage.completion_tokens == 4


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@PROVIDERS
def test_a_tool_is_called_with_what_its_schema_asks_for(client, streamed):
    request = greeting(client).tools(WEATHER).tool_choice("required")
    if streamed:
        with request.stream() as stream:
            for _ in stream:
                pass
            answer = stream.response
    else:
        answer = request.do()
    (call,) = answer.message.tool_calls
    assert (call.name, call.defect, answer.finish_reason) == ("weather", None, "tool_calls")
    assert set(call.parsed) == {"city", "unit"}
    assert call.parsed["unit"] in SCHEMA["properties"]["unit"]["enum"]


@pytest.mark.parametrize("made", [chat])
def test_an_answer_has_the_schema_that_was_asked_for(client):
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    }
    answer = client.new_request().user("hi").seed(7).max_tokens(2000).response_format(schema).do()
    place = json.loads(answer.message.content)
    assert {name: type(value) for name, value in place.items()} == {"city": str, "days": int}


@aiclient.tool
def forecast(city: str, unit: Literal["celsius", "fahrenheit"]) -> dict[str, object]:
    """Tell the weather.

    Args:
        city: Where.
        unit: In which unit.
    """
    return {"degrees": 21, "unit": unit}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@PROVIDERS
def test_a_conversation_with_a_tool_goes_on_to_its_answer(client, streamed):
    request = greeting(client).tool_choice("required")
    if streamed:
        with request.run_stream([forecast]) as run:
            for _ in run:
                pass
        result = run.result
    else:
        result = request.run([forecast])
    (use,) = result.uses
    assert (use.outcome, use.value["degrees"], result.stopped) == ("ok", 21, "answer")
    assert [message.role for message in result.messages] == ["user", "assistant", "tool", "assistant"]


@dataclasses.dataclass
class Order:
    sku: Annotated[str, Bounds(pattern="^[A-Z]{3}$")]
    count: Annotated[int, Bounds(ge=10, lt=20)]
    where: tuple[bool, Literal["shop", "home"]]
    mood: Literal["good", "bad"] | None


@pytest.mark.parametrize("made", [chat, lowering])
@pytest.mark.parametrize(
    "kind", [Order, dict[Literal["a"], bool], Annotated[list[bool], Bounds(min_length=2, max_length=3)]], ids=str
)
def test_an_answer_follows_the_schema_of_a_type(client, kind):
    """As it is, where a server is not known to be llama.cpp, and lowered, which says what it would pass over in silence."""
    schema = json_schema(kind)
    answer = client.new_request().user("hi").seed(7).max_tokens(3000).response_format(schema).do()
    assert answer.finish_reason == "stop"
    Draft202012Validator(lowered(schema, "llamacpp").schema).validate(answer.json())


@pytest.mark.parametrize("made", [chat])
def test_texts_become_the_vectors_that_the_server_computed(client, url):
    asked = {"model": "tiny", "input": ["red apple", "blue"], "encoding_format": "float"}
    head = {"authorization": f"Bearer {KEY}"}
    plain = httpx.post(f"{url}/v1/embeddings", json=asked, headers=head, trust_env=False).json()
    answer = client.embeddings(aiclient.EmbeddingRequest(asked["input"]))  # asks for base64
    assert [list(vector) for vector in answer.vectors] == [pytest.approx(row["embedding"]) for row in plain["data"]]
    assert answer.usage.prompt_tokens == plain["usage"]["prompt_tokens"]


def test_tokens_are_counted(url):
    request = aiclient.ChatRequest([aiclient.Message("user", "hi")])
    assert in_a_loop(anthropic(url), "count_tokens", request) == 20


@pytest.mark.parametrize("made", [chat])
def test_models_are_listed(made, url):
    assert [model.id for model in in_a_loop(made(url), "list_models")] == ["tiny"]


@PROVIDERS
def test_a_prompt_that_is_too_long_is_a_context_length_error(client):
    with pytest.raises(aiclient.ContextLengthError):
        client.new_request().user("x" * (CONTEXT + 10)).max_tokens(400).do()


@PROVIDERS
def test_a_wrong_key_is_an_authentication_error(made, url):
    with aiclient.Client(made(url, "sk-another")) as client, pytest.raises(aiclient.AuthenticationError):
        greeting(client).do()


@PROVIDERS
def test_a_request_that_makes_no_sense_is_a_bad_request(client):
    request = greeting(client).extra("openai", temperature="hot").extra("anthropic", temperature="hot")
    with pytest.raises(aiclient.BadRequestError):
        request.do()


@PROVIDERS
def test_leaving_a_stream_frees_the_slot_at_the_server(client, url):
    before = predicted(url)
    with long(client).stream() as stream:
        for _ in zip(range(5), stream, strict=False):
            pass
        assert busy(url) == 1
    deadline = time.monotonic() + 2
    while busy(url):
        assert time.monotonic() < deadline, "the server still works for a reader who has left"
        time.sleep(0.01)
    assert predicted(url) - before < CONTEXT // 4
    assert greeting(client).do().message.content == "OK."
