"""The sync session: the same as the async one, from any thread, and no waiting for oneself."""

from __future__ import annotations

import gc
import os
import signal
import threading
import warnings

import pytest

from aiclient import (
    AIClientError,
    AsyncClient,
    BudgetExceededError,
    Client,
    ClientClosedError,
    InvalidProviderError,
    Session,
)
from aiclient.testutil import MockProvider

PRICES = {"mock-model": {"input": 1000, "output": 1000}}


def echo(request):
    return request.messages[-1].content.upper()


@pytest.fixture
def client():
    with Client(MockProvider(echo), prices=PRICES) as client:
        yield client


def test_a_conversation_a_stream_and_a_batch_count_together(client):
    with client.session(budget_usd=1, system="S", max_tokens=5) as session:
        assert session.chat("one").message.content == "ONE"
        with session.stream("two") as stream:
            assert "".join(stream.text) == "TWO"
        result = session.batch_generate(["a", "b"], concurrency=2, on_progress=lambda progress: None)
    assert [item.value.message.content for item in result] == ["A", "B"]
    assert [message.content for message in session.history] == ["one", "ONE", "two", "TWO"]
    assert [row.call for row in session.rows] == ["chat", "stream", "item", "item"]
    assert session.budget_remaining == 1 - session.cost_usd
    assert session.summary().requests == session.request_count == 4


def test_the_budget_refuses_before_anything_is_sent(client):
    session = client.session(budget_usd="0.001", max_tokens=100)
    with pytest.raises(BudgetExceededError):
        session.chat("x " * 100)
    with pytest.raises(BudgetExceededError, match="2 items could cost"):
        session.batch_generate(["x", "y"], check_budget_per_item=False)


def test_a_call_beside_ones_own_open_stream_is_refused_instead_of_waiting_for_ever(client):
    session = client.session()
    with session.stream("one " * 200):
        with pytest.raises(AIClientError, match="still open right here"):
            session.chat("three")
    assert session.chat("four").message.content == "FOUR"


def test_two_threads_take_turns(client):
    session = client.session()

    def run(name):
        for number in range(5):
            session.chat(f"{name}{number}")

    threads = [threading.Thread(target=run, args=(name,)) for name in "xy"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    spoken = [message.content for message in session.history]
    assert spoken[1::2] == [text.upper() for text in spoken[::2]]
    assert [text for text in spoken[::2] if text[0] == "x"] == [f"x{number}" for number in range(5)]
    assert len(spoken) == 20


def test_another_thread_waits_until_the_stream_is_closed(client):
    session, answers = client.session(), []
    with session.stream("one") as stream:
        thread = threading.Thread(target=lambda: answers.append(session.chat("two").message.content))
        thread.start()
        assert "".join(stream.text) == "ONE"
    thread.join()
    assert (answers, len(session.history)) == (["TWO"], 4)


def test_a_stream_left_early_adds_nothing(client):
    session = client.session()
    with session.stream("one " * 200) as stream:
        for _ in stream.text:
            break
    assert session.history == ()


def test_a_closed_session_refuses_until_it_is_started_again(client):
    session = client.session()
    session.close()
    with pytest.raises(ClientClosedError, match="start"):
        session.chat("x")
    assert session.start().chat("x").message.content == "X"
    assert client.chat("y").message.content == "Y"


def test_reset_begins_anew(client):
    session = client.session()
    session.chat("x")
    session.reset()
    assert (session.history, session.request_count) == ((), 0)


def test_a_saved_session_goes_on(client, tmp_path):
    session = client.session(system="S", budget_usd=1, max_tokens=5)
    session.chat("one")
    session.export_to_json(tmp_path / "s.json")
    again = Session.from_json(tmp_path / "s.json", client)
    again.chat("two")
    assert [message.content for message in again.history] == ["one", "ONE", "two", "TWO"]
    assert Session.from_dict(session.export_to_dict(), client).budget_remaining == session.budget_remaining


def test_a_saved_session_needs_a_client_of_its_own_colour(client):
    saved = client.session().export_to_dict()
    with pytest.raises(InvalidProviderError, match="needs a Client, not AsyncClient"):
        Session.from_dict(saved, AsyncClient(MockProvider()))


def test_alerts_are_told(client):
    session, heard = client.session(budget_usd=1, max_tokens=5), []
    session.set_alert(0.001, heard.append)
    session.chat("x")
    assert [alert.threshold for alert in heard] == [0.001]
    assert session.alerts == tuple(heard)


def test_ctrl_c_cancels_the_call_and_gives_its_turn_back(ctrl_c_works):
    import asyncio

    async def answer(request):
        if request.messages[-1].content == "stop":
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        return "fine"

    with Client(MockProvider(chat_func=answer)) as client:
        session = client.session()
        with pytest.raises(KeyboardInterrupt):
            session.chat("stop")
        assert session.chat("go on").message.content == "fine"
        assert [row.outcome for row in session.rows] == ["cancelled", "completed"]


def test_a_session_keeps_its_client_alive():
    session = Client(MockProvider(echo)).session()
    gc.collect()
    assert session.chat("x").message.content == "X"


def test_a_session_outlives_its_client_without_an_error(client):
    with client.session() as session:
        client.close()
        with pytest.raises(ClientClosedError):
            session.chat("x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_waits_for_no_turn_of_its_parent(client):
    session = client.session()
    with session.stream("one " * 200), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of fork with threads: that is the point
        child = os.fork()
        if child == 0:
            ok = False
            try:
                signal.alarm(10)
                ok = session.chat("two").message.content == "TWO"
            finally:
                os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_repr_says_how_many_requests(client):
    session = client.session()
    session.chat("x")
    assert repr(session) == "Session(1 requests)"
