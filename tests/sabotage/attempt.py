"""The innermost layer: every exchange is limited, written down once, and a dry run sends nothing."""

SABOTAGE = [
    (
        "attempt.py",
        "        if context.dry_run:\n            raise exchange._stop(inner, request, stream=stream)\n",
        "",
        "tests/test_attempt.py::test_a_dry_run_sends_nothing_and_says_so",
    ),
    (
        "attempt.py",
        "        context.started += 1\n        self._number = context.started\n",
        "        self._number = len(context.journal) + 1\n",
        "tests/test_attempt.py::test_exchanges_are_numbered_in_the_order_of_their_start",
    ),
    (
        "attempt.py",
        "        finally:\n            alarm.stop()\n",
        "        finally:\n            pass\n",
        "tests/test_attempt.py::test_a_call_in_time_leaves_no_timer",
    ),
    (
        "attempt.py",
        "        stream.on_first_output(self._note_first)\n",
        "",
        "tests/test_attempt.py::test_the_first_output_of_a_stream_is_timed",
    ),
    (
        "attempt.py",
        "        if self._ends - self._began < SHORT:\n            _mark_short(error)\n",
        "",
        "tests/test_attempt.py::test_a_limit_below_ten_seconds_does_not_speak_against_the_service",
    ),
    (
        "attempt.py",
        "provider if journalled(provider) else Attempts()(provider)",
        "Attempts()(provider)",
        "tests/test_attempt.py::test_an_exchange_through_a_chain_of_chains_is_written_down_once",
    ),
    (
        "attempt.py",
        "cost=answer.cost or cost,",
        "cost=cost or answer.cost,",
        "tests/test_attempt.py::test_a_cost_that_a_provider_states_stays",
    ),
]
