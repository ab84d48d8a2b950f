"""Recorded exchanges of the Responses protocol: a few golden ones always, all of them when they lie beside the repository.

`python tests/wire/test_responses_recordings.py` prints the counts, and feeds every stream in every split and cut.
"""

import gzip
import json
import pathlib
import sys

import pytest

from aiclient import errors
from aiclient.chunks import Fold
from aiclient.errors import AIClientError, ProtocolError
from aiclient.messages import Message
from aiclient.request import ChatRequest
from aiclient.wire.failures import failure
from aiclient.wire.headers import facts
from aiclient.wire.profiles import OPENAI
from aiclient.wire.responses import ResponsesWire

HERE = pathlib.Path(__file__).parents[1]
WIRE = HERE.parent.parent / "shared" / "wire"
GOLDEN = sorted((HERE / "golden" / "responses").glob("*.json"))
VENDORS = ("openai", "azure", "deepseek", "xai", "openrouter", "bedrock_mantle", "gateway", "local")
RESPONSES = ResponsesWire(OPENAI)

CLASSES = {
    "BadRequestError": (errors.BadRequestError, errors.ModelNotFoundError),
    "AuthenticationError": (errors.AuthenticationError,),
}


class Cut(ProtocolError):
    """A stream that ended without its end; what a ChatStream makes of it."""


def golden(path):
    return json.loads(path.read_text(encoding="utf-8"))


def records(api):
    with gzip.open(WIRE / f"{api}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def body_of(record):
    return record["response"]["body"].encode("utf-8", "surrogatepass")


def final_of(record):
    """Return the response object of a record, whole or at the end of its stream."""
    if not record["stream"]:
        return json.loads(record["response"]["body"])
    events = [line[5:].strip() for line in record["response"]["body"].splitlines() if line.startswith("data:")]
    values = [json.loads(event) for event in events if event != "[DONE]"]
    return next(value["response"] for value in reversed(values) if "response" in value)


def read(data, size=None):
    """Return what a decoder makes of a stream that comes in reads of `size`: (answer, error)."""
    decoder, fold, last = RESPONSES.decoder(), Fold(), False
    reads = [data[start : start + size] for start in range(0, len(data), size)] if size else [data]
    for chunks in [*map(decoder.feed, reads), decoder.end()]:
        for chunk in chunks:
            assert not last, "something follows the last chunk"
            fold.add(chunk)
            last = chunk.last
    assert last == decoder.done
    error = decoder.failure or (None if last else Cut("cut"))
    assert decoder.ignored == 0
    return fold.response(), error


def answer_of(record):
    response = record["response"]
    data = body_of(record)
    if response["status"] >= 400:
        headers = response["headers"]
        return None, failure(
            response["status"], data, facts(headers, status=response["status"], now=0.0), headers=headers
        )
    if record["stream"]:
        return read(data)
    try:
        return RESPONSES.decode(response["status"], response["headers"], data), None
    except AIClientError as error:
        return None, error


def differences(record):
    """Yield what differs from the SDK's reading, as (what, expected, got)."""
    expected = record["expected"]
    answer, error = answer_of(record)
    if "error" in expected:
        wanted = expected["error"]
        right = CLASSES[wanted["class"]]
        yield from differs("error class", True, isinstance(error, right))
        yield from differs("error status", wanted["status"], error.status_code)
        yield from differs("error message", wanted["message"][:500], error.message)
        return
    if error is not None:
        yield "answer", "an answer", repr(error)
        return
    message = answer.message
    yield from differs("text", expected.get("text") or "", message.content)
    yield from differs("refusal", expected.get("refusal"), message.refusal)
    summary = "\n\n".join(expected.get("reasoning_summary") or ())
    # Paragraphs of one item are set apart; items are parts of their own, which `Message.reasoning` joins.
    thinking = "\n\n".join(part.text for part in message.parts if type(part).__name__ == "ReasoningPart" and part.text)
    yield from differs("thinking", expected.get("reasoning_text") or summary, thinking)
    calls = [(call.id, call.name, call.parsed) for call in message.tool_calls]
    wanted = [(call["id"], call["name"], call.get("arguments")) for call in expected.get("tool_calls") or ()]
    yield from differs("tool calls", wanted, calls)  # of custom calls the truth has no arguments, and `parsed` is None
    yield from differs("status", expected.get("finish_reason"), answer.raw_finish_reason)
    yield from differs("finish reason", reason_of(expected), answer.finish_reason)
    yield from differs("model", expected.get("model"), answer.model)
    yield from differs("response id", expected.get("response_id"), answer.id)
    used = answer.usage
    got = {
        "input": used.prompt_tokens,
        "output": used.completion_tokens,
        "total": used.total_tokens,
        "cache_read": used.cached_tokens,
        "cache_write": used.cache_write_tokens,
        "reasoning": used.reasoning_tokens,
        "cost": (used.raw_usage or {}).get("cost"),
    }
    for name, value in (expected.get("usage") or {}).items():
        yield from differs(f"usage.{name}", value, got[name])


def differs(what, expected, got):
    if expected != got:
        yield what, expected, got


def reason_of(expected):
    word = expected.get("finish_reason")
    if word == "completed":
        return "tool_calls" if expected.get("tool_calls") else "stop"
    if word == "incomplete":
        return {"max_output_tokens": "length", "content_filter": "content_filter"}[expected["incomplete_reason"]]
    return None if word in ("queued", "in_progress") else "other"


def split_problems(record, sizes=(1, 7, 64)):
    """Yield where a stream reads differently when it comes in other reads."""
    data = body_of(record)
    whole, _ = read(data)
    for size in sizes:
        answer, error = read(data, size)
        if error is not None or answer != whole:
            yield f"reads of {size}", error


def cut_problems(record):
    """Yield where a stream that is cut at an event looks whole though it is not, or loses what came."""
    data = body_of(record)
    whole, _ = read(data)
    separator = b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n"
    ends = [start for start in range(len(data)) if data.startswith(separator, start)]
    for end in ends:
        answer, error = read(data[: end + len(separator)])
        if error is None and answer != whole:
            yield f"cut at {end}", "a short answer looks whole"
        elif error is not None and not whole.message.content.startswith(answer.message.content):
            yield f"cut at {end}", "what came is lost"


def replay_problems(record):
    """Yield which items of an answer do not come back as they were in the next request."""
    answer, error = answer_of(record)
    if error is not None:
        return
    output = [item for item in final_of(record)["output"] if item["type"] != "reasoning" or sealed(item)]
    while output and output[-1]["type"] == "reasoning":  # led to nothing: left out, with a warning
        output.pop()
    named = all(sealed(item) for item in final_of(record)["output"] if item["type"] == "reasoning")
    call, _ = RESPONSES.encode(ChatRequest([answer.message, Message("user", "go on")]), model="gpt-5", stream=False)
    sent = json.loads(call.body)["input"][:-1]
    if len(sent) != len(output):
        yield "number of items", len(output), len(sent)
    sent, output = (sorted(items, key=identity) for items in (sent, output))  # items that no event ended come last
    for was, now in zip(output, sent, strict=False):
        if normal(was, named) != normal(now, named):
            yield was["type"], normal(was, named), normal(now, named)


def sealed(item):
    return bool(item.get("encrypted_content") or item.get("content"))


def identity(item):
    if item.get("type", "message") == "message":
        content = item["content"]
        return "message", content if isinstance(content, str) else content[0].get("text", "")
    return item["type"], item.get("call_id") or item["id"]


def normal(item, named):
    """Leave out what one answer writes in two ways: sealed anew in every event, and log probabilities."""
    item = {key: value for key, value in item.items() if key != "encrypted_content"}
    if item.get("type", "message") == "message":
        content = item["content"]
        if isinstance(content, list):
            content = [{key: value for key, value in part.items() if key != "logprobs"} for part in content]
        if not named:
            text = content if isinstance(content, str) else "".join(part["text"] for part in content)
            return {"role": item["role"], "content": text}
        return {**item, "content": content}
    if item["type"] == "reasoning":
        item.pop("id")  # OpenRouter's is another one in every event (87596a8dd156)
    elif not named and item["type"] in ("function_call", "custom_tool_call"):
        item.pop("id", None)
    return item


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_exchange_is_read_as_the_sdk_reads_it(path):
    assert list(differences(golden(path))) == []


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_answer_goes_back_as_it_came(path):
    assert list(replay_problems(golden(path))) == []


@pytest.mark.parametrize(
    "path", [path for path in GOLDEN if path.stem.startswith("stream_")], ids=lambda path: path.stem
)
def test_a_golden_stream_reads_the_same_however_it_is_split_and_never_looks_whole_when_it_is_cut(path):
    record = golden(path)
    assert list(split_problems(record)) == []
    assert list(cut_problems(record)) == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_recorded_exchange_is_read_as_the_sdk_reads_it_and_goes_back_as_it_came(vendor):
    if not WIRE.is_dir():
        pytest.skip("the recorded exchanges are not beside this repository (../shared/wire)")
    for record in records(f"{vendor}.responses"):
        assert (record["id"], list(differences(record))) == (record["id"], [])
        assert (record["id"], list(replay_problems(record))) == (record["id"], [])


def test_every_recorded_count_is_read():
    if not WIRE.is_dir():
        pytest.skip("the recorded exchanges are not beside this repository (../shared/wire)")
    for record in records("openai.responses_input_tokens"):
        assert RESPONSES.decode_count(200, {}, body_of(record)) == record["expected"]["usage"]["input"]


def main():
    total = matched = 0
    for vendor in VENDORS:
        known = [record for record in records(f"{vendor}.responses") if record["expected"] is not None]
        wrong = [(record["id"], found) for record in known if (found := list(differences(record)))]
        wrong += [(record["id"], found) for record in known if (found := list(replay_problems(record)))]
        streams = [record for record in known if record["stream"] and record["response"]["status"] < 400]
        for record in streams:
            wrong += [(record["id"], found) for found in (*split_problems(record), *cut_problems(record))]
        right = len(known) - len({id_ for id_, _ in wrong})
        print(f"{vendor}.responses {right}/{len(known)}, {len(streams)} streams split and cut")
        for id_, found in wrong:
            print("   ", id_, str(found)[:600])
        total, matched = total + len(known), matched + right
    print(f"{matched}/{total}")
    return 0 if matched == total else 1


if __name__ == "__main__":
    sys.exit(main())
