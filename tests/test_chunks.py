"""Chunks, and the fold that makes the answer of them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient.chunks import ChatStreamChunk, Fold, ToolCallDelta
from aiclient.messages import Citation, ImagePart, Message, OpaquePart, ReasoningPart, RefusalPart, TextPart, ToolCall
from aiclient.response import NO_USAGE, CallWarning, ChatResponse, Choice, Usage

IMAGE = ImagePart(url="https://a.test/cat.png")
SOURCE = Citation(url="https://a.test")


def folded(*chunks, head=None):
    fold = Fold(head)
    for chunk in chunks:
        fold.add(chunk)
    return fold.response()


def parts(*chunks):
    return folded(*chunks).message.parts


def text(piece, **more):
    return ChatStreamChunk(content=piece, **more)


def call(index=0, id="", name="", arguments="", **more):
    whole = more.pop("whole", None)
    return ChatStreamChunk(tool_calls=(ToolCallDelta(index, id, name, arguments, whole=whole),), **more)


@pytest.mark.parametrize(
    ("chunk", "is_output"),
    [
        (ChatStreamChunk(), False),
        (ChatStreamChunk(id="r1", model="m"), False),
        (ChatStreamChunk(usage=Usage(prompt_tokens=1)), False),
        (ChatStreamChunk(finish_reason="stop", last=True), False),
        (ChatStreamChunk(citations=(SOURCE,)), False),
        (ChatStreamChunk(signature="s", origin="anthropic"), False),
        (ChatStreamChunk(content="a"), True),
        (ChatStreamChunk(reasoning="a"), True),
        (ChatStreamChunk(refusal="a"), True),
        (ChatStreamChunk(parts=(IMAGE,)), True),
        (call(0, "c1"), True),
    ],
    ids=[
        "empty",
        "identity",
        "usage",
        "finish",
        "citation",
        "signature",
        "text",
        "reasoning",
        "refusal",
        "part",
        "tool-call",
    ],
)
def test_output_is_what_belongs_to_the_answer(chunk, is_output):
    assert chunk.is_output is is_output


def test_delta_is_the_chunk_itself():
    chunk = text("a")
    assert chunk.delta is chunk


def test_nothing_folds_to_an_empty_answer():
    assert folded() == ChatResponse(Message("assistant"))


def test_pieces_of_one_kind_join_and_another_kind_begins_a_new_part():
    assert parts(
        ChatStreamChunk(reasoning="th"),
        ChatStreamChunk(reasoning="ink"),
        text("a"),
        text("b"),
        ChatStreamChunk(reasoning="again"),
        text("c"),
    ) == (ReasoningPart("think"), TextPart("ab"), ReasoningPart("again"), TextPart("c"))


def test_chunks_without_output_do_not_split_a_part():
    assert parts(text("a"), ChatStreamChunk(usage=NO_USAGE), ChatStreamChunk(id="r1"), text("b")) == (TextPart("ab"),)


def test_refusals_are_parts_of_their_own():
    assert parts(text("a"), ChatStreamChunk(refusal="n"), ChatStreamChunk(refusal="o")) == (
        TextPart("a"),
        RefusalPart("no"),
    )


def test_whole_parts_stand_where_they_came():
    opaque = OpaquePart("v", {"x": 1})
    assert parts(text("a"), ChatStreamChunk(parts=(IMAGE, opaque)), text("b")) == (
        TextPart("a"),
        IMAGE,
        opaque,
        TextPart("b"),
    )


def test_pieces_of_parallel_tool_calls_are_told_apart_by_their_index():
    assert parts(
        call(0, "c1", "f", '{"a'),
        call(1, "c2", "g", "{"),
        call(0, arguments='":1}'),
        call(1, arguments="}"),
    ) == (ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "{}"))


def test_several_pieces_in_one_chunk_are_all_taken():
    chunk = ChatStreamChunk(tool_calls=(ToolCallDelta(1, "c2", "g", "x"), ToolCallDelta(0, "c1", "f", "y")))
    assert parts(chunk) == (ToolCall("c2", "g", "x"), ToolCall("c1", "f", "y"))


def test_a_call_carries_its_vendor_s_data():
    delta = ToolCallDelta(0, "c1", "f", "{", provider_data={"sig": "s"})
    more = ToolCallDelta(0, arguments="}", provider_data={"more": 1})
    assert parts(
        ChatStreamChunk(tool_calls=(delta,), origin="gemini"), ChatStreamChunk(tool_calls=(more,), origin="gemini")
    ) == (ToolCall("c1", "f", "{}", origin="gemini", provider_data={"sig": "s", "more": 1}),)


def test_arguments_that_the_service_ends_a_call_with_are_the_ones_that_count():
    (called,) = parts(call(id="c1", name="f", arguments='{"a": 1'), call(arguments="}", whole='{"a": 2}'))
    assert called.arguments == '{"a": 2}'


def test_text_between_pieces_of_a_call_does_not_split_the_call():
    assert parts(call(0, "c1", "f", "{"), text("hm"), call(0, arguments="}")) == (
        ToolCall("c1", "f", "{}"),
        TextPart("hm"),
    )


def test_an_id_and_a_name_may_come_late():
    assert parts(call(0, arguments="{"), call(0, id="c1"), call(0, name="f", arguments="}")) == (
        ToolCall("c1", "f", "{}"),
    )


def test_an_id_may_come_after_the_name():
    assert parts(call(0, name="f", arguments="{"), call(0, id="c1", arguments="}")) == (ToolCall("c1", "f", "{}"),)


def test_an_id_and_a_name_that_are_repeated_are_not_doubled():
    assert parts(call(0, "c1", "f", "{"), call(0, "c1", "f", "}")) == (ToolCall("c1", "f", "{}"),)


def test_a_custom_call_stays_custom():
    chunk = ChatStreamChunk(tool_calls=(ToolCallDelta(0, "c1", "", "ls", "custom"),))
    assert parts(chunk, call(0, name="shell", arguments=" -l")) == (ToolCall("c1", "shell", "ls -l", "custom"),)


def test_choices_are_folded_apart_and_ordered_by_their_number():
    answer = folded(
        text("b", choice=1),
        text("c", choice=2),
        text("a"),
        ChatStreamChunk(choice=1, finish_reason="length", raw_finish_reason="max"),
        text("a"),
        ChatStreamChunk(finish_reason="stop"),
    )
    assert answer.message.content == "aa" and answer.finish_reason == "stop"
    assert answer.alternatives == (
        Choice(Message("assistant", "b"), "length", "max"),
        Choice(Message("assistant", "c")),
    )


def test_an_answer_is_finished_when_every_choice_is():
    fold = Fold()
    assert not fold.finished
    fold.add(ChatStreamChunk(finish_reason="stop"))
    assert fold.finished
    fold.add(text("b", choice=1))
    assert not fold.finished
    fold.add(ChatStreamChunk(choice=1, finish_reason="stop"))
    assert fold.finished


def test_usage_is_replaced_and_never_added_up():
    answer = folded(
        ChatStreamChunk(usage=Usage(prompt_tokens=3)),
        text("a"),
        ChatStreamChunk(usage=Usage(prompt_tokens=3, completion_tokens=1)),
    )
    assert answer.usage == Usage(prompt_tokens=3, completion_tokens=1)


def test_an_impossible_usage_is_a_warning_beside_those_known_before_and_once():
    known, usage = CallWarning("w", "known before"), Usage(untrusted=("total_tokens",))
    (doubt,) = usage.doubts("p")
    for warnings in ((known,), (known, doubt)):
        head = ChatResponse(Message("assistant"), provider="p", warnings=warnings)
        assert folded(ChatStreamChunk(usage=usage), head=head).warnings == (known, doubt)


def test_warnings_known_before_stay():
    known = (CallWarning("w", "known before"),)
    assert folded(text("a"), head=ChatResponse(Message("assistant"), warnings=known)).warnings == known


def test_a_chunk_without_usage_leaves_it():
    assert folded(ChatStreamChunk(usage=Usage(prompt_tokens=3)), text("a")).usage.prompt_tokens == 3


def test_identity_is_the_first_that_was_said():
    stamp = datetime(2026, 1, 1, tzinfo=UTC)
    answer = folded(
        ChatStreamChunk(),
        ChatStreamChunk(id="r1", model="m1", created_at=stamp),
        ChatStreamChunk(id="r2", model="m2", created_at=datetime(2027, 1, 1, tzinfo=UTC)),
    )
    assert (answer.id, answer.model, answer.created_at) == ("r1", "m1", stamp)


def test_what_is_known_beforehand_stays_unless_a_chunk_says_more():
    head = ChatResponse(
        Message("assistant"), id="h", model="h", provider="p", request_id="q", cached=True, logprobs=["h"]
    )
    answer = folded(text("a", model="m"), head=head)
    assert (answer.id, answer.model, answer.provider, answer.request_id, answer.cached) == ("h", "m", "p", "q", True)
    assert answer.logprobs == ["h"] and answer.message.content == "a"


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([text("a"), ChatStreamChunk(finish_reason="stop")], "stop"),
        ([call(0, "c1", "f"), ChatStreamChunk(finish_reason="stop")], "tool_calls"),
        ([call(0, "c1", "f"), ChatStreamChunk(finish_reason="length")], "length"),
        ([call(0, "c1", "f", choice=1), ChatStreamChunk(finish_reason="stop")], "stop"),
        ([text("a")], None),
    ],
    ids=["text", "forced-call", "call-cut-off", "call-of-another-choice", "unfinished"],
)
def test_stop_after_a_tool_call_means_tool_calls(chunks, reason):
    assert folded(*chunks).finish_reason == reason


def test_the_vendor_s_own_reason_is_kept():
    assert folded(ChatStreamChunk(finish_reason="other", raw_finish_reason="mood")).raw_finish_reason == "mood"


def test_log_probabilities_are_collected_for_each_choice():
    answer = folded(text("a", logprobs=[1]), text("b"), text("x", logprobs=[3], choice=1), text("c", logprobs=[2]))
    assert answer.logprobs == [1, 2] and answer.alternatives[0].logprobs == [3]


def test_a_signature_seals_the_reasoning_it_follows():
    assert parts(
        ChatStreamChunk(reasoning="think", origin="anthropic"),
        ChatStreamChunk(signature="sealed", origin="anthropic"),
        text("a"),
    ) == (ReasoningPart("think", "sealed", origin="anthropic"), TextPart("a"))


def test_a_signature_without_visible_reasoning_is_kept_as_a_part():
    assert parts(ChatStreamChunk(signature="sealed", origin="gemini")) == (
        ReasoningPart("", "sealed", origin="gemini"),
    )


def test_a_signature_after_text_is_a_part_of_its_own():
    assert parts(text("a"), ChatStreamChunk(signature="sealed", origin="gemini")) == (
        TextPart("a"),
        ReasoningPart("", "sealed", origin="gemini"),
    )


@pytest.mark.parametrize(
    ("kind", "part"), [("content", TextPart), ("reasoning", ReasoningPart), ("refusal", RefusalPart)]
)
def test_a_vendor_s_data_stays_with_its_part_whatever_the_kind(kind, part):
    chunk = ChatStreamChunk(**{kind: "a"}, origin="v", provider_data={"x": 1})
    assert parts(chunk) == (part("a", origin="v", provider_data={"x": 1}),)


def test_a_vendor_s_data_before_any_part_is_kept():
    assert parts(ChatStreamChunk(origin="v", provider_data={"x": 1})) == (
        ReasoningPart("", origin="v", provider_data={"x": 1}),
    )


def test_a_vendor_s_data_goes_to_the_block_it_names():
    late = ChatStreamChunk(origin="v", provider_data={"x": 1}, block=0)
    assert parts(text("a", block=0), text("b", block=1), late) == (
        TextPart("a", origin="v", provider_data={"x": 1}),
        TextPart("b"),
    )


def test_reasoning_is_its_vendor_s_and_plain_text_is_nobody_s():
    assert parts(ChatStreamChunk(reasoning="a", origin="v"), text("b", origin="v")) == (
        ReasoningPart("a", origin="v"),
        TextPart("b"),
    )


def test_a_vendor_s_data_goes_to_the_part_it_comes_with_and_is_merged():
    assert parts(
        text("a", origin="v", provider_data={"x": 1}),
        text("b", origin="v", provider_data={"y": 2}),
    ) == (TextPart("ab", origin="v", provider_data={"x": 1, "y": 2}),)


def test_citations_belong_to_the_text_they_come_with():
    assert parts(text("Paris"), ChatStreamChunk(citations=(SOURCE,)), text(".", citations=(SOURCE,))) == (
        TextPart("Paris.", (SOURCE, SOURCE)),
    )


def test_the_answer_so_far_can_be_asked_for_at_any_time():
    fold, seen = Fold(), []
    for piece in "abc":
        fold.add(text(piece))
        seen.append(fold.response().message.content)
    assert seen == ["a", "ab", "abc"]


# --- properties ---

KINDS = {"content": TextPart, "reasoning": ReasoningPart, "refusal": RefusalPart}


@st.composite
def splits(draw, whole):
    """Cut a text into pieces, some of them empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


runs = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.text(min_size=1, max_size=20)), max_size=5)


@given(runs, st.data())
def test_any_split_of_the_same_text_folds_to_the_same_answer(runs, data):
    whole = [ChatStreamChunk(**{kind: piece}) for kind, piece in runs]
    split = [ChatStreamChunk(**{kind: piece}) for kind, run in runs for piece in data.draw(splits(run))]
    assert folded(*split) == folded(*whole)


@given(st.lists(st.text(max_size=10), min_size=1, max_size=4), st.data())
def test_any_interleaving_of_the_pieces_of_parallel_calls_folds_to_the_same_calls(arguments, data):
    begun = [call(index, f"c{index}", "f") for index in range(len(arguments))]
    pieces = [[(index, piece) for piece in data.draw(splits(text))] for index, text in enumerate(arguments)]
    order = data.draw(st.permutations([index for index, own in enumerate(pieces) for _ in own]))
    queues = [iter(own) for own in pieces]
    later = [call(index, arguments=piece) for index, piece in (next(queues[index]) for index in order)]
    assert parts(*begun, *later) == tuple(ToolCall(f"c{i}", "f", text) for i, text in enumerate(arguments))


@given(st.lists(st.text(max_size=3), max_size=20))
def test_the_partial_answer_is_always_the_text_received_so_far(pieces):
    fold = Fold()
    for piece, so_far in zip(pieces, accumulate(pieces), strict=True):
        fold.add(text(piece))
        assert fold.response().message.content == so_far


def test_folding_is_linear_in_the_number_of_chunks():
    """Counts what is held, not seconds: each piece is kept once and joined when asked for."""
    fold = Fold()
    for _ in range(10_000):
        fold.add(text("x"))
    (run,) = fold._answers[0].runs
    assert len(run.pieces) == 10_000 and fold.response().message.content == "x" * 10_000


def test_pieces_of_different_blocks_stay_apart_and_those_of_one_block_come_together():
    found = parts(text("a", block=0), text("b", block=1), text("c", block=0))
    assert found == (TextPart("ac"), TextPart("b"))


def test_refusals_and_sources_go_to_the_block_they_name():
    refused = [ChatStreamChunk(refusal=piece, block=block) for piece, block in (("a", 0), ("b", 1), ("c", 0))]
    assert parts(*refused) == (RefusalPart("ac"), RefusalPart("b"))
    source = ChatStreamChunk(citations=(SOURCE,), block=0)
    assert parts(text("a", block=0), text("b", block=1), source) == (TextPart("a", (SOURCE,)), TextPart("b"))


def test_a_signature_seals_the_thinking_of_its_block_even_when_there_is_no_text_of_it():
    found = parts(
        ChatStreamChunk(reasoning="I see", origin="anthropic", block=0),
        text("x", block=1),
        ChatStreamChunk(signature="s0", origin="anthropic", block=0),
        ChatStreamChunk(signature="s2", origin="anthropic", block=2),
    )
    assert found == (
        ReasoningPart("I see", "s0", origin="anthropic"),
        TextPart("x"),
        ReasoningPart("", "s2", origin="anthropic"),
    )


def test_sources_with_a_vendor_s_data_mark_their_text_as_that_vendor_s():
    found = parts(text("so", block=0), ChatStreamChunk(citations=(SOURCE,), origin="anthropic", block=0))
    assert found == (TextPart("so", (SOURCE,), origin="anthropic"),)


def test_what_a_service_says_about_the_whole_answer_joins_what_is_known_beforehand():
    head = ChatResponse(Message("assistant"), metadata={"a": 1})
    answer = folded(text("x"), ChatStreamChunk(metadata={"b": 2}), ChatStreamChunk(metadata={"b": 3}), head=head)
    assert answer.metadata == {"a": 1, "b": 3}
    assert folded(text("x"), head=head).metadata == {"a": 1}
