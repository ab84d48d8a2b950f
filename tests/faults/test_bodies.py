"""E: bodies, and the JSON in them."""

from __future__ import annotations

import gzip
import json

import pytest

from aiclient.errors import OverloadedError, ProtocolError, StreamInterruptedError
from aiclient.http import HTTPLimits
from aiclient.testutil.server import Answer, Fault

from .peers import EVENTS, Played, answering, endless
from .rows import BOTH, Row, every, meet
from .wires import ANTHROPIC, OPENAI

pytestmark = pytest.mark.anyio

MIB = 1 << 20
SMALL = {"limits": HTTPLimits(max_body=MIB)}
GZIP = {"content-encoding": "gzip"}
RETRIED = {"tries": 3, "breaker": "failure"}


def broken(number, name, fault, kind, **more):
    """A row whose answer makes no sense."""
    peer = lambda wire: Played(fault(wire) if callable(fault) else fault)
    return Row(
        number=number, name=name, peer=peer, **{"error": ProtocolError, "kind": kind, "breaker": "failure", **more}
    )


BODIES = [
    broken(45, "shorter than promised", lambda wire: Fault(body=wire.whole, cut_after=30), "incomplete", **RETRIED),
    broken(46, "larger than the limit", Fault(body=b" " * MIB + b"{}"), "too_large", options=SMALL),
    broken(47, "gzip bomb", Fault(body=gzip.compress(bytes(8 * MIB)), headers=GZIP), "too_large", options=SMALL),
    broken(
        47,
        "six encodings in each other",
        Fault(body=gzip.compress(b"{}"), headers={"content-encoding": "gzip, gzip, gzip, gzip, gzip, gzip"}),
        "decode",
        **RETRIED,
        note="the matrix does not retry it; here all that does not decode is of one kind",
    ),
    broken(48, "corrupt gzip", Fault(body=b"\x1f\x8b not gzip", headers=GZIP), "decode", **RETRIED),
    Row(
        number=49,
        name="an error without end",
        peer=lambda _: endless(503, b'{"error":', b"x" * 4096),
        error=OverloadedError,
        code=503,
        **RETRIED,
    ),
]

TEXTS = [
    broken(50, "not JSON", Fault(body=b'{"choices": [}'), "decode", **RETRIED),
    broken(51, "depth of 100,000", Fault(body=b'{"a":' + b"[" * 100_000), "depth"),
    broken(52, "an integer of 5,000 digits", Fault(body=b'{"created": %s}' % (b"9" * 5000)), "decode", **RETRIED),
    broken(52, "NaN", Fault(body=b'{"created": NaN}'), "decode", **RETRIED),
    broken(52, "Infinity", Fault(body=b'{"created": -Infinity}'), "decode", **RETRIED),
    broken(54, "UTF-16", Fault(body='{"é": 1}'.encode("utf-16-be")), "decode", paths=("chat",), **RETRIED),
    broken(54, "UTF-16", Fault(body='{"é": 1}'.encode("utf-16-be")), "incomplete", paths=("stream",), **RETRIED),
    broken(54, "Latin-1", Fault(body='{"é": 1}'.encode("latin-1")), "decode", **RETRIED),
    broken(55, "another shape", Fault(body=b'{"choices": {"message": 3}}'), "schema"),
    broken(55, "a list", Fault(body=b"[1, 2]"), "schema"),
]


def with_answer(**changes):
    """OpenAI's whole answer with other fields."""
    return json.dumps({**json.loads(OPENAI.whole), **changes}, ensure_ascii=True).encode()


def with_message(**fields):
    return with_answer(choices=[{"index": 0, "message": {"role": "assistant", **fields}, "finish_reason": "stop"}])


def survived(number, name, body, *, text="Hello", paths=BOTH, also=None):
    return Row(
        number=number,
        name=name,
        peer=lambda _: answering(Answer(200, {"content-type": "application/json"}, body)),
        breaker="success",
        text=text,
        paths=paths,
        also=also,
    )


def distrusts(*names):
    def check(answer):
        assert set(names) <= set(answer.usage.untrusted)
        assert answer.warnings

    return check


ARGUMENTS = {"id": "c1", "type": "function"}


def called(text):
    return with_message(content=None, tool_calls=[{**ARGUMENTS, "function": {"name": "f", "arguments": text}}])


def has_a_defect(answer):
    (call,) = answer.message.tool_calls
    assert call.parsed is None and call.defect


def has_no_huge_count(answer):
    assert answer.usage.total_tokens is None or answer.usage.total_tokens < 1 << 53


ODDITIES = [
    survived(
        52,
        "a count of 1e999",
        OPENAI.whole.replace(b'"total_tokens": 5', b'"total_tokens": 1e999'),
        also=has_no_huge_count,
    ),
    survived(53, "half a surrogate pair", with_message(content="a\ud800b"), text="a\ud800b"),
    survived(53, "NUL and bidi", with_message(content="a\0\u202eb"), text="a\0\u202eb"),
    survived(54, "a byte order mark", b"\xef\xbb\xbf" + OPENAI.whole),
    survived(55, "fields of tomorrow", with_answer(tomorrow={"a": [1]}, object=None)),
    survived(
        56,
        "a negative count",
        with_answer(usage={"prompt_tokens": -1, "completion_tokens": 2}),
        also=distrusts("prompt_tokens"),
    ),
    survived(
        56,
        "a count of 10^15",
        with_answer(usage={"prompt_tokens": 3, "completion_tokens": 10**15}),
        also=distrusts("completion_tokens"),
    ),
    survived(
        129,
        "a bill for 10^12 tokens",
        with_answer(usage={"prompt_tokens": 10**12, "completion_tokens": 0, "total_tokens": 10**12}),
        also=distrusts("prompt_tokens", "total_tokens"),
    ),
    survived(57, "a key given twice", OPENAI.whole.replace(b'"model"', b'"model": "other", "model"')),
    survived(57, "a key of an argument given twice", called('{"a": 1, "a": 2}'), text="", also=has_a_defect),
    survived(58, "arguments that are not JSON", called('{"a": '), text="", also=has_a_defect),
]

IN_A_STREAM = [
    Row(
        number=46,
        name="a stream larger than the limit",
        peer=lambda wire: endless(200, wire.preamble + wire.first, wire.second),
        paths=("stream",),
        options={"limits": HTTPLimits(max_body=50_000)},
        error=StreamInterruptedError,
        kind="protocol",
        cause=ProtocolError,
        breaker="failure",
    ),
    Row(
        number=56,
        name="a negative count at the end of a stream",
        peer=lambda wire: answering(
            Answer(200, EVENTS, wire.stream.replace(b'"completion_tokens": 2', b'"completion_tokens": -2'))
        ),
        paths=("stream",),
        breaker="success",
        also=distrusts("completion_tokens"),
    ),
]


@every(BODIES[:2] + BODIES[3:5] + TEXTS[:2] + TEXTS[3:7] + TEXTS[9:], wires=(OPENAI, ANTHROPIC))
async def test_a_body_that_makes_no_sense_is_a_protocol_error_and_never_an_answer(row, path, wire):
    await meet(row, path, wire)


@every([BODIES[2], *BODIES[5:], TEXTS[2], *TEXTS[7:9], *ODDITIES, *IN_A_STREAM])
async def test_what_can_be_understood_is_and_no_more(row, path, wire):
    await meet(row, path, wire)
