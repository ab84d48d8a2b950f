"""Preflight: a crash is a result, a hang ends, and nothing of a key shows."""

FILE = "checks.py"
TESTS = "tests/test_checks.py::"

SABOTAGE = [
    (
        FILE,
        "{clean(text, limit=_LONGEST)}",
        "{text}",
        TESTS + "test_a_callable_that_crashes_with_the_key_in_its_words_shows_none_of_it",
    ),
    (
        FILE,
        "            return await alarm.guard(work())\n",
        "            return await work()\n",
        TESTS + "test_a_check_that_hangs_fails_when_its_time_is_over",
    ),
    (
        FILE,
        "        finally:\n            alarm.stop()\n",
        "        finally:\n            pass\n",
        TESTS + "test_a_cancellation_at_any_step_goes_through_and_leaves_no_timer",
    ),
    (
        FILE,
        "function() if is_async else await asyncio.to_thread(function)",
        "function()",
        TESTS + "test_a_plain_check_holds_nobody_up_and_is_given_up_when_its_time_is_over",
    ),
    (
        FILE,
        '            found.append(await self._held("reachable", self._reachable))\n        if found[-1].ok:\n',
        '            found.append(await self._held("reachable", self._reachable))\n        if True:\n',
        TESTS + "test_what_cannot_be_reached_is_not_asked_for_its_models",
    ),
    (
        "providers/_sender.py",
        "        if self._OWN is not None and self._endpoint.host == self._OWN[0]:\n            return",
        "        if self._OWN is not None:\n            return",
        TESTS + "test_a_provider_looks_at_the_form_of_its_key_and_shows_none_of_it",
    ),
]
