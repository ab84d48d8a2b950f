"""Official SDKs and aiclient against the loopback server: both understand the same.

Each test is two in one: what an SDK, which knows nothing of us, understands is what the server meant (so the server speaks the
vendor's wire); and our provider, over the same HTTP, understands the same (so the codec does).
"""

from __future__ import annotations

import pytest

import aiclient
from aiclient.errors import AIClientError
from aiclient.request import ChatRequest, EmbeddingRequest
from aiclient.testutil.server import Fault, LoopbackServer

from . import sdk_anthropic, sdk_google, sdk_openai, sdk_others
from .seen import CALLED, CUT, CUT_REPLY, KEY, PLAIN, QUESTION, REPLY, THINKING, THOUGHT, TOOL, in_a_loop, ours

ORACLES = [
    sdk_openai.OpenAIChat,
    sdk_openai.AzureChat,
    sdk_openai.Responses,
    sdk_openai.Mistral,
    sdk_anthropic.Anthropic,
    sdk_anthropic.AnthropicVertex,
    sdk_google.Gemini,
    sdk_google.GeminiVertex,
    sdk_others.Bedrock,
    sdk_others.Cohere,
    sdk_others.Ollama,
]


def having(ability):
    return [oracle for oracle in ORACLES if ability not in oracle.lacks]


def all_of(oracles):
    return pytest.mark.parametrize("kind", oracles, ids=lambda oracle: oracle.__name__)


pytestmark = pytest.mark.filterwarnings("default")  # the SDKs' own, at import and at exit, are not ours to mend


@pytest.fixture
def oracle(kind, server):
    pytest.importorskip(kind.module, reason=f"{kind.module} is not installed: pip install 'aiclient[oracles]'")
    oracle = kind(server)
    yield oracle
    oracle.close()


@pytest.fixture
def client(oracle):
    with aiclient.Client(oracle.provider()) as client:
        yield client


def understood(oracle, client, ask, *, stream):
    """What the SDK understands, and what we do; that both had the same to read is the server's promise."""
    theirs = oracle.stream(ask) if stream else oracle.ask(ask)
    request = oracle.request(client, ask)
    if not stream:
        return theirs, ours(request.do())
    with request.stream() as chunks:
        for _ in chunks:
            pass
        return theirs, ours(chunks.response)


WAYS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@WAYS
@all_of(ORACLES)
def test_an_answer_is_understood_alike(oracle, client, stream):
    theirs, we = understood(oracle, client, PLAIN, stream=stream)
    assert (theirs.text, theirs.calls, theirs.prompt, theirs.completion) == (REPLY, (), 3, 18)
    assert we == theirs


@WAYS
@all_of(ORACLES)
def test_an_answer_that_was_cut_is_understood_alike(oracle, client, stream):
    theirs, we = understood(oracle, client, CUT, stream=stream)
    assert (theirs.text, theirs.completion) == (CUT_REPLY, 16)
    assert we == theirs


@WAYS
@all_of(ORACLES)
def test_a_tool_call_is_understood_alike(oracle, client, stream):
    theirs, we = understood(oracle, client, TOOL, stream=stream)
    assert theirs.calls == (CALLED,)
    assert we == theirs


@WAYS
@all_of(having("thinking"))
def test_thinking_is_understood_alike(oracle, client, stream):
    theirs, we = understood(oracle, client, THINKING, stream=stream)
    assert (theirs.thought, theirs.text, theirs.completion) == (THOUGHT, REPLY, 23)
    assert we == theirs


@all_of(having("embed"))
def test_vectors_are_understood_alike(oracle, client):
    texts = ["red apple", "blue"]
    theirs = oracle.embed(texts, 5)
    assert [len(vector) for vector in theirs] == [5, 5]
    model = "gemini-embedding-001"  # any name will do elsewhere
    answer = client.embeddings(EmbeddingRequest(texts, model=model, dimensions=5))
    assert [list(vector) for vector in answer.vectors] == [pytest.approx(list(vector)) for vector in theirs]


@all_of(having("models"))
def test_models_are_listed_alike(oracle):
    theirs = oracle.models()
    assert theirs[0] == "loopback"
    assert [model.id for model in in_a_loop(oracle.provider(), "list_models")] == theirs


@all_of(having("count"))
def test_tokens_are_counted_alike(oracle):
    assert oracle.count() == 3
    request = ChatRequest([aiclient.Message("user", QUESTION)])
    assert in_a_loop(oracle.provider(), "count_tokens", request) == 3


@WAYS
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
@all_of(ORACLES)
def test_an_error_is_understood_alike(oracle, client, server, status, stream):
    server.script(Fault(status=status), Fault(status=status))
    with pytest.raises(oracle.errors) as theirs:
        oracle.stream(PLAIN) if stream else oracle.ask(PLAIN)
    with pytest.raises(AIClientError) as we:
        oracle.request(client, PLAIN).stream().__enter__() if stream else oracle.request(client, PLAIN).do()
    told = oracle.refused(theirs.value)
    assert told.status == status
    assert (we.value.status_code, we.value.message) == (told.status, told.message)
    assert told.request_id is None or we.value.request_id[:-1] == told.request_id[:-1]  # the next of the server's ids


@all_of(ORACLES)
def test_a_wrong_key_is_an_authentication_error(kind):
    pytest.importorskip(kind.module, reason=f"{kind.module} is not installed: pip install 'aiclient[oracles]'")
    with LoopbackServer(api_key=f"{KEY}-but-another") as server:
        oracle = kind(server)
        with pytest.raises(oracle.errors):
            oracle.ask(PLAIN)
        with aiclient.Client(oracle.provider()) as client, pytest.raises(aiclient.AuthenticationError):
            oracle.request(client, PLAIN).do()
        oracle.close()
