"""Saved records: every value survives the way to JSON and back; what cannot be read is refused without its content."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.context import CallContext, Timeouts
from aiclient.errors import Category, StoreError
from aiclient.messages import (
    AudioPart,
    Citation,
    DocumentPart,
    ImagePart,
    Message,
    OpaquePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCall,
    ToolResultPart,
    VideoPart,
)
from aiclient.prices.expenses import Expense
from aiclient.records import VERSION, Record
from aiclient.request import (
    EFFORTS,
    ChatOptions,
    ChatRequest,
    EmbeddingRequest,
    PromptCache,
    Reasoning,
    ResponseFormat,
    Tool,
    ToolChoice,
)
from aiclient.response import (
    Attempt,
    CallWarning,
    ChatResponse,
    Choice,
    Cost,
    EmbeddingResponse,
    FinishReason,
    Outcome,
    RateLimitInfo,
    Usage,
)
from aiclient.session.record import SessionRecord
from aiclient.session.rows import ModelShare, SessionRow

GOLDEN = Path(__file__).parent / "golden_records"

# --- what hypothesis builds values from ---

text = st.text(max_size=12)
word = st.text(min_size=1, max_size=8)
maybe = st.none() | text
number = st.floats(allow_nan=False, allow_infinity=False, width=32)
count = st.integers(0, 10**6)
any_json = st.recursive(
    st.none() | st.booleans() | count | text,
    lambda x: st.lists(x, max_size=2) | st.dictionaries(text, x, max_size=2),
    max_leaves=4,
)
json_object = st.dictionaries(text, any_json, max_size=2)
sourced = {"origin": maybe, "provider_data": st.none() | json_object}
citation = st.builds(Citation, maybe, maybe, maybe, st.none() | count, st.none() | count, st.none() | json_object)


def media(cls, **more):
    held = st.one_of(
        st.fixed_dictionaries({"data": st.binary(max_size=8)}),
        st.fixed_dictionaries({"url": text}),
        st.fixed_dictionaries({"file_id": text}),
    )
    rest = st.fixed_dictionaries({"media_type": maybe, **sourced, **more})
    return st.builds(lambda one, two: cls(**one, **two), held, rest)


content_part = st.one_of(
    st.builds(TextPart, text, st.lists(citation, max_size=2).map(tuple), **sourced),
    st.builds(RefusalPart, text, **sourced),
    st.builds(ReasoningPart, text, maybe, **sourced),
    media(ImagePart, detail=maybe),
    media(AudioPart, transcript=maybe),
    media(VideoPart),
    media(DocumentPart, name=maybe),
    st.builds(OpaquePart, text, any_json),
)
tool_call = st.builds(ToolCall, text, word, text, st.sampled_from(["function", "custom"]), **sourced)
result = st.builds(ToolResultPart, text, st.lists(content_part, max_size=2), maybe, st.booleans(), **sourced)
parts = st.lists(content_part | tool_call | result, max_size=3)
role = st.sampled_from(["system", "developer", "user", "assistant", "tool"])
message = st.builds(Message, role, parts, maybe, metadata=json_object)
timeouts = st.builds(Timeouts, *[st.none() | st.floats(0.125, 1e6)] * 6)
tool = st.builds(Tool, word, text, json_object, st.none() | st.booleans())
options = st.builds(
    ChatOptions,
    model=st.none() | st.sampled_from(["m", "meta-llama/x", "é"]),
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 10**20),
    seed=st.none() | st.integers(-(2**63), 2**63 - 1),
    stop=st.lists(word, max_size=2),
    tools=st.lists(tool, max_size=2, unique_by=lambda tool: tool.name),
    tool_choice=st.none() | st.sampled_from([ToolChoice(), ToolChoice("named", "f")]),
    parallel_tool_calls=st.none() | st.booleans(),
    response_format=st.none()
    | st.just(ResponseFormat("json"))
    | st.builds(ResponseFormat, st.just("schema"), json_object, word),
    reasoning=st.none() | st.builds(Reasoning, st.sampled_from(EFFORTS)) | st.builds(Reasoning, st.none(), count),
    prompt_cache=st.none() | st.builds(PromptCache, st.sampled_from(["5m", "1h"]), maybe),
    n=st.none() | st.integers(1, 9),
    logprobs=st.none() | st.integers(0, 20),
    service_tier=maybe,
    metadata=st.dictionaries(text, text, max_size=2),
    extra=st.dictionaries(text, json_object, max_size=2),
    timeout=st.none() | timeouts | st.floats(0.125, 1e6),
    tags=st.dictionaries(text, text, max_size=2),
    tenant=maybe,
    cache=st.sampled_from(["use", "bypass", "refresh"]),
    strict=st.booleans(),
)
usage = st.builds(
    Usage,
    prompt_tokens=st.none() | count,
    completion_tokens=st.none() | count,
    total_tokens=st.none() | count,
    cached_tokens=st.none() | count,
    raw_usage=st.none() | json_object,
)
cost = st.builds(
    Cost,
    st.decimals(0, 100, places=6),
    st.dictionaries(text, st.decimals(0, 100, places=6), max_size=2),
    text,
    st.booleans(),
)
attempt = st.builds(
    Attempt,
    number=count,
    provider=text,
    model=maybe,
    outcome=st.sampled_from(Outcome.__args__),
    category=st.none() | st.sampled_from(Category.__args__),
    status_code=st.none() | count,
    retry_after=st.none() | number,
    started_at=number,
    duration=number,
    first_output=st.none() | number,
    usage=usage,
    cost=st.none() | cost,
)
finish = st.none() | st.sampled_from(FinishReason.__args__)
response = st.builds(
    ChatResponse,
    message,
    finish,
    maybe,
    usage,
    id=maybe,
    model=maybe,
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)) | st.datetimes(),
    cost=st.none() | cost,
    attempts=st.lists(attempt, max_size=2).map(tuple),
    warnings=st.lists(st.builds(CallWarning, text, text, maybe, maybe), max_size=2).map(tuple),
    cached=st.booleans(),
    rate_limit=st.none() | st.builds(RateLimitInfo, limit_requests=st.none() | count, reset_tokens=st.none() | number),
    logprobs=any_json,
    alternatives=st.lists(st.builds(Choice, message, finish, maybe, any_json), max_size=1).map(tuple),
    metadata=json_object,
)
embedded = st.builds(
    EmbeddingResponse,
    st.lists(st.lists(number, max_size=3), max_size=3),
    model=maybe,
    usage=usage,
    attempts=st.lists(attempt, max_size=1).map(tuple),
    cached=st.booleans(),
)
embedding = st.builds(
    EmbeddingRequest,
    st.lists(word, min_size=1, max_size=3),
    dimensions=st.none() | st.integers(1, 9),
    timeout=st.none() | timeouts | st.floats(0.125, 1e6),
)
request = st.builds(ChatRequest, st.lists(message, max_size=2), options)
money = st.decimals(0, 100, places=6)
expense = st.builds(Expense, money, count, st.booleans(), money)
share = st.builds(
    ModelShare,
    provider=maybe,
    model=maybe,
    exchanges=count,
    failed=count,
    prompt_tokens=count,
    completion_tokens=count,
    uncounted=count,
    expense=expense,
)
row = st.builds(
    SessionRow,
    number=count,
    call=st.sampled_from(["chat", "stream", "item"]),
    started_at=number,
    duration=number,
    outcome=st.sampled_from(Outcome.__args__),
    category=st.none() | st.sampled_from(Category.__args__),
    provider=maybe,
    model=maybe,
    attempts=count,
    finish_reason=maybe,
    cached=st.booleans(),
    shared=st.booleans(),
    dry_run=st.booleans(),
    planned=st.none() | money,
    expense=expense,
    shares=st.lists(share, max_size=2).map(tuple),
)
session = st.builds(
    SessionRecord,
    id=word,
    started_at=number,
    system=maybe,
    metadata=json_object,
    options=options,
    left_out=st.lists(word, max_size=1).map(tuple),
    budget_usd=st.none() | money,
    spent_usd=money,
    keep_messages=st.none() | st.integers(1, 9),
    keep_tokens=st.none() | st.integers(1, 9),
    dry_run=st.booleans(),
    history=st.lists(message, max_size=3).map(tuple),
    rows=st.lists(row, max_size=3).map(tuple),
)


def through_json(value):
    return type(value).from_dict(json.loads(json.dumps(value.to_dict())))


@pytest.mark.parametrize(
    "values",
    [
        content_part | tool_call | result,
        message,
        options,
        request,
        response,
        embedded,
        embedding,
        timeouts,
        row,
        session,
    ],
    ids="part message options request response embeddings embedding-request timeouts row session".split(),
)
def test_every_value_survives_the_way_to_json_and_back(values):
    @given(values)
    def survives(value):
        assert through_json(value) == value

    survives()


@given(response)
def test_the_text_of_a_saved_record_is_json_without_extensions(value):
    assert json.loads(json.dumps(value.to_dict(), allow_nan=False)) == value.to_dict()


def test_every_record_class_is_covered_by_the_strategies_or_a_member_of_one():
    def below(cls):
        return {cls, *(sub for child in cls.__subclasses__() for sub in below(child))}

    public = {
        cls.__name__
        for cls in below(Record)
        if cls.__module__.startswith("aiclient") and not cls.__name__.startswith("_")
    }
    core = public - {"Record", "MediaPart", "TypedResponse"}  # the last is saved as a ChatResponse
    assert core <= set(globals()), "give the new value a strategy here"


def test_a_record_says_its_type_and_version_and_leaves_defaults_out():
    assert Message("user", "hi").to_dict() == {
        "aiclient": VERSION,
        "type": "Message",
        "role": "user",
        "content": [{"type": "text", "text": "hi"}],
    }


def test_a_value_given_as_none_where_the_default_is_another_is_kept():
    assert through_json(Timeouts(total=None)).total is None


def test_contexts_raw_bodies_and_typed_outputs_are_not_saved():
    saved = ChatRequest([Message("user", "hi")], context=CallContext()).to_dict()
    answer = ChatResponse(Message("assistant"), raw={"canary": 1}, output=object()).to_dict()
    assert "context" not in saved and set(answer) == {"aiclient", "type", "message"}


def test_bytes_are_base64_decimals_and_dates_are_text():
    answer = ChatResponse(
        Message("assistant", ImagePart(data=b"\x00\xff")),
        cost=Cost(Decimal("0.10")),
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    saved = answer.to_dict()
    assert saved["message"]["content"][0]["data"] == "AP8="
    assert (saved["cost"]["usd"], saved["created_at"]) == ("0.10", "2026-01-02T00:00:00+00:00")


# --- what is refused ---

CANARY = "CANARY the content of a prompt"
HEAD = {"aiclient": 1, "type": "Message", "role": "user"}
ANSWER = {"aiclient": 1, "type": "ChatResponse", "message": {"role": "assistant", "content": []}}
OPTIONS = {"aiclient": 1, "type": "ChatOptions"}
SESSION = {"aiclient": 1, "type": "SessionRecord", "id": "s"}


@pytest.mark.parametrize(
    ("cls", "data", "path"),
    [
        (Message, {**HEAD, "role": CANARY, "content": []}, "$.role"),
        (Message, HEAD, "missing 'content'"),
        (Message, {**HEAD, "content": CANARY}, "$.parts"),
        (Message, {**HEAD, "content": {CANARY: 1}}, "$.parts"),
        (Message, {**HEAD, "content": [{"type": CANARY}]}, "$.parts[0]"),
        (Message, {**HEAD, "content": [{"text": CANARY}]}, "$.parts[0]"),
        (Message, {**HEAD, "content": [{"type": [CANARY]}]}, "$.parts[0]"),
        (
            Message,
            {**HEAD, "content": [{"type": "text", "text": "ok"}, {"type": "text", "text": [CANARY]}]},
            "$.parts[1].text",
        ),
        (Message, {**HEAD, "content": [{"type": "image", "data": CANARY}]}, "$.parts[0].data"),
        (Message, {**HEAD, "content": [{"type": "image", "data": "", "url": CANARY}]}, "$.parts[0]"),
        (
            Message,
            {**HEAD, "content": [{"type": "tool_result", "tool_call_id": "c", "content": [{"type": CANARY}]}]},
            "$.parts[0].content[0]",
        ),
        (ChatOptions, {**OPTIONS, "temperature": CANARY}, "$.temperature"),
        (ChatOptions, {**OPTIONS, "temperature": True}, "float expected, not bool"),
        (ChatOptions, {**OPTIONS, "temperature": 99}, "InvalidRequestError"),
        (ChatOptions, {**OPTIONS, "max_tokens": 1.5}, "int expected, not float"),
        (ChatOptions, {**OPTIONS, "timeout": CANARY}, "$.timeout"),
        (ChatOptions, {**OPTIONS, "timeout": {"total": CANARY}}, "$.timeout"),
        (ChatOptions, {**OPTIONS, "timeout": -1}, "InvalidRequestError"),
        (ChatOptions, {**OPTIONS, "strict": 1}, "bool expected, not int"),
        (ChatOptions, {**OPTIONS, "metadata": CANARY}, "$.metadata"),
        (ChatOptions, {**OPTIONS, "model": "bad\n" + CANARY}, "InvalidModelError"),
        (ChatResponse, {**ANSWER, "created_at": CANARY}, "$.created_at"),
        (ChatResponse, {**ANSWER, "created_at": 5}, "$.created_at"),
        (ChatResponse, {**ANSWER, "cost": {"usd": CANARY}}, "$.cost.usd"),
        (ChatResponse, {**ANSWER, "cost": {"usd": 5}}, "$.cost.usd"),
        (ChatResponse, {**ANSWER, "finish_reason": CANARY}, "$.finish_reason"),
        (SessionRecord, {**SESSION, "id": 5}, "$.id"),
        (SessionRecord, {"aiclient": 1, "type": "SessionRecord"}, "missing 'id'"),
        (SessionRecord, {**SESSION, "budget_usd": CANARY}, "$.budget_usd"),
        (SessionRecord, {**SESSION, "budget_usd": 1.5}, "$.budget_usd"),
        (SessionRecord, {**SESSION, "budget_usd": "NaN"}, "InvalidRequestError"),
        (SessionRecord, {**SESSION, "budget_usd": "-1"}, "InvalidRequestError"),
        (SessionRecord, {**SESSION, "spent_usd": "1e999"}, "InvalidRequestError"),
        (SessionRecord, {**SESSION, "keep_messages": 0}, "InvalidRequestError"),
        (SessionRecord, {**SESSION, "rows": [{"number": 1, "duration": math.nan}]}, "$.rows[0]"),
        (SessionRecord, {**SESSION, "keep_messages": CANARY}, "$.keep_messages"),
        (SessionRecord, {**SESSION, "options": {"temperature": CANARY}}, "$.options.temperature"),
        (SessionRecord, {**SESSION, "history": [{"role": CANARY, "content": []}]}, "$.history[0].role"),
        (SessionRecord, {**SESSION, "rows": {CANARY: 1}}, "$.rows"),
        (SessionRecord, {**SESSION, "rows": [{"number": 1}, {"number": CANARY}]}, "$.rows[1].number"),
        (SessionRecord, {**SESSION, "rows": [{"number": 1, "outcome": CANARY}]}, "$.rows[0].outcome"),
        (SessionRecord, {**SESSION, "rows": [{"number": 1, "expense": {"usd": 5}}]}, "$.rows[0].expense.usd"),
        (
            EmbeddingResponse,
            {"aiclient": 1, "type": "EmbeddingResponse", "vectors": [[1.0, CANARY]]},
            "$.vectors[0][1]",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_record_is_refused_with_a_path_and_never_a_value(cls, data, path):
    with pytest.raises(StoreError) as caught:
        cls.from_dict(data)
    said = str(caught.value)
    assert path in said and caught.value.kind == "record"
    assert "CANARY" not in said and len(said) < 1000
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"type": "Message"}, "must hold the record's version"),
        ({"aiclient": "1", "type": "Message"}, "must hold the record's version"),
        ({"aiclient": True, "type": "Message"}, "must hold the record's version"),
        ({"aiclient": 0, "type": "Message"}, "must hold the record's version"),
        (
            {"aiclient": VERSION + 1, "type": "Message"},
            f"saved as version {VERSION + 1}; this aiclient reads up to {VERSION}",
        ),
        ({"aiclient": 1, "type": "ChatRequest"}, "a saved Message was expected, and the record holds ChatRequest"),
        ({"aiclient": 1, "type": CANARY}, "the record holds something else"),
        ({"aiclient": 1, "type": [CANARY]}, "the record holds something else"),
        ({"aiclient": 1}, "the record holds something else"),
        ([CANARY], "must be an object, not list"),
        (CANARY, "must be an object, not str"),
        (None, "must be an object, not NoneType"),
    ],
    ids=[
        "no-version",
        "text",
        "bool",
        "zero",
        "newer",
        "other-type",
        "unknown-type",
        "list-type",
        "no-type",
        "list",
        "str",
        "none",
    ],
)
def test_what_is_not_a_record_of_this_type_is_refused_by_name(data, words):
    with pytest.raises(StoreError, match=words) as caught:
        Message.from_dict(data)
    assert "CANARY" not in str(caught.value)


def test_a_key_of_tomorrow_is_ignored():
    assert Message.from_dict({**HEAD, "content": [], "mood": "new"}) == Message("user")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_float_that_json_has_no_word_for_is_refused_by_strict_json(value):
    with pytest.raises(ValueError, match="JSON"):
        json.dumps(Attempt(number=1, provider="a", duration=value).to_dict(), allow_nan=False)


# --- older records stay readable ---

OLD = {
    "request": ChatRequest(
        [
            Message("system", "Be brief."),
            Message(
                "user", ["Look:", ImagePart(data=b"\x89PNG", media_type="image/png", detail="low")], metadata={"n": 1}
            ),
            Message(
                "assistant",
                [ReasoningPart("hm", "sealed", origin="anthropic")],
                tool_calls=[ToolCall("c1", "look", '{"x": 1}')],
            ),
            Message("tool", "a cat", "look", tool_call_id="c1"),
        ],
        ChatOptions(
            model="m",
            temperature=0.5,
            tools=[Tool("look")],
            tool_choice=ToolChoice("required"),
            extra={"openai": {"store": True}},
            response_format=ResponseFormat("schema", {"type": "object"}),
            timeout=Timeouts(total=5, idle=None),
            stop="END",
        ),
    ),
    "response": ChatResponse(
        Message(
            "assistant",
            [TextPart("A cat.", (Citation(url="https://a.test", start=0, end=5),)), OpaquePart("v", {"k": [1]})],
        ),
        "stop",
        "end_turn",
        Usage(prompt_tokens=5, completion_tokens=2, total_tokens=9, raw_usage={"in": 5}),
        "r1",
        "m-2026",
        "a",
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        cost=Cost(Decimal("0.00045"), {"input": Decimal("0.00045")}, "given prices"),
        attempts=(Attempt(number=1, provider="a", outcome="failed", category="server", status_code=500, duration=0.5),),
        warnings=(CallWarning("dropped", "no seed here", "seed", "a"),),
        rate_limit=RateLimitInfo(remaining_requests=3),
        alternatives=(Choice(Message("assistant", "A dog."), "length"),),
    ),
    "embeddings": EmbeddingResponse([[0.5, -0.25]], "e", "a", Usage(prompt_tokens=2)),
    "embedding_request": EmbeddingRequest(["a", "b"], "e", 2, "query"),
    "session": SessionRecord(
        id="s",
        started_at=1.5,
        system="Be brief.",
        metadata={"customer": 7},
        options=ChatOptions(model="m", max_tokens=5),
        left_out=("extra",),
        budget_usd=Decimal("1.50"),
        spent_usd=Decimal("0.25"),
        keep_messages=20,
        history=(Message("user", "Cat?"), Message("assistant", "A cat.")),
        rows=(
            SessionRow(
                number=1,
                call="stream",
                duration=0.5,
                provider="a",
                model="m",
                attempts=2,
                finish_reason="stop",
                expense=Expense(Decimal("0.25"), 1, estimated=True),
                shares=(ModelShare(provider="a", model="m", exchanges=2, failed=1, prompt_tokens=5),),
            ),
            SessionRow(number=2, outcome="failed", category="policy"),
        ),
    ),
}


@pytest.mark.parametrize("name", OLD)
@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_record_of_every_version_is_still_read(version, name):
    saved = json.loads((GOLDEN / f"version_{version}.json").read_text(encoding="utf-8"))[name]
    assert saved["aiclient"] == version
    assert type(OLD[name]).from_dict(saved) == OLD[name]


@pytest.mark.parametrize("name", OLD)
def test_the_current_version_writes_what_its_golden_record_holds(name):
    saved = json.loads((GOLDEN / f"version_{VERSION}.json").read_text(encoding="utf-8"))[name]
    assert OLD[name].to_dict() == saved, "records changed: raise VERSION, keep the old golden file, add a new one"


@pytest.mark.parametrize("cls", [ChatRequest, ChatResponse, Message, ChatOptions, EmbeddingResponse, EmbeddingRequest])
def test_every_field_added_to_a_saved_value_has_a_default_or_was_there_from_the_start(cls):
    required = {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING}
    assert required <= {"messages", "message", "role", "parts", "vectors", "input"}


@pytest.mark.parametrize("cls", [SessionRecord, SessionRow, ModelShare, Expense])
def test_every_field_of_a_saved_session_beyond_its_name_has_a_default(cls):
    assert {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING} <= {"id", "number"}


def test_a_class_that_is_imported_after_the_first_record_was_written_is_saved_too():
    code = (
        "import aiclient\n"
        "from aiclient.testutil import MockProvider\n"
        "aiclient.Message('user', 'x').to_dict()\n"
        "from aiclient import SessionRecord, SessionRow, Session\n"
        "session = aiclient.Client(MockProvider('x')).session()\n"
        "session.chat('hi')\n"
        "session.export_to_dict()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
