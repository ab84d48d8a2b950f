"""A further call for a slow one: when it may start, who wins, and that nobody runs on."""

TESTS = "tests/middleware/test_hedge.py::"
LAYER, RACE = "middleware/hedge.py", "middleware/_race.py"

SABOTAGE = [
    (LAYER, " or not context.take_extra():", ":", TESTS + "test_without_an_attempt_left_there_is_no_hedge"),
    (
        LAYER,
        "or not self._within_quota() ",
        "",
        TESTS + "test_a_service_that_is_slow_as_a_whole_is_soon_not_asked_twice",
    ),
    (LAYER, "        further.answered()\n", "", TESTS + "test_answers_in_time_fill_the_quota_again"),
    (LAYER, "max(TOKENS, 2.0 * (most + 1))", "TOKENS", TESTS + "test_one_call_may_take_all_its_further_ones"),
    (LAYER, "context.remaining() <= 0 or ", "", TESTS + "test_time_that_is_over_is_not_hedged"),
    (LAYER, "self._started == layer.most or ", "", TESTS + "test_a_slow_call_gets_a_second_one_after_the_delay"),
    (LAYER, "any(map(_pushes_back, errors)) or ", "", TESTS + "test_a_push_back_that_is_in_no_journal_counts_too"),
    (
        LAYER,
        " or self._pushed_back():",
        ":",
        TESTS + "test_a_retry_inside_that_waits_as_it_was_asked_to_is_not_hedged",
    ),
    (
        LAYER,
        " or attempt.retry_after is not None",
        "",
        TESTS + "test_a_retry_inside_that_waits_as_it_was_asked_to_is_not_hedged",
    ),
    (LAYER, "len(context.journal)", "0", TESTS + "test_a_push_back_of_an_earlier_attempt_does_not_count"),
    (
        "opening.py",
        "            await result.close()\n",
        "",
        TESTS + "test_a_bug_in_what_looks_on_leaves_no_stream_open",
    ),
    (
        "opening.py",
        "            await result.commit()\n",
        "            pass\n",
        TESTS + "test_a_stream_that_has_begun_without_output_is_slow",
    ),
    (
        RACE,
        "            await self._end(self._runners)\n",
        "",
        TESTS + "test_a_cancelled_caller_cancels_both_and_goes_when_they_have_ended",
    ),
    (
        RACE,
        "            await self._end(losers)\n",
        "            pass\n",
        TESTS + "test_the_first_to_give_something_wins_and_the_other_is_cancelled_and_journalled",
    ),
    (
        RACE,
        "            await self._end([winner])\n",
        "",
        TESTS + "test_a_cancellation_at_any_step_leaves_nothing",
    ),
    (
        RACE,
        "await uninterrupted(_ended(runners))",
        "await _ended(runners)",
        TESTS + "test_a_cancellation_at_any_step_leaves_nothing",
    ),
    (
        RACE,
        "                await result.close()\n",
        "                pass\n",
        TESTS + "test_of_two_that_come_at_once_the_first_wins_and_the_second_is_closed",
    ),
    (
        RACE,
        "                self._timer.cancel()\n",
        "                pass\n",
        TESTS + "test_an_answer_in_time_is_not_hedged",
    ),
    (
        RACE,
        "if not isinstance(error, AIClientError):",
        "if error is None:",
        TESTS + "test_a_bug_in_one_ends_both_at_once",
    ),
    (
        RACE,
        "if len(failures) == len(self._runners):",
        "if failures:",
        TESTS + "test_a_failure_of_one_waits_for_the_other",
    ),
    (
        RACE,
        "return self._runners[0]",
        "return self._runners[-1]",
        TESTS + "test_when_both_fail_the_first_calls_error_is_raised",
    ),
    (
        RACE,
        "            self._runners.clear()\n            del winner",
        "            pass",
        TESTS + "test_an_error_is_gone_when_its_caller_has_forgotten_it",
    ),
]
