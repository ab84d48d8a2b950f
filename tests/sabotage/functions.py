"""Functions as tools: what a model must not get past, and what must not wait for a function that hangs."""

FUNCTIONS = "tests/tools/test_functions.py::"
WORKER = "tests/test_worker.py::"

SABOTAGE = [
    (
        "tools/functions.py",
        "    if len(text) > _LONGEST:",
        "    if False:",
        FUNCTIONS + "test_hostile_arguments_are_told_in_words_a_model_can_act_on_and_nothing_is_called",
    ),
    (
        "tools/functions.py",
        "            if arguments.name != self.name:",
        "            if False:",
        FUNCTIONS + "test_a_call_of_another_tool_is_a_mistake_of_the_program",
    ),
    (
        "schema/structure.py",
        "            if len(problems) >= MOST:",
        "            if False:",
        FUNCTIONS + "test_what_is_wrong_a_million_times_is_not_read_to_the_end",
    ),
    (
        "request.py",
        "    return tuple(tool_of(item) for item in value)",
        "    return tuple(value)",
        FUNCTIONS + "test_requests_hold_plain_tools_and_compare_and_save_as_ever",
    ),
    (
        "worker.py",
        "        if done.done():  # the caller has left",
        "        if False:",
        WORKER + "test_a_failure_after_the_caller_has_left_is_logged_without_its_words",
    ),
    (
        "worker.py",
        "            result = context.run(work)",
        "            result = work()",
        WORKER + "test_a_function_runs_in_a_daemon_thread_with_the_callers_context",
    ),
]
