"""A session as a file: it comes back as it was, holds no secret, and what is no session is refused without its content."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient import AsyncClient, AsyncSession, BudgetExceededError, Message, ServerError, StoreError
from aiclient.testutil import MockProvider

PRICES = {"mock-model": {"input": 1000, "output": 1000}}

texts = st.text(st.characters(exclude_categories=()), min_size=1, max_size=8).filter(str.strip)
steps = st.lists(st.tuples(st.sampled_from(["chat", "stream", "batch", "fail"]), texts), max_size=5)


SAVED = {
    "aiclient": 1,
    "type": "SessionRecord",
    "id": "s",
    "started_at": 1.0,
    "system": "S",
    "metadata": {"a": 1},
    "options": {"temperature": 0.5},
    "budget_usd": "1",
    "spent_usd": "0.5",
    "keep_messages": 9,
    "keep_tokens": 900,
    "dry_run": True,
    "history": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
    "rows": [{"number": 1, "expense": {"usd": "0.5"}}],
}


def client(reply="a b"):
    return AsyncClient(MockProvider(reply), prices=PRICES)


def answering(request):
    text = request.messages[-1].content
    return ServerError("no") if text == "fail" else text


async def play(session, steps):
    for kind, text in steps:
        if kind == "chat":
            await session.chat(text)
        elif kind == "stream":
            async with session.stream(text) as stream:
                async for _ in stream:
                    break
        else:
            await session.batch_generate([text if kind == "batch" else "fail"])


@given(
    steps=steps,
    system=st.none() | texts,
    metadata=st.dictionaries(texts, st.integers() | texts | st.lists(st.booleans()), max_size=2),
    keep=st.none() | st.integers(3, 9),
    budget=st.none() | st.decimals(1, 9, places=3),
)
def test_a_session_comes_back_as_it_was(steps, system, metadata, keep, budget):
    async def scene():
        made = client(answering)
        session = made.session(
            system=system, metadata=metadata, keep_messages=keep, budget_usd=budget, max_tokens=20, temperature=0.5
        )
        await play(session, steps)
        saved = json.loads(json.dumps(session.export_to_dict(), allow_nan=False))
        again = AsyncSession.from_dict(saved, made)
        assert again.export_to_dict() == session.export_to_dict()
        assert (again.history, again.rows, again.id) == (session.history, session.rows, session.id)
        assert (again.budget_remaining, again.cost_usd) == (session.budget_remaining, session.cost_usd)
        assert again.summary() == session.summary()
        await again.chat("more")
        assert again.history[-2].content == "more"

    asyncio.run(scene())


@pytest.fixture
def session():
    return client().session(budget_usd="0.1", system="Be brief.", metadata={"customer": 7}, max_tokens=5)


def test_what_was_spent_before_is_spent_after(session):
    asyncio.run(session.chat("one two three"))
    again = AsyncSession.from_dict(session.export_to_dict(), client())
    assert again.budget_remaining == session.budget_remaining
    with pytest.raises(BudgetExceededError):
        asyncio.run(again.chat("x " * 200))


def test_a_session_whose_budget_is_spent_comes_back_and_refuses_by_the_whole_budget(session):
    record = {**session.export_to_dict(), "spent_usd": "5"}
    again = AsyncSession.from_dict(record, client())
    assert again.budget_remaining == 0
    with pytest.raises(BudgetExceededError, match=r"of 0\.1 there are 5 spent"):
        asyncio.run(again.chat("x"))
    assert again.export_to_dict()["spent_usd"] == "5"


def test_a_file_is_replaced_as_a_whole_and_only_its_owner_may_read_it(session, tmp_path):
    path = tmp_path / "session.json"
    path.write_text("old", encoding="utf-8")
    asyncio.run(session.chat("half of a character: \ud83d"))
    session.export_to_json(path)
    again = AsyncSession.from_json(path, client())
    assert again.history == session.history
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["session.json"]


def test_what_cannot_be_written_leaves_the_old_file_and_no_draft(session, tmp_path, monkeypatch):
    path = tmp_path / "session.json"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr("os.fsync", failing)
    with pytest.raises(OSError, match="disk full"):
        session.export_to_json(path)
    assert path.read_text(encoding="utf-8") == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["session.json"]


def failing(_):
    raise OSError("disk full")


def test_an_export_may_leave_out_what_was_said(session):
    asyncio.run(session.chat("SECRET"))
    saved = session.export_to_dict(history=False)
    assert "SECRET" not in json.dumps(saved)
    assert (saved["rows"][0]["attempts"], saved["summary"]["requests"]) == (1, 1)
    assert AsyncSession.from_dict(saved, client()).history == ()


def test_extra_settings_are_left_out_because_they_may_be_secret_and_can_be_given_again():
    session = client().session(extra={"openai": {"key": "SECRET"}}, max_tokens=5)
    saved = session.export_to_dict()
    assert "SECRET" not in json.dumps(saved)
    assert saved["left_out"] == ["extra"]
    mock = MockProvider()
    again = AsyncSession.from_dict(saved, AsyncClient(mock), extra={"openai": {"store": True}})
    asyncio.run(again.chat("x"))
    assert mock.requests[0].options.extra == {"openai": {"store": True}}
    assert again.export_to_dict()["left_out"] == ["extra"]


def test_what_was_left_out_and_is_not_given_again_is_warned_of():
    saved = client().session(extra={"openai": {"key": "SECRET"}}).export_to_dict()
    with pytest.warns(UserWarning, match="extra was left out of this session when it was saved"):
        AsyncSession.from_dict(saved, client())


def test_the_key_of_the_client_is_in_no_export(tmp_path):
    from aiclient.providers import OpenAIProvider

    session = AsyncClient(OpenAIProvider("sk-CANARY", model="gpt-5-mini")).session(budget_usd=1)
    assert "CANARY" not in json.dumps(session.export_to_dict()) + repr(session)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"CANARY", "holds no saved session: JSONDecodeError"),
        (b"\xff\xfe", "holds no saved session: JSONDecodeError"),
        (b'["CANARY"]', "holds no saved session"),
        (b"[" * 100_000, "holds no saved session: RecursionError"),
        (b"{}", "must hold the record's version"),
        (b'{"aiclient": 99, "type": "SessionRecord", "id": "CANARY"}', "reads up to"),
        (b'{"aiclient": 1, "type": "Message", "role": "user", "content": []}', "record holds Message"),
        (
            b'{"aiclient": 1, "type": "SessionRecord", "id": "s", "rows": [{"number": "CANARY"}]}',
            r"\$.rows\[0\].number",
        ),
    ],
    ids=range(8),
)
def test_a_file_that_holds_no_session_is_refused_with_the_place_and_without_its_content(tmp_path, content, problem):
    path = tmp_path / "session.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=problem) as caught:
        AsyncSession.from_json(path, client())
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("data", [None, "CANARY", ["CANARY"], 5, {}, {"summary": "CANARY"}])
def test_what_is_no_record_at_all_is_refused_by_name(data):
    with pytest.raises(StoreError, match="SessionRecord") as caught:
        AsyncSession.from_dict(data, client())
    assert "CANARY" not in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(place=st.sampled_from(sorted(SAVED)), junk=anything)
def test_a_record_with_junk_in_any_place_is_refused_with_a_type_or_read(place, junk):
    data = {**SAVED, place: junk}
    with contextlib.suppress(StoreError):  # refused; any other error fails the test
        again = AsyncSession.from_dict(data, client())
        assert again.summary().requests == len(again.rows)
        assert json.dumps(again.export_to_dict(), allow_nan=False)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_notes_that_json_cannot_hold_are_refused(number):
    with pytest.raises(StoreError):
        AsyncSession.from_dict({**SAVED, "metadata": {"a": number}}, client())


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        AsyncSession.from_json(tmp_path / "nothing.json", client())


def test_a_saved_history_that_no_service_would_take_is_refused_when_it_is_to_be_sent(session):
    saved = session.export_to_dict()
    saved["history"] = [Message("tool", "x", tool_call_id="nobody").to_dict()]
    with pytest.raises(ValueError, match="which no earlier message makes"):
        asyncio.run(AsyncSession.from_dict(saved, client()).chat("hi"))
