"""Answers of a type: how the service is told, and what is made of the answer."""

FILE = "output.py"
TESTS = "tests/test_output.py::"

SABOTAGE = [
    (
        FILE,
        'answer.finish_reason if answer.finish_reason not in (None, "tool_calls") else "stop"',
        '"stop"',
        TESTS + "test_a_tool_answer_that_was_cut_is_not_asked_for_again",
    ),
    (
        FILE,
        "if self._wraps and answer.output is not None:",
        "if False:",
        TESTS + "test_what_is_no_object_stands_in_one",
    ),
    (
        FILE,
        "if {call.name for call in calls} != {_TOOL}:",
        "if not calls:",
        TESTS + "test_an_answer_that_calls_tools_of_the_request_is_handed_on",
    ),
    (FILE, "and call.index == self._index:", ":", TESTS + "test_the_arguments_of_the_tool_grow_too"),
    (
        FILE,
        '(not known or "schema" in known) and ',
        "",
        TESTS + "test_the_way_that_the_model_takes_is_found_without_asking_it",
    ),
    (
        FILE,
        "        if chunk.choice:\n            return\n",
        "",
        TESTS + "test_further_choices_do_not_grow_into_the_value",
    ),
    (
        "sync/stream.py",
        "None if growing is None else growing.fresh()",
        "growing",
        TESTS + "test_a_sync_reader_sees_the_value_of_the_chunks_it_has_read",
    ),
    (
        "partialjson.py",
        "copies = [container.copy() for container in self._containers]",
        "copies = self._containers",
        "tests/test_partialjson.py::test_a_value_that_was_read_does_not_change_later",
    ),
    (
        "partialjson.py",
        "        if len(self._containers) == _DEEPEST:\n            raise _BrokenError\n",
        "",
        "tests/test_partialjson.py::test_hostile_text_ends_the_reading",
    ),
]
