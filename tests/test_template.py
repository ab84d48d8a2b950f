"""Templates: what a place is, what may be filled in, and that a value never becomes a template."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiclient import Client, ConfigError, InvalidRequestError, Template
from aiclient.fluent import Fluent
from aiclient.testutil import MockProvider

BRIEF = Template(system="Answer in {count} words, {tone}.", user="What is {thing}?", name="brief", version="3")


def texts(template, **values):
    return [(message.role, message.content) for message in template.render(**values)]


# --- places ---


def test_places_are_filled_in_both_messages():
    assert texts(BRIEF, count=5, tone="warmly", thing="rain") == [
        ("system", "Answer in 5 words, warmly."),
        ("user", "What is rain?"),
    ]


def test_a_template_may_have_one_message_alone():
    assert texts(Template(user="Hi {name}"), name="Ann") == [("user", "Hi Ann")]
    assert texts(Template(system="Be brief.")) == [("system", "Be brief.")]


def test_the_places_are_known_in_their_order_and_once():
    assert Template(system="{b} {a}", user="{a} {c}").names == ("b", "a", "c")


def test_doubled_braces_are_braces():
    assert texts(Template(user='{{"a": {value}}} {{{value}}}'), value=1) == [("user", '{"a": 1} {1}')]


@given(st.text(), st.text())
def test_a_value_stands_as_it_is_whatever_it_holds(one, other):
    assert Template(user="<{a}|{b}>").render(a=one, b=other)[0].content == f"<{one}|{other}>"


def test_a_value_is_not_expanded_again():
    assert texts(Template(user="{a} {b}"), a="{b} {{x}} {0} {a.__class__}", b="B") == [
        ("user", "{b} {{x}} {0} {a.__class__} B")
    ]


@pytest.mark.parametrize(
    "text",
    ["{", "}", "{}", "{0}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{ a }", "{a", "a}", "{{{a}}", "{a b}", "{'a'}"],
)
def test_a_brace_that_belongs_to_no_place_is_refused_with_its_position(text):
    with pytest.raises(ConfigError, match=r"the brace at character \d+ of user .* is written \{\{ or \}\}"):
        Template(user=text)


@given(st.text(alphabet="{}ab._[]!: 0", max_size=20))
def test_any_text_is_a_template_or_refused_and_a_good_one_renders(text):
    try:
        template = Template(user=f"x{text}")
    except ConfigError:
        return
    rendered = template.render(**dict.fromkeys(template.names, "v"))[0].content
    assert len(rendered) <= len(text) + 1


@pytest.mark.parametrize(
    "options", [{}, {"system": " "}, {"user": 5}, {"user": "x", "name": ""}, {"user": "x", "version": 2}]
)
def test_a_template_without_text_or_with_something_else_is_refused(options):
    with pytest.raises(ConfigError, match="template"):
        Template(**options)


# --- values ---


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({}, "brief: count is missing; tone is missing; thing is missing"),
        ({"count": 1, "tone": "", "thing": None}, "thing must be a text or a number, not NoneType None"),
        ({"count": True, "tone": "", "thing": ""}, "count must be a text or a number, not bool True"),
        ({"count": 1, "tone": "", "thing": "", "thnig": 1}, "thnig is unknown; did you mean 'thing'?"),
        ({"count": 1, "tone": "", "thing": "", "zzz": 1}, "zzz is unknown; there are count, tone, thing"),
    ],
)
def test_values_that_do_not_fit_are_named_all_at_once(values, problems):
    with pytest.raises(InvalidRequestError) as caught:
        BRIEF.render(**values)
    assert problems in str(caught.value)


def test_the_builder_takes_only_templates():
    with Client(MockProvider()) as client, pytest.raises(InvalidRequestError, match=r"takes a Template, .* not str"):
        client.new_request().template("What is {thing}?", thing="snow")


def test_a_template_without_places_says_so():
    with pytest.raises(InvalidRequestError, match="x is unknown; it has no places"):
        Template(user="Hi").render(x=1)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (str, "a", 1),
        (int, 1, 1.5),
        (int, 0, False),
        (float, 1, "1"),
        (float, 1.5, True),
        (bool, True, 1),
        (Decimal, Decimal("1.10"), 1.1),
        (["formal", "warm"], "warm", "cold"),
        ({"only"}, "only", ["only"]),
    ],
)
def test_a_variable_with_a_type_takes_that_type_alone(kind, good, bad):
    template = Template(user="{v}", variables={"v": kind})
    assert template.render(v=good)[0].content == str(good)
    with pytest.raises(InvalidRequestError, match="v must be"):
        template.render(v=bad)


@pytest.mark.parametrize("kind", [list, object, "int", [], [1], 5, b"ab"])
def test_a_type_that_cannot_be_checked_is_refused(kind):
    with pytest.raises(ConfigError, match="the variable 'v' can be str, int, float, bool, decimal, or one of"):
        Template(user="{v}", variables={"v": kind})


def test_a_type_for_a_name_that_does_not_occur_is_refused():
    with pytest.raises(ConfigError, match="'cuont' does not occur in the template; did you mean 'count'"):
        Template(user="{count}", variables={"cuont": int})


def test_a_place_may_be_called_self():
    assert texts(Template(user="{self}"), self="me") == [("user", "me")]


def test_a_template_does_not_change_with_the_dict_it_was_made_of():
    kinds = {"v": int}
    template = Template(user="{v}", variables=kinds)
    kinds.clear()
    assert template.variables == {"v": int}


# --- requests ---


def test_a_request_takes_a_template_and_is_tagged_with_its_name_and_version():
    request = Fluent().system("First.").template(BRIEF, count=1, tone="x", thing="y").tags(team="a").build()
    assert [message.role for message in request.messages] == ["system", "system", "user"]
    assert request.options.tags == {"template": "brief", "template_version": "3", "team": "a"}


def test_a_number_too_long_to_be_written_is_refused_by_name():
    with pytest.raises(InvalidRequestError, match="n is a number with more digits"):
        Template(user="{n}").render(n=10**5000)


def test_a_template_without_a_name_adds_no_tag():
    assert Fluent().template(Template(user="Hi")).build().options.tags == {}


def test_a_template_is_sent_like_any_other_prompt():
    with Client(MockProvider(chat_func=lambda request: request.messages[-1].content)) as client:
        response = client.new_request().template(BRIEF, count=1, tone="x", thing="snow").do()
    assert response.message.content == "What is snow?"


# --- files ---

FIELDS = {
    "system": "Be {tone}.",
    "user": "{count}",
    "variables": {"count": "int", "tone": ["calm"]},
    "name": "n",
    "version": "1",
}
TOML = (
    'system = "Be {tone}."\nuser = "{count}"\nname = "n"\nversion = "1"\n[variables]\ncount = "int"\ntone = ["calm"]\n'
)


@pytest.mark.parametrize(("suffix", "text"), [(".json", json.dumps(FIELDS)), (".toml", TOML)])
def test_a_template_is_read_from_a_file(tmp_path, suffix, text):
    path = tmp_path / f"t{suffix}"
    path.write_text(text, "utf-8")
    variables = {"count": int, "tone": ["calm"]}
    assert Template.load(path) == Template(
        system="Be {tone}.", user="{count}", variables=variables, name="n", version="1"
    )


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("t.json", "[]", "must hold an object"),
        ("t.json", "{", "cannot be read"),
        ("t.toml", "a = ", "cannot be read"),
        ("t.yaml", "user: x", "must end in .json or .toml"),
        ("t.json", '{"usr": "x"}', "unknown field 'usr'; did you mean 'user'?"),
        ("t.json", '{"user": 5}', "template user=5 must be a text"),
        ("t.json", '{"user": "{v}", "variables": {"v": "list"}}', "the unknown type 'list'; types are str, int"),
        ("t.json", '{"user": "{v}", "variables": ["v"]}', "variables must be a table"),
        ("t.json", '{"user": "{v}", "variables": {"v": 5}}', "can be str, int"),
        ("t.json", '{"user": "{"}', "the brace at character 0"),
        ("t.json", '{"user": "\udcff"}'.encode("utf-8", "surrogateescape"), "cannot be read"),
        ("t.json", "[" * 200_000, "cannot be read"),
    ],
)
def test_a_file_that_holds_something_else_is_refused_by_name(tmp_path, file, text, problem):
    path = tmp_path / file
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        Template.load(path)
    assert problem in str(caught.value)
    assert file in str(caught.value)


def test_a_file_that_is_not_there_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        Template.load(tmp_path / "no.json")
