"""pydantic's models and annotated-types' markers, real ones: their schemas among ours, their validator for their values."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from datetime import date
from typing import Annotated

import pytest
from jsonschema import Draft202012Validator

from aiclient.schema.jsonvalues import to_json
from aiclient.schema.lowering import lowered
from aiclient.schema.misfits import Unfit
from aiclient.schema.schema import json_schema
from aiclient.schema.structure import reader

pydantic = pytest.importorskip("pydantic", reason="pydantic comes with the `oracles` extra")
annotated_types = pytest.importorskip("annotated_types", reason="annotated-types comes with the `oracles` extra")


class Line(pydantic.BaseModel):
    sku: str = pydantic.Field(min_length=3, description="Number of the article.")
    due: date | None = None


class Invoice(pydantic.BaseModel):
    lines: list[Line]
    parts: list[Invoice] = []


@dataclasses.dataclass
class Mail:
    subject: Annotated[str, annotated_types.Len(1, 80)]
    copies: Annotated[int, pydantic.Field(ge=0, description="How many.")] = 0
    invoice: Invoice | None = None
    line: Line | None = None


VALUE = {"subject": "x", "invoice": {"lines": [{"sku": "ABC", "due": "2026-11-28"}], "parts": [{"lines": []}]}}


def test_a_model_inside_of_a_class_has_its_schema_among_ours():
    schema = json_schema(Mail)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(VALUE)
    assert set(schema["$defs"]) == {"Invoice"}
    assert schema["properties"]["copies"] == {"type": "integer", "minimum": 0, "description": "How many.", "default": 0}
    assert schema["properties"]["subject"] == {"type": "string", "minLength": 1, "maxLength": 80}


def test_a_model_reads_and_writes_its_own_values():
    mail = reader(Mail, closed=True)(VALUE)
    assert mail.invoice == Invoice(lines=[Line(sku="ABC", due=date(2026, 11, 28))], parts=[Invoice(lines=[])])
    assert reader(Mail, closed=True)(to_json(mail)) == mail


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"lines": [{"sku": "A"}]}, "$.lines[0].sku: String should have at least 3 characters"),
        ({"lines": [{"sku": 123}]}, "$.lines[0].sku: Input should be a valid string"),
        ({}, "$.lines: Field required"),
        ([], "$: Input should be an object"),
    ],
)
def test_what_a_model_refuses_is_said_in_its_words_without_the_value(value, line):
    with pytest.raises(Unfit) as found:
        reader(Invoice)(value)
    assert found.value.lines == (line,)


def test_a_model_is_lowered_like_any_schema():
    found = lowered(json_schema(Line), "openai")
    assert (found.problems, found.schema["required"]) == ((), ["sku", "due"])


def test_pydantic_is_not_imported_for_types_of_ones_own():
    code = "import sys; from aiclient import json_schema; json_schema(list[int]); sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


class Note(pydantic.BaseModel):
    text: str
    author: str = "nobody"
    lines: list[Note] = []


def test_null_for_what_may_be_left_out_means_left_out():
    read = reader(Note)
    value = {"text": "x", "author": None, "lines": [{"text": "y", "author": None, "lines": None}]}
    assert read(value) == Note(text="x", lines=[Note(text="y")])
    with pytest.raises(Unfit) as caught:
        read({"text": None, "author": None})
    assert any("text" in line for line in caught.value.lines)
