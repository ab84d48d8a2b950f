"""The loopback server, driven with a plain httpx client and with raw sockets."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import math
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import trustme

from aiclient.testutil.server import (
    Answer,
    Fault,
    LoopbackServer,
    Route,
    cut,
    overloaded,
    rate_limited,
    server_error,
    stall,
)

HELLO = {"model": "m", "messages": [{"role": "user", "content": "Say hello please"}]}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["celsius", "kelvin"]},
                "days": {"type": "integer"},
            },
            "required": ["city", "unit"],
        },
    },
}


PLAIN = {"trust_env": False, "verify": False}
"""For httpx: nothing is encrypted here, and loading authorities for each client would take most of the time."""


@pytest.fixture
def server():
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def http(server):
    with httpx.Client(base_url=server.base_url, timeout=5, **PLAIN) as client:
        yield client


def address(server: LoopbackServer) -> tuple[str, int]:
    url = httpx.URL(server.url)
    return url.host, url.port


def connect(server: LoopbackServer) -> socket.socket:
    return socket.create_connection(address(server), timeout=5)


def read_to_end(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


def exchange(server: LoopbackServer, *pieces: bytes) -> bytes:
    """Send raw bytes, one piece after another, and read until the server closes."""
    with connect(server) as sock:
        for piece in pieces:
            sock.sendall(piece)
        return read_to_end(sock)


def post_bytes(body: dict, *, path: str = "/v1/chat/completions", headers: str = "") -> bytes:
    encoded = json.dumps(body, separators=(",", ":")).encode()  # as httpx does
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(encoded)}\r\n{headers}\r\n"
    return head.encode() + encoded


def events(text: str) -> list:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def streamed(http: httpx.Client, **fields) -> list:
    answer = http.post("/chat/completions", json=HELLO | {"stream": True} | fields)
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events(answer.text)


def content(chunks: list, index: int = 0) -> str:
    deltas = [choice["delta"] for chunk in chunks[:-1] for choice in chunk["choices"] if choice["index"] == index]
    return "".join(delta.get("content") or "" for delta in deltas)


# ------------------------------------------------------------------------------------------------ the healthy wire


def test_a_chat_answer_has_the_reply_and_counts_words_as_tokens(http):
    answer = http.post("/chat/completions", json=HELLO)
    assert answer.status_code == 200
    body = answer.json()
    assert body["choices"][0]["message"]["content"] == "Hello from the loopback server."
    assert body["choices"][0]["finish_reason"] == "stop"
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (3, 5)
    assert body["usage"]["total_tokens"] == 8


def test_the_same_request_has_the_same_answer_but_another_request_id(http):
    first, second = http.post("/chat/completions", json=HELLO), http.post("/chat/completions", json=HELLO)
    assert first.content == second.content
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.headers["x-ratelimit-limit-requests"] == "10000"


def test_text_in_parts_counts_as_text(http):
    parts = [{"type": "text", "text": "two words"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    answer = http.post("/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": parts}]})
    assert answer.json()["usage"]["prompt_tokens"] == 2


def test_a_reply_may_be_a_function_of_the_messages():
    with LoopbackServer(reply=lambda messages: messages[-1]["content"].upper()) as server:
        answer = httpx.post(f"{server.base_url}/chat/completions", json=HELLO, **PLAIN)
    assert answer.json()["choices"][0]["message"]["content"] == "SAY HELLO PLEASE"


def test_a_reply_that_raises_is_answered_with_a_500_that_says_so(caplog):
    with LoopbackServer(reply=lambda messages: 1 / 0) as server:
        answer = httpx.post(f"{server.base_url}/chat/completions", json=HELLO, **PLAIN)
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.json()["error"]["message"]
    assert "the route POST /v1/chat/completions failed" in caplog.text


def test_max_tokens_cuts_words_and_says_length(http):
    choice = http.post("/chat/completions", json=HELLO | {"max_tokens": 2}).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hello from", "length")


def test_max_tokens_of_exactly_the_reply_says_stop(http):
    choice = http.post("/chat/completions", json=HELLO | {"max_completion_tokens": 5}).json()["choices"][0]
    assert choice["finish_reason"] == "stop"


def test_n_gives_several_choices(http):
    body = http.post("/chat/completions", json=HELLO | {"n": 3}).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert body["usage"]["completion_tokens"] == 15


def test_a_stream_comes_word_by_word_and_ends_with_done(http):
    chunks = streamed(http)
    words = [chunk["choices"][0]["delta"].get("content") for chunk in chunks[:-1]]
    assert words == ["", "Hello", " from", " the", " loopback", " server.", None]
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1] == "[DONE]"
    assert "usage" not in chunks[0]


def test_include_usage_adds_a_chunk_without_choices_before_done(http):
    chunks = streamed(http, stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks[:-2]] == [None] * 7
    assert chunks[-2]["choices"] == []
    assert chunks[-2]["usage"]["total_tokens"] == 8


def test_streamed_choices_take_turns(http):
    chunks = streamed(http, n=2)
    assert [chunk["choices"][0]["index"] for chunk in chunks[:4]] == [0, 1, 0, 1]
    assert content(chunks, 0) == content(chunks, 1) == "Hello from the loopback server."


def test_every_event_is_an_http_chunk_of_its_own(server):
    raw = exchange(server, post_bytes(HELLO | {"stream": True}, headers="connection: close\r\n"))
    body = raw.partition(b"\r\n\r\n")[2]
    size, _, rest = body.partition(b"\r\n")
    assert rest[: int(size, 16)].endswith(b"}\n\n")
    assert rest[: int(size, 16)].count(b"data: ") == 1
    assert body.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    "tool_choice",
    ["required", {"type": "function", "function": {"name": "weather"}}],
    ids=["required", "named"],
)
def test_a_forced_tool_is_called_with_what_its_schema_requires(http, tool_choice):
    body = HELLO | {"tools": [WEATHER], "tool_choice": tool_choice}
    choice = http.post("/chat/completions", json=body).json()["choices"][0]
    call = choice["message"]["tool_calls"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert call["function"]["name"] == "weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "text", "unit": "celsius"}


def test_a_streamed_tool_call_comes_in_pieces(http):
    chunks = streamed(http, tools=[WEATHER], tool_choice="required")
    calls = [call for chunk in chunks[:-2] for call in chunk["choices"][0]["delta"]["tool_calls"]]
    pieces = [call["function"]["arguments"] for call in calls]
    assert calls[0]["id"].startswith("call_")
    assert calls[0]["function"]["name"] == "weather"
    assert len(pieces) > 3
    assert json.loads("".join(pieces)) == {"city": "text", "unit": "celsius"}
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_tools_left_to_the_model_are_not_called(http):
    choice = http.post("/chat/completions", json=HELLO | {"tools": [WEATHER], "tool_choice": "auto"}).json()["choices"]
    assert choice[0]["message"]["content"].startswith("Hello")


def test_a_stub_model_streams_as_many_chunks_as_its_name_says(http):
    chunks = streamed(http, model="stub-s40-b7", stream_options={"include_usage": True})
    assert len(chunks) == 1 + 40 + 1 + 1 + 1  # role, words, finish, usage, [DONE]
    assert chunks[-2]["usage"]["completion_tokens"] == 40


def test_a_stub_model_without_stream_answers_whole(http):
    body = http.post("/chat/completions", json=HELLO | {"model": "stub-s3"}).json()
    assert body["choices"][0]["message"]["content"] == " word word word"


def test_a_paced_stub_model_pauses_between_its_writes(http):
    began = time.perf_counter()
    streamed(http, model="stub-s2-b1-p5")  # 6 writes, 5 pauses
    assert time.perf_counter() - began >= 0.025


def test_embeddings_are_of_length_one_and_belong_to_their_text(http):
    body = http.post("/embeddings", json={"model": "e", "input": ["red apple", "blue", "red apple"]}).json()
    vectors = [row["embedding"] for row in body["data"]]
    assert len(vectors[0]) == 8
    assert sum(x * x for x in vectors[0]) == pytest.approx(1, abs=1e-6)
    assert vectors[0] == vectors[2] != vectors[1]
    assert body["usage"] == {"prompt_tokens": 5, "total_tokens": 5}


def test_base64_embeddings_are_the_same_floats_little_endian(http):
    asked = {"model": "e", "input": "hello", "dimensions": 3}
    floats = http.post("/embeddings", json=asked).json()["data"][0]["embedding"]
    packed = http.post("/embeddings", json=asked | {"encoding_format": "base64"}).json()["data"][0]["embedding"]
    assert list(struct.unpack("<3f", base64.b64decode(packed))) == floats


def test_models_are_listed(http):
    assert "loopback" in [row["id"] for row in http.get("/models").json()["data"]]


# ------------------------------------------------------------------------------------------------ refusals of the wire


@pytest.mark.parametrize(
    ("path", "body", "param", "code"),
    [
        ("/chat/completions", {"model": "m"}, "messages", "missing_required_parameter"),
        ("/chat/completions", {"messages": []}, "messages", "empty_array"),
        ("/chat/completions", {"messages": "hi"}, "messages", "invalid_type"),
        ("/chat/completions", HELLO | {"n": 0}, "n", "invalid_value"),
        ("/chat/completions", HELLO | {"n": 129}, "n", "invalid_value"),
        (
            "/chat/completions",
            HELLO | {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice",
            None,
        ),
        ("/embeddings", {"input": []}, "input", None),
        ("/embeddings", {"input": "a", "dimensions": "8"}, "dimensions", "invalid_value"),
        ("/chat/completions", ["a list"], None, None),
    ],
    ids=["no messages", "empty", "not a list", "n=0", "n=129", "unknown tool", "no input", "dimensions", "a list"],
)
def test_a_body_that_openai_refuses_gets_400_in_its_error_shape(http, path, body, param, code):
    answer = http.post(path, json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"], error["code"]) == (param, code)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe\x00", b"[" * 100_000], ids=["cut", "not text", "deep"])
def test_a_body_that_is_not_json_gets_400_and_keeps_the_connection(server, http, body):
    assert http.post("/chat/completions", content=body).status_code == 400
    assert http.post("/chat/completions", json=HELLO).status_code == 200
    assert server.connections == 1


def test_an_unknown_path_gets_404_in_json(http):
    answer = http.post("/nowhere", json={})
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_url"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}], ids=["none", "wrong"])
def test_a_missing_or_wrong_key_gets_401_without_telling_the_right_one(headers):
    with LoopbackServer(api_key="sk-right") as server:
        answer = httpx.post(f"{server.base_url}/chat/completions", json=HELLO, headers=headers, **PLAIN)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert "sk-right" not in answer.text


def test_the_right_key_is_let_in():
    with LoopbackServer(api_key="sk-right") as server:
        headers = {"authorization": "Bearer sk-right"}
        answer = httpx.get(f"{server.base_url}/models", headers=headers, **PLAIN)
    assert answer.status_code == 200


def test_health_needs_no_key_and_takes_no_fault():
    with LoopbackServer(api_key="sk-right", faults=[server_error()]) as server:
        health = httpx.get(f"{server.url}/health", **PLAIN)
        assert (health.status_code, health.text) == (200, "ok\n")
        assert httpx.get(f"{server.base_url}/models", **PLAIN).status_code == 500


# ------------------------------------------------------------------------------------------------ records and routes


def test_a_request_is_recorded_as_it_was_sent(server, http):
    http.post("/chat/completions?a=1", json=HELLO, headers=[("X-Twice", "1"), ("X-Twice", "2")])
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("POST", "/v1/chat/completions", "a=1")
    assert request.json == HELLO
    assert json.loads(request.body) == HELLO
    assert request.headers["x-twice"] == "2"
    assert [pair for pair in request.header_pairs if pair[0].lower() == "x-twice"] == [
        ("X-Twice", "1"),
        ("X-Twice", "2"),
    ]
    assert request.connection_id == 1


def test_only_the_latest_requests_are_kept_when_told_so():
    with LoopbackServer(keep_requests=2) as server:
        for path in ("a", "b", "c"):
            httpx.get(f"{server.url}/{path}", **PLAIN)
        assert [request.path for request in server.requests] == ["/b", "/c"]


def test_reset_forgets_requests_script_and_closed_connections(server, http):
    server.script(server_error(), server_error())
    httpx.get(f"{server.url}/x", **PLAIN)
    http.get("/models")
    server.wait_for(lambda: server.open_connections == 1)
    server.reset()
    assert (server.requests, server.connections, server.open_connections) == ([], 1, 1)
    assert http.get("/models").status_code == 200


def test_own_routes_come_first_and_may_have_a_model_in_their_path():
    def name(request):
        return Answer(201, {"X-Made": "yes"}, request.path.encode())

    routes = [Route("POST", "/v1beta/models/*:generateContent", name), Route("GET", "/v1/models", name)]
    with LoopbackServer(routes=routes) as server, httpx.Client(base_url=server.url, **PLAIN) as http:
        made = http.post("/v1beta/models/gem.ini-2:generateContent")
        assert (made.status_code, made.headers["x-made"]) == (201, "yes")
        assert http.get("/v1/models").text == "/v1/models"
        assert http.post("/v1beta/models/gemini:generateContentNot").status_code == 404


def test_a_routes_generator_is_sent_chunked_and_read_only_as_the_client_reads():
    made = []

    def endless():
        while True:
            made.append(1)
            yield b"x" * 65536

    routes = [Route("GET", "/endless", lambda _: Answer(200, body=endless()))]
    with LoopbackServer(routes=routes) as server:
        with httpx.stream("GET", f"{server.url}/endless", **PLAIN) as answer:
            assert answer.headers["transfer-encoding"] == "chunked"
            next(answer.iter_raw())
        server.wait_closed()
    assert len(made) < 1000


def test_empty_items_do_not_end_a_chunked_answer():
    routes = [Route("GET", "/gaps", lambda _: Answer(200, body=(b"a", b"", b"b")))]
    with LoopbackServer(routes=routes) as server:
        assert httpx.get(f"{server.url}/gaps", **PLAIN).text == "ab"


def test_a_generator_that_raises_cuts_the_answer(caplog):
    def broken():
        yield b"first"
        raise ValueError("oh")

    routes = [Route("GET", "/broken", lambda _: Answer(200, body=broken()))]
    with LoopbackServer(routes=routes) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{server.url}/broken", **PLAIN)
        server.wait_closed()
    assert "oh" in caplog.text


# ------------------------------------------------------------------------------------------------ faults


def test_faults_are_taken_one_per_request_and_then_all_is_well(server, http):
    server.script(server_error(), overloaded(retry_after="0.5"))
    answers = [http.get("/models") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [500, 503, 200]
    assert answers[1].headers["retry-after"] == "0.5"


def test_a_scripted_429_carries_its_retry_after_header(server, http):
    server.script(rate_limited(retry_after=7))
    answer = http.post("/chat/completions", json=HELLO)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"


def test_a_429_can_come_without_advice(server, http):
    server.script(rate_limited(retry_after=None))
    assert "retry-after" not in http.get("/models").headers


@pytest.mark.parametrize(
    ("body", "expected"),
    [({"error": 1}, b'{"error":1}'), ("<html>", b"<html>"), (b"\xff", b"\xff")],
    ids=["dict", "text", "bytes"],
)
def test_a_scripted_body_replaces_the_answer(server, http, body, expected):
    server.script(Fault(body=body, content_type="text/html"))
    answer = http.post("/chat/completions", json=HELLO)
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "text/html", expected)


def test_a_content_type_alone_is_put_on_the_healthy_answer(server, http):
    server.script(Fault(content_type="text/plain", headers={"X-Request-Id": "mine"}))
    answer = http.post("/chat/completions", json=HELLO)
    assert (answer.headers["content-type"], answer.headers["x-request-id"]) == ("text/plain", "mine")
    assert answer.json()["object"] == "chat.completion"


@pytest.mark.parametrize("status", [204, 302, 529, 600])
def test_any_status_is_sent_and_leaves_the_connection_usable(server, http, status):
    server.script(Fault(status=status))
    assert http.get("/models").status_code == status
    assert http.get("/models").status_code == 200
    assert server.connections == 1


def test_a_false_content_length_is_sent_as_told(server):
    server.script(Fault(body="four", headers={"Content-Length": "9"}, close_after=True))
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(server.url, **PLAIN)


def test_a_delay_is_silence_before_the_head(server, http):
    server.script(Fault(delay=0.03))
    began = time.perf_counter()
    assert http.get("/models").status_code == 200
    assert time.perf_counter() - began >= 0.03


def test_a_plain_answer_is_cut_after_so_many_bytes(server):
    server.script(cut(after=10))
    raw = exchange(server, post_bytes(HELLO))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"content-length: " in head
    assert len(body) == 10


@pytest.mark.parametrize("after", [0, 1, 200, 10_000], ids=["at once", "inside", "later", "before the end mark"])
def test_a_stream_is_cut_after_so_many_bytes_of_its_text(server, http, after):
    whole = http.post("/chat/completions", json=HELLO | {"stream": True}).content
    server.script(cut(after=after))
    seen = bytearray()
    with pytest.raises(httpx.RemoteProtocolError):
        with http.stream("POST", "/chat/completions", json=HELLO | {"stream": True}) as answer:
            for piece in answer.iter_raw():
                seen += piece
    assert bytes(seen) == whole[:after]


def test_a_cut_at_the_end_of_an_event_leaves_the_event_whole(server, http):
    whole = http.post("/chat/completions", json=HELLO | {"stream": True}).content
    first = whole.index(b"\n\n") + 2
    server.script(cut(after=first))
    raw = exchange(server, post_bytes(HELLO | {"stream": True}))
    assert raw.partition(b"\r\n\r\n")[2] == b"%x\r\n%b\r\n" % (first, whole[:first])


@pytest.mark.parametrize(
    "fault",
    [cut(after=5, reset=True), Fault(close_before=True, reset=True), Fault(close_after=True, reset=True)],
    ids=["cut", "before", "after"],
)
def test_a_reset_reaches_the_client_as_a_reset(server, fault):
    server.script(fault)
    with pytest.raises(ConnectionResetError):
        exchange(server, post_bytes(HELLO))


def test_a_stalled_stream_stays_open_until_the_client_leaves(server):
    server.script(stall(after=5))
    with connect(server) as sock:
        sock.sendall(post_bytes(HELLO | {"stream": True}))
        received = b""
        while not received.endswith(b"data:"):
            received += sock.recv(65536)
        sock.settimeout(0.02)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        assert server.open_connections == 1
    server.wait_closed()


def test_a_stalled_connection_does_not_hold_up_the_servers_end():
    with LoopbackServer(faults=[stall()]) as server:
        sock = connect(server)
        sock.sendall(post_bytes(HELLO))
        server.wait_for(lambda: len(server.requests) == 1)
    with sock:
        assert b"200 OK" in read_to_end(sock)
    assert server.open_connections == 0


def test_garbage_is_not_http(server, http):
    server.script(Fault(garbage=True))
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("/models")
    server.wait_closed()


def test_a_drip_sends_the_body_in_small_writes(server, http):
    whole = http.get("/models").content
    server.script(Fault(drip=(1, 0)), Fault(drip=(len(whole) // 4, 0.005)))
    assert http.get("/models").content == whole
    began = time.perf_counter()
    assert http.get("/models").content == whole
    assert time.perf_counter() - began >= 0.02


def test_a_drip_joins_with_a_cut(server, http):
    server.script(Fault(drip=(3, 0), cut_after=40))
    raw = exchange(server, post_bytes(HELLO))
    assert len(raw.partition(b"\r\n\r\n")[2]) == 40


def test_close_before_ends_the_connection_without_a_byte(server):
    server.script(Fault(close_before=True))
    assert exchange(server, post_bytes(HELLO)) == b""
    assert len(server.requests) == 1


def test_close_after_answers_in_full_and_then_closes_unannounced(server):
    server.script(Fault(close_after=True))
    raw = exchange(server, post_bytes(HELLO))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"connection:" not in head
    assert json.loads(body)["object"] == "chat.completion"


def test_a_fault_that_replaces_the_answer_does_not_ask_the_route():
    asked = []
    with LoopbackServer(reply=lambda messages: asked.append(1) or "x", faults=[server_error()]) as server:
        httpx.post(f"{server.base_url}/chat/completions", json=HELLO, **PLAIN)
    assert asked == []


@pytest.mark.parametrize(
    "fields",
    [
        {"cut_after": 1, "stall_after": 1},
        {"delay": -1},
        {"delay": math.inf},
        {"drip": (0, 1)},
        {"reset": True},
        {"status": 99999},
    ],
    ids=["cut and stall", "negative", "endless", "drip of nothing", "reset of nothing", "no status"],
)
def test_a_fault_that_means_nothing_is_refused(fields):
    with pytest.raises(ValueError, match="give"):
        Fault(**fields)


# ------------------------------------------------------------------------------------------------ connections


def test_one_client_keeps_its_connection(server, http):
    for _ in range(3):
        http.post("/chat/completions", json=HELLO | {"stream": True})
    assert [request.connection_id for request in server.requests] == [1, 1, 1]
    assert (server.connections, server.open_connections) == (1, 1)


def test_a_client_that_asks_for_close_gets_it(server):
    raw = exchange(server, post_bytes(HELLO, headers="Connection: close\r\n"))
    assert b"connection: close\r\n" in raw


def test_a_paced_answer_honours_close_as_well(server):
    body = HELLO | {"model": "stub-s2-b2-p1", "stream": True}
    raw = exchange(server, post_bytes(body, headers="Connection: close\r\n"))
    assert raw.endswith(b"0\r\n\r\n")


def test_two_requests_at_once_do_not_wait_for_each_other(server):
    server.script(Fault(delay=0.05), Fault(delay=0.05))
    with ThreadPoolExecutor(2) as pool:
        url = f"{server.base_url}/models"
        answers = [pool.submit(httpx.get, url, **PLAIN) for _ in range(2)]
        server.wait_for(lambda: len(server.requests) == 2 and server.open_connections == 2)
        assert not any(answer.done() for answer in answers)
        assert [answer.result().status_code for answer in answers] == [200, 200]
    assert {request.connection_id for request in server.requests} == {1, 2}


def test_requests_sent_together_are_answered_in_order(server):
    server.script(Fault(delay=0.01))
    raw = exchange(
        server,
        b"GET /first HTTP/1.1\r\n\r\n" + post_bytes(HELLO) + b"GET /last HTTP/1.1\r\nconnection: close\r\n\r\n",
    )
    assert raw.count(b"HTTP/1.1 ") == 3
    assert raw.index(b"/first") < raw.index(b"chat.completion") < raw.index(b"/last")


def test_waiting_in_vain_says_what_was_seen(server):
    with pytest.raises(TimeoutError, match="0 requests, 0 open connections"):
        server.wait_for(lambda: False, timeout=0.01)


# ------------------------------------------------------------------------------------------------ the parser


def test_a_request_split_at_every_byte_is_understood(server):
    request = post_bytes(HELLO, headers="connection: close\r\n")
    raw = exchange(server, *(request[i : i + 1] for i in range(len(request))))
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert server.requests[0].json == HELLO


def test_a_chunked_body_is_put_together(server, http):
    def pieces():
        yield b'{"messages": [{"role": "user", '
        yield b'"content": "hi"}]}'

    assert http.post("/chat/completions", content=pieces()).status_code == 200
    assert server.requests[0].json["messages"][0]["content"] == "hi"
    assert http.get("/models").status_code == 200


def test_a_chunked_body_may_have_extensions_and_trailers(server):
    request = (
        b"POST /v1/x HTTP/1.1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        b"3;name=value\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-trailer: 1\r\n\r\n"
    )
    exchange(server, *(request[i : i + 1] for i in range(len(request))))
    assert server.requests[0].body == b"abc0123456789"


def test_a_client_that_waits_for_continue_is_told_to(server):
    with connect(server) as sock:
        sock.sendall(b"POST /x HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"ok")
        assert read_to_end(sock).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"hello there\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\n\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 505),
        (b"HEAD / HTTP/1.1\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        (b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + b"1" * 70_000, 400),
        (b"GET / HTTP/1.1\r\ncontent-length: 67108865\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n4000001\r\n", 413),
        (b"GET / HTTP/1.1\r\na: " + b"x" * 70_000, 431),
    ],
    ids=[
        "tls hello", "words", "no version", "bare newlines", "http 1.0", "head", "no colon", "folded",
        "negative length", "two lengths", "long number", "length and chunked", "gzip", "bad chunk size", "long chunk",
        "endless chunk size", "large", "large chunk", "long head",
    ],
)  # fmt: skip
def test_a_request_that_is_none_is_told_so_and_the_connection_ends(server, request_bytes, status):
    raw = exchange(server, request_bytes)
    assert raw.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in raw
    assert json.loads(raw.partition(b"\r\n\r\n")[2])["error"]["message"]
    server.wait_closed()
    assert server.requests == []


@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 404), (64 * 1024 + 1, 431)], ids=["the limit", "one more"])
def test_a_head_may_have_64_kib(server, size, status):
    start = b"GET /x HTTP/1.1\r\nconnection: close\r\na: "
    raw = exchange(server, start + b"x" * (size - len(start)) + b"\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 %d " % status)


def test_a_body_of_megabytes_arrives_whole(server, http):
    body = b"x" * 5_000_000
    http.post("/blob", content=body)
    assert server.requests[0].body == body


def test_what_a_refused_client_still_sends_is_not_answered(server):
    with connect(server) as sock:
        sock.sendall(b"garbage\r\n\r\n")
        first = sock.recv(65536)
        sock.sendall(b"GET /health HTTP/1.1\r\n\r\n")
        rest = read_to_end(sock)
    assert (first + rest).count(b"HTTP/1.1 ") == 1
    assert server.requests == []


def test_a_client_that_floods_instead_of_reading_is_cut_off(server):
    server.script(Fault(delay=60))
    with connect(server) as sock:
        sock.sendall(b"GET /health-not HTTP/1.1\r\n\r\n")
        with pytest.raises(OSError):
            sock.sendall(bytes(80 * 1024 * 1024))
    server.wait_closed()


def test_a_client_that_leaves_in_the_middle_of_its_request_is_forgotten(server):
    with connect(server) as sock:
        sock.sendall(post_bytes(HELLO)[:-5])
        server.wait_for(lambda: server.open_connections == 1)
    server.wait_closed()
    assert server.requests == []


# ------------------------------------------------------------------------------------------------ the server's life


def test_its_thread_and_its_sockets_are_gone_afterwards():
    before = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with LoopbackServer(faults=[stall()] * 20) as server:
            socks = [connect(server) for _ in range(40)]
            for sock in socks[:20]:
                sock.sendall(post_bytes(HELLO))
            server.wait_for(lambda: len(server.requests) == 20)
        gc.collect()
    assert threading.active_count() == before
    for sock in socks:
        sock.close()
    with pytest.raises(ConnectionRefusedError):
        connect(server)


def test_connections_made_just_before_the_end_are_closed_as_well():
    with LoopbackServer() as server:
        socks = [connect(server) for _ in range(50)]
    for sock in socks:
        with sock:
            assert read_or_reset(sock) == b""
    assert server.open_connections == 0
    gc.collect()


def read_or_reset(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1)
    except ConnectionResetError:  # it was still waiting to be accepted
        return b""


def test_it_serves_coroutines_from_a_thread_of_its_own():
    async def scenario():
        async with LoopbackServer() as server, httpx.AsyncClient(**PLAIN) as http:
            answers = await asyncio.gather(*(http.get(f"{server.base_url}/models") for _ in range(5)))
        return server, [answer.status_code for answer in answers]

    server, statuses = asyncio.run(scenario())
    assert statuses == [200] * 5
    assert (len(server.requests), server.open_connections) == (5, 0)


def test_it_can_be_started_again_but_not_twice_at_once():
    server = LoopbackServer()
    with server:
        httpx.get(server.url, **PLAIN)
        with pytest.raises(RuntimeError, match="running already"):
            server.__enter__()
    with server:
        assert httpx.get(f"{server.url}/health", **PLAIN).status_code == 200


def test_it_has_no_address_before_it_was_started():
    with pytest.raises(RuntimeError, match="enter it"):
        LoopbackServer().url  # noqa: B018  # reading it is what raises


@pytest.mark.parametrize("port", [None, 70_000], ids=["taken", "impossible"])
def test_a_port_it_cannot_have_is_an_error_for_who_starts_it(server, port):
    before = threading.active_count()
    other = LoopbackServer(port=port or address(server)[1])
    with pytest.raises((OSError, OverflowError)):
        other.__enter__()
    assert threading.active_count() == before


def test_importing_it_brings_no_http_client():
    code = "import sys, aiclient.testutil.server; assert 'httpx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------------------------------------ TLS


@pytest.fixture
def contexts():
    authority = trustme.CA()
    ours, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(ours)
    authority.configure_trust(theirs)
    return ours, theirs


def test_it_speaks_tls_when_given_a_context(contexts):
    ours, theirs = contexts
    with LoopbackServer(ssl=ours) as server, httpx.Client(verify=theirs, trust_env=False) as http:
        assert server.url.startswith("https://127.0.0.1:")
        chunks = events(http.post(f"{server.base_url}/chat/completions", json=HELLO | {"stream": True}).text)
        assert content(chunks) == "Hello from the loopback server."


def test_a_cut_under_tls_comes_without_goodbye(contexts):
    ours, theirs = contexts
    with LoopbackServer(ssl=ours, faults=[cut(after=5)]) as server:
        with (
            connect(server) as sock,
            theirs.wrap_socket(sock, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as tls,
        ):
            tls.sendall(post_bytes(HELLO))
            with pytest.raises(ssl.SSLEOFError):
                read_to_end(tls)


def test_a_refusal_under_tls_is_read_by_the_client(contexts):
    ours, theirs = contexts
    with LoopbackServer(ssl=ours) as server, connect(server) as sock:
        with theirs.wrap_socket(sock, server_hostname="127.0.0.1") as tls:
            tls.sendall(b"garbage\r\n\r\n")
            assert tls.recv(65536).startswith(b"HTTP/1.1 400 ")
        server.wait_closed()


def test_a_handshake_that_never_comes_does_not_outlive_the_server(contexts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with LoopbackServer(ssl=contexts[0]) as server:
            silent, busy = connect(server), connect(server)
            busy.sendall(b"\x16\x03\x01")
        gc.collect()
    for sock in (silent, busy):
        with sock:
            assert read_or_reset(sock) == b""
