"""The lines of a bulk input: what each asks for, and what is wrong with it."""

from __future__ import annotations

import json

import pytest

from aiclient import ChatOptions, ChatRequest, ConfigError, Message
from aiclient.bulk import lines as bulklines
from aiclient.bulk.lines import Defaults, lines_of


@pytest.fixture
def written(tmp_path):
    """Write lines and read them."""

    def write(*lines, **options):
        path = tmp_path / "in.jsonl"
        path.write_bytes(b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines))
        return list(lines_of(path, **options))

    return write


def test_a_prompt_with_options_is_a_request(written):
    (line,) = written({"id": "a", "prompt": "Hi", "system": "Be brief.", "model": "m", "max_tokens": 5})
    assert (line.number, line.id, line.error) == (1, "a", None)
    assert line.request == ChatRequest(
        [Message("system", "Be brief."), Message("user", "Hi")], ChatOptions(model="m", max_tokens=5)
    )


REQUEST = ChatRequest([Message("user", "Hi")], ChatOptions(seed=3))


@pytest.mark.parametrize(
    "line",
    [
        REQUEST.to_dict(),
        {"id": 1, **REQUEST.to_dict()},
        {"id": 1, "request": REQUEST.to_dict()},
        {"messages": [{"role": "user", "content": "Hi"}], "seed": 3},
        {"prompt": "Hi", "seed": 3},
    ],
)
def test_the_forms_of_a_line(written, line):
    assert written(line)[0].request == REQUEST


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{nope", "line 1 is not valid JSON"),
        (b"\xff\xfe", "line 1 is not valid JSON"),
        (b'{"prompt": "a", "prompt": "b"}', "prompt"),
        (b"[" * 50_000, "nested too deeply"),
        ([1], "a line is an object"),
        ({}, "neither a prompt nor messages"),
        ({"promt": "Hi"}, "write 'prompt'"),
        ({"prompt": "a", "messages": []}, "both a prompt and messages"),
        ({"prompt": 5}, "its prompt is int"),
        ({"prompt": "Hi", "temprature": 1}, "did you mean temperature=?"),
        ({"prompt": "Hi", "temperature": 9}, "temperature"),
        ({"prompt": "Hi", "tools": 5}, "line 1: "),
        ({"messages": [{"role": "user"}]}, "line 1: "),
        ({"messages": 5}, "line 1: "),
        ({"request": {"aiclient": 1}}, "ChatRequest"),
        ({"request": 5}, "line 1: "),
    ],
)
def test_a_line_that_cannot_be_asked_has_an_error_and_a_key(written, line, says):
    (found,) = written(line)
    assert found.request is None
    assert says in str(found.error)
    assert found.key != written(line, b"{")[1].key


def test_empty_lines_are_passed_over_and_keep_their_numbers(written):
    assert [line.number for line in written({"prompt": "a"}, b"", b"  ", {"prompt": "b"})] == [1, 4]


def test_a_byte_order_mark_is_no_part_of_the_first_line(written):
    assert written(b'\xef\xbb\xbf{"prompt": "Hi"}')[0].error is None


def test_what_a_line_leaves_out_comes_from_the_defaults(written):
    base = Defaults("Be brief.", ChatOptions(model="m", max_tokens=5))
    bare, own, saved = written(
        {"prompt": "a"}, {"prompt": "b", "model": "o", "system": "Long."}, REQUEST.to_dict(), defaults=base
    )
    assert [message.content for message in bare.request.messages] == ["Be brief.", "a"]
    assert (bare.request.options.model, own.request.options.model, own.request.options.max_tokens) == ("m", "o", 5)
    assert own.request.messages[0].content == "Long."
    assert (saved.request.messages[0].content, saved.request.options.seed) == ("Be brief.", 3)


def test_other_defaults_are_other_keys(written):
    assert written({"prompt": "a"})[0].key != written({"prompt": "a"}, defaults=Defaults("x"))[0].key


def test_keys_are_the_same_without_the_requests(written):
    lines = [{"prompt": "a"}, b"{", [1]]
    assert [line.key for line in written(*lines)] == [line.key for line in written(*lines, build=False)]


def test_a_line_without_end_does_not_fill_the_memory(written, monkeypatch):
    monkeypatch.setattr(bulklines, "LONGEST", 100)
    with pytest.raises(ConfigError, match=r"line 1 of .* is longer"):
        written({"prompt": "x" * 100})


def test_an_input_that_cannot_be_read_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        list(lines_of(tmp_path))
