"""Templates and JSON that a model wrote: what is refused, and that values stay values."""

TEMPLATE, JSON = "template.py", "jsontext.py"
T, J = "tests/test_template.py::", "tests/test_jsontext.py::"

SABOTAGE = [
    (
        TEMPLATE,
        'elif match[0] in "{}":',
        'elif match[0] == "{":',
        T + "test_a_brace_that_belongs_to_no_place_is_refused_with_its_position",
    ),
    (
        TEMPLATE,
        " and isinstance(value, bool) == (kind is bool)",
        "",
        T + "test_a_variable_with_a_type_takes_that_type_alone",
    ),
    (JSON, "object_pairs_hook=_unique, ", "", J + "test_what_is_not_exactly_json_is_refused_in_words_that_help"),
    (JSON, ", parse_float=_finite", "", J + "test_what_is_not_exactly_json_is_refused_in_words_that_help"),
    (JSON, "if len(blocks) == 1:", "if blocks:", J + "test_an_answer_is_never_a_guess"),
]
