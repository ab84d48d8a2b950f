"""Answers, usage and cost."""

from __future__ import annotations

from array import array
from decimal import Decimal

import attrs
import pytest

from aiclient.errors import InvalidRequestError
from aiclient.messages import Message
from aiclient.response import NO_USAGE, ChatResponse, Cost, EmbeddingResponse, Usage


@pytest.mark.parametrize(
    ("given", "total"),
    [
        ({}, None),
        ({"prompt_tokens": 3}, None),
        ({"completion_tokens": 3}, None),
        ({"prompt_tokens": 3, "completion_tokens": 0}, 3),
        ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 9}, 9),
        ({"total_tokens": 0}, 0),
    ],
    ids=["unknown", "prompt-only", "completion-only", "sum", "vendor-s-total", "vendor-s-zero"],
)
def test_the_total_is_the_vendor_s_or_a_sum_of_two_known_numbers(given, total):
    assert Usage(**given).total_tokens == total


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        (Cost(Decimal("0.00045")), "$0.00045"),
        (Cost(Decimal("1E+2")), "$100"),
        (Cost(Decimal("0.5"), estimated=True), "$0.5 (estimated)"),
    ],
)
def test_a_cost_prints_as_dollars(cost, shown):
    assert str(cost) == shown and float(cost) == float(cost.usd)


def test_an_answer_knows_nothing_it_was_not_told():
    answer = ChatResponse(Message("assistant"))
    assert (answer.usage, answer.cost, answer.model, answer.finish_reason) == (NO_USAGE, None, None, None)
    assert (answer.attempts, answer.warnings, answer.alternatives, answer.raw_usage) == ((), (), (), None)


def test_the_raw_body_is_neither_compared_nor_shown():
    one, two = ChatResponse(Message("assistant"), raw={"canary": 1}), ChatResponse(Message("assistant"))
    assert one == two and "canary" not in repr(one)


def test_raw_usage_is_the_vendor_s_object():
    usage = Usage(raw_usage={"in": 3})
    assert ChatResponse(Message("assistant"), usage=usage).raw_usage == {"in": 3}
    assert EmbeddingResponse([[1.0]], usage=usage).raw_usage == {"in": 3}


def test_vectors_are_arrays_of_32_bit_floats_and_arrays_are_kept():
    given = array("f", [0.5, 0.25])
    answer = EmbeddingResponse([[1, 2.5], given])
    assert answer.vectors[0] == array("f", [1, 2.5]) and answer.vectors[1] is given
    assert repr(answer) == "EmbeddingResponse(vectors=<2 vectors>)"


def test_vector_is_the_one_there_is():
    assert EmbeddingResponse([[1.0]]).vector == array("f", [1.0])


@pytest.mark.parametrize("vectors", [[], [[1.0], [2.0]]])
def test_vector_refuses_to_choose(vectors):
    with pytest.raises(ValueError, match=f"{len(vectors)} texts were embedded; use .vectors"):
        _ = EmbeddingResponse(vectors).vector


COUNTS = [field.alias for field in attrs.fields(Usage) if str(field.type) == "int | None"]


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [-1, 1.5, "5", True, float("nan"), float("inf")])
def test_what_no_number_of_tokens_can_be_is_left_out_and_named(name, value):
    usage = Usage(**{name: value})
    assert (getattr(usage, name), usage.untrusted) == (None, (name,))


def test_a_whole_float_is_the_count_that_it_writes():
    assert Usage(prompt_tokens=508.0) == Usage(prompt_tokens=508)


@pytest.mark.parametrize(
    "usd", [0.5, "1", True, -1, Decimal("NaN"), Decimal(-1), Decimal("Infinity"), Decimal("1e-400000000000")]
)
def test_a_cost_that_is_no_amount_is_refused(usd):
    with pytest.raises(InvalidRequestError, match="must be a Decimal from 0 to"):
        Cost(usd)
