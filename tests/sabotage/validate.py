"""Validate: nothing is asked beyond the attempts, nothing unfit goes out, and no error quotes an answer."""

FILE = "middleware/validate.py"
TESTS = "tests/middleware/test_validate.py::"

SABOTAGE = [
    (
        FILE,
        "        return context.remaining() > 0 and context.take_extra()\n",
        "        return context.remaining() > 0\n",
        TESTS + "test_it_takes_of_the_attempts_left_in_the_call",
    ),
    (
        FILE,
        "context.remaining() > 0 and ",
        "",
        TESTS + "test_nothing_is_asked_again_when_the_time_is_over",
    ),
    (
        FILE,
        "if answer.cached and not fresh and context.take_extra():",
        "if answer.cached and not fresh:",
        TESTS + "test_without_an_attempt_left_the_cached_answer_is_the_error",
    ),
    (
        FILE,
        "        context.cache = before\n",
        "        pass\n",
        TESTS + "test_the_cache_mode_of_the_call_is_restored_when_the_fresh_call_fails",
    ),
    (
        FILE,
        "        if answer.dry_run or answer.message.tool_calls:\n",
        "        if answer.dry_run:\n",
        TESTS + "test_an_answer_that_calls_tools_passes_by",
    ),
    (
        FILE,
        '            if end.outcome != "completed" or not isinstance(end.response, ChatResponse):\n',
        "            if not isinstance(end.response, ChatResponse):\n",
        TESTS + "test_a_stream_that_is_left_early_is_not_checked",
    ),
    (
        "stream.py",
        'self._end = evolve(self._end, outcome="failed", error=rejection)',
        "pass",
        TESTS + "test_a_stream_is_handed_out_as_it_comes_and_the_error_comes_last",
    ),
    (
        "middleware/_expected.py",
        "kind(schema, registry=registry)",
        "kind(schema)",
        TESTS + "test_what_a_schema_refers_to_elsewhere_is_not_fetched",
    ),
    (
        "middleware/_expected.py",
        "step if isinstance(step, int) or step in declared else None",
        "step",
        TESTS + "test_what_a_schema_finds_wrong_is_told_in_its_own_words",
    ),
    (
        "schema/unions.py",
        "    if key not in seen:\n",
        "    if True:\n",
        "tests/schema/test_structure.py::test_nested_unions_take_no_exponential_time",
    ),
]
