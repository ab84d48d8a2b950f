"""Hooks: told in order, never changing the result, and gone when the call is over."""

FILE = "middleware/hooks.py"
TESTS = "tests/middleware/test_hooks.py::"

SABOTAGE = [
    (
        FILE,
        "        self.context.unobserve(self.see)\n",
        "",
        TESTS + "test_inside_retry_every_attempt_is_told_and_no_observer_is_left",
    ),
    (
        FILE,
        "        self.context.unobserve(self.see)\n",
        "        if end.outcome == 'completed':\n            self.context.unobserve(self.see)\n",
        TESTS + "test_a_stream_that_is_left_early_has_no_end_that_is_told",
    ),
    (
        FILE,
        "                if task is None or task.cancelling() > before:\n                    raise",
        "                if True:\n                    raise",
        TESTS + "test_a_hook_that_fails_is_logged_and_changes_nothing",
    ),
    (
        FILE,
        "                if task is None or task.cancelling() > before:\n                    raise",
        "                if False:\n                    raise",
        TESTS + "test_a_cancellation_while_a_hook_waits_goes_through",
    ),
    (
        FILE,
        (
            "            except Exception as error:  # noqa: BLE001  # hooks never change a result\n"
            "                self._complain(event, function, error)\n\n"
        ),
        "            finally:\n                pass\n\n",
        TESTS + "test_a_hook_that_fails_is_logged_and_changes_nothing",
    ),
    (
        FILE,
        (
            "            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # hooks never change a result\n"
            "                self._complain(event, function, error)\n            else:\n"
        ),
        "            finally:\n                pass\n            if True:\n",
        TESTS + "test_a_plain_hook_that_fails_changes_nothing_and_is_logged_once_for_a_call",
    ),
    (
        FILE,
        "                    result.close()\n",
        "",
        TESTS + "test_a_plain_hook_that_turns_out_to_be_async_is_logged_and_leaves_no_warning",
    ),
    (
        FILE,
        "        if (event, id(function)) in self._failed:\n            return\n",
        "",
        TESTS + "test_a_plain_hook_that_fails_changes_nothing_and_is_logged_once_for_a_call",
    ),
    (
        FILE,
        'await call.tell("before_request", evolve(request, context=None))',
        'await call.tell("before_request", request)',
        TESTS + "test_a_request_is_told_without_the_context_of_its_call",
    ),
    (
        FILE,
        " and not isinstance(end.error, DryRunStop)",
        "",
        TESTS + "test_a_dry_run_is_no_error",
    ),
    (
        FILE,
        'end.outcome == "failed" and isinstance(end.error, Exception)',
        'end.outcome == "failed"',
        TESTS + "test_the_end_of_the_program_is_not_told",
    ),
    (
        FILE,
        'elif end.outcome == "failed" and',
        "elif",
        TESTS + "test_a_stream_closed_from_elsewhere_has_no_end_that_is_told",
    ),
    (
        FILE,
        "MappingProxyType(dict(self.context.tags))",
        "self.context.tags",
        TESTS + "test_the_context_cannot_be_changed",
    ),
    (
        FILE,
        "        with self._lock:\n            self._hooks =",
        "        if True:\n            self._hooks =",
        TESTS + "test_hooks_are_added_under_the_lock",
    ),
    (
        FILE,
        "        if not any(hooks.values()):\n            return await call_next(request)\n",
        "",
        TESTS + "test_without_hooks_the_call_passes_by",
    ),
    (
        "middleware/_hook.py",
        "    if event not in AWAITED and _is_async(function):\n",
        "    if False:\n",
        TESTS + "test_an_async_function_where_the_call_cannot_wait_is_refused_with_the_reason",
    ),
]
