"""Trying again: what may be, how often, how long after, and never after the first output."""

LAYER = "tests/middleware/test_retry.py::"
QUOTA = "tests/middleware/test_retry_quota.py::"

SABOTAGE = [
    (
        "middleware/retry.py",
        "_paced(error) or ",
        "",
        "tests/middleware/test_retry_quota.py::test_a_rate_limit_that_says_when_to_come_back_takes_nothing_from_the_quota",
    ),
    (
        "middleware/retry.py",
        'error.category == "rate_limit" and error.retry_after is not None',
        "error.retry_after is not None",
        "tests/middleware/test_retry_quota.py::test_other_failures_take_from_the_quota",
    ),
    (
        "middleware/retry.py",
        "                await result.commit()\n",
        "                pass\n",
        LAYER + "test_a_stream_is_tried_again_before_its_first_output",
    ),
    (
        "middleware/retry.py",
        "            retry=lambda _: run.worth_it,\n",
        "            retry=lambda state: state.outcome.failed,\n",
        LAYER + "test_an_error_of_another_kind_in_between_ends_it",
    ),
    (
        "middleware/retry.py",
        '        """Make one attempt, and count how it went."""\n        self.worth_it = False\n',
        '        """Make one attempt, and count how it went."""\n',
        LAYER + "test_a_bug_in_a_later_attempt_comes_out_as_it_is",
    ),
    (
        "middleware/retry.py",
        "            return error.retryable\n",
        "            return True\n",
        LAYER + "test_an_error_that_will_come_again_is_raised_at_once",
    ),
    (
        "middleware/retry.py",
        "isinstance(error, _BROKEN_OFF) or ",
        "",
        LAYER + "test_what_never_helps_or_would_repeat_output_is_not_retried_whatever_retry_on_says",
    ),
    (
        "middleware/retry.py",
        "refused_here(error) or ",
        "",
        LAYER + "test_a_dry_run_is_not_retried",
    ),
    (
        "middleware/retry.py",
        " or error.should_retry is False",
        "",
        LAYER + "test_what_never_helps_or_would_repeat_output_is_not_retried_whatever_retry_on_says",
    ),
    (
        "middleware/retry.py",
        "            return asked + chance",
        "            return chance",
        LAYER + "test_a_wait_that_the_service_names_is_the_least_with_a_little_jitter",
    ),
    (
        "middleware/retry.py",
        " or (error.retry_after or 0.0) > LONGEST_RETRY_AFTER",
        "",
        LAYER + "test_a_wait_above_a_minute_is_raised_at_once",
    ),
    (
        "middleware/retry.py",
        "state.upcoming_sleep >= run.context.remaining() or ",
        "",
        LAYER + "test_a_wait_beyond_the_deadline_is_raised_at_once",
    ),
    (
        "middleware/retry.py",
        "        return not run.context.take_extra()\n",
        "        return False\n",
        LAYER + "test_nested_retries_share_the_attempts_left",
    ),
    (
        "middleware/retry.py",
        "min(self.cap, self.base * 2.0 ** min(state.attempt_number - 1, 64))",
        "self.base * 2.0 ** min(state.attempt_number - 1, 64)",
        LAYER + "test_the_wait_is_random_between_nothing_and_an_exponential_with_a_cap",
    ),
    (
        "middleware/retry.py",
        "        tell(self._hear, event, _LOGGER)\n",
        "        if self._hear:\n            self._hear(event)\n",
        LAYER + "test_what_on_retry_raises_is_logged_and_changes_nothing",
    ),
    (
        "middleware/retry.py",
        "run.context.remaining() or run.refused(error):",
        "run.context.remaining():",
        QUOTA + "test_calls_to_a_service_that_is_down_are_soon_not_tried_again",
    ),
    (
        "middleware/retry.py",
        "            if self.worth_it and self._quotas is not None:",
        "            if self._quotas is not None:",
        QUOTA + "test_what_would_not_be_tried_again_takes_no_token",
    ),
    (
        "middleware/retry.py",
        "            self._quotas.succeeded(self._key, self.clock)\n",
        "            pass\n",
        QUOTA + "test_successes_bring_retries_back",
    ),
    (
        "middleware/retry.py",
        "max(TOKENS, 2.0 * attempts)",
        "TOKENS",
        QUOTA + "test_one_call_has_all_its_attempts_of_a_full_quota",
    ),
    (
        "middleware/retry.py",
        "self._key = destination(inner)",
        "self._key = destination(inner)._replace(model=str(random.random()))",
        QUOTA + "test_all_models_of_a_service_have_one_quota_and_each_service_its_own",
    ),
    (
        "middleware/_quota.py",
        "        return self.tokens > self._most / 2\n",
        "        return self.tokens > 0\n",
        QUOTA + "test_a_thousand_requests_to_a_service_that_is_down_are_a_thousand_attempts",
    ),
    (
        "middleware/_quota.py",
        "self.tokens = min(self._most, self.tokens",
        "self.tokens = (self.tokens",
        QUOTA + "TestAnyHistory",
    ),
    (
        "middleware/_quota.py",
        "max(0.0, self.tokens - 1.0)",
        "self.tokens - 1.0",
        QUOTA + "TestAnyHistory",
    ),
    (
        "middleware/_quota.py",
        " + max(0.0, now - self._seen) / REFILL",
        "",
        QUOTA + "test_a_script_that_calls_now_and_then_has_its_retries_again_after_minutes",
    ),
    (
        "middleware/_quota.py",
        "max(0.0, now - self._seen)",
        "(now - self._seen)",
        QUOTA + "test_time_that_runs_backwards_takes_nothing",
    ),
    (
        "middleware/_quota.py",
        "        with self._lock:\n            bucket, timeline = self._kept.of(key)\n            return",
        "        if True:\n            bucket, timeline = self._kept.of(key)\n            return",
        QUOTA + "test_the_tokens_are_counted_behind_the_lock_only",
    ),
    (
        "middleware/_quota.py",
        "        with self._lock:\n            bucket, timeline = self._kept.of(key)\n            bucket.succeeded",
        "        if True:\n            bucket, timeline = self._kept.of(key)\n            bucket.succeeded",
        QUOTA + "test_the_tokens_are_counted_behind_the_lock_only",
    ),
]
