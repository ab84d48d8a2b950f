"""Schemas: what a reader must refuse, what a service must not be sent, and what must not be lost in silence."""

SCHEMA = "tests/schema/test_schema.py::"
LOWERING = "tests/schema/test_lowering.py::"
BOUNDS = "tests/schema/test_bounds.py::"
WIRES = "tests/wire/test_schemas.py::"

SABOTAGE = [
    (
        "schema/jsontypes.py",
        "    if is_enum(kind):  # a `StrEnum`",
        "    if False:  # a `StrEnum`",
        "tests/schema/test_structure.py::test_what_fits_becomes_a_value_of_the_type",
    ),
    (
        "schema/structure.py",
        "    if closed and any(name not in present for name in value):",
        "    if False:",
        SCHEMA + "test_a_reader_that_is_closed_refuses_what_the_schema_does_not_allow",
    ),
    (
        "schema/structure.py",
        "        if value[name] is None and not member.required and not admits_null(member.kind):",
        "        if value[name] is None and not member.required:",
        SCHEMA + "test_null_stands_for_not_given_where_a_key_has_a_default_and_the_type_has_no_null",
    ),
    (
        "schema/structure.py",
        "        if problems := problems_of(found, limits):",
        "        if problems := problems_of(found, {}):",
        BOUNDS + "test_a_value_beyond_its_bounds_does_not_fit",
    ),
    (
        "schema/jsontypes.py",
        "    if not number.is_finite() or abs(number.adjusted()) > _LARGEST:",
        "    if not number.is_finite():",
        SCHEMA + "test_a_reader_that_is_closed_refuses_what_the_schema_does_not_allow",
    ),
    (
        "schema/lowering.py",
        "        return described(out, told)",
        "        return out",
        LOWERING + "test_each_service_gets_what_it_takes_and_the_description_tells_the_rest",
    ),
    (
        "schema/lowering.py",
        '                self.problems.append(f"{path} is an object with keys of any name")',
        "                pass",
        LOWERING + "test_what_a_service_could_not_follow_is_said",
    ),
    (
        "wire/schemas.py",
        "    if found.lost:",
        "    if False:",
        WIRES + "test_what_binds_nobody_is_named_in_a_warning",
    ),
    (
        "wire/schemas.py",
        "    if found.problems:",
        "    if False:",
        WIRES + "test_a_tool_that_the_service_cannot_be_strict_about_is_not_strict_and_that_is_said",
    ),
]
