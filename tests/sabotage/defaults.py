"""Defaults: only what is unset, the system prompt once, and nothing about tools where there are none."""

TESTS = "tests/middleware/test_defaults.py::"

SABOTAGE = [
    (
        "middleware/defaults.py",
        "for name in self._names if getattr(asked, name) in (None, (), {})}",
        "for name in self._names}",
        TESTS + "test_a_setting_of_the_request_stays",
    ),
    (
        "middleware/defaults.py",
        "{**given.extra.get(space, {}), **asked.extra.get(space, {})}",
        "{**asked.extra.get(space, {}), **given.extra.get(space, {})}",
        TESTS + "test_of_extra_the_single_settings_that_are_missing_are_added",
    ),
    (
        "middleware/defaults.py",
        "{**given.metadata, **asked.metadata}",
        "{**asked.metadata, **given.metadata}",
        TESTS + "test_of_metadata_the_single_notes_that_are_missing_are_added",
    ),
    (
        "middleware/defaults.py",
        " and not any(message.role in INSTRUCTING for message in request.messages)",
        "",
        TESTS + "test_a_request_with_a_system_prompt_keeps_its_own_alone",
    ),
    (
        "middleware/defaults.py",
        "    if not tools:\n",
        "    if False:\n",
        TESTS + "test_what_is_about_tools_is_left_out_where_none_is_offered",
    ),
    (
        "middleware/defaults.py",
        '        del missing["tool_choice"]\n',
        "        pass\n",
        TESTS + "test_the_choice_of_a_tool_by_name_is_added_where_it_is_offered",
    ),
    (
        "middleware/defaults.py",
        "        if name in STEERING:\n",
        "        if False:\n",
        TESTS + "test_what_steers_the_call_is_refused_with_the_place_to_set_it",
    ),
]
