"""The loop with tools: what is never called, and what is left when it ends."""

LOOP, USE = "tools/loop.py", "tools/use.py"
TESTS = "tests/tools/test_loop.py::"

SABOTAGE = [
    (
        LOOP,
        "            self._rounds[-1] = evolve(self._rounds[-1], uses=tuple(ended))\n        self._tell",
        "        self._rounds[-1] = evolve(self._rounds[-1], uses=tuple(ended))\n        self._tell",
        TESTS + "test_the_tools_that_had_ended_are_in_a_run_that_failed",
    ),
    (
        "wire/toolids.py",
        "            return waiting.pop(0)\n",
        "            pass\n",
        "tests/wire/test_anthropic_encode.py::test_two_calls_of_one_id_have_each_their_result",
    ),
    (
        "sync/run.py",
        "        self._keeps = keeps  # whose thread it is: it would end with its client\n",
        "",
        TESTS + "test_a_sync_run_of_a_client_that_is_dropped_goes_on",
    ),
    (
        LOOP,
        '        if response.finish_reason not in _WHOLE:\n            return "cut"\n',
        "",
        TESTS + "test_an_answer_that_was_cut_has_none_of_its_calls_made",
    ),
    (
        LOOP,
        '        if len(calls) > self._loop.max_calls:\n            return "max_calls"\n',
        "",
        TESTS + "test_ten_thousand_calls_at_once_are_none",
    ),
    (LOOP, "                work.cancel()\n", "", TESTS + "test_tools_under_way_end_when_a_run_is_left"),
    (
        LOOP,
        "await uninterrupted(asyncio.wait((work,)))",
        "await asyncio.sleep(0)",
        TESTS + "test_a_cancellation_at_any_step_leaves_nothing_running",
    ),
    (
        LOOP,
        '            error.run = run.result("failed")\n',
        "",
        TESTS + "test_a_call_that_fails_ends_it_with_the_run_so_far",
    ),
    (
        LOOP,
        "options = evolve(options, tool_choice=ToolChoice())",
        "pass",
        TESTS + "test_a_tool_that_had_to_be_used_once_need_not_be_used_again",
    ),
    (
        LOOP,
        "json.dumps(arguments, sort_keys=True)",
        "call.arguments",
        TESTS + "test_the_same_call_again_and_again_is_told_so_and_ends_it",
    ),
    (
        USE,
        "        if allowed is True:\n",
        "        if allowed:\n",
        TESTS + "test_a_call_that_is_not_approved_is_not_made",
    ),
    (
        USE,
        "        await self._approving.enter()\n",
        "        await self._approving.enter() if False else self._approving.enter_now()\n",
        TESTS + "test_calls_are_approved_one_after_the_other",
    ),
    (
        USE,
        'str(failure) if isinstance(failure, ToolError) else f"the tool failed: {type(failure).__name__}"',
        "str(failure)",
        TESTS + "test_the_model_is_told_the_kind_of_an_error_and_not_its_text",
    ),
    (
        USE,
        " or isinstance(failure, (ToolError, ToolArgumentsError))",
        "",
        TESTS + "test_the_text_of_a_tool_error_is_for_the_model",
    ),
    (
        "tools/stream.py",
        "        if not self._entered:\n",
        "        if False:\n",
        TESTS + "test_without_async_with_a_run_is_refused_and_nothing_is_sent",
    ),
]
