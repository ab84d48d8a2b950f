"""Trying again: what may be, how often, how long after, and never after the first output."""

SABOTAGE = [
    (
        "middleware/retry.py",
        "            await result.commit()\n",
        "            pass\n",
        "tests/middleware/test_retry.py::test_a_stream_is_tried_again_before_its_first_output",
    ),
    (
        "middleware/retry.py",
        "return isinstance(error, AIClientError) and error.retryable",
        "return isinstance(error, AIClientError)",
        "tests/middleware/test_retry.py::test_an_error_of_another_kind_in_between_ends_it",
    ),
    (
        "middleware/retry.py",
        "return isinstance(error, AIClientError) and error.retryable",
        'return getattr(error, "retryable", True)',
        "tests/middleware/test_retry.py::test_a_bug_in_a_later_attempt_comes_out_as_it_is",
    ),
    (
        "middleware/retry.py",
        "            return asked + random.random()",
        "            return random.random()",
        "tests/middleware/test_retry.py::test_a_wait_that_the_service_names_is_the_least_with_a_little_jitter",
    ),
    (
        "middleware/retry.py",
        " or (_error(state).retry_after or 0.0) > LONGEST_RETRY_AFTER",
        "",
        "tests/middleware/test_retry.py::test_a_wait_above_a_minute_is_raised_at_once",
    ),
    (
        "middleware/retry.py",
        "        if state.upcoming_sleep >= context.remaining():\n            return True\n",
        "",
        "tests/middleware/test_retry.py::test_a_wait_beyond_the_deadline_is_raised_at_once",
    ),
    (
        "middleware/retry.py",
        "        return not context.take_extra()\n",
        "        return False\n",
        "tests/middleware/test_retry.py::test_nested_retries_share_the_attempts_left",
    ),
    (
        "middleware/retry.py",
        "longest = min(self.cap, self.base * 2.0 ** min(state.attempt_number - 1, 64))",
        "longest = self.base * 2.0 ** min(state.attempt_number - 1, 64)",
        "tests/middleware/test_retry.py::test_the_wait_is_random_between_nothing_and_an_exponential_with_a_cap",
    ),
]
